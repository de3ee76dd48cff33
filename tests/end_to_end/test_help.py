"""What `magnus --help` and the help of commands say."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from magnus_render.cli.examples import EXAMPLES
from magnus_render.cli.main import COMMANDS, EXECUTING, _app, run
from magnus_render.targets.lookup import every
from tests.pages import GIT

MAIN = "from magnus_render.cli.main import main; main()"
DIFFERING = {"runs diff": 1, "runs resume": 65, "runs cancel": 65}
"""The status of examples that tell of a difference, or are for runs that go on from job to job."""


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["render"])
    listed = line.removesuffix(".").split(": ")[1].split(", ")
    targets = [{target.name, *target.aliases} for target in every()[0]]
    assert len(listed) == len(targets)
    assert all(names & set(listed) for names in targets)


def commands(argv: list[str]) -> dict[str, Any]:
    """All commands, groups and their commands, as they are typed after `magnus`."""
    found: dict[str, Any] = {}
    for name, command in get_command(_app(list(COMMANDS), argv)).commands.items():  # type: ignore[attr-defined]
        found[f"{name} --all" if argv else name] = command
        found |= {f"{name} {inner}": one for inner, one in getattr(command, "commands", {}).items()}
    return found


def test_every_command_has_an_example_that_its_help_shows() -> None:
    of_project = {"render --all": commands(["--all"])["render --all"]}
    found = commands([]) | of_project
    assert found.keys() == EXAMPLES.keys()
    for name, command in found.items():
        shown = command.get_help(command.context_class(command, info_name=name))
        for line in EXAMPLES[name]:
            assert line in shown and len(f"    {line}") <= 80  # it is not wrapped
            assert line.startswith(f"magnus {name}".removesuffix(" --all"))


def test_each_example_can_be_typed_in_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the order of the table, all but the notebook, which takes packages that not everybody has: its options are read."""
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    for name in ("bucket", "queue", "image"):
        monkeypatch.setenv(f"MAGNUS_VAR_{name}", "prices-dev")
    (tmp_path / "aws.yaml").write_text((tmp_path / "config" / "aws.yaml").read_text())
    (tmp_path / "requirements.txt").touch()
    for words in ("init -q", "add .", "commit -qm project"):
        subprocess.run(
            ["git", *words.split()], check=True, env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin", **GIT}
        )
    for name, lines in EXAMPLES.items():
        for line in lines:
            _, *argv = shlex.split(line.partition(" > ")[0])
            if name == "execute_notebook":
                commands([])[name].make_context(name, argv[1:])
            elif name in EXECUTING:
                subprocess.run([sys.executable, "-c", MAIN, *argv], check=True, capture_output=True)
            else:
                status = run(argv)
                assert status == DIFFERING.get(name, 0), (line, capsys.readouterr().err)
    assert (tmp_path / "results" / "report.json").exists() and (tmp_path / "deploy").is_dir()
