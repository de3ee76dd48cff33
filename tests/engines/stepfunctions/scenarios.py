"""What the tests of the fixes observe: a scenario per fix, what AWS does in it, and what they are written with."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.engines.stepfunctions.client import CLUSTER, Client, Execution

PROJECT = "demo"


@dataclass(frozen=True)
class Scenario:
    """Something to do, and what AWS would answer."""

    fix: str
    observe: Callable[[Client], Any]
    expected: Any
    provoke: tuple[str, ...] = ()


SCENARIOS: list[Scenario] = []


def scenario(
    fix: str, expected: Any, provoke: tuple[str, ...] = ()
) -> Callable[[Callable[[Client], Any]], Callable[[Client], Any]]:
    """Register the decorated function as what shows that a fix is needed."""

    def register(observe: Callable[[Client], Any]) -> Callable[[Client], Any]:
        SCENARIOS.append(Scenario(fix, observe, expected, provoke))
        return observe

    return register


def machine(states: dict[str, Any], language: str = "JSONata") -> str:
    """Return the state machine that starts with the first of these states."""
    return json.dumps({"QueryLanguage": language, "StartAt": next(iter(states)), "States": states})


def execute(
    client: Client, states: dict[str, Any], given: Any = None, seconds: float = 30, name: str = PROJECT
) -> Execution:
    """Run these states as the machine of that name."""
    return client.run({name: machine(states)}, name, new_name(), given, seconds)


def result(client: Client, states: dict[str, Any], given: Any = None, seconds: float = 30) -> Any:
    """Run these states and return the output, or the status and error of what did not succeed."""
    execution = execute(client, states, given, seconds)
    return execution.output if execution.status == "SUCCEEDED" else (execution.status, execution.error)


def value(client: Client, output: Any) -> Any:
    """Return what an `Output` comes to."""
    return result(client, {"only": {"Type": "Succeed", "Output": output}})


def job(*argv: str, definition: str = PROJECT, **members: Any) -> dict[str, Any]:
    """Return a task state, the last one, that runs a command on Batch; `members` replaces members of the state."""
    arguments = {
        "JobName": "job",
        "JobQueue": definition,
        "JobDefinition": definition,
        "ContainerOverrides": {"Command": list(argv)},
        **members.pop("Arguments", {}),
    }
    resource = "arn:aws:states:::batch:submitJob.sync"
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True, **members}


def task(
    client: Client, *argv: str, definition: str = PROJECT, groups: bool = True, **members: Any
) -> dict[str, Any]:
    """Return a task state, the last one, that runs a command on ECS."""
    network: dict[str, Any] = {"Subnets": [client.subnet]}
    if groups:
        network["SecurityGroups"] = []
    arguments = {
        "Cluster": CLUSTER,
        "TaskDefinition": definition,
        "LaunchType": "FARGATE",
        "NetworkConfiguration": {"AwsvpcConfiguration": network},
        "Overrides": {"ContainerOverrides": [{"Name": "main", "Command": list(argv)}]},
    }
    resource = "arn:aws:states:::ecs:runTask.sync"
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True, **members}


def caught(state: dict[str, Any]) -> dict[str, Any]:
    """Return the states of a machine whose output is the name of the error that Catch sees."""
    catch = [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput.Error %}", "Next": "caught"}]
    return {"first": {**state, "Catch": catch}, "caught": {"Type": "Succeed"}}


def new_name() -> str:
    """Return a name that nothing has yet."""
    return f"n{uuid.uuid4().hex}"
