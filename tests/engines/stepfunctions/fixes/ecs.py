"""ECS: tasks that are real processes."""

from __future__ import annotations

import functools
import threading
from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.ecs.models import EC2ContainerServiceBackend, Task
from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
    StateTaskServiceEcs,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.utils.encoding import to_json_str

from tests.engines.stepfunctions import compute, faults
from tests.engines.stepfunctions.fixes import Patch, fix


@fix("ecs-processes")
def run_ecs_tasks(patch: Patch) -> None:
    """moto: a task runs nothing; being looked at moves it through its states. AWS: it runs its container's command,
    and is STOPPED when the essential container has exited. Here: the first container, as a process.
    """
    original = EC2ContainerServiceBackend.run_task

    def run_task(self: Any, *args: Any, **options: Any) -> Any:
        tasks = original(self, *args, **options)
        for task in tasks:
            container = self.describe_task_definition(task.task_definition_arn).container_definitions[0]
            threading.Thread(target=_run, args=(task, container), daemon=True).start()
        return tasks

    patch(EC2ContainerServiceBackend, "run_task", run_task)
    patch(Task, "advance", lambda self: None)
    patch(EC2ContainerServiceBackend, "stop_task", _stop_task)


@fix("ecs-faults")
def refuse_tasks(patch: Patch) -> None:
    """Not a defect: RunTask fails when a test has ordered it to (`faults`)."""
    original = EC2ContainerServiceBackend.run_task

    def run_task(
        self: Any,
        cluster_str: Any,
        task_definition_str: Any,
        count: Any,
        overrides: Any,
        *args: Any,
        **options: Any,
    ) -> Any:
        container = self.describe_task_definition(task_definition_str).container_definitions[0]
        refusal = faults.refusal(_override(overrides, container).get("command", []))
        if refusal is not None:
            code, status, message = refusal
            error = JsonRESTError(code, message)
            error.code = status
            raise error
        return original(self, cluster_str, task_definition_str, count, overrides, *args, **options)

    patch(EC2ContainerServiceBackend, "run_task", run_task)


@fix("ecs-security-groups")
def let_security_groups_be_absent(patch: Patch) -> None:
    """moto: RunTask fails if the network configuration has no security groups. AWS: the VPC's default group is used."""
    original = EC2ContainerServiceBackend.run_task

    def run_task(self: Any, *args: Any, **options: Any) -> Any:
        for value in [*args, *options.values()]:
            if isinstance(value, dict) and "awsvpcConfiguration" in value:
                value["awsvpcConfiguration"].setdefault("securityGroups", [])
        return original(self, *args, **options)

    patch(EC2ContainerServiceBackend, "run_task", run_task)


@fix("ecs-tags")
def pass_tags_on(patch: Patch) -> None:
    """moto: leaves the tags of a task out of the request. AWS: RunTask takes all that its own API takes (developer guide,
    "Run Amazon ECS or Fargate tasks with Step Functions").
    """
    original = StateTaskServiceEcs._get_supported_parameters

    def _get_supported_parameters(self: Any) -> Any:
        return original(self) | {"Tags"}

    patch(StateTaskServiceEcs, "_get_supported_parameters", _get_supported_parameters)


@fix("ecs-exit-code")
def fail_on_exit_code(patch: Patch) -> None:
    """moto: `runTask.sync` succeeds whatever the exit code. AWS: States.TaskFailed if a container's is not 0, or if
    the task stopped before it had one.
    """
    original = StateTaskServiceEcs._build_sync_resolver

    def _build_sync_resolver(self: Any, env: Any, *args: Any, **options: Any) -> Any:
        resolver = original(self, env, *args, **options)

        @functools.wraps(resolver)
        def resolve() -> Any:
            task = resolver()
            if task and any(container.get("ExitCode") != 0 for container in task["Containers"]):
                raise FailureEventException(_failure(self, env, to_json_str(task)))
            return task

        return resolve

    patch(StateTaskServiceEcs, "_build_sync_resolver", _build_sync_resolver)


def _failure(service: Any, env: Any, cause: str) -> FailureEvent:
    error = StatesErrorNameType.StatesTaskFailed
    details = TaskFailedEventDetails(
        resource=service._get_sfn_resource(),
        resourceType=service._get_sfn_resource_type(),
        error=error.to_name(),
        cause=cause,
    )
    return FailureEvent(
        env=env,
        error_name=StatesErrorName(typ=error),
        event_type=HistoryEventType.TaskFailed,
        event_details=EventDetails(taskFailedEventDetails=details),
    )


def _override(overrides: Any, container: Any) -> dict[str, Any]:
    given = (overrides or {}).get("containerOverrides", [])
    found: dict[str, Any] = next((each for each in given if each.get("name") == container["name"]), {})
    return found


def _run(task: Any, container: Any) -> None:
    override = _override(task.overrides, container)
    environment = {
        entry["name"]: entry["value"]
        for entry in [*container.get("environment", []), *override.get("environment", [])]
    }
    argv = override.get("command") or container.get("command", [])
    ending = compute.attempt(
        compute.Record("ecs", container["name"], task.id, argv),
        environment=environment,
        image=container.get("image", ""),
        seconds=None,
        stopped=lambda: task.stopped_reason or None,
    )
    task.containers[0].exitCode = ending.exit_code
    task.containers[0].last_status = "STOPPED"
    task.stopped_reason = ending.reason
    task.last_status = task.desired_status = "STOPPED"
    compute.end(task.id)


def _stop_task(backend: Any, cluster_str: str, task_str: str, reason: str) -> Any:
    task_id = task_str.rpartition("/")[2]
    for task in backend.tasks[backend._get_cluster(cluster_str).name].values():
        if task.id == task_id:
            task.desired_status = "STOPPED"
            task.stopped_reason = reason or "Task stopped by user"
            return task
    raise JsonRESTError("InvalidParameterException", f"The referenced task was not found: {task_str}")
