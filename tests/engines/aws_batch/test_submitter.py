"""The executor's part of AWS Batch on the engine: jobs that are real processes, lost hosts, refused submissions."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from magnus_render.errors import PlatformError, Refused
from magnus_render.executors import aws_batch, aws_batch_rules
from magnus_render.executors.aws_batch import BatchSubmitter
from magnus_render.executors.submitter import Job
from tests.engines.stepfunctions.client import ACCOUNT, REGION, ROOT, Client, shared
from tests.engines.stepfunctions.faults import HOST_LOST

PROJECT = "submitted"
_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


@pytest.fixture
def client(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    client = shared()
    client.project(PROJECT, folder)
    for name, value in client.environment.items():
        monkeypatch.setenv(name, value)
    return client


@pytest.fixture
def word() -> str:
    """Return a word that no other job has."""
    return f"w{uuid.uuid4().hex}"


def submitter(**config: Any) -> BatchSubmitter:
    return BatchSubmitter({"job_queue": PROJECT, "job_definition": PROJECT, **config})


def job(word: str, script: str = "true", given: dict[str, str] | None = None, **config: Any) -> Job:
    """Return a job that runs lines of a shell instead of `magnus`."""
    whole = {
        "job_queue": PROJECT,
        "job_definition": PROJECT,
        "magnus_command": ["sh", "-c", script],
        **config,
    }
    return Job("a-run", "regions.0.train", "regions.0.Train!", 1, [word], given or {}, whole)


def endings(client: Client, word: str) -> list[int | None]:
    """Return the exit codes of all runs of the only job whose command has a word."""
    (record,) = client.jobs(word)
    return [attempt["exit_code"] for attempt in record["attempts"]]


def before(id_: str, number: int) -> str:
    """Return what the process of a job's run of a number would learn."""
    return submitter().before({"AWS_BATCH_JOB_ID": id_, "AWS_BATCH_JOB_ATTEMPT": str(number)})


def test_a_job_is_what_was_asked_for(client: Client, word: str, folder: Path) -> None:
    script = f'echo "$0 $TZ $LEVEL $HOT $MAGNUS_CONFIG $AWS_REGION $AWS_BATCH_JOB_ATTEMPT" > {folder}/{word}'
    options: dict[str, Any] = {
        "environment": {"TZ": "UTC", "LEVEL": 3.0, "HOT": True, "MAGNUS_CONFIG": "theirs"},
        "tags": {"team": "pricing"},
    }
    id_ = submitter().submit(job(word, script, {"MAGNUS_CONFIG": "ours"}, **options))
    assert client.ended(id_, 30)
    assert (folder / word).read_text() == f"{word} UTC 3 true ours us-east-1 1\n"
    (told,) = client.aws("batch").describe_jobs(jobs=[id_])["jobs"]
    assert told["jobName"] == "a-run-regions-0-train"
    assert told["tags"] == {"team": "pricing", "magnus-run": "a-run", "magnus-step": "regions.0.train"}
    assert submitter().states([id_]) == {id_: "ended"}
    assert before(id_, 1) == ""


@pytest.mark.parametrize(
    ("script", "codes", "told"),
    [
        ("exit 75", [75, 0], "platform"),
        ("exit 1", [1, 0], "crashed"),
        ("kill -9 $$", [137, 0], "crashed"),
        ("exit 64", [64], None),
        ("exit 65", [65], None),
        ("exec ./not-there", [127], None),
    ],
)
def test_what_is_run_again(
    client: Client, word: str, script: str, codes: list[int], told: str | None
) -> None:
    id_ = submitter().submit(job(word, f"test $AWS_BATCH_JOB_ATTEMPT = 1 || exit 0; {script}"))
    assert client.ended(id_, 30)
    assert endings(client, word) == codes
    if told is not None:
        assert before(id_, 2) == told


def test_a_platform_that_always_fails_is_given_up(client: Client, word: str) -> None:
    id_ = submitter().submit(job(word, "exit 75"))
    assert client.ended(id_, 30)
    assert endings(client, word) == [75] * aws_batch.RUNS
    assert submitter().states([id_]) == {id_: "ended"}


@pytest.mark.parametrize("when", ["start", "end"])
def test_a_lost_host_is_the_platforms_failure(client: Client, word: str, when: str) -> None:
    client.fault([word], host_loss=[when])
    id_ = submitter().submit(job(word))
    assert client.ended(id_, 30)
    assert endings(client, word) == [None, 0]
    assert before(id_, 2) == "platform"


def test_each_run_learns_of_the_one_before_it(client: Client, word: str) -> None:
    id_ = submitter().submit(job(word, "case $AWS_BATCH_JOB_ATTEMPT in 1) exit 75;; 2) exit 3;; esac"))
    assert client.ended(id_, 30)
    assert [before(id_, number) for number in (1, 2, 3)] == ["", "platform", "crashed"]
    assert (
        before("00000000-0000-0000-0000-000000000000", 2) == "platform"
    ), "what is not known is not the step's"


@pytest.mark.parametrize(
    ("attempt", "told"),
    [
        (
            {
                "container": {
                    "exitCode": 137,
                    "reason": "OutOfMemoryError: Container killed due to memory usage",
                }
            },
            "crashed",
        ),
        ({"container": {"reason": "OutOfMemoryError: Container killed due to memory usage"}}, "crashed"),
        ({"container": {"reason": "CannotPullContainerError: pull access denied"}}, "platform"),
        ({"container": {"exitCode": 143}, "statusReason": "Your Spot Task was interrupted."}, "platform"),
        ({"container": {"exitCode": 137}, "statusReason": HOST_LOST}, "platform"),
        ({}, "platform"),
    ],
)
def test_endings_that_the_engine_has_not(attempt: dict[str, Any], told: str) -> None:
    assert aws_batch._ending(attempt) == told


@pytest.mark.parametrize(
    ("detail", "state"),
    [
        ({"status": "RUNNABLE"}, "waiting"),
        ({"status": "STARTING"}, "running"),
        ({"status": "SUCCEEDED", "isTerminated": True}, "ended"),
        ({"status": "FAILED"}, "ended"),
        ({"status": "FAILED", "isCancelled": True}, "cancelled"),
        ({"status": "FAILED", "isTerminated": True, "statusReason": aws_batch.TIMED_OUT}, "ended"),
    ],
)
def test_states(detail: dict[str, Any], state: str) -> None:
    assert aws_batch._state(detail) == state


@pytest.mark.parametrize(
    ("script", "config", "told"),
    [
        ("exit 65", {}, "ended with exit code 65; its output is in the log stream "),
        ("exit 127", {}, "ended with exit code 127: its image has no such command; its output "),
        ("sleep 60 & wait", {"timeout": 1}, f"ended with exit code 143: {aws_batch.TIMED_OUT}; its output "),
    ],
)
def test_how_a_job_ended_in_words(
    client: Client, word: str, script: str, config: dict[str, Any], told: str
) -> None:
    id_ = submitter().submit(job(word, script, **config))
    assert client.ended(id_, 30)
    assert submitter().ending(id_).startswith(told)


def test_how_a_job_ended_that_had_no_container(client: Client) -> None:
    detail = {
        "status": "FAILED",
        "statusReason": "Task failed to start",
        "container": {"reason": "CannotPullContainerError: access denied"},
    }
    assert (
        aws_batch._told(detail) == "is FAILED: CannotPullContainerError: access denied: Task failed to start"
    )
    assert submitter().ending("unknown") == ""


def test_cancelled_jobs_are_told_to_end(client: Client, word: str, folder: Path) -> None:
    began, ended = folder / f"{word}.began", folder / f"{word}.ended"
    os.mkfifo(began)
    script = f"trap 'echo TERM > {ended}; exit 75' TERM; echo > {began}; sleep 60 & wait"
    here = submitter()
    id_ = here.submit(job(word, script))
    began.read_text()  # waits for the job
    assert here.states([id_]) == {id_: "running"}
    other = here.submit(job(f"{word}-other"))
    assert client.ended(other, 30)
    here.cancel([id_, other, "unknown"])
    assert client.ended(id_, 30)
    assert ended.read_text() == "TERM\n"
    assert here.states([id_, other]) == {id_: "cancelled", other: "ended"}
    assert endings(client, word) == [75], "a cancelled job is not run again"


def test_a_job_that_takes_too_long_ends_for_good(client: Client, word: str) -> None:
    id_ = submitter().submit(job(word, "sleep 60 & wait", timeout=1))
    assert client.ended(id_, 30)
    assert len(endings(client, word)) == 1
    assert submitter().states([id_]) == {id_: "ended"}


def test_states_are_asked_for_by_the_hundred(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    here, asked = submitter(), []
    monkeypatch.setattr(here, "_ask", lambda *_, jobs: asked.append(len(jobs)) or {"jobs": []})
    ids = [str(number) for number in range(250)]
    assert here.states(ids) == dict.fromkeys(ids, "ended")
    assert asked == [100, 100, 50]
    assert here.states([]) == {}


# ---- what a submission is ----


def test_all_that_can_be_asked_is_what_the_service_knows() -> None:
    config = {
        "resources": {"vcpus": 0.5, "memory": 2048, "gpus": 1},
        "timeout": 90,
        "tags": {"team": "pricing"},
        "share_identifier": "research",
        "scheduling_priority": 0,
    }
    request = aws_batch.submission(job("word", **config), "eu-west-1")
    model = botocore.session.get_session().get_service_model("batch").operation_model("SubmitJob")
    assert ParamValidator().validate(request, model.input_shape).generate_report() == ""
    assert request["containerOverrides"]["resourceRequirements"] == [
        {"type": "VCPU", "value": "0.5"},
        {"type": "MEMORY", "value": "2048"},
        {"type": "GPU", "value": "1"},
    ]
    assert request["timeout"] == {"attemptDurationSeconds": 90}
    assert (request["shareIdentifier"], request["schedulingPriorityOverride"]) == ("research", 0)
    assert request["propagateTags"] is True
    plain = aws_batch.submission(job("word"), "eu-west-1")
    assert set(plain) == {
        "jobName",
        "jobQueue",
        "jobDefinition",
        "containerOverrides",
        "retryStrategy",
        "tags",
    }


@pytest.mark.parametrize(
    ("run_id", "address", "name"),
    [
        ("nightly.7", "a.b_c.0", "nightly-7-a-b_c-0"),
        ("_x", "a", "m_x-a"),
        ("r" * 200, "a", f"{'r' * 119}-"),
    ],
)
def test_names_of_jobs(run_id: str, address: str, name: str) -> None:
    found = aws_batch.submission(Job(run_id, address, address, 1, ["x"], {}, job("w").config), "r")
    assert found["jobName"].startswith(name) and len(found["jobName"]) <= aws_batch_rules.JOB_NAME
    assert len(found["tags"]["magnus-run"]) <= aws_batch_rules.LONGEST_VALUE


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(
        Refused, match=r"step 'regions.0.Train!': command and environment .* 8,\d\d\d characters"
    ):
        aws_batch.submission(job("word", environment={"LONG": "x" * 8100}), "eu-west-1")


# ---- what the service refuses ----


@pytest.mark.parametrize(
    ("config", "message", "looked"),
    [
        ({"job_queue": "nowhere"}, "Job queue nowhere does not exist", "no job queue 'nowhere'"),
        ({"job_definition": "none"}, "Job definition none does not exist", "no active job definition 'none'"),
    ],
)
def test_what_does_not_exist(
    client: Client, word: str, config: dict[str, Any], message: str, looked: str
) -> None:
    with pytest.raises(
        Refused, match=rf"the job of step 'regions.0.Train!': {message}.*executor.config names"
    ):
        submitter().submit(job(word, **config))
    with pytest.raises(Refused, match=f"AWS Batch has {looked} in region us-east-1: executor.config names"):
        submitter(**config).ready()


def test_a_queue_that_is_closed(client: Client) -> None:
    name = f"q{uuid.uuid4().hex}"
    client.project(name, ROOT)
    submitter(job_queue=name).ready()
    submitter(job_definition=f"arn:aws:batch:{REGION}:{ACCOUNT}:job-definition/{PROJECT}:1").ready()
    client.aws("batch").update_job_queue(jobQueue=name, state="DISABLED")
    with pytest.raises(Refused, match=f"job queue '{name}' of AWS Batch is DISABLED: enable it"):
        submitter(job_queue=name).ready()


def test_a_busy_service_is_asked_again(client: Client, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    client.fault([word], submit=["TooManyRequestsException", "ServerException", "TooManyRequestsException"])
    id_ = submitter().submit(job(word))
    assert client.ended(id_, 30)
    client.fault([f"{word}-2"], submit=["TooManyRequestsException"] * 9)
    with pytest.raises(
        PlatformError, match=r"Too Many Requests \(TooManyRequestsException\): try again later"
    ):
        submitter().submit(job(f"{word}-2"))


def test_a_submission_that_is_answered_late_leaves_two_jobs(
    client: Client, word: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS Batch knows no token by which a submission could be repeated: the walk must bear two jobs for one step."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    client.fault([word], submit=["late:ServerException"])
    submitter().submit(job(word))
    assert client.settled(word)
    assert len(client.jobs(word)) == 2


def test_a_caller_without_rights(client: Client, word: str, monkeypatch: pytest.MonkeyPatch) -> None:
    client.fault([word], submit=["AccessDeniedException"])
    with pytest.raises(
        Refused, match=r"not authorized to perform: batch:SubmitJob .*: give the caller that right"
    ):
        submitter().submit(job(word))
    here = submitter()
    monkeypatch.setattr(here, "_check_queue", lambda queue: here_denied())
    here.ready()  # who may submit need not be allowed to look


def here_denied() -> None:
    raise aws_batch.Denied("no")


@pytest.mark.parametrize(
    ("gone", "error", "message"),
    [
        (
            ("AWS_REGION", "AWS_DEFAULT_REGION"),
            Refused,
            "You must specify a region: write `region` into executor.config",
        ),
        (_CREDENTIALS, PlatformError, "Unable to locate credentials: sign in here .*jobRoleArn"),
    ],
)
def test_settings_that_are_missing(
    client: Client,
    word: str,
    monkeypatch: pytest.MonkeyPatch,
    gone: tuple[str, ...],
    error: type[Exception],
    message: str,
) -> None:
    for name in gone:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    with pytest.raises(error, match=f"AWS Batch, the job of step 'regions.0.Train!': {message}"):
        submitter().submit(job(word))
    with pytest.raises(error, match=message):
        submitter().ready()


def test_a_service_that_is_down(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with pytest.raises(PlatformError, match=r"Could not connect.*is the service reachable from here"):
        submitter().states(["a"])


def test_botocore_is_loaded_late_and_missed_with_a_message() -> None:
    program = (
        "import sys\n"
        "from magnus_render.errors import Refused\n"
        "from magnus_render.executors.aws_batch import BatchSubmitter\n"
        "assert not {'pydantic', 'botocore', 'networkx', 'yaml'} & set(sys.modules)\n"
        "try: BatchSubmitter({}).states(['a'])\n"
        "except Refused as error: print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    message = (
        "executor 'local-aws-batch' needs botocore, which is not installed: pip install 'magnus-render[aws]'"
    )
    assert found.stdout == f"{message}\n"
