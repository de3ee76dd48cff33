"""What a shell completes: asked as the scripts of `magnus --show-completion` ask, and by bash with that script."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from magnus_render.cli import completion
from magnus_render.cli.main import COMMANDS, run

MAIN = "from magnus_render.cli.main import main; main()"
ROOT = Path(__file__).resolve().parents[2]
DEFINITION = """\
dag:
  name: 'prices $(touch hacked) `touch hacked` "x'
  start_at: first
  steps:
    first: {type: task, command_type: shell, command: 'mkdir -p data; touch data/a.txt "data/b c.txt"',
            catalog: {put: ["*"]}, next: "each one; touch hacked"}
    each one; touch hacked:
      type: map
      iterate_on: xs
      iterate_as: x
      next: last
      branch:
        start_at: train
        steps: {train: {type: task, command_type: shell, command: "true", next: ok}, ok: {type: success}, no: {type: fail}}
    last: {type: task, command_type: shell, command: "true", next: success}
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system, config: {path: elsewhere}}
catalog: {type: file-system}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a definition, and the runs `monday` and `mend-me` in the store that it names."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "dag.yaml").write_text(DEFINITION)
    for run_id in ("mend-me", "monday"):
        argv = [sys.executable, "-c", MAIN, "execute", "-q", "--run-id", run_id, "--param", "xs=[1, 2]"]
        subprocess.run(argv, cwd=folder, check=True)
    return folder


Asked = Callable[..., list[str]]


@pytest.fixture
def asked(project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Asked:
    """Ask as bash does; what is printed to standard error fails the test."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(completion, "_MOST_SECONDS", 60)  # what is asked here is no matter of time

    def ask(line: str, shell: str = "bash") -> list[str]:
        with monkeypatch.context() as patched:
            patched.setenv("_MAGNUS_COMPLETE", f"complete_{shell}")
            if shell == "bash":
                patched.setenv("COMP_WORDS", line.replace(" ", "\n"))  # as the script's IFS joins them
                patched.setenv("COMP_CWORD", str(line.count(" ")))
            else:
                patched.setenv("_TYPER_COMPLETE_ARGS", line)
                patched.setenv("_TYPER_COMPLETE_FISH_ACTION", "get-args")
            assert run([]) in (0, 1)
        out, err = capfd.readouterr()
        assert err == ""
        return out.split("\n")[:-1] if out.strip() else []

    return ask


SLUG = "each-one-touch-hacked-6ded62eb"


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("magnus ", list(COMMANDS)),
        ("magnus exec", ["execute", "execute_step", "execute_function", "execute_notebook"]),
        ("magnus runs s", ["show"]),
        ("magnus runs show -f dag.yaml mo", ["monday"]),
        ("magnus runs diff -f dag.yaml mend-me mo", ["monday"]),
        ("magnus runs show ", []),  # in .run_log_store are none
        ("magnus execute --use-cached m", ["monday", "mend-me"]),
        ("magnus execute --run-id m", []),
        ("magnus execute --resume --run-id m", ["monday", "mend-me"]),
        ("magnus graph dag.yaml --run mo", ["monday"]),
        ("magnus plan dag.yaml --use-cached mo", ["monday"]),
        ("magnus runs show -f dag.yaml monday --step f", ["first"]),
        ("magnus runs log -f dag.yaml monday each-one-touch-hacked-6ded62eb.1", [f"{SLUG}.1.train"]),
        ("magnus execute_step ", ["first", f"{SLUG}._.train", "last"]),
        ("magnus runs get -f dag.yaml monday ", ["a.txt"]),  # the other name would need quotes
        ("magnus runs export -f dag.yaml monday --format o", ["openlineage", "otlp"]),
        ("magnus render dag.yaml --target ar", ["argo"]),
        ("magnus explain MR04", [f"MR04{i}" for i in range(10)]),
        ("magnus graph dag.yaml --format s", ["svg"]),
        ("magnus ci git", ["github", "gitlab"]),
        ("magnus render ", []),  # files are the shell's business
    ],
)
def test_what_is_offered(asked: Asked, line: str, offered: list[str]) -> None:
    assert asked(line) == offered


def test_environments_of_the_project_are_offered(
    asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["init"]) == 0
    capfd.readouterr()
    assert asked("magnus render --all --env ") == ["dev", "prod"]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_say_what_a_run_is_and_evaluate_nothing_of_it(asked: Asked, shell: str) -> None:
    text = "\n".join(asked("magnus runs show -f dag.yaml mo", shell))
    assert "monday" in text and "SUCCESS, 2" in text and "prices touch hacked touch hacked" in text
    assert not set("$`;") & set(text.replace("\\$", ""))
    steps = "\n".join(asked("magnus runs log -f dag.yaml monday ", shell))
    assert f"{SLUG}.0.train" in steps and "SUCCESS task" in steps


@pytest.mark.parametrize(
    "line",
    [
        "magnus nonsense ",
        "magnus runs show -f missing.yaml ",
        "magnus runs show -f damaged.yaml ",
        "magnus runs log -f dag.yaml no-such-run ",
        "magnus runs log -f dag.yaml damaged ",
        "magnus execute_step -f damaged.yaml ",
        "magnus render --all --env ",
        "magnus runs show 'unended ",
    ],
)
def test_nothing_is_printed_where_something_is_wrong(asked: Asked, project: Path, line: str) -> None:
    (project / "damaged.yaml").write_text("dag: [")
    damaged = project / "elsewhere" / "damaged"
    damaged.mkdir(exist_ok=True)
    (damaged / "run.json").write_bytes(b"\xff")
    assert asked(line) == []
    shutil.rmtree(damaged)


def test_a_damaged_run_keeps_no_other_from_being_offered(asked: Asked, project: Path) -> None:
    damaged = project / "elsewhere" / "moved"
    damaged.mkdir()
    (damaged / "run.json").write_bytes(b"\xff")
    assert "monday" in "\n".join(asked("magnus runs show -f dag.yaml mo", "fish"))
    shutil.rmtree(damaged)


def test_an_answer_that_takes_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completion, "_MOST_SECONDS", 0.01)
    began = time.monotonic()

    def never() -> int:
        while time.monotonic() < began + 60:
            pass
        raise AssertionError

    assert completion.quietly(never) == 1 and time.monotonic() < began + 30


def test_only_the_command_at_hand_is_imported(project: Path) -> None:
    """Names of commands need none of them."""
    for line, imported in (("magnus ", set()), ("magnus runs ", {"runs"}), ("magnus explain ", {"explain"})):
        asking = {"_MAGNUS_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        environment = {**os.environ, **asking}
        patient = "from magnus_render.cli import completion; completion._MOST_SECONDS = 60"
        code = f"import sys, atexit; atexit.register(lambda: print(sorted(sys.modules))); {patient}; {MAIN}"
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=project,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        modules = {module for module, _, _ in COMMANDS.values()}
        assert {name for name in modules if f"'magnus_render.cli.{name}'" in done.stdout} == imported


def test_bash_completes_with_the_script_that_is_shown(project: Path, tmp_path: Path) -> None:
    program = tmp_path / "magnus"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{MAIN}" "$@"\n')
    program.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    script = """
        source <(magnus --show-completion bash)
        typed() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _magnus_completion magnus; echo "${COMPREPLY[*]}"; }
        complete -p magnus
        typed magnus ci ""
        typed magnus runs show -f dag.yaml m
        typed magnus runs log -f dag.yaml monday each
        typed magnus runs show -f damaged.yaml m
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    first, *lines = done.stdout.splitlines()
    assert "-F _magnus_completion magnus" in first and "-o default" in first
    steps = f"{SLUG} {SLUG}.0.train {SLUG}.1.train"
    assert lines == ["github gitlab pre-commit", "monday mend-me", steps, ""] and done.stderr == ""
    assert not (project / "hacked").exists()
