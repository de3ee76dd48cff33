"""AWS Batch as a scheduler: each step is a job, which submits the jobs of its successors."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from magnus_render import registry
from magnus_render.errors import PLATFORM, REFUSED, USAGE, MagnusError, PlatformError, Refused
from magnus_render.executors import aws_batch_rules as rules
from magnus_render.executors import aws_batch_submit, configured
from magnus_render.executors.aws_batch_integrations import INTEGRATIONS
from magnus_render.executors.decentral import DecentralExecutor
from magnus_render.executors.submitter import Submitter
from magnus_render.services.s3_connect import region_of
from magnus_render.texts import scalar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from magnus_render.executors.submitter import Job, State
    from magnus_render.plan import Plan

EXTRA = "aws"
RUNS = 5
"""Runs of a job at most: the first one, three after failures of the platform, and one to record a crash."""
RETRY_STRATEGY = {
    "attempts": RUNS,
    "evaluateOnExit": [
        # If no entry matches, AWS Batch runs the job again (API reference, EvaluateOnExit). So it does after status 75, a
        # lost host, or a killed job.
        {"onExitCode": str(USAGE), "action": "EXIT"},
        {"onExitCode": str(REFUSED), "action": "EXIT"},
        {"onExitCode": "126", "action": "EXIT"},
        {"onExitCode": "127", "action": "EXIT"},
    ],
}
"""It does not run a job again after 126 or 127: the image has no `magnus` that can be started."""
LOST = ("Host EC2", "Your Spot Task was interrupted")
"""How the reason of an attempt begins if its host was lost (user guide, "Automated job retries", "Fargate Spot")."""
OUT_OF_MEMORY = "OutOfMemoryError"
TIMED_OUT = "Job attempt duration exceeded timeout"
_EXITED = "Essential container in task exited"
"""The reason that AWS Batch gives for every job whose process ended by itself."""
_CODES = {"126": "its image cannot start the command", "127": "its image has no such command"}
AT_ONCE = 100
"""Jobs that are described by one request (API reference, DescribeJobs)."""
_STATES: dict[str, State] = {
    "SUBMITTED": "waiting",
    "PENDING": "waiting",
    "RUNNABLE": "waiting",
    "STARTING": "running",
    "RUNNING": "running",
}
_DENIED = frozenset(("AccessDeniedException", "AccessDenied", "UnauthorizedOperation"))
_UNKNOWN_CALLER = frozenset(
    ("ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId")
)
_SIGN_IN = (
    "sign in here (aws configure, aws sso login); for a job, its job definition names a role by jobRoleArn"
)
_THERE = (
    "executor.config names by `job_queue` and `job_definition` what there is, and is enabled, in the region"
)


class Denied(Refused):
    """The caller has no right to this request."""


class BatchSubmitter(Submitter):
    """Speaks to AWS Batch by botocore. A job submits jobs without botocore where possible (`aws_batch_submit`).

    AWS Batch itself runs a lost or killed job again, so no job stands guard.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self._client: Any = None
        self._way: aws_batch_submit.Way | None = None

    def ready(self) -> None:
        """Make sure that queue and job definition can be used, as far as the caller may look at them."""
        try:
            self._check_queue(self.config["job_queue"])
            self._check_definition(self.config["job_definition"])
        except Denied:
            pass  # a caller may submit jobs without the right to describe queues

    def refuses(self, job: Job) -> str:
        return too_long(job, self.config.get("region", ""))

    def submit(self, job: Job) -> str:
        return self._quickly(job) or self._surely(job)

    def _quickly(self, job: Job) -> str:
        """Submit a job without botocore and return its id; '' if botocore must submit it."""
        if self._client is not None:
            return ""
        region = self.config.get("region") or region_of(os.environ)
        self._way = self._way or aws_batch_submit.way(region, os.environ)
        return self._way.submit(submission(job, region)) if self._way else ""

    def _surely(self, job: Job) -> str:
        region = self._service(f"the job of step '{job.path}'").meta.region_name
        request = submission(job, region)
        answer = self._ask("submit_job", f"the job of step '{job.path}'", _THERE, **request)
        return str(answer["jobId"])

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        wanted = list(ids)
        found: dict[str, State] = dict.fromkeys(wanted, "ended")
        for detail in self._described(wanted):
            found[detail["jobId"]] = _state(detail)
        return found

    def cancel(self, ids: Iterable[str]) -> None:
        for one, state in self.states(ids).items():
            if state in ("waiting", "running"):
                self._ask(
                    "terminate_job", f"the end of job {one}", "", jobId=one, reason="cancelled by magnus"
                )

    def ending(self, job: str) -> str:
        return next((_told(detail) for detail in self._described([job])), "")

    def before(self, environment: Mapping[str, str]) -> str:
        number = int(environment.get("AWS_BATCH_JOB_ATTEMPT", "1"))
        if number < 2:
            return ""
        details = list(self._described([environment["AWS_BATCH_JOB_ID"]]))
        # The list may have the present attempt already, or not yet.
        ended = details[0].get("attempts", [])[: number - 1] if details else []
        return _ending(ended[-1]) if ended else "platform"

    # ---- what is looked at before the first job ----

    def _check_queue(self, queue: str) -> None:
        what = f"job queue '{queue}'"
        found = self._ask("describe_job_queues", what, "", jobQueues=[queue])["jobQueues"]
        if not found:
            raise Refused(f"AWS Batch has no {what} in {self._region()}: {_THERE}")
        if found[0]["state"] != "ENABLED":
            raise Refused(
                f"{what} of AWS Batch is {found[0]['state']}: enable it, or name another in executor.config"
            )

    def _check_definition(self, name: str) -> None:
        what = f"job definition '{name}'"
        exact = re.search(r":\d+\Z", name) is not None
        given = {"jobDefinitions": [name]} if exact else {"jobDefinitionName": name.rpartition("/")[2]}
        found = self._ask("describe_job_definitions", what, "", status="ACTIVE", **given)["jobDefinitions"]
        if not found:
            raise Refused(f"AWS Batch has no active {what} in {self._region()}: {_THERE}")

    def _region(self) -> str:
        return f"region {self._service('').meta.region_name}"

    # ---- the service ----

    def _described(self, ids: list[str]) -> Iterator[dict[str, Any]]:
        for start in range(0, len(ids), AT_ONCE):
            asked = ids[start : start + AT_ONCE]
            yield from self._ask("describe_jobs", f"the state of {len(asked)} jobs", "", jobs=asked)["jobs"]

    def _ask(self, operation: str, what: str, fix: str, /, **arguments: Any) -> Any:
        """Return the answer to a request; `what` and `fix` are for messages. Raises `PlatformError`, `Refused`, `Denied`."""
        service = self._service(what)
        from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

        try:
            return getattr(service, operation)(**arguments)
        except ClientError as error:
            raise _meant(error.response, what, fix) from error
        except BotoCoreError as error:
            raise _not_reached(error, what) from error

    def _service(self, what: str) -> Any:
        if self._client is None:
            self._client = _connect(self.config.get("region"), what)
        return self._client


class BatchExecutor(DecentralExecutor):
    """Runs each step as a job of AWS Batch."""

    name = "local-aws-batch"
    aliases = ("aws-batch",)
    summary = "steps as jobs of AWS Batch, which go on by themselves"
    integrations = INTEGRATIONS
    needed = ("job_queue", "job_definition")
    extra = EXTRA
    submitter = BatchSubmitter

    @classmethod
    def configuration(cls) -> Any:
        from magnus_render.executors.aws_batch_config import BatchConfig

        return BatchConfig

    @classmethod
    def problems(cls, config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        return configured.problems(cls, config, dict.fromkeys(cls.needed, "any"))

    def __init__(self, config: Mapping[str, Any]) -> None:
        configured.check(type(self), config, {key: f"write {key}: NAME, or its ARN" for key in self.needed})
        self.given = dict(config)

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        from magnus_render.executors.aws_batch_config import PER_RUN

        yield from super().check(plan)
        yield from configured.node_problems(self.name, self.configuration(), self.given, plan, PER_RUN)


def submission(job: Job, region: str) -> dict[str, Any]:
    """Return the request that submits a job; raise `Refused` if AWS Batch would not take it."""
    config = job.config
    if refused := too_long(job, region):
        raise Refused(refused)
    request: dict[str, Any] = {
        "jobName": _job_name(job),
        "jobQueue": config["job_queue"],
        "jobDefinition": config["job_definition"],
        "containerOverrides": overrides(job, region),
        "retryStrategy": RETRY_STRATEGY,
        "tags": _tags(job),
    }
    if config.get("tags"):
        request["propagateTags"] = True
    if config.get("timeout") is not None:
        request["timeout"] = {"attemptDurationSeconds": config["timeout"]}
    if config.get("share_identifier"):
        request["shareIdentifier"] = config["share_identifier"]
    if config.get("scheduling_priority") is not None:
        request["schedulingPriorityOverride"] = config["scheduling_priority"]
    return request


def overrides(job: Job, region: str) -> dict[str, Any]:
    """Return the overrides of the job definition for a job (API reference, ContainerOverrides)."""
    config = job.config
    found: dict[str, Any] = {"command": [*config.get("magnus_command", ["magnus"]), *job.argv]}
    found["environment"] = _variables(job, region)
    wanted = {"vcpus": None, "memory": None, "gpus": None, **config.get("resources", {})}
    if asked := rules.requirements(**wanted):
        found["resourceRequirements"] = [{"type": kind, "value": value} for kind, value in asked]
    return found


def too_long(job: Job, region: str) -> str:
    """Return the message about a job whose overrides are too long, '' if they are not."""
    length = len(json.dumps(overrides(job, region), ensure_ascii=False, separators=(",", ":")))
    if length <= rules.OVERRIDES:
        return ""
    return (
        f"step '{job.path}': command and environment of its job have {length:,} characters, AWS Batch takes "
        f"{rules.OVERRIDES:,}: let the job definition set variables, instead of `environment` of executor.config"
    )


def _variables(job: Job, region: str) -> list[dict[str, str]]:
    given = {name: scalar(value) for name, value in job.config.get("environment", {}).items()}
    # The environment of a job may have no region, and no client of AWS works without one.
    values = {"AWS_REGION": region, **given, **job.environment}
    return [{"name": name, "value": value} for name, value in values.items()]


def _tags(job: Job) -> dict[str, str]:
    own = dict(zip(rules.OWN_TAGS, (job.run_id, job.address), strict=True))
    given = {key: scalar(value) for key, value in job.config.get("tags", {}).items()}
    return {**given, **{key: value[-rules.LONGEST_VALUE :] for key, value in own.items()}}


def _job_name(job: Job) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]", "-", f"{job.run_id}-{job.address}")
    return rules.job_name(name if name[0].isalnum() else f"m{name}")


def _state(detail: Mapping[str, Any]) -> State:
    """Return the state of a described job."""
    if detail["status"] in _STATES:
        return _STATES[detail["status"]]
    ended_by_somebody = detail.get("isCancelled") or detail.get("isTerminated")
    timed_out = str(detail.get("statusReason", "")).startswith(TIMED_OUT)
    return "cancelled" if ended_by_somebody and detail["status"] == "FAILED" and not timed_out else "ended"


def _told(detail: Mapping[str, Any]) -> str:
    """Return how a described job ended, for people (API reference, JobDetail and ContainerDetail)."""
    container = detail.get("container", {})
    code = container.get("exitCode")
    reasons = [container.get("reason", ""), str(detail.get("statusReason", "")), _CODES.get(str(code), "")]
    ended = f"is {detail['status']}" if code is None else f"ended with exit code {code}"
    told = ": ".join([ended, *(one for one in reasons if one and one != _EXITED)])
    stream = container.get("logStreamName", "")
    return f"{told}; its output is in the log stream {stream} of CloudWatch" if stream else told


def _ending(attempt: Mapping[str, Any]) -> str:
    """Return how the attempt ended after which AWS Batch runs a job again (API reference, AttemptDetail)."""
    container = attempt.get("container", {})
    code, reason = container.get("exitCode"), str(container.get("reason", ""))
    if reason.startswith(OUT_OF_MEMORY):
        return "crashed"
    if code is None or code == PLATFORM or str(attempt.get("statusReason", "")).startswith(LOST):
        return "platform"
    return "crashed"


def _connect(region: str | None, what: str) -> Any:
    try:
        import botocore.session  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        text = "executor 'local-aws-batch' needs botocore, which is not installed"
        raise Refused(f"{text}: {registry.install(EXTRA)}") from error
    try:
        return botocore.session.get_session().create_client(
            "batch",
            # Of AWS_REGION and AWS_DEFAULT_REGION botocore itself reads only the second.
            region_name=region or os.environ.get("AWS_REGION"),
            config=Config(
                connect_timeout=5, read_timeout=20, retries={"mode": "standard", "total_max_attempts": 6}
            ),
        )
    except BotoCoreError as error:
        raise _not_reached(error, what) from error


def _meant(response: Mapping[str, Any], what: str, fix: str) -> MagnusError:
    """Return the error for an answer of the service."""
    told = response.get("Error", {})
    code, said = str(told.get("Code", "")), str(told.get("Message", "")).rstrip(". ")
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    text = f"AWS Batch, {what}: {said} ({code})"
    if code in _DENIED:
        return Denied(
            f"{text}: give the caller that right, see docs/executors/local-aws-batch.md, Permissions"
        )
    if code in _UNKNOWN_CALLER:
        return PlatformError(f"{text}: {_SIGN_IN}")
    if code == "ClientException" and status < 429:
        return Refused(f"{text}: {fix}" if fix else text)
    return PlatformError(f"{text}: try again later")


def _not_reached(error: Exception, what: str) -> MagnusError:
    """Return the error for a failure of the client, found by the name of its class: botocore has one for each kind."""
    kind, text = type(error).__name__, f"AWS Batch, {what}: {error}".rstrip(". ")
    if kind == "NoRegionError":
        return Refused(f"{text}: write `region` into executor.config, or set AWS_REGION")
    if kind == "ParamValidationError":
        return Refused(text)
    if "Credential" in kind or "Token" in kind or "SSO" in kind:
        return PlatformError(f"{text}: {_SIGN_IN}")
    return PlatformError(f"{text}: is the service reachable from here?")
