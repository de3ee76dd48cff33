"""Warnings are seen where a run is watched, and steps that were taken over are shown as that."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.tools import environment
from tests.unit.front_end import magnus

ENDS = "success: {type: success}, fail: {type: fail}"
GLOB = "{type: task, command_type: shell, command: 'true', catalog: {put: ['*.none']}, next: p}"
BRANCH = "{start_at: s, steps: {s: {type: task, command_type: shell, command: 'export MAGNUS_PRM_x=%s', next: success}, %s}}"
PARALLEL = (
    f"{{type: parallel, branches: {{l: {BRANCH % ('1', ENDS)}, r: {BRANCH % ('2', ENDS)}}}, next: last}}"
)
LAST = "{type: task, command_type: shell, command: 'test -e good', next: success}"
DAG = f"dag: {{start_at: a, steps: {{a: {GLOB}, p: {PARALLEL}, last: {LAST}, {ENDS}}}}}\n"
OF_GLOB = "magnus: a: warning: catalog: '*.none' matches nothing to put"
OF_JOIN = "magnus: p: warning: branches 'l' and 'r' set 'x' to different values: that of 'r' is kept"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "dag.yaml").write_text(DAG)
    return tmp_path


def test_execute_shows_warnings(folder: Path) -> None:
    (folder / "good").touch()
    done = magnus(folder, "execute", "-f", "dag.yaml")
    assert done.returncode == 0
    assert done.stderr.count(OF_GLOB) == 1 and done.stderr.count(OF_JOIN) == 1


def test_a_rendered_script_shows_warnings(folder: Path) -> None:
    (folder / "good").touch()
    assert magnus(folder, "render", "dag.yaml", "-t", "bash", "-o", "run.sh").returncode == 0
    done = subprocess.run(
        ["bash", "run.sh"], cwd=folder, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(OF_GLOB) == 1 and done.stderr.count(OF_JOIN) == 1


def test_steps_that_were_taken_over(folder: Path) -> None:
    assert magnus(folder, "execute", "-f", "dag.yaml", "--run-id", "one").returncode == 1
    (folder / "good").touch()
    done = magnus(folder, "execute", "-f", "dag.yaml", "--use-cached", "one")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("taken over from run one") == 3
    assert "a: success" not in done.stderr and "last: success after" in done.stderr
    assert "(3 steps taken over, 1 run)" in done.stderr
