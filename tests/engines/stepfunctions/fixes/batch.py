"""Batch: jobs that are real processes, and what DescribeJobs says of them."""

from __future__ import annotations

import datetime
import threading
from typing import Any

from moto.batch.models import BatchBackend, Job
from moto.batch.responses import BatchResponse
from moto.batch.utils import JobStatus
from moto.core.exceptions import JsonRESTError

from tests.engines.stepfunctions import compute, faults, jobs, permissions
from tests.engines.stepfunctions.fixes import Patch, fix

_request = threading.local()


@fix("batch-processes")
def run_batch_jobs(patch: Patch) -> None:
    """moto: a job is a Docker container, without attempts: RetryStrategy is ignored.

    AWS: a job has attempts. One that exceeds its timeout ends the job. After another failure, the first entry of
    EvaluateOnExit that matches decides, and if none does, the job is tried again. Here they are processes.
    """
    patch(Job, "run", _run)
    original_submit = BatchResponse.submitjob
    original_init = Job.__init__

    def submitjob(self: Any) -> Any:
        _request.retry_strategy = self._get_param("retryStrategy")
        return original_submit(self)

    def __init__(self: Any, *args: Any, **options: Any) -> None:
        original_init(self, *args, **options)
        self.retry_strategy = getattr(_request, "retry_strategy", None)
        compute.begin(self.job_id, self.container_overrides.get("command", []))

    patch(BatchResponse, "submitjob", submitjob)
    patch(Job, "__init__", __init__)


@fix("ended-by-somebody")
def describe_who_ended_it(patch: Patch) -> None:
    """moto: DescribeJobs does not tell that somebody has ended a job. AWS: `isTerminated`, and `isCancelled` if it had not
    begun.
    """
    original = Job.describe

    def describe(self: Any) -> Any:
        told = original(self)
        told["isCancelled"] = self.stop and not self.attempts
        told["isTerminated"] = self.stop
        return told

    patch(Job, "describe", describe)


@fix("batch-faults")
def refuse_submissions(patch: Patch) -> None:
    """Not a defect: SubmitJob fails when a test has ordered it to (`faults`)."""
    original = BatchResponse.submitjob

    def submitjob(self: Any) -> Any:
        refusal = faults.refusal((self._get_param("containerOverrides") or {}).get("command", []))
        if refusal is not None:
            code, status, message = refusal
            if code.startswith(faults.LATE):
                original(self)
                code = code.removeprefix(faults.LATE)
            error = JsonRESTError(code, message)
            error.code = status
            raise error
        return original(self)

    patch(BatchResponse, "submitjob", submitjob)


@fix("job-environment")
def describe_environment_once(patch: Patch) -> None:
    """moto: each DescribeJobs adds another AWS_BATCH_JOB_ID to the job's environment, so that the result of `.sync`
    grows with the time a job takes. AWS: it does not.
    """
    original = Job._get_container_property

    def _get_container_property(self: Any, p: str, default: Any) -> Any:
        if p != "environment":
            return original(self, p, default)
        return [{"name": name, "value": value} for name, value in _environment(self).items()]

    patch(Job, "_get_container_property", _get_container_property)


@fix("exit-code")
def describe_exit_code(patch: Patch) -> None:
    """moto: DescribeJobs leaves out the exit code of a container, and its reason. AWS: `Container.ExitCode`, `.Reason`."""
    original = Job._container_details

    def _container_details(self: Any) -> Any:
        details = original(self)
        if self.exit_code is not None:
            details["exitCode"] = self.exit_code
        if self.attempts and (reason := self.attempts[-1]["container"].get("reason")):
            details["reason"] = reason
        return details

    patch(Job, "_container_details", _container_details)


@fix("describe-jobs")
def describe_jobs_while_others_come(patch: Patch) -> None:
    """moto: DescribeJobs walks through the table of all jobs, and fails if one is added to it meanwhile, which ends an
    execution. AWS: it looks up the jobs that it is asked for.
    """
    original = BatchBackend.describe_jobs

    def describe_jobs(self: Any, jobs: Any) -> Any:
        if jobs and all(job in self._jobs for job in jobs):
            return [self._jobs[job].describe() for job in jobs]
        return original(self, jobs)

    patch(BatchBackend, "describe_jobs", describe_jobs)


def _environment(job: Any) -> dict[str, str]:
    defined = job.job_definition.container_properties.get("environment", [])
    given = job.container_overrides.get("environment", [])
    return {
        **{entry["name"]: entry["value"] for entry in [*defined, *given]},
        "AWS_BATCH_JOB_ID": job.job_id,
        "AWS_BATCH_JQ_NAME": job.job_queue.name,
    }


def _memory(job: Any) -> str | int | None:
    """Return the MiB that a job may use: those that were asked for at its submission, else those of its definition."""
    for asked in job.container_overrides.get("resourceRequirements", []):
        if asked["type"] == "MEMORY":
            return str(asked["value"])
    memory: str | int | None = job.job_definition._get_resource_requirement("memory")
    return memory


def _run(job: Any) -> None:
    """Run a Batch job: what its thread does."""
    if job.depends_on and not job._wait_for_dependencies():
        compute.end(job.job_id)
        return
    properties = job.job_definition.container_properties
    argv = job._add_parameters_to_command(
        job.container_overrides.get("command", properties.get("command", []))
    )
    record = compute.Record("batch", job.job_name, job.job_id, argv)
    job.log_stream_name = job._stream_name
    while True:
        job.job_started_at = datetime.datetime.now()
        job._start_attempt()
        job.status = JobStatus.RUNNING
        ending = _not_started(job) or compute.attempt(
            record,
            environment={**_environment(job), "AWS_BATCH_JOB_ATTEMPT": str(len(job.attempts))},
            image=properties.get("image", ""),
            seconds=job._get_attempt_duration(),
            stopped=lambda: (job.job_stopped_reason or "terminated") if job.stop else None,
            container={**properties, "memory": _memory(job)},
        )
        job.attempts[-1]["statusReason"] = ending.reason
        job.attempts[-1]["stoppedAt"] = int(datetime.datetime.now().timestamp() * 1000)
        if ending.exit_code is not None:
            job.attempts[-1]["container"]["exitCode"] = ending.exit_code
        if ending.of_container:
            job.attempts[-1]["container"]["reason"] = ending.of_container
        if ending.succeeded or job.stop or not try_again(_strategy(job), len(job.attempts), ending):
            break
        job.status = JobStatus.RUNNABLE
    job.exit_code, job.job_stopped_reason = ending.exit_code, ending.reason
    job._mark_stopped(success=ending.succeeded)
    compute.end(job.job_id)


def _not_started(job: Any) -> jobs.Ending | None:
    """Return why the container of a job does not start: nobody may take on its roles, or do what starts it."""
    refused = permissions.refused_of_container(job.job_definition.container_properties, job.job_id)
    return jobs.Ending(None, f"CannotStartContainerError: {refused[0]}") if refused else None


def _strategy(job: Any) -> dict[str, Any]:
    return getattr(job, "retry_strategy", None) or job.job_definition.retry_strategy or {}


def try_again(strategy: dict[str, Any], attempts: int, ending: jobs.Ending) -> bool:
    """Whether Batch starts another attempt after `attempts`, of which the last had this ending."""
    if attempts >= int(strategy.get("attempts") or 1) or ending.reason == jobs.TIMED_OUT:
        return False
    code = "" if ending.exit_code is None else str(ending.exit_code)
    for entry in strategy.get("evaluateOnExit") or []:
        conditions = (
            ("onExitCode", code),
            ("onStatusReason", ending.reason),
            ("onReason", ending.of_container),
        )
        if all(_matches(entry[name], value) for name, value in conditions if name in entry):
            return str(entry["action"]).upper() == "RETRY"
    return True


def _matches(pattern: str, value: str) -> bool:
    """Whether a pattern, which may end in an asterisk, matches."""
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern
