"""How tests use the engine: `Client` runs state machines and gives back what became of them.

client = shared()
client.project("demo", folder)                       a job queue, a job definition and a task definition
client.bucket("runs")
execution = client.run({"demo": asl}, "demo", "run-1", {"parameters": {}})
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.engines.stepfunctions.jobs import FOLDER, credentials

ROOT = Path(__file__).resolve().parents[3]
ACCOUNT = "123456789012"
REGION = "us-east-1"
CLUSTER = "magnus"
_ROLE = f"arn:aws:iam::{ACCOUNT}:role/magnus"
TIME_LIMIT = 120.0


@dataclass(frozen=True)
class Execution:
    """What became of an execution."""

    arn: str
    status: str
    """SUCCEEDED, FAILED, TIMED_OUT, ABORTED, or RUNNING: the time limit of the wait was over first."""
    error: str | None
    cause: str | None
    output: Any
    history: list[dict[str, Any]] = field(repr=False)
    jobs: list[dict[str, Any]] = field(repr=False)
    """Batch jobs and ECS tasks with the run id in their command: service, name, id, argv, attempts (each with
    exit_code, reason and log, a path), in the order in which they started."""

    @property
    def logs(self) -> str:
        """What its jobs printed: for messages of failed tests."""
        texts = []
        for job in self.jobs:
            texts.append(f"--- {' '.join(job['argv'])}: {job['attempts']}\n")
            log = Path(job["attempts"][-1]["log"]) if job["attempts"] else None
            texts.append(log.read_text(errors="replace") if log is not None and log.exists() else "")
        return "".join(texts)


class EngineError(Exception):
    """The server refused a request of its own; the text is its traceback."""


class Client:
    """A server process of its own, and what a test asks of it. A context manager; or call `close`.

    The server ends with the process that started it, however that ends. `warm`: jobs whose program is the `magnus`
    beside this Python are forks of a process that has imported it before.
    """

    def __init__(self, *, warm: bool = False) -> None:
        self._jobs_before: dict[str, int] = {}  # with the same run id, of other machines
        work = tempfile.mkdtemp(prefix="magnus-stepfunctions-")
        command = [sys.executable, "-m", "tests.engines.stepfunctions.server", "--work", work]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MAGNUS_"))}
        self._server = subprocess.Popen(
            [*command, "--warm"] if warm else command,
            cwd=ROOT,
            env={**kept, "AWS_EC2_METADATA_DISABLED": "true"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._server.stdout
        port = self._server.stdout.readline().strip()
        if not port:
            raise EngineError("the server did not start")
        self.endpoint = f"http://127.0.0.1:{port}"
        """What AWS_ENDPOINT_URL is in its jobs."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the server and its jobs."""
        self._server.communicate()

    @property
    def process_id(self) -> int:
        """The server's."""
        return self._server.pid

    @property
    def environment(self) -> dict[str, str]:
        """Variables that lead an AWS client in any process to this engine."""
        return credentials(self.endpoint)

    def aws(self, service: str) -> Any:
        """Return a boto3 client for a service of this engine."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self.endpoint)
        return self._clients[service]

    def signed(self, service: str, role: str) -> Any:
        """Return a boto3 client that signs with the name of a role (`permissions`)."""
        import boto3

        session = boto3.session.Session(role, "test", region_name=REGION)
        return session.client(service, endpoint_url=self.endpoint)

    @cached_property
    def _session(self) -> Any:
        import boto3

        return boto3.session.Session("test", "test", region_name=REGION)

    @cached_property
    def _clients(self) -> dict[str, Any]:
        return {}

    def project(
        self,
        name: str,
        folder: Path,
        environment: Mapping[str, str] | None = None,
        image: str = "process",
        roles: Mapping[str, str] | None = None,
        container: Mapping[str, Any] | None = None,
    ) -> None:
        """Create a job queue, a job definition and an ECS task definition (container `main`) of that name.

        Their jobs run in `folder` with `environment`: as processes, or in containers of another `image`. `roles` are those
        of the task definition, by its members, and `container` what the job definition says besides (ContainerProperties).
        """
        batch = self.aws("batch")
        variables = pairs(folder, environment or {})
        if not batch.describe_job_queues(jobQueues=[name])["jobQueues"]:
            batch.create_job_queue(
                jobQueueName=name,
                priority=1,
                state="ENABLED",
                computeEnvironmentOrder=[{"order": 1, "computeEnvironment": self._compute_environment()}],
            )
        batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties={
                "image": image,
                "vcpus": 1,
                "memory": 512,
                "environment": variables,
                **(container or {}),
            },
        )
        self.aws("ecs").register_task_definition(
            family=name,
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            containerDefinitions=[{"name": "main", "image": image, "memory": 512, "environment": variables}],
            **(roles or {}),
        )

    def function(self, name: str, handler: str, folder: Path, environment: Mapping[str, str]) -> None:
        """Create a Lambda function of that name, whose handler this Python can import; `project` was called before."""
        variables = {pair["name"]: pair["value"] for pair in pairs(folder, environment)}
        self.aws("lambda").create_function(
            FunctionName=name,
            Handler=handler,
            Role=_ROLE,
            Runtime="python3.12",
            Code={"ZipFile": b"the engine runs what this Python can import"},
            Timeout=900,
            Environment={"Variables": variables},
        )

    def _compute_environment(self) -> str:
        batch = self.aws("batch")
        found = batch.describe_compute_environments(computeEnvironments=["magnus"])["computeEnvironments"]
        if found:
            return str(found[0]["computeEnvironmentArn"])
        self.aws("ecs").create_cluster(clusterName=CLUSTER)
        self.aws("iam").create_role(RoleName="magnus", AssumeRolePolicyDocument="{}")
        created = batch.create_compute_environment(
            computeEnvironmentName="magnus", type="UNMANAGED", state="ENABLED", serviceRole=_ROLE
        )
        return str(created["computeEnvironmentArn"])

    @cached_property
    def subnet(self) -> str:
        """A subnet that ECS tasks can be given."""
        return str(self.aws("ec2").describe_subnets()["Subnets"][0]["SubnetId"])

    def bucket(self, name: str) -> None:
        """Create a bucket; an old one of that name is emptied."""
        s3 = self.aws("s3")
        s3.create_bucket(Bucket=name)
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
            for found in page.get("Contents", []):
                s3.delete_object(Bucket=name, Key=found["Key"])

    def deploy(self, machines: Mapping[str, str]) -> None:
        """Create the state machines of these names, anew if they exist."""
        states = self.aws("stepfunctions")
        for name, definition in machines.items():
            states.delete_state_machine(stateMachineArn=machine_arn(name))
            states.create_state_machine(name=name, definition=definition, roleArn=_ROLE)

    def start(self, name: str, run_id: str, given: Any) -> str:
        """Start an execution and return its ARN."""
        before = len(self.jobs(run_id))
        started = self.aws("stepfunctions").start_execution(
            stateMachineArn=machine_arn(name), name=run_id, input=json.dumps(given)
        )
        arn = str(started["executionArn"])
        self._jobs_before[arn] = before
        return arn

    def wait(self, arn: str, seconds: float = TIME_LIMIT) -> Execution:
        """Wait for the end of an execution that `start` started, at most so many seconds."""
        told = self.ask("wait", execution=arn, seconds=seconds)
        jobs = self.jobs(arn.rpartition(":")[2])[self._jobs_before[arn] :]
        return Execution(arn=arn, jobs=jobs, **told)

    def run(
        self,
        machines: Mapping[str, str],
        start: str,
        run_id: str,
        given: Any = None,
        seconds: float = TIME_LIMIT,
    ) -> Execution:
        """Deploy state machines, start one with an input (default: `{}`) and wait for its end.

        Raises:
            botocore.exceptions.ClientError: a definition was refused.
        """
        self.deploy(machines)
        return self.wait(self.start(start, run_id, {} if given is None else given), seconds)

    def stop(self, arn: str) -> None:
        """Stop an execution, as a user would."""
        self.aws("stepfunctions").stop_execution(executionArn=arn)

    def jobs(self, word: str) -> list[dict[str, Any]]:
        """Return the records of jobs whose command contains a word; see `Execution.jobs`."""
        found: list[dict[str, Any]] = self.ask("jobs", word=word)
        return found

    def ended(self, job: str, seconds: float) -> bool:
        """Wait at most so many seconds for the end of the job or task of that id; return whether it has come."""
        return bool(self.ask("ended", identity=job, seconds=seconds))

    def settled(self, word: str, seconds: float = TIME_LIMIT) -> bool:
        """Wait at most so many seconds until no Batch job waits or runs whose command contains a word; tell whether so."""
        return bool(self.ask("settled", word=word, seconds=seconds))

    def fault(self, words: Sequence[str], submit: Sequence[str] = (), host_loss: Sequence[str] = ()) -> None:
        """Order faults for commands that contain all these words (such as a run id and a step's address).

        `submit`: error codes that the next submissions are refused with (`ServerException`: HTTP 500,
        `AWSBatchException`: throttling); with `late:` in front they are accepted all the same. `host_loss`: for each of
        the next attempts of a job, when its host is lost: "start" (nothing runs), "end" (all has run, but its exit code
        is never known), the path of a file (as soon as it exists), or "" (not).
        """
        self.ask("fault", words=list(words), submit=list(submit), host_loss=list(host_loss))

    @contextmanager
    def changed(self, without: Sequence[str] = (), provoke: Sequence[str] = ()) -> Iterator[None]:
        """For the block, leave out these fixes of moto and add these provocations (`fixes`)."""
        self.ask("fixes", without=without, provoke=provoke)
        try:
            yield
        finally:
            self.ask("fixes")

    def fix_names(self) -> list[str]:
        """Return the names of all fixes."""
        names: list[str] = self.ask("names")
        return names

    def reset(self) -> None:
        """Forget all that was created, all faults and all records."""
        self.ask("reset")

    def ask(self, what: str, **request: Any) -> Any:
        """Send the server a request of its own.

        Raises:
            EngineError: it failed.
        """
        url = f"{self.endpoint}/_engine/{what}"
        try:
            with urllib.request.urlopen(urllib.request.Request(url, json.dumps(request).encode())) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise EngineError(json.loads(error.read())) from None


def pairs(folder: Path, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the variables of a container whose job runs in a folder."""
    variables = {**environment, FOLDER: str(folder)}
    return [{"name": key, "value": value} for key, value in variables.items()]


def machine_arn(name: str) -> str:
    """Return the ARN of the state machine of that name."""
    return f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:{name}"


_shared: dict[int, Client] = {}


def shared() -> Client:
    """Return this process's client with warm jobs, started when it is first asked for and ended with the process."""
    if os.getpid() not in _shared:
        _shared[os.getpid()] = Client(warm=True)
        atexit.register(_shared[os.getpid()].close)
    return _shared[os.getpid()]
