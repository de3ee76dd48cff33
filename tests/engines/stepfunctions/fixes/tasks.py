"""Task states: requests, responses and waiting."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.resource import ResourceCondition
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service import (
    StateTaskService,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch import (
    StateTaskServiceBatch,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_callback import (
    StateTaskServiceCallback,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
    StateTaskServiceEcs,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_sfn import (
    StateTaskServiceSfn,
)
from moto.stepfunctions.parser.asl.utils import boto_client

from tests.engines.stepfunctions.fixes import Patch, fix

ABANDONED = "The execution that started it has left its state"


@functools.cache
def service_model(service: str) -> ServiceModel:
    """Return botocore's model of a service.

    Raises:
        botocore.exceptions.UnknownServiceError: there is none of that name.
    """
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


@fix("member-names")
def convert_member_names(patch: Patch) -> None:
    """moto: the members of requests and responses keep the service's own spelling (`jobName`).

    AWS: they are in Pascal case whatever the service's spelling (`JobName`, `Container.ExitCode`).
    """

    def operation(self: Any, service: str | None, action: str | None) -> OperationModel:
        model = service_model(self._get_boto_service_name(service))
        spelled = {state_task_service.camel_to_snake_case(name): name for name in model.operation_names}
        wanted = state_task_service.camel_to_snake_case(self._get_boto_service_action(action))
        return model.operation_model(spelled[wanted])

    def request(
        self: Any, parameters: Any, boto_service_name: Any = None, service_action_name: Any = None
    ) -> None:
        shape = operation(self, boto_service_name, service_action_name).input_shape
        if shape is not None:
            self._to_boto_request(parameters, shape)

    def response(
        self: Any, response: Any, boto_service_name: Any = None, service_action_name: Any = None
    ) -> None:
        shape = operation(self, boto_service_name, service_action_name).output_shape
        if shape is not None:
            self._from_boto_response(response, shape)

    patch(StateTaskService, "_normalise_parameters", request)
    patch(StateTaskService, "_normalise_response", response)


@fix("token-per-attempt")
def give_each_attempt_a_token(patch: Patch) -> None:
    """moto: one task token serves every attempt of a state, and is spent after the first: the retry of a `.sync` or
    `.waitForTaskToken` task times out at once. AWS: each attempt waits for itself.
    """
    original = StateTaskServiceCallback._eval_execution

    def _eval_execution(self: Any, env: Any) -> None:
        if (
            self._is_integration_pattern()
            and ResourceCondition.WaitForTaskToken in self._supported_integration_patterns
        ):
            env.callback_pool_manager.add(env.states.context_object.update_task_token())
        original(self, env)

    patch(StateTaskServiceCallback, "_eval_execution", _eval_execution)


@fix("abandoned-jobs")
def end_abandoned_jobs(patch: Patch) -> None:
    """moto: a `.sync` job goes on when its state times out, a sibling branch fails or the execution is stopped.

    AWS: Step Functions terminates the Batch job, or stops the ECS task or the child execution.
    """
    ends: tuple[tuple[Any, str, Callable[..., None]], ...] = (
        (StateTaskServiceBatch, "_build_sync_resolver", _terminate_job),
        (StateTaskServiceEcs, "_build_sync_resolver", _stop_task),
        (StateTaskServiceSfn, "_build_sync2_resolver", _stop_execution),
    )
    for service, name, end in ends:
        patch(service, name, _with_end(getattr(service, name), end))
    original = StateTaskServiceCallback._eval_sync

    def _eval_sync(self: Any, env: Any, sync_resolver: Any, *args: Any, **options: Any) -> Any:
        outcome = original(self, env, sync_resolver, *args, **options)
        if not isinstance(outcome, dict) and hasattr(sync_resolver, "end"):  # not what has become of the job
            sync_resolver.end()
        return outcome

    patch(StateTaskServiceCallback, "_eval_sync", _eval_sync)


def _with_end(build: Callable[..., Any], end: Callable[..., None]) -> Callable[..., Any]:
    def _build_sync_resolver(
        self: Any, env: Any, resource_runtime_part: Any, normalised_parameters: Any, state_credentials: Any
    ) -> Any:
        submitted = env.stack[-1]
        resolver = build(self, env, resource_runtime_part, normalised_parameters, state_credentials)

        @functools.wraps(resolver)
        def resolve() -> Any:
            return resolver()

        clients = functools.partial(
            boto_client.boto_client_for,
            region=resource_runtime_part.region,
            state_credentials=state_credentials,
        )
        resolve.end = lambda: end(clients, submitted)  # type: ignore[attr-defined]
        return resolve

    return _build_sync_resolver


def _terminate_job(clients: Callable[..., Any], submitted: Any) -> None:
    clients(service="batch").terminate_job(jobId=submitted["JobId"], reason=ABANDONED)


def _stop_execution(clients: Callable[..., Any], submitted: Any) -> None:
    clients(service="stepfunctions").stop_execution(executionArn=submitted["ExecutionArn"], cause=ABANDONED)


def _stop_task(clients: Callable[..., Any], submitted: Any) -> None:
    task = submitted["Tasks"][0]
    clients(service="ecs").stop_task(cluster=task["ClusterArn"], task=task["TaskArn"], reason=ABANDONED)
