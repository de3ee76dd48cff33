"""Scenarios of the language: expressions, errors, maps, executions."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from tests.engines.stepfunctions.client import Client, machine_arn
from tests.engines.stepfunctions.scenarios import (
    PROJECT,
    caught,
    machine,
    new_name,
    result,
    scenario,
    value,
)

SUCCEED: dict[str, Any] = {"Type": "Succeed"}


@scenario("jsonata", [[0, 1, 2], [], [0], 'say "\\" \n', "States.QueryEvaluationError", None])
def expressions(client: Client) -> Any:
    states = {
        "first": {
            "Type": "Pass",
            "Assign": {"text": "{% $states.input.text %}", "three": 3, "nothing": None},
            "Next": "second",
        },
        "second": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets",
            "Output": "{% $undefined.member %}",
            "Catch": [
                {
                    "ErrorEquals": ["States.ALL"],
                    "Output": [
                        "{% [0..$three - 1] %}",
                        "{% [0..0 - 1] %}",
                        "{% [0..0] %}",
                        "{% 'say ' & $text %}",
                        "{% $states.errorOutput.Error %}",
                        "{% $nothing %}",
                    ],
                    "Next": "end",
                }
            ],
            "Next": "end",
        },
        "end": SUCCEED,
    }
    return result(client, states, {"text": '"\\" \n'})


@scenario(
    "jsonata-functions",
    {
        "parse": {"a": [1, None, "x"]},
        "hash": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "uuid": 36,
        "partition": [[1, 2], [3]],
        "range": [1, 3, 5],
        "random": True,
        "bad": "States.QueryEvaluationError",
    },
)
def functions(client: Client) -> Any:
    output = {
        "parse": '{% $parse(\'{"a": [1, null, "x"]}\') %}',
        "hash": "{% $hash('abc', 'SHA-256') %}",
        "uuid": "{% $length($uuid()) %}",
        "partition": "{% $partition([1, 2, 3], 2) %}",
        "range": "{% $range(1, 5, 2) %}",
        "random": "{% $random(7) = $random(7) and $random() < 1 %}",
    }
    bad = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets",
        "Output": "{% $parse('[1, 2') %}",
        "End": True,
    }
    return {**value(client, output), "bad": result(client, caught(bad))}


@scenario("parser-state", 1)
def definitions_after_a_refused_one(client: Client) -> Any:
    refused = machine({"first": {"Type": "Task", "Resource": "arn:aws:states:::nothing:do", "End": True}})
    try:
        client.deploy({"refused": refused})
    except ClientError:
        pass
    states = {"only": {"Type": "Pass", "InputPath": "$.a", "End": True}}
    execution = client.run({PROJECT: machine(states, "JSONPath")}, PROJECT, new_name(), {"a": 1})
    return execution.output


def distributed(processor: dict[str, Any], **members: Any) -> dict[str, Any]:
    """Return a distributed Map over 1, 2, 3, the last state."""
    return {
        "Type": "Map",
        "Items": [1, 2, 3],
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": next(iter(processor)),
            "States": processor,
        },
        "End": True,
        **members,
    }


@scenario("string-escapes", ['{"a": "\\\\"}/', '{"a": "\\\\"}/'])
def string_escapes(client: Client) -> Any:
    text = '{"a": "\\\\"}/'
    states = {
        "first": {"Type": "Pass", "Assign": {"text": text}, "Next": "end"},
        "end": {"Type": "Succeed", "Output": [text, "{% $text %}"]},
    }
    return result(client, states)


@scenario("whole-percentage", [1, 2, 3])
def whole_percentage(client: Client) -> Any:
    return result(client, {"map": distributed({"only": SUCCEED}, ToleratedFailurePercentage=50)})


FAIL_AT_2 = {
    "choice": {
        "Type": "Choice",
        "Choices": [{"Condition": "{% $states.input = 2 %}", "Next": "fail"}],
        "Default": "good",
    },
    "fail": {"Type": "Fail", "Error": "Bad"},
    "good": SUCCEED,
}


@scenario(
    "tolerated-failures",
    ["States.ExceedToleratedFailureThreshold", 3, "States.ExceedToleratedFailureThreshold"],
)
def tolerated_failures(client: Client) -> Any:
    lenient = distributed(FAIL_AT_2, ToleratedFailureCount=1, Output="{% $count($states.result) %}")
    return [
        result(client, caught(distributed(FAIL_AT_2))),
        result(client, {"map": lenient}),
        result(client, caught(distributed(FAIL_AT_2, ToleratedFailurePercentage=33))),
    ]


@scenario("distributed-scope", [False, False, False])
def distributed_scope(client: Client) -> Any:
    sees = "{% [$exists($outer), $exists($states.context.Map), $states.context.Execution.Name = $states.input.outer] %}"
    inner = {"only": {"Type": "Succeed", "Output": sees}}
    states = {
        "first": {"Type": "Pass", "Assign": {"outer": 1}, "Next": "map"},
        "map": distributed(
            inner,
            Items=[1],
            ItemSelector={"outer": "{% $states.context.Execution.Name %}"},
            Output="{% $states.result[0] %}",
        ),
    }
    return result(client, states)


@scenario("errors-in-output", "States.QueryEvaluationError")
def errors_in_output(client: Client) -> Any:
    return expressions(client)[4]


@scenario("assign-after-output", [False, 1])
def assign_after_output(client: Client) -> Any:
    states = {
        "first": {
            "Type": "Pass",
            "Assign": {"new": 1},
            "Output": "{% $exists($new) %}",
            "Next": "second",
        },
        "second": {"Type": "Succeed", "Output": "{% [$states.input, $new] %}"},
    }
    return result(client, states)


@scenario("sdk-error-names", "S3.NoSuchKeyException")
def sdk_error_names(client: Client) -> Any:
    bucket = new_name()
    client.bucket(bucket)
    return result(
        client,
        caught(
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
                "Arguments": {"Bucket": bucket, "Key": "nothing"},
                "End": True,
            }
        ),
    )


@scenario("start-time", [True, 24])
def start_time(client: Client) -> Any:
    time = "$states.context.Execution.StartTime"
    return value(client, "{% [$type(" + time + ") = 'string', $length(" + time + ")] %}")


def child(name: str, output: Any) -> dict[str, Any]:
    """Return a state, the last one, that runs a machine of that name in the parent's account."""
    arn = "{% $replace($states.context.StateMachine.Id, /:[^:]*$/, ':" + name + "') %}"
    return {
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Arguments": {"StateMachineArn": arn, "Input": {"given": "{% $states.input %}"}},
        "Output": output,
        "End": True,
    }


@scenario("child-names", [36, True])
def child_names(client: Client) -> Any:
    client.deploy({"child": machine({"only": SUCCEED})})
    arn = "{% $split($states.result.ExecutionArn, ':')[7] %}"
    names = [result(client, {"child": child("child", arn)}) for _ in range(2)]
    return [len(names[0]), names[0] != names[1]]


@scenario("text-output", ["text", '"text"'])
def text_output(client: Client) -> Any:
    client.deploy({"child": machine({"only": {"Type": "Succeed", "Output": "text"}})})
    output = result(client, {"child": child("child", "{% $states.result.Output %}")})
    started = client.start("child", new_name(), {})
    client.wait(started)
    described = client.aws("stepfunctions").describe_execution(executionArn=started)
    assert described["stateMachineArn"] == machine_arn("child")
    return [output, described["output"]]


@scenario("create-if-absent", [False, True], provoke=("creations-at-once",))
def create_if_absent(client: Client) -> Any:
    bucket, s3 = new_name(), client.aws("s3")
    client.bucket(bucket)

    def create(_: int) -> bool:
        try:
            s3.put_object(Bucket=bucket, Key="key", Body=b"", IfNoneMatch="*")
        except ClientError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        return sorted(pool.map(create, range(2)))
