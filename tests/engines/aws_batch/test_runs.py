"""Runs that go on from job to job on AWS Batch: some of the conformance cases, and what can go wrong with jobs."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import cases
from tests.conformance.aws_batch import Batch
from tests.conformance.checking import run
from tests.conformance.comparing import check_equal, comparable
from tests.conformance.engines import EngineFailure, Local, RunSpec, magnus
from tests.engines.stepfunctions.client import shared

SOME = ["map-simple", "conditional-simple", "catalog-flow", "as-is-text"]
"""A map, a choice, files, texts of an as-is. Retries and branches that are stopped are below."""
ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}


def shell(command: str, then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "task", "command_type": "shell", "command": command, "next": then, **fields}


def write(folder: Path, steps: dict[str, Any]) -> None:
    dag = {"start_at": next(iter(steps)), "steps": {**steps, **ENDS}}
    (folder / "data").mkdir(parents=True)
    (folder / "dag.yaml").write_text(json.dumps({"dag": dag}), encoding="utf-8")


@pytest.fixture
def run_id() -> str:
    """Return a run id that no other test has."""
    return f"r{uuid.uuid4().hex}"


class Project:
    """A project on AWS Batch, and the commands of a person who has begun a run of it."""

    def __init__(self, folder: Path, run_id: str, steps: dict[str, Any], engine: Batch | None = None) -> None:
        write(folder, steps)
        self.folder, self.spec, self.engine = folder, RunSpec(run_id), engine or Batch()
        self.client = shared()
        self.config = self.engine.configure(folder, self.spec)

    def magnus(self, *argv: str) -> tuple[int, str]:
        """Run a command; return its exit status and all that it said."""
        out = self.folder / "said.txt"
        status, said = magnus([*argv, "-c", self.config], self.folder, self.client.environment, out)
        return status, out.read_text() + said

    def steps(self) -> dict[str, Any]:
        """Return the steps of the run log."""
        log = json.loads(self.magnus("runs", "show", self.spec.run_id, "--json")[1])
        return dict(log["steps"])

    def runs(self, step: str) -> list[list[int | None]]:
        """Return the exit codes of all runs of each job that was submitted for a step."""
        jobs = [job for job in self.client.jobs(self.spec.run_id) if job["argv"][3] == step]
        return [[attempt["exit_code"] for attempt in job["attempts"]] for job in jobs]


@pytest.mark.parametrize("name", SOME)
def test_cases(name: str, tmp_path: Path) -> None:
    run(cases.load(name), [Batch()], tmp_path / "case")


def test_a_job_that_is_killed_spends_an_attempt(tmp_path: Path, run_id: str) -> None:
    steps = {"a": shell('test "$MAGNUS_ATTEMPT" = 2 || kill -9 $PPID', retry=2)}
    project = Project(tmp_path / "p", run_id, steps)
    outcome = project.engine.run(project.folder, project.spec)
    assert outcome.status == 0, outcome.stderr
    told = [attempt["status"] for attempt in outcome.log["steps"]["a"]["attempts"]]
    assert told == ["CRASHED", "SUCCESS"], outcome.stderr
    assert project.runs("a") == [
        [137, 0],
        [0],
    ], "the second run of the first job records the crash, and goes on"


def test_faults_of_the_platform_spend_none(tmp_path: Path, run_id: str) -> None:
    """Hosts are lost, submissions fail and are answered late: the log is that of an undisturbed run."""
    steps = {
        "a": shell('echo ran >> "$HOME/ran.txt"', "b"),
        "b": shell("true", "c"),
        "c": shell("exit 4", retry=2, on_failure="d"),
        "d": shell("true"),
    }
    project = Project(tmp_path / "batch", run_id, steps)
    project.client.fault([run_id, "a"], host_loss=["start", "end"])
    project.client.fault([run_id, "b"], submit=["ExpiredTokenException"])
    project.client.fault([run_id, "c"], host_loss=["start"])
    project.client.fault([run_id, "d"], submit=["late:ServerException"])
    outcome = project.engine.run(project.folder, project.spec)
    write(tmp_path / "local", steps)
    undisturbed = Local().run(tmp_path / "local", project.spec)
    check_equal(comparable(undisturbed.log), comparable(outcome.log), "local", "local-aws-batch")
    assert (
        project.folder / "ran.txt"
    ).read_text() == "ran\n", "its success was recorded before its host was lost"
    assert len(project.runs("d")) == 2, "one of the two gives way"


def test_a_submission_that_is_refused_leaves_a_run_that_can_go_on(tmp_path: Path, run_id: str) -> None:
    project = Project(tmp_path / "p", run_id, {"a": shell("true", "b"), "b": shell("true")})
    # The job asks twice: a refusal of its quick way is left to botocore.
    project.client.fault([run_id, "b"], submit=["AccessDeniedException"] * 2)
    with pytest.raises(
        EngineFailure, match=r"(?s)the run stands still.*not authorized to perform: batch:SubmitJob"
    ):
        project.engine.run(project.folder, project.spec)
    assert project.runs("a") == [[65]], "it would be refused again"
    (job,) = project.client.jobs(run_id)
    said = project.magnus("runs", "show", run_id)[1]
    assert f"  at b\n    job {job['id']} ended with exit code 65; its output is in the log stream" in said
    assert run_id in project.magnus("runs", "list", "--standing")[1]
    assert project.magnus("runs", "resume", run_id) == (0, f"run {run_id}: goes on: 1 job submitted\n")
    assert project.client.settled(run_id)
    assert {step["status"] for step in project.steps().values()} == {"SUCCESS"}


def test_a_run_that_is_cancelled(tmp_path: Path, run_id: str) -> None:
    began, go = tmp_path / "began", tmp_path / "go"
    os.mkfifo(began)
    steps = {"a": shell(f"test -e {go} || {{ echo > {began}; exec sleep 60; }}", "b"), "b": shell("true")}
    project = Project(tmp_path / "p", run_id, steps)
    status, said = project.magnus("execute", "--run-id", run_id, "--detach")
    assert status == 0, said
    began.read_text()  # waits for the step
    assert project.magnus("runs", "cancel", run_id) == (0, f"run {run_id}: cancelled: 1 job ended\n")
    assert project.client.settled(run_id)
    assert project.runs("a") == [[75]], "a job that was cancelled is not run again"
    go.touch()
    assert project.magnus("runs", "resume", run_id) == (0, f"run {run_id}: goes on: 1 job submitted\n")
    assert project.client.settled(run_id)
    assert {step["status"] for step in project.steps().values()} == {"SUCCESS"}


def test_branches_that_are_stopped(tmp_path: Path, run_id: str) -> None:
    """A branch fails, and the job of the other one is ended by that branch's own job."""
    began = tmp_path / "began"
    os.mkfifo(began)
    slow = {"start_at": "t", "steps": {"t": shell(f"echo > {began}; exec sleep 60"), **ENDS}}
    bad = {"start_at": "t", "steps": {"t": shell(f"cat {began}; exit 3"), **ENDS}}
    both = {"type": "parallel", "fail_fast": True, "branches": {"slow": slow, "bad": bad}}
    project = Project(
        tmp_path / "p", run_id, {"p": {**both, "next": "success", "on_failure": "h"}, "h": shell("true")}
    )
    outcome = project.engine.run(project.folder, project.spec)
    assert outcome.status == 0, outcome.stderr
    assert outcome.log["steps"]["h"]["status"] == "SUCCESS"
    assert (project.runs("p.slow.t"), project.runs("p.bad.t")) == ([[75]], [[0]])


def test_a_run_that_is_followed(tmp_path: Path, run_id: str) -> None:
    project = Project(tmp_path / "p", run_id, {"a": shell("true", "b"), "b": shell("exit 3")})
    status, said = project.magnus("execute", "--run-id", run_id)
    assert status == 1, said
    assert "a: success" in said and "b: failed" in said


def test_what_is_not_there_is_told_before_the_run(tmp_path: Path, run_id: str) -> None:
    project = Project(tmp_path / "p", run_id, {"a": shell("true")})
    config = json.loads((project.folder / project.config).read_text())
    config["executor"]["config"]["job_queue"] = "nowhere"
    (project.folder / project.config).write_text(json.dumps(config))
    status, said = project.magnus("execute", "--run-id", run_id)
    assert status == 65 and "AWS Batch has no job queue 'nowhere' in region us-east-1" in said
    assert run_id not in project.magnus("runs", "list")[1]
