"""Executions: their context, names and what is told of them."""

from __future__ import annotations

import datetime
import json
import uuid
from typing import Any

from moto.stepfunctions.parser.backend.execution_worker import ExecutionWorker
from moto.stepfunctions.parser.models import StepFunctionsParserBackend
from moto.stepfunctions.responses import StepFunctionResponse

from tests.engines.stepfunctions.fixes import Patch, fix


@fix("start-time")
def give_start_time_as_text(patch: Patch) -> None:
    """moto: `$states.context.Execution.StartTime` is no JSON value. AWS: it is text, `2020-01-01T12:00:00.000Z`."""
    original = ExecutionWorker._get_evaluation_environment

    def _get_evaluation_environment(self: Any) -> Any:
        env = original(self)
        execution = env.states.context_object.context_object_data["Execution"]
        if isinstance(execution["StartTime"], datetime.datetime):
            execution["StartTime"] = execution["StartTime"].strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
        return env

    patch(ExecutionWorker, "_get_evaluation_environment", _get_evaluation_environment)


@fix("child-names")
def name_unnamed_executions(patch: Patch) -> None:
    """moto: an execution started without a name is called None, and a second one is the first. AWS: a fresh UUID."""
    original = StepFunctionsParserBackend.start_execution

    def start_execution(
        self: Any, state_machine_arn: str, name: Any = None, *args: Any, **options: Any
    ) -> Any:
        return original(self, state_machine_arn, name or str(uuid.uuid4()), *args, **options)

    patch(StepFunctionsParserBackend, "start_execution", start_execution)


@fix("text-output")
def encode_text_output(patch: Patch) -> None:
    """moto: DescribeExecution gives an output that is a string as it is. AWS: as JSON, in quotes, like any other."""
    original = StepFunctionResponse.describe_execution

    def describe_execution(self: Any) -> Any:
        response = original(self)
        execution = self.stepfunction_backend.describe_execution(self._get_param("executionArn"))
        if isinstance(execution.output, str) and "output" in response.result:
            response.result["output"] = json.dumps(execution.output)
        return response

    patch(StepFunctionResponse, "describe_execution", describe_execution)
