"""Standard streams that are closed, and readers that go away: the run goes on and is recorded."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.tools import environment

DEFINITION = """
dag:
  name: streams
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: "echo A; seq 20000", next: b}
    b: {type: task, command: steps.b, next: success}
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
"""
CLOSED = (">&-", "2>&-", "<&-", ">&- 2>&-", "<&- >&- 2>&-")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dag.yaml").write_text(DEFINITION)
    (tmp_path / "steps.py").write_text("def b():\n    print('B')\n    return {'x': 1}\n")
    shell(tmp_path, "magnus render dag.yaml --target bash -o run.sh")
    return tmp_path


def shell(folder: Path, line: str) -> int:
    """Run a line with unbuffered Python off, as users have it; return its exit status."""
    variables = {name: value for name, value in environment().items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        ["bash", "-c", line], cwd=folder, env=variables, capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr and "AttributeError" not in done.stderr
    return done.returncode


def outcome(project: Path, run_id: str) -> str:
    done = subprocess.run(
        ["magnus", "runs", "show", run_id, "--json"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
    )
    log = json.loads(done.stdout)
    assert log["steps"]["b"]["status"] == "SUCCESS" and log["parameters"] == {"x": 1}
    return str(log["status"])


@pytest.mark.parametrize("closed", CLOSED)
@pytest.mark.parametrize("command", ["magnus execute -f dag.yaml --run-id r", "bash run.sh r"])
def test_closed_streams(project: Path, command: str, closed: str) -> None:
    assert shell(project, f"{command} {closed}") == 0
    assert outcome(project, "r") == "SUCCESS"


@pytest.mark.parametrize("command", ["magnus execute -f dag.yaml --run-id r", "bash run.sh r"])
def test_a_reader_that_goes_away(project: Path, command: str) -> None:
    assert shell(project, f"set -o pipefail; {command} 2>&1 | head -1") == 0
    assert outcome(project, "r") == "SUCCESS"


@pytest.mark.parametrize("closed", [">&-", "2>&- >/dev/null"])
def test_other_commands_do_not_mind_closed_streams(project: Path, closed: str) -> None:
    for command in ("runs list", "explain MR042", "validate dag.yaml", "graph dag.yaml", "--help", "schema"):
        assert shell(project, f"magnus {command} {closed}") == 0


# ---- where a script works ----


def test_a_script_finds_its_project_from_anywhere(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("else where")
    (project / "out").mkdir()
    (project / "run.sh").rename(project / "out" / "run.sh")
    (elsewhere / "more.yaml").write_text("y: 2\n")
    assert shell(elsewhere, f"bash '{project}/out/run.sh' r -p more.yaml") == 0
    assert [path.name for path in elsewhere.iterdir()] == ["more.yaml"]
    done = subprocess.run(
        ["magnus", "runs", "show", "r", "--json"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout)["parameters"] == {"x": 1, "y": 2}


def test_a_script_without_its_project_says_what_it_wants(
    project: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (project / "run.sh").rename(elsewhere / "run.sh")
    done = subprocess.run(
        ["bash", "run.sh"], cwd=elsewhere, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 64 and "no dag.yaml here" in done.stderr and "project's folder" in done.stderr
    assert [path.name for path in elsewhere.iterdir()] == ["run.sh"]
