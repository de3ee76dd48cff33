"""`magnus init` and `magnus ci`: a project that works as it is, and the commands that check it elsewhere."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import yaml

from magnus_render.cli.main import run as magnus
from magnus_render.targets.lookup import every
from tests.tools import environment, require
from tests.tools import magnus as command

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def shop(project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a new project."""
    assert magnus(["init", "shop"]) == 0
    capsys.readouterr()
    monkeypatch.chdir("shop")
    return project / "shop"


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def in_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of a CI file."""
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=environment(), capture_output=True, text=True, timeout=120
    )


def test_what_it_says_is_what_it_wrote_and_what_works(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert magnus(["init", "new/shop"]) == 0
    written, said = capsys.readouterr().out.split("\n\n", 1)
    assert sorted(written.splitlines()) == sorted(
        f"new/shop/{name}" for name in files(project / "new" / "shop")
    )
    commands = [line.partition("#")[0].strip() for line in said.splitlines() if line.startswith("    ")]
    assert commands[0] == "cd new/shop" and len(commands) == 4
    for line in commands[1:]:
        done = in_shell(line, project / "new" / "shop")
        assert done.returncode == 0 and "warning" not in done.stderr, f"{line}\n{done.stdout}\n{done.stderr}"
    assert "6 artefacts: 0 written" in done.stdout


def test_it_validates_and_checks_without_a_word(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["validate", "--imports"], ["render", "--all", "--check", "--strict"], ["test"]):
        assert magnus(words) == 0
        assert capsys.readouterr().err == ""
    targets = yaml.safe_load((shop / "magnus.yaml").read_text())["targets"]
    assert len(targets) == len(every()[0])


def test_the_script_runs_as_the_pipeline_does(shop: Path) -> None:
    script = shop / "rendered" / "dev" / "bash" / "prices.sh"
    for line in ("magnus execute -f dag.yaml --run-id a", f"{script} b", "magnus runs diff a b"):
        done = in_shell(line, shop)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_what_a_run_leaves_is_not_for_git(shop: Path) -> None:
    assert in_shell("git init -q . && git add . && magnus execute -f dag.yaml", shop).returncode == 0
    assert in_shell("git status --porcelain | grep -v '^A '", shop).stdout == ""


def test_nothing_that_is_there_is_replaced(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "dag.yaml").write_text("mine\n")
    (project / "config").write_text("a file\n")
    (project / ".gitignore").symlink_to("nowhere")
    (project / "cases.yaml").mkdir()
    before = sorted(path.name for path in project.iterdir())
    assert magnus(["init"]) == 65
    err = capsys.readouterr().err
    assert "nothing is written: dag.yaml, cases.yaml, config, .gitignore are there already" in err
    assert sorted(path.name for path in project.iterdir()) == before
    assert (project / "dag.yaml").read_text() == "mine\n"
    assert magnus(["init", "dag.yaml"]) == 65
    assert "dag.yaml is there already" in capsys.readouterr().err


def test_a_project_of_pyproject_is_not_hidden(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "pyproject.toml").write_text("[tool.magnus.pipelines]\n")
    assert magnus(["init"]) == 65
    assert "pyproject.toml with [tool.magnus] is there already" in capsys.readouterr().err
    assert magnus(["init", "below"]) == 0


def test_within_a_repository_no_ci_file_is_written(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / ".git").mkdir()
    assert magnus(["init", "below"]) == 0
    assert "see `magnus ci`" in capsys.readouterr().out
    assert not (project / "below" / ".github").exists()
    assert magnus(["init"]) == 0
    assert (project / ".github" / "workflows" / "magnus.yaml").exists()


# ---- CI


def commands(service: str, text: str) -> list[str]:
    """Return the lines that a service runs, in order."""
    content = yaml.safe_load(text)
    if service == "github":
        (job,) = content["jobs"].values()
        lines = [step["run"] for step in job["steps"] if "run" in step]
        folder = job.get("defaults", {}).get("run", {}).get("working-directory")
        return [f"cd {shlex.quote(folder)}", *lines] if folder else lines
    if service == "gitlab":
        return list(content["magnus"]["script"])
    return [hook["entry"] for repository in content["repos"] for hook in repository["hooks"]]


def own(service: str, text: str) -> list[str]:
    """Return the lines that a service runs, without that by which it installs magnus."""
    return [line for line in commands(service, text) if not line.startswith("pip install magnus-render==")]


@pytest.mark.parametrize("service", ["github", "gitlab", "pre-commit"])
def test_the_commands_of_a_snippet(shop: Path, capsys: pytest.CaptureFixture[str], service: str) -> None:
    assert magnus(["ci", service]) == 0
    lines = own(service, capsys.readouterr().out)
    assert [line.split()[:2] for line in lines] == [
        ["magnus", "validate"],
        ["magnus", "test"],
        ["magnus", "render"],
    ]
    assert [magnus(shlex.split(line)[1:]) for line in lines] == [0, 0, 0]
    (shop / "rendered" / "prod" / "argo" / "prices.yaml").unlink()
    assert [magnus(shlex.split(line)[1:]) for line in lines] == [0, 0, 1]


def test_a_folder_may_be_called_as_a_word_of_yaml(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".git").mkdir()
    assert magnus(["init", "no"]) == 0
    monkeypatch.chdir("no")
    capsys.readouterr()
    assert magnus(["ci", "github"]) == 0
    assert commands("github", capsys.readouterr().out)[0] == "cd no"


@pytest.mark.parametrize("service", ["github", "gitlab", "pre-commit"])
def test_the_commands_for_a_project_in_a_folder_of_its_repository(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, service: str
) -> None:
    (project / ".git").mkdir()
    folder = project / "sub folder" / "it's"
    assert magnus(["init", str(folder)]) == 0
    monkeypatch.chdir(folder)
    capsys.readouterr()
    assert magnus(["ci", service]) == 0
    lines = own(service, capsys.readouterr().out)
    stub = project / "bin" / "magnus"
    stub.parent.mkdir()
    stub.write_text("#!/bin/sh\npwd\n")
    stub.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join((str(stub.parent), os.environ["PATH"])))
    for script in lines if service == "pre-commit" else ["set -e\n" + "\n".join(lines)]:
        done = subprocess.run(["bash", "-c", script], cwd=project, capture_output=True, text=True, timeout=60)
        assert set(done.stdout.splitlines()) == {str(folder.resolve())}, f"{script}\n{done.stderr}"


def test_the_ci_file_of_a_new_project_is_the_snippet(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert magnus(["ci", "github"]) == 0
    assert (shop / ".github" / "workflows" / "magnus.yaml").read_text() == capsys.readouterr().out


def test_a_snippet_has_what_the_project_needs(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (shop / "magnus.yaml").write_text("pipelines: {p: {definition: dag.yaml}}\n")
    assert magnus(["ci", "gitlab"]) == 0
    assert commands("gitlab", capsys.readouterr().out)[1:] == ["magnus validate"]
    assert magnus(["ci", "jenkins"]) == 64


@pytest.mark.usefixtures("shop")
def test_the_hooks_of_our_repository() -> None:
    file = ROOT / ".pre-commit-hooks.yaml"
    hooks = yaml.safe_load(file.read_text())
    assert [hook["id"] for hook in hooks] == ["magnus-validate", "magnus-test", "magnus-render-check"]
    page = (ROOT / "docs" / "projects.md").read_text()
    for hook in hooks:
        assert f"`{hook['id']}`" in page
        assert magnus(shlex.split(hook["entry"])[1:]) == 0
    done = subprocess.run(
        [require("pre-commit"), "validate-manifest", str(file)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_pre_commit_takes_the_snippet(shop: Path) -> None:
    (shop / ".pre-commit-config.yaml").write_text(command(shop, "ci", "pre-commit").stdout)
    done = subprocess.run(
        [require("pre-commit"), "validate-config"], cwd=shop, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and not re.search("warn", done.stdout + done.stderr, re.I), done.stdout
