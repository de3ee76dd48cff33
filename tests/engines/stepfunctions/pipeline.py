"""A small pipeline in the shape of what `magnus render` prints, with a stub in the place of `magnus`.

A start record, a step that is tried again, a map whose count a step wrote to S3, a failure that is handled in one of
its branches, and a child machine.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engines.stepfunctions.client import Client
from tests.engines.stepfunctions.scenarios import machine, new_name

COUNT = 3
_CALLBACK = """#!{python}
# magnus execute_single_node RUN STEP --attempt N: notes the call; `flaky` fails once, `items.1.step` always
import json, os, sys, urllib.request
run, step, attempt = sys.argv[2], sys.argv[3], int(sys.argv[5])
def put(key, value):
    url = os.environ["AWS_ENDPOINT_URL"] + "/" + os.environ["BUCKET"] + "/" + run + "/" + key
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(value).encode(),
                           {{"Content-Type": "application/json"}}, method="PUT"))
put("calls/" + step + "/" + str(attempt), sys.argv[1:])
if step == "flaky" and attempt == 1 or step == "items.1.step":
    sys.exit(1)
if step == "flaky":
    put("count.json", {{"count": {count}}})
"""

Step = Callable[..., dict[str, Any]]
"""Makes a task state of an argv."""


def write_callback(folder: Path, python: str) -> None:
    """Write the stub as FOLDER/bin/magnus, for the Python of that path."""
    program = folder / "bin" / "magnus"
    program.parent.mkdir()
    program.write_text(_CALLBACK.format(python=python, count=COUNT))
    program.chmod(0o755)


def environment(client: Client, bucket: str) -> dict[str, str]:
    """Return what the stub needs, and create its bucket."""
    client.bucket(bucket)
    return {"BUCKET": bucket}


def check(client: Client, name: str, step: Step) -> None:
    """Run the pipeline and assert that it did what it says; `name` is project, bucket and machine."""
    run = new_name()
    machines = {name: _parent(name, step), f"{name}-child": _child(step)}
    execution = client.run(machines, name, run, {"parameters": {"x": 'quote " and {% %}'}})
    assert execution.status == "SUCCEEDED", f"{execution}\n{execution.logs}"
    assert execution.output == {"outcome": ["", "items.1", ""], "child": {"ran": True}}
    s3 = client.aws("s3")
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=name, Prefix=f"{run}/")["Contents"]]
    assert sorted(key.removeprefix(f"{run}/") for key in keys) == sorted(
        [
            "start.json",
            "count.json",
            "calls/flaky/1",
            "calls/flaky/2",
            *(f"calls/items.{index}.step/1" for index in range(COUNT)),
            "calls/items.1.cleanup/1",
            "calls/child/1",
        ]
    )
    start = s3.get_object(Bucket=name, Key=f"{run}/start.json")["Body"].read()
    assert start == b'{"input":{"parameters":{"x":"quote \\" and {% %}"}}}'


def _call(step: Step, address: str, **members: Any) -> dict[str, Any]:
    attempt = "{% $string($states.context.State.RetryCount + 1) %}"
    state = step("magnus", "execute_single_node", "{% $run %}", address, "--attempt", attempt)
    if "Next" in members:
        del state["End"]
    return {**state, **members}


def _parent(name: str, step: Step) -> str:
    retry = [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    branch = {
        "items: branch": {
            "Type": "Pass",
            "Assign": {"branch": "{% 'items.' & $states.input %}"},
            "Next": "items.step",
        },
        "items.step": _call(
            step,
            "{% $branch & '.step' %}",
            Output="{% '' %}",
            Catch=[{"ErrorEquals": ["States.ALL"], "Output": "{% $branch %}", "Next": "items.cleanup"}],
            Next="items.end",
        ),
        "items.cleanup": _call(
            step, "{% $branch & '.cleanup' %}", Output="{% $states.input %}", Next="items.end"
        ),
        "items.end": {"Type": "Succeed"},
    }
    child = "{% $replace($states.context.StateMachine.Id, /:[^:]*$/, ':" + name + "-child') %}"
    states = {
        "start": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
            "Arguments": {
                "Bucket": name,
                "Key": "{% $states.context.Execution.Name & '/start.json' %}",
                "Body": {"input": "{% $states.input %}"},
            },
            "Assign": {"run": "{% $states.context.Execution.Name %}"},
            "Next": "flaky",
        },
        "flaky": _call(step, "flaky", Retry=retry, Next="items: count"),
        "items: count": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Arguments": {"Bucket": name, "Key": "{% $run & '/count.json' %}"},
            "Output": "{% [0..$parse($states.result.Body).count - 1] %}",
            "Next": "items",
        },
        "items": {
            "Type": "Map",
            "Items": "{% $states.input %}",
            "ItemProcessor": {"StartAt": "items: branch", "States": branch},
            "Assign": {"outcome": "{% $states.result %}"},
            "Next": "child",
        },
        "child": {
            "Type": "Task",
            "Resource": "arn:aws:states:::states:startExecution.sync:2",
            "Arguments": {"StateMachineArn": child, "Input": {"run": "{% $run %}"}},
            "Output": "{% $states.result.Output %}",
            "Next": "success",
        },
        "success": {
            "Type": "Succeed",
            "Output": {"outcome": "{% $outcome %}", "child": "{% $states.input %}"},
        },
    }
    return machine(states)


def _child(step: Step) -> str:
    return machine(
        {
            "start": {"Type": "Pass", "Assign": {"run": "{% $states.input.run %}"}, "Next": "only"},
            "only": _call(step, "child", Output={"ran": True}),
        }
    )
