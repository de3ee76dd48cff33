"""Map states."""

from __future__ import annotations

import uuid
from typing import Any

from moto.stepfunctions.parser.api import HistoryEventType, TaskFailedEventDetails
from moto.stepfunctions.parser.asl.component.common.error_name.failure_event import (
    FailureEvent,
    FailureEventException,
)
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name import StatesErrorName
from moto.stepfunctions.parser.asl.component.common.error_name.states_error_name_type import (
    StatesErrorNameType,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.distributed_iteration_component import (
    DistributedIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.inline_iteration_component import (
    InlineIterationComponent,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_map.iteration.itemprocessor.distributed_item_processor_worker import (  # noqa: E501
    DistributedItemProcessorWorker,
)
from moto.stepfunctions.parser.asl.eval.event.event_detail import EventDetails
from moto.stepfunctions.parser.asl.eval.variable_store import VariableStore

from tests.engines.stepfunctions.fixes import Patch, fix

AT_ONCE = 40
"""Items of a Map that AWS runs at once when it is inline; here also the most for a distributed one."""


@fix("tolerated-failures")
def fail_distributed_maps(patch: Patch) -> None:
    """moto: a distributed Map succeeds whatever becomes of its items. AWS: it fails with
    States.ExceedToleratedFailureThreshold when more fail than ToleratedFailureCount or -Percentage (default: none).
    """
    original = DistributedIterationComponent._map_run

    def _map_run(self: Any, env: Any, eval_input: Any) -> None:
        original(self, env, eval_input)
        counter = eval_input.map_run_record.item_counter
        failed, total = counter.failed.get() + counter.timed_out.get(), counter.total.get()
        count, percentage = (
            eval_input.tolerated_failure_count or 0,
            eval_input.tolerated_failure_percentage or 0,
        )
        too_many = failed > count if count or not percentage else False
        if too_many or (percentage and 100.0 * failed > percentage * total):
            name = StatesErrorName(typ=StatesErrorNameType.StatesExceedToleratedFailureThreshold)
            details = TaskFailedEventDetails(
                error=name.error_name, cause="The specified tolerated failure threshold was exceeded"
            )
            raise FailureEventException(
                FailureEvent(
                    env=env,
                    error_name=name,
                    event_type=HistoryEventType.TaskFailed,
                    event_details=EventDetails(taskFailedEventDetails=details),
                )
            )

    patch(DistributedIterationComponent, "_map_run", _map_run)


@fix("distributed-scope")
def give_children_their_own_scope(patch: Patch) -> None:
    """moto: an item of a distributed Map sees the Map's variables, execution name and item.

    AWS: each is an execution of its own, with a name and an input of its own; only ItemSelector sees what is outside.
    """
    original = DistributedItemProcessorWorker._eval_job

    def _eval_job(self: Any, env: Any, job: Any) -> None:
        select = self._eval_input

        def enter(env_frame: Any) -> None:
            select(env_frame=env_frame)
            env_frame.variable_store = VariableStore()
            context = env_frame.states.context_object.context_object_data
            context.pop("Map", None)
            name = str(uuid.uuid4())
            arn = context["Execution"]["Id"].rpartition(":")[0]
            context["Execution"] = {
                **context["Execution"],
                "Id": f"{arn}/map:{name}",
                "Name": name,
                "Input": env_frame.states.get_input(),
            }

        self._eval_input = enter
        try:
            original(self, env, job)
        finally:
            self._eval_input = select

    patch(DistributedItemProcessorWorker, "_eval_job", _eval_job)


@fix("forty-at-once")
def bound_workers(patch: Patch) -> None:
    """moto: a Map without MaxConcurrency starts as many threads as there are items. AWS: 40 at a time (inline)."""
    original = InlineIterationComponent._launch_worker

    def _launch_worker(self: Any, env: Any, eval_input: Any, job_pool: Any) -> Any:
        job_pool.launched = getattr(job_pool, "launched", 0) + 1
        if job_pool.launched > AT_ONCE:
            return None
        return original(self, env=env, eval_input=eval_input, job_pool=job_pool)

    patch(InlineIterationComponent, "_launch_worker", _launch_worker)
