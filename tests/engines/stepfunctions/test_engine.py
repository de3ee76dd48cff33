"""The engine itself: attempts, time limits, lost hosts, stopped executions, and a whole pipeline on Batch and on ECS."""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.engines.stepfunctions import pipeline
from tests.engines.stepfunctions.client import ROOT, Client
from tests.engines.stepfunctions.faults import HOST_LOST
from tests.engines.stepfunctions.jobs import ESSENTIAL_EXITED, TIMED_OUT
from tests.engines.stepfunctions.scenarios import (
    PROJECT,
    caught,
    execute,
    job,
    machine,
    new_name,
    result,
    task,
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[Client]:
    with Client(warm=True) as client:
        client.project(PROJECT, folder, {"FROM_DEFINITION": "definition"})
        yield client


HOST_LOSS_IS_TRIED_AGAIN = {
    "Attempts": 3,
    "EvaluateOnExit": [
        {"OnExitCode": "75", "Action": "RETRY"},
        {"OnStatusReason": "Host EC2*", "Action": "RETRY"},
        {"OnReason": "*", "Action": "EXIT"},
    ],
}


def attempts(client: Client, word: str) -> list[tuple[int | None, str]]:
    """Return exit code and reason of each attempt of the only job whose command has this word."""
    (record,) = client.jobs(word)
    return [(attempt["exit_code"], attempt["reason"]) for attempt in record["attempts"]]


def test_a_job_has_its_folder_and_environment(client: Client, folder: Path) -> None:
    word = new_name()
    script = 'pwd; echo "$FROM_DEFINITION $FROM_STATE $AWS_BATCH_JOB_ATTEMPT $HOME"'
    override = {
        "Command": ["sh", "-c", script, word],
        "Environment": [{"Name": "FROM_STATE", "Value": "state"}],
    }
    execution = execute(client, {"job": job(Arguments={"ContainerOverrides": override})})
    assert execution.status == "SUCCEEDED"
    (record,) = client.jobs(word)
    log = Path(record["attempts"][0]["log"]).read_text()
    assert log == f"{folder}\ndefinition state 1 {folder}\n"


def test_a_warm_job_is_magnus(client: Client) -> None:
    word = new_name()
    failed = execute(client, {"job": job("magnus", "no-such-command", word)})
    assert (failed.status, failed.error) == ("FAILED", "States.TaskFailed")
    (record,) = client.jobs(word)
    assert record["attempts"][0]["exit_code"] == 64
    assert "no-such-command" in Path(record["attempts"][0]["log"]).read_text()


def test_a_missing_program_cannot_start(client: Client) -> None:
    word = new_name()
    assert result(client, caught(job("no-such-program", word))) == "States.TaskFailed"
    ((code, reason),) = attempts(client, word)
    assert code == 127
    assert reason.startswith("CannotStartContainerError")


def test_an_attempt_that_takes_too_long_ends_the_job(client: Client) -> None:
    word = new_name()
    limits = {"RetryStrategy": {"Attempts": 3}, "Timeout": {"AttemptDurationSeconds": 1}}
    state = job("sh", "-c", "trap 'exit 0' TERM; sleep 30 & wait", word, Arguments=limits)
    assert result(client, caught(state)) == "States.TaskFailed"
    assert attempts(client, word) == [(0, TIMED_OUT)]


def test_what_ignores_the_end_is_killed(client: Client) -> None:
    word = new_name()
    state = job(
        "sh", "-c", "trap '' TERM; sleep 30", word, Arguments={"Timeout": {"AttemptDurationSeconds": 1}}
    )
    assert result(client, caught(state)) == "States.TaskFailed"
    assert attempts(client, word) == [(137, TIMED_OUT)]


def test_no_matching_condition_means_another_attempt(client: Client) -> None:
    word = new_name()
    strategy = {"Attempts": 2, "EvaluateOnExit": [{"OnExitCode": "75", "Action": "EXIT"}]}
    execute(client, {"job": job("sh", "-c", "exit 3", word, Arguments={"RetryStrategy": strategy})})
    assert attempts(client, word) == [(3, ESSENTIAL_EXITED)] * 2


def test_lost_hosts(client: Client, folder: Path) -> None:
    word, marker = new_name(), new_name()
    client.fault([word], host_loss=["start", str(folder / marker), ""])
    script = f"test $AWS_BATCH_JOB_ATTEMPT = 3 && exit 0; touch {marker}; sleep 30"
    state = job(
        "sh", "-c", script, word, Output="good", Arguments={"RetryStrategy": HOST_LOSS_IS_TRIED_AGAIN}
    )
    assert result(client, {"job": state}) == "good"
    assert attempts(client, word) == [(None, HOST_LOST), (None, HOST_LOST), (0, ESSENTIAL_EXITED)]


def test_a_host_lost_at_the_end_hides_the_exit_code(client: Client, folder: Path) -> None:
    word = new_name()
    client.fault([word], host_loss=["end"])
    assert result(client, caught(job("touch", word))) == "States.TaskFailed"
    assert attempts(client, word) == [(None, HOST_LOST)]
    assert (folder / word).exists()


def test_refused_submissions_are_tried_again(client: Client) -> None:
    word = new_name()
    client.fault([word], submit=["ServerException", "AWSBatchException"])
    names = ["Batch.ServerException", "Batch.AWSBatchException"]
    retry = [{"ErrorEquals": names, "IntervalSeconds": 1, "BackoffRate": 1, "MaxAttempts": 2}]
    assert result(client, {"job": job("true", word, Output="good", Retry=retry)}) == "good"
    assert attempts(client, word) == [(0, ESSENTIAL_EXITED)]


@pytest.mark.parametrize("how", ["stopped", "sibling", "overall"])
def test_jobs_end_with_what_started_them(client: Client, folder: Path, how: str) -> None:
    word, marker = new_name(), new_name()
    running = job("sh", "-c", f"touch {marker}; sleep 30", word)
    wait = job("sh", "-c", f"until test -e {marker}; do sleep 0.05; done; exit 1")
    states: dict[str, Any] = {"job": running}
    if how == "sibling":
        branches = [
            {"StartAt": "job", "States": {"job": running}},
            {"StartAt": "bad", "States": {"bad": wait}},
        ]
        states = {"parallel": {"Type": "Parallel", "Branches": branches, "End": True}}
    definition = json.loads(machine(states))
    if how == "overall":
        definition["TimeoutSeconds"] = 2
    client.deploy({PROJECT: json.dumps(definition)})
    arn = client.start(PROJECT, new_name(), {})
    if how == "stopped":
        execute(
            client, {"job": job("sh", "-c", f"until test -e {marker}; do sleep 0.05; done")}, name="other"
        )
        client.stop(arn)
    expected = {"stopped": "ABORTED", "sibling": "FAILED", "overall": "TIMED_OUT"}[how]
    assert client.wait(arn, 30).status == expected
    (record,) = client.jobs(word)
    assert client.ended(record["id"], 10)


def test_reset_forgets(client: Client, folder: Path) -> None:
    with Client() as other:
        other.bucket("one")
        other.reset()
        assert other.aws("s3").list_buckets()["Buckets"] == []
        other.project(PROJECT, folder)
        assert result(other, {"job": job("true", Output="good")}) == "good"


def test_a_refused_definition_is_an_error(client: Client) -> None:
    from botocore.exceptions import ClientError

    with pytest.raises(ClientError, match="CreateStateMachine"):
        client.deploy({"refused": "{}"})


_START_AND_WAIT = """
from tests.engines.stepfunctions.client import Client
client = Client(warm=True)
print(client.process_id, flush=True)
input()
"""


def test_the_server_ends_with_who_started_it() -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", _START_AND_WAIT],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout
    server = psutil.Process(int(starter.stdout.readline()))
    processes = [server, *server.children()]
    assert len(processes) == 2
    starter.kill()
    starter.communicate()
    assert psutil.wait_procs(processes, timeout=30)[1] == []


@pytest.mark.parametrize("compute", ["batch", "ecs"])
def test_a_pipeline(client: Client, tmp_path: Path, compute: str) -> None:
    pipeline.write_callback(tmp_path, sys.executable)
    name = f"pipeline-{compute}"
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    client.project(name, tmp_path, {**pipeline.environment(client, name), "PATH": path})
    start = job if compute == "batch" else functools.partial(task, client)
    pipeline.check(client, name, functools.partial(start, definition=name))
