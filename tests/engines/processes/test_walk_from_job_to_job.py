"""What a person does with a run that goes on from job to job: leave it, look at it, end it, take it up again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conformance.engines import environment
from tests.engines.processes import path

DAG = """
dag:
  start_at: first
  steps:
    first: {type: task, command_type: shell, command: echo one, next: wait}
    wait: {type: task, command_type: shell, command: "touch %(folder)s/at-work; cat %(folder)s/gate", next: last}
    last: {type: task, command_type: shell, command: echo three, next: success}
    success: {type: success}
    fail: {type: fail}
"""


class Project:
    """A project whose second step waits until `open` is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "dag.yaml").write_text(DAG % {"folder": folder})
        (folder / "jobs.yaml").write_text("executor: {type: processes}\n")
        os.mkfifo(folder / "gate")
        self.environment = {**environment(folder, {}), "PYTHONPATH": path(folder / "installed")}

    def magnus(self, *argv: str) -> tuple[int, str]:
        done = subprocess.run(
            ["magnus", *argv],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    def begin(self) -> None:
        assert self.magnus("execute", "-f", "dag.yaml", "-c", "jobs.yaml", "--run-id", "r", "--detach") == (
            0,
            "r\n",
        )
        wait_for((self.folder / "at-work").exists)

    def open(self) -> None:
        (self.folder / "gate").write_text("two\n")

    def end(self) -> None:
        """End the jobs that a test has left, and wait for all of them."""
        jobs = list((self.folder / ".jobs").glob("*/"))
        for job in jobs:
            (job / "cancelled").touch()
            if (job / "job").exists() and not (job / "status").exists():
                with suppress(ProcessLookupError):
                    os.kill(int((job / "job").read_text()), signal.SIGKILL)
        wait_for(lambda: all((job / "status").exists() or not (job / "job").exists() for job in jobs))

    def statuses(self) -> dict[str, str]:
        log = json.loads(self.magnus("runs", "show", "r", "--json")[1])
        return {name: step["status"] for name, step in log["steps"].items()}


def wait_for(what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.02)


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(tmp_path)
    yield project
    project.end()


def test_a_run_goes_on_when_nobody_waits(project: Project) -> None:
    project.begin()
    assert project.statuses() == {"first": "SUCCESS", "wait": "PROCESSING"}
    assert project.magnus("runs", "list", "--standing") == (0, "no run stands still\n")
    assert project.magnus("runs", "resume", "r") == (0, "run r: no job is missing\n")
    project.open()
    wait_for((project.folder / ".run_log_store/r/jobs/end.json").exists)
    assert set(project.statuses().values()) == {"SUCCESS"}
    assert project.magnus("runs", "cancel", "r") == (0, "run r: is over\n")
    status, said = project.magnus("runs", "resume", "r")
    assert status == 65 and "run 'r' is over" in said


def test_a_run_that_was_cancelled_is_taken_up_again(project: Project) -> None:
    project.begin()
    status, said = project.magnus("runs", "cancel", "r")
    assert (status, said) == (0, "run r: cancelled: 1 job ended\n")
    _, said = project.magnus("runs", "show", "r")
    assert "stands still: it was cancelled. To go on: magnus runs resume r\n  at wait\n" in said
    assert "r " in project.magnus("runs", "list", "--standing")[1]
    (project.folder / "at-work").unlink()
    assert project.magnus("runs", "resume", "r") == (0, "run r: goes on: 1 job submitted\n")
    wait_for((project.folder / "at-work").exists)
    project.open()
    wait_for((project.folder / ".run_log_store/r/jobs/end.json").exists)
    assert set(project.statuses().values()) == {"SUCCESS"}


def test_a_job_whose_guard_was_not_submitted_gets_one(project: Project) -> None:
    """Who submitted the job alone is gone, and whoever goes on in its place finds the job there."""
    project.begin()
    (project.folder / ".jobs" / "refuse-guard").touch()
    project.open()
    records = project.folder / ".run_log_store/r/jobs"
    wait_for(lambda: any(records.glob("calls/last/1.0.guard.*")) and (records / "end.json").exists())
    assert len(list(records.glob("calls/last/1.0.job.*"))) == 1


def test_whoever_follows_learns_that_a_run_stands_still(project: Project) -> None:
    folder = project.folder / ".jobs"
    folder.mkdir()
    (folder / "away").touch()
    status, said = project.magnus("execute", "-f", "dag.yaml", "-c", "jobs.yaml", "--run-id", "r")
    assert status == 75 and "the scheduler has no room: trying again in 0.1 s" in said
    (folder / "away").unlink()
    assert project.magnus("runs", "resume", "r") == (0, "run r: goes on: 1 job submitted\n")
    wait_for((project.folder / "at-work").exists)
    project.open()
    wait_for((project.folder / ".run_log_store/r/jobs/end.json").exists)


def test_commands_for_jobs_say_so_of_runs_that_have_none(project: Project) -> None:
    (project.folder / "dag.yaml").write_text(
        "dag: {start_at: success, steps: {success: {type: success}, fail: {type: fail}}}"
    )
    assert project.magnus("execute", "-f", "dag.yaml", "--run-id", "r")[0] == 0
    for command in ("resume", "cancel"):
        status, said = project.magnus("runs", command, "r")
        assert status == 65 and "run 'r' has no jobs: executor or target 'local'" in said
    status, said = project.magnus("execute", "-f", "dag.yaml", "--detach")
    assert status == 64 and "--detach: executor 'local' walks the run by this process" in said


def test_a_job_says_where_it_looked_for_its_run(project: Project) -> None:
    stores = {kind: {"type": "do-nothing", "config": {}} for kind in ("catalog", "secrets")}
    stores["run_log_store"] = {"type": "file-system", "config": {"path": "elsewhere"}}
    project.environment["MAGNUS_CONFIG"] = json.dumps(stores)
    status, said = project.magnus("run_job", "r", "first")
    assert status == 65 and f"is not in the run log store at {project.folder}/elsewhere, as host " in said
    status, said = project.magnus("run_job", "r")
    assert status == 64 and "run_job takes RUN_ID and STEP, not 1 words" in said
    assert project.magnus("run_job", "--help")[1].startswith("usage: magnus run_job RUN_ID STEP")
