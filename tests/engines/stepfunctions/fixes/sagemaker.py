"""SageMaker: processing jobs that are real processes, and the states that wait for them."""

from __future__ import annotations

import functools
import threading
from typing import Any

from moto.batch.models import batch_backends
from moto.sagemaker.models import SageMakerModelBackend
from moto.sagemaker.responses import SageMakerResponse
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_factory
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch import (
    StateTaskServiceBatch,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils import boto_client
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from tests.engines.stepfunctions import compute
from tests.engines.stepfunctions.fixes import Patch, fix, patch_all_imports
from tests.engines.stepfunctions.fixes.tasks import service_model

_TAG = {"Key": "MANAGED_BY_AWS", "Value": "STARTED_BY_STEP_FUNCTIONS"}
_ENDS = {"Completed", "Failed", "Stopped"}


@fix("sagemaker-sync")
def wait_for_processing_jobs(patch: Patch) -> None:
    """moto: the interpreter cannot wait for what SageMaker does. AWS: `createProcessingJob.sync` tags the job, waits for
    its end, fails with it, and stops a job that nobody waits for any more.
    """
    original = state_task_service_factory.state_task_service_for

    def state_task_service_for(service_name: str) -> Any:
        return StateTaskServiceSageMaker() if service_name == "sagemaker" else original(service_name)

    patch_all_imports(patch, "state_task_service_for", original, state_task_service_for)


@fix("sagemaker-processes")
def run_processing_jobs(patch: Patch) -> None:
    """moto: a processing job has ended as soon as it is created. AWS: it runs the entry point of its container.

    Here: a process. Its image is called like a project (`Client.project`), whose variables it has.
    """
    original = SageMakerResponse.create_processing_job

    def create_processing_job(self: Any) -> Any:
        answer = original(self)
        job = self.sagemaker_backend.processing_jobs[self._get_param("ProcessingJobName")]
        job.processing_job_status = "InProgress"
        threading.Thread(
            target=_run, args=(job, dict(self._get_param("Environment") or {})), daemon=True
        ).start()
        return answer

    def stop_processing_job(self: Any, processing_job_name: str) -> None:
        self.processing_jobs[processing_job_name].processing_job_status = "Stopping"

    patch(SageMakerResponse, "create_processing_job", create_processing_job)
    patch(SageMakerModelBackend, "stop_processing_job", stop_processing_job)


def _run(job: Any, given: dict[str, str]) -> None:
    _, _, _, region, account, _ = job.arn.split(":", 5)
    definition = batch_backends[account][region].get_job_definition(job.app_specification["ImageUri"])
    own = definition.container_properties["environment"] if definition else []
    ending = compute.attempt(
        compute.Record(
            "sagemaker",
            job.processing_job_name,
            job.processing_job_name,
            job.app_specification["ContainerEntrypoint"],
        ),
        environment={**{entry["name"]: entry["value"] for entry in own}, **given},
        image="process",
        seconds=(job.stopping_condition or {}).get("MaxRuntimeInSeconds"),
        stopped=lambda: "stopped" if job.processing_job_status == "Stopping" else None,
    )
    stopped = job.processing_job_status == "Stopping"
    job.processing_job_status = "Stopped" if stopped else "Completed" if ending.succeeded else "Failed"
    compute.end(job.processing_job_name)


class StateTaskServiceSageMaker(StateTaskServiceBatch):
    """A state of SageMaker. moto finds what a state calls by the name of its service; Batch's also waits."""

    def _get_supported_parameters(self) -> set[str] | None:
        return set(service_model("sagemaker").operation_model("CreateProcessingJob").input_shape.members)

    @staticmethod
    def _attach_aws_environment_variables(parameters: dict[str, Any]) -> None:
        parameters["Tags"] = [*parameters.get("Tags", ()), _TAG]

    def _from_error(self, env: Any, ex: Exception) -> FailureEvent:
        failure: FailureEvent = super()._from_error(env=env, ex=ex)
        if failure.error_name.error_name.startswith("Batch."):
            return self._failure(env, CustomErrorName("SageMaker.AmazonSageMakerException"), str(ex))
        return failure

    def _failure(self, env: Any, error: Any, cause: str) -> FailureEvent:
        details = TaskFailedEventDetails(
            resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
            error=error.error_name,
            cause=cause,
        )
        return FailureEvent(
            env=env,
            error_name=error,
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )

    def _build_sync_resolver(
        self, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> Any:
        name = env.stack.pop()["ProcessingJobArn"].rpartition("/")[2]
        region = resource_runtime_part.region
        client = functools.partial(boto_client.boto_client_for, region, "sagemaker", state_credentials)

        def resolve() -> Any:
            job = client().describe_processing_job(ProcessingJobName=name)
            if job["ProcessingJobStatus"] not in _ENDS:
                return None
            job.pop("ResponseMetadata")
            failed = StatesErrorName(typ=StatesErrorNameType.StatesTaskFailed)
            if job["ProcessingJobStatus"] == "Completed":
                return job
            raise FailureEventException(self._failure(env, failed, to_json_str(job)))

        resolve.end = lambda: client().stop_processing_job(ProcessingJobName=name)  # type: ignore[attr-defined]
        return resolve
