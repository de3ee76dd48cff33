"""What `magnus execute` prints with --quiet and with --json-lines."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DEFINITION = """\
dag:
  start_at: first
  steps:
    first: {type: task, command_type: shell, command: "echo out; test -e mended", retry: 2, next: maybe}
    maybe: {type: task, command_type: shell, command: "true", when: {parameter: go, is: yes}, next: success}
    success: {type: success}
    fail: {type: fail}
"""
SAYS = "import sys; from magnus_render.cli.main import main; main()"


@pytest.fixture(autouse=True)
def _definition(tmp_path: Path) -> None:
    (tmp_path / "dag.yaml").write_text(DEFINITION)


def execute(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-c", SAYS, "execute", "--param", "go=no", *words]
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)


def test_quiet_prints_nothing_of_a_run_that_succeeds(tmp_path: Path) -> None:
    (tmp_path / "mended").touch()
    done = execute(tmp_path, "--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_quiet_prints_what_went_wrong_and_why(tmp_path: Path) -> None:
    done = execute(tmp_path, "-q", "--run-id", "r")
    assert done.returncode == 1 and done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("magnus: first: attempt 1 failed after ")
    assert any("exited with status 1" in line for line in lines) and not any("out" in line for line in lines)
    again = execute(tmp_path, "-q", "--run-id", "r")
    assert again.returncode == 65 and "run id 'r' is in use" in again.stderr


def events(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in done.stdout.splitlines()]
    times = [one.pop("time") for one in found]
    assert times == sorted(times)
    return found


def test_json_lines_tell_all_that_happens(tmp_path: Path) -> None:
    done = execute(tmp_path, "--json-lines", "--run-id", "r")
    assert done.returncode == 1 and done.stderr == ""
    found = events(done)
    assert found[0] == {"event": "run_started", "run_id": "r", "pipeline": "dag"}
    started = [one for one in found if one["event"] == "step_started"]
    assert [(one["step"], one["attempt"]) for one in started] == [("first", 1), ("first", 2)]
    ended = [one for one in found if one["event"] == "step_ended"]
    assert [(one["status"], one["how"]) for one in ended] == [("failed", "exit 1")] * 2
    assert [one["again_in"] for one in ended] == [0.0, None]
    assert {"event": "output", "step": "first", "stream": "stdout", "text": "out"} in found
    assert any(one["event"] == "message" and "exited with status 1" in one["text"] for one in found)
    last = found[-1]
    assert last.pop("seconds") > 0
    counts = {"done": 0, "failed": 1, "taken_over": 0, "skipped": 0}
    assert last == {"event": "run_ended", "run_id": "r", "exit_status": 1, **counts}


def test_json_lines_tell_what_was_taken_over_and_skipped(tmp_path: Path) -> None:
    (tmp_path / "mended").touch()
    assert execute(tmp_path, "-q", "--run-id", "old").returncode == 0
    found = events(execute(tmp_path, "--json-lines", "--use-cached", "old"))
    ended = [(one["step"], one["status"]) for one in found if one["event"] == "step_ended"]
    assert ended == [("first", "taken over"), ("maybe", "skipped")]


def test_a_run_that_is_refused_is_told_as_events_too(tmp_path: Path) -> None:
    (tmp_path / "mended").touch()
    execute(tmp_path, "-q", "--run-id", "r")
    found = events(execute(tmp_path, "--json-lines", "--run-id", "r"))
    assert "run id 'r' is in use" in next(one["text"] for one in found if one["event"] == "message")
    assert found[-1]["event"] == "run_ended" and found[-1]["exit_status"] == 65


def test_both_forms_exclude_each_other(tmp_path: Path) -> None:
    done = execute(tmp_path, "--quiet", "--json-lines")
    assert done.returncode == 64 and "exclude each other" in done.stderr
