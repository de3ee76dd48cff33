"""No processes, memory or descriptors: the platform's failure, never the user's, whichever call meets it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import is_shortage
from tests.tools import environment, require

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


# ---- what a step meets at its end, or as it looks for its module ----

LEFT_OPEN = """
import os, resource

def leaves_none():
    os.environ["MAGNUS_PRM_y"] = "2"
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    try:
        while True:
            os.open(".", os.O_RDONLY)
    except OSError:
        pass

def own():
    raise OSError(24, "of the user's code")
"""


def callback(project: Path, command: str, **fields: str) -> tuple[int, str, dict[str, Any]]:
    """Run one step on its own; return the exit status, standard error and the folded attempt."""
    told = "".join(f", {name}: {value}" for name, value in fields.items())
    (project / "dag.yaml").write_text(
        f"dag:\n  start_at: a\n  steps:\n    a: {{type: task, command: {command}{told}, next: success}}\n"
        "    success: {type: success}\n    fail: {type: fail}\nrun_log_store: {type: file-system}\n"
    )
    (project / "m.py").write_text(LEFT_OPEN)
    done = magnus(
        project,
        "from magnus_render.cli.main import main; main()",
        "execute_single_node",
        "r",
        "a",
        "-f",
        "dag.yaml",
    )
    log = log_of(project)
    assert log is not None
    return done.returncode, done.stderr, log["steps"]["a"]["attempts"][0]


def test_results_that_cannot_be_written_are_not_lost_in_a_success(tmp_path: Path) -> None:
    status, _, attempt = callback(tmp_path, "m.leaves_none")
    assert (status, attempt["status"], attempt.get("platform")) == (75, "CRASHED", True)
    assert attempt["message"] == "the step cannot go on: Too many open files"


def test_what_the_users_code_meets_is_its_own(tmp_path: Path) -> None:
    status, _, attempt = callback(tmp_path, "m.own")
    assert (status, attempt["status"]) == (1, "FAIL") and "of the user's code" in attempt["message"]


def test_exports_that_cannot_be_read_for_want_of_descriptors(tmp_path: Path) -> None:
    dash = require("dash")
    leak = "; ".join(f"exec {number}<." for number in range(3, 10))
    status, err, attempt = callback(
        tmp_path,
        f'"export MAGNUS_PRM_x=1; {leak}; ulimit -n 12"',
        command_type="shell",
        command_config=f"{{shell: {dash}}}",
    )
    assert (status, attempt["status"], attempt.get("platform")) == (75, "CRASHED", True), err
    assert attempt["message"].startswith("exported variables cannot be read: no descriptors")


def test_what_says_that_the_system_gives_no_more() -> None:
    library = "libz.so.1: cannot open shared object file: "
    assert is_shortage(OSError(errno.EMFILE, "")) and is_shortage(
        ImportError(library + os.strerror(errno.EMFILE))
    )
    assert not is_shortage(ImportError(library + os.strerror(errno.ENOENT)))
    assert not is_shortage(OSError(errno.ENOENT, "")) and not is_shortage(ValueError())


def test_a_module_that_cannot_be_looked_for(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text("def f(): pass\n")
    code = (
        "import os, resource, sys\n"
        "from magnus_render.errors import PlatformError\n"
        "from magnus_render.runtime.tasks.python import load_module\n"
        "sys.path.insert(0, os.getcwd())\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))\n"
        "try:\n    load_module('m', 'f')\n"
        "except PlatformError as error:\n    print(error)\n"
    )
    done = magnus(tmp_path, code)
    assert done.stdout == "cannot import 'm': Too many open files\n", done.stderr
