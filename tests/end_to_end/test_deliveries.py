"""Several deliveries of one attempt, and several walks of one run: one counts, and the others are told."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.runtime import lease
from magnus_render.runtime.lease import alive, walker
from tests.unit.view_graphs import begin, call, graph, log, task

pytestmark = pytest.mark.usefixtures("project")

MAGNUS = Path(sys.executable).parent / "magnus"


def meeting(folder: Path, count: int, status: str) -> str:
    """Return a command that waits until so many of it are at work, and ends with a status as it may depend on `$1`."""
    return (
        f'if [ "$MAGNUS_ATTEMPT" = 1 ]; then touch {folder}/at-work.$$; '
        f"until [ $(ls {folder} | grep -c at-work) -ge {count} ]; do :; done; {status}; fi"
    )


def deliver(count: int) -> list[int]:
    words = [MAGNUS, "execute_single_node", "r", "a", "--attempt", "1", "--again", "76"]
    started = [subprocess.Popen([*words, "-f", "dag.yaml"]) for _ in range(count)]
    return [one.wait() for one in started]


def test_five_deliveries_of_an_attempt_are_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begin(graph(a=task(meeting(tmp_path, 5, "exit 1"), retry=3)))
    assert deliver(5) == [76] * 5
    assert call("execute_single_node", "a", "--attempt", "2") == 0
    attempts = log()["steps"]["a"]["attempts"]
    users = [attempt for attempt in attempts if not attempt.get("platform")]
    assert [attempt["status"] for attempt in users] == ["FAIL", "SUCCESS"]
    assert len(attempts) == 6
    assert magnus(["runs", "show", "r"]) == 0
    assert "  SUCCESS    a  6 attempts, 4 ended by the platform, " in capsys.readouterr().out


def test_a_success_of_an_attempt_that_failed_by_another_delivery_counts_for_nothing(tmp_path: Path) -> None:
    then = f"if mkdir {tmp_path}/first 2>/dev/null; then exit 1; fi; until [ -e {tmp_path}/over ]; do :; done"
    begin(graph(a=task(meeting(tmp_path, 2, then), retry=2)))
    words = [MAGNUS, "execute_single_node", "r", "a", "--attempt", "1", "--again", "76", "-f", "dag.yaml"]
    both = [subprocess.Popen(words) for _ in range(2)]
    while all(one.poll() is None for one in both):
        pass
    (tmp_path / "over").touch()
    assert [one.wait() for one in both] == [76, 76]
    attempts = log()["steps"]["a"]["attempts"]
    assert sorted((attempt["status"], bool(attempt.get("platform"))) for attempt in attempts) == [
        ("CRASHED", True),
        ("FAIL", False),
    ]
    assert log()["steps"]["a"]["status"] == "PROCESSING"  # another attempt is to come


def test_a_run_that_is_walked_is_not_taken_up(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    Path("dag.yaml").write_text(
        json.dumps({"dag": graph(a=task(f"touch {tmp_path}/began; until [ -e {tmp_path}/go ]; do :; done"))})
    )
    words = [MAGNUS, "execute", "-f", "dag.yaml", "--run-id", "w"]
    first = subprocess.Popen(words)
    while not (tmp_path / "began").exists():
        assert first.poll() is None
    assert lease.at_work(os.curdir) == ["w"]
    assert subprocess.run([*words, "--resume"]).returncode == 65
    assert f"run 'w' is still at work: process {first.pid} walks it" in capfd.readouterr().err
    assert lease.at_work(os.curdir) == ["w"]
    (tmp_path / "go").touch()
    assert first.wait() == 0
    assert lease.at_work(os.curdir) == [] and not Path(lease.AT_WORK).exists()
    assert subprocess.run([*words, "--resume"]).returncode == 0


def test_a_walker_that_was_killed_is_not_at_work() -> None:
    child = subprocess.Popen(["sleep", "600"])
    found = walker(child.pid)
    assert found is not None and alive(found)
    child.kill()
    child.wait()
    assert alive(found) is False and walker(child.pid) is None
    own = walker(os.getpid())
    assert own is not None and alive(own)
    assert alive({**own, "began": "1"}) is False  # its number was given to another process
    assert alive({**own, "host": "elsewhere"}) is None


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "99999999999", "²"])
def test_what_names_no_process_is_no_walker(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(lease.VARIABLE, text)
    assert walker() is None
