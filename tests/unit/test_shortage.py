"""No processes, memory or descriptors: the platform's failure, never the user's, whichever call meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tools import environment

DEFINITION = """
dag:
  name: shortage
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: "echo A >> ran", next: b, on_failure: alarm}
    b: {type: task, command: steps.b, next: success, on_failure: alarm}
    alarm: {type: task, command_type: shell, command: "echo alarm >> ran", next: fail}
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
"""
# The k-th call of a function fails once, in whatever process of the run that is: they count in one file.
FAILING = """
import errno, fcntl, os, sys
kind, wanted = sys.argv[1], int(sys.argv[2])
real = getattr(os, kind)

def failing(*given, **named):
    with open("calls", "a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write("x")
        file.flush()
        count = file.tell()
    if count == wanted:
        raise OSError(errno.EAGAIN if kind == "fork" else errno.EMFILE, os.strerror(errno.EMFILE))
    return real(*given, **named)

setattr(os, kind, failing)
sys.argv[1:] = sys.argv[3:]
from magnus_render.executors import walk
walk.PLATFORM_PAUSES = ()
from magnus_render.cli.main import main
main()
"""
EXECUTE = ("execute", "-f", "dag.yaml", "--run-id", "r")


def magnus(project: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", *argv],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def log_of(project: Path) -> dict[str, Any] | None:
    done = subprocess.run(
        ["magnus", "runs", "show", "r", "--json"],
        cwd=project,
        env=environment(),
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


@pytest.mark.parametrize("kind", ["fork", "pipe"])
def test_a_call_that_fails_is_the_platforms_failure(tmp_path: Path, kind: str) -> None:
    for k in range(1, 40):
        project = tmp_path / str(k)
        project.mkdir()
        (project / "dag.yaml").write_text(DEFINITION)
        (project / "steps.py").write_text("def b():\n    return {'x': 1}\n")
        done = magnus(project, FAILING, kind, str(k), *EXECUTE)
        assert "Traceback" not in done.stderr, (k, done.stderr)
        if done.returncode == 0:
            break  # there are fewer calls than that
        assert done.returncode == 75, (k, done.stderr)
        log = log_of(project)
        if log is None:  # it failed before there was a run
            continue
        assert log["status"] not in ("FAIL", "SUCCESS") and "alarm" not in log["steps"], (k, log)
        again = magnus(project, "from magnus_render.cli.main import main; main()", *EXECUTE, "--resume")
        assert again.returncode == 0, (k, again.stderr)
        log = log_of(project)
        assert log is not None and log["status"] == "SUCCESS" and log["parameters"] == {"x": 1}
        for step in ("a", "b"):
            mine = [one for one in log["steps"][step]["attempts"] if not one.get("platform")]
            assert [one["status"] for one in mine] == ["SUCCESS"], (k, log)
        assert (project / "ran").read_text() == "A\n"
    assert 3 < k < 39
