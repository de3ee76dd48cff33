"""`--isolated` and MAGNUS_ISOLATED: every step has a disk of its own, as on an engine with containers."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from magnus_render.runtime import workspace

MAGNUS = str(Path(sys.executable).with_name("magnus"))
DAG = """
dag:
  start_at: one
  steps:
    one:
      type: task
      command_type: shell
      command: |
        cat src/deep/code.txt || exit 1
        for place in data results src/deep .; do echo left > $place/left.txt; done
        echo kept > data/kept.txt
      catalog: {put: [kept.txt]}
      next: two
    two:
      type: task
      command_type: shell
      command: |
        for place in data results src/deep .; do test ! -e $place/left.txt || exit 1; done
        test "$(cat data/kept.txt)" = kept
      catalog: {get: ["*"]}
      executor_config: {local: {isolated: false}}
      next: success
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
catalog: {type: file-system}
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dag.yaml").write_text(DAG)
    Path("results").mkdir()
    Path("src/deep").mkdir(parents=True)
    Path("src/deep/code.txt").write_text("code")


def run(*words: str, **environment: str) -> int:
    return subprocess.run(words, env={**os.environ, **environment}).returncode


@pytest.mark.parametrize("words", [["--isolated"], []])
def test_a_failed_step_is_told_that_a_path_out_of_its_folder_leads_elsewhere(
    words: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    step = "{type: task, command_type: shell, command: 'cat ../shared.txt', next: success}"
    Path("dag.yaml").write_text(
        f"dag: {{start_at: up, steps: {{up: {step}, success: {{type: success}}, fail: {{type: fail}}}}}}"
    )
    assert run(MAGNUS, "execute", "-f", "dag.yaml", *words) == 1
    told = capfd.readouterr().err
    assert "up: exited with status 1\n" in told
    assert ("up: note: this step works in a folder of its own: '../' does not lead" in told) is bool(words)


def test_execute(tmp_path: Path) -> None:
    assert run(MAGNUS, "execute", "-f", "dag.yaml") == 1
    for left in tmp_path.rglob("left.txt"):
        left.unlink()
    assert run(MAGNUS, "execute", "-f", "dag.yaml", "--isolated") == 0
    assert run(MAGNUS, "execute", "-f", "dag.yaml", MAGNUS_ISOLATED="1") == 0
    assert not list(tmp_path.rglob("left.txt"))
    assert run(MAGNUS, "execute", "-f", "dag.yaml", MAGNUS_ISOLATED="0") == 1


def test_the_rendered_script(tmp_path: Path) -> None:
    assert run(MAGNUS, "render", "dag.yaml", "--target", "bash", "-o", "run.sh") == 0
    path = f"{Path(MAGNUS).parent}{os.pathsep}{os.environ['PATH']}"
    assert run("bash", "run.sh", "r1", MAGNUS_ISOLATED="1", PATH=path) == 0
    assert not list(tmp_path.rglob("left.txt"))
    assert run("bash", "run.sh", "r2", PATH=path) == 1


@pytest.mark.parametrize(
    ("given", "isolated", "mode"),
    [
        ("branch", "1", "step"),
        ("branch", "true", "step"),
        ("branch", "0", "branch"),
        ("branch", "", "branch"),
        ("", "1", ""),
    ],
)
def test_the_variable_counts_where_steps_share_a_disk(given: str, isolated: str, mode: str) -> None:
    assert workspace.mode({"MAGNUS_WORKSPACES": given, "MAGNUS_ISOLATED": isolated}) == mode


def test_folders_that_no_step_writes_to_are_linked_as_a_whole(tmp_path: Path) -> None:
    for folder in (".git", "venv", "src/inner"):
        Path(folder).mkdir(parents=True)
    Path("venv/pyvenv.cfg").touch()
    Path("linked").symlink_to("src")
    made = tmp_path / ".magnus/workspaces/r/a/_work"
    workspace.make(str(made), "data", fresh=True)
    assert [(made / name).is_symlink() for name in (".git", "venv", "linked")] == [True] * 3
    assert [(made / name).is_symlink() for name in ("src", "src/inner", "data")] == [False] * 3
    assert (made / "src/deep/code.txt").is_symlink()
