"""Names of errors, and where they can be caught."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError, UnknownServiceError
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.catch.catch_outcome import CatchOutcome
from moto.stepfunctions.parser.asl.component.common.error_name.custom_error_name import CustomErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.state.exec.execute_state import ExecutionState
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_aws_sdk import (
    StateTaskServiceAwsSdk,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
    StateTaskServiceEcs,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails

from tests.engines.stepfunctions.fixes import Patch, fix
from tests.engines.stepfunctions.fixes.tasks import service_model


@fix("sdk-error-names")
def name_sdk_errors(patch: Patch) -> None:
    """moto: an `aws-sdk` integration's error is named `s3.NoSuchKeyException`. AWS: `S3.NoSuchKeyException`, with the
    service's id.
    """

    def _normalise_service_error_name(service_name: str) -> str:
        try:
            return str(service_model(service_name).service_id).replace(" ", "")
        except UnknownServiceError:
            return service_name

    patch(
        StateTaskServiceAwsSdk, "_normalise_service_error_name", staticmethod(_normalise_service_error_name)
    )


@fix("ecs-error-names")
def name_ecs_errors(patch: Patch) -> None:
    """moto: an error of RunTask itself is a States.Runtime, which nothing catches. AWS: `ECS.<code>`."""
    original = StateTaskServiceEcs._from_error

    def _from_error(self: Any, env: Any, ex: Exception) -> FailureEvent:
        if not isinstance(ex, ClientError):
            return original(self, env=env, ex=ex)
        name = f"ECS.{ex.response['Error']['Code']}"
        details = TaskFailedEventDetails(
            error=name,
            cause=ex.response["Error"]["Message"],
            resource=self._get_sfn_resource(),
            resourceType=self._get_sfn_resource_type(),
        )
        return FailureEvent(
            env=env,
            error_name=CustomErrorName(name),
            event_type=HistoryEventType.TaskFailed,
            event_details=EventDetails(taskFailedEventDetails=details),
        )

    patch(StateTaskServiceEcs, "_from_error", _from_error)


@fix("errors-in-output")
def catch_errors_in_output(patch: Patch) -> None:
    """moto: what goes wrong in `Output` comes after the state's Catch has been left. AWS: Catch sees it."""
    original = ExecutionState._eval_state_output

    def _eval_state_output(self: Any, env: Any) -> None:
        try:
            original(self, env)
        except FailureEventException as exception:
            if not self.catch:
                raise
            error = self._construct_error_output_value(failure_event=exception.failure_event)
            env.states.set_error_output(error)
            env.states.set_result(error)
            self._handle_catch(env=env, failure_event=exception.failure_event)
            if env.stack[-1] != CatchOutcome.Caught:
                raise

    patch(ExecutionState, "_eval_state_output", _eval_state_output)
