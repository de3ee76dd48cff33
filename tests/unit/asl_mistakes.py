"""A state machine that uses every construct, and mistakes to make in it, each by itself.

`good()` returns the machine; `MISTAKES` maps a mistake's name to what makes it and what is to be found. Of the pipeline
behind the machine, `CONDITIONALS` and `NODES` tell what the check of conditionals must know.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.targets.stepfunctions.lint.conditionals import Conditional

if TYPE_CHECKING:
    from collections.abc import Callable

Machine = dict[str, Any]

CONDITIONALS = {"pick": Conditional("pick", ("good", "poor"))}
NODES = {
    "pick": "pick",
    "pick.good.A": "pick.good.a",
    "pick.good.B": "pick.good.b",
    "pick.poor.A": "pick.poor.a",
}
BATCH = "arn:aws:states:::batch:submitJob.sync"
RETRY = [
    {"ErrorEquals": ["Batch.ServerException"], "MaxAttempts": 6, "JitterStrategy": "FULL"},
    {
        "ErrorEquals": ["States.TaskFailed"],
        "MaxAttempts": 2,
        "IntervalSeconds": 3,
        "BackoffRate": 1.5,
        "MaxDelaySeconds": 60,
    },
]


def _catch(target: str, variable: str) -> list[dict[str, Any]]:
    return [
        {"ErrorEquals": ["States.Timeout"], "Output": "{% $states.errorOutput.Error %}", "Next": target},
        {
            "ErrorEquals": ["States.ALL"],
            "Assign": {variable: "{% $states.errorOutput.Cause %}"},
            "Output": "{% 'failed: ' & $states.context.State.Name %}",
            "Next": target,
        },
    ]


def _job(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": BATCH,
        "Arguments": {
            "JobName": name,
            "JobQueue": "queue",
            "JobDefinition": "definition",
            "RetryStrategy": "{% $platformRetry %}",
            "Timeout": {"AttemptDurationSeconds": 660},
            "Tags": {"team": "data"},
            "ContainerOverrides": {
                "Command": ["magnus", "execute_single_node", "{% $run %}", name],
                "Environment": [{"Name": "A", "Value": "{% $run & '-' & \"it's\" %}"}],
                "ResourceRequirements": [{"Type": "VCPU", "Value": "2"}],
            },
        },
        "Retry": copy.deepcopy(RETRY),
        **fields,
    }


def _good() -> Machine:
    return {
        "Comment": "Every construct once",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": 86400,
        "StartAt": "start",
        "States": {
            "start": {
                "Comment": "The run's record",
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
                "Arguments": {
                    "Bucket": "runs",
                    "Key": "{% 'log/' & $states.context.Execution.Name & '/start.json' %}",
                    "Body": {"input": "{% $states.input %}", "walk": "{% $states.context.Execution.Id %}"},
                    "ServerSideEncryption": "aws:kms",
                    "SsekmsKeyId": "key",
                },
                "Assign": {
                    "run": "{% $states.context.Execution.Name %}",
                    "platformRetry": {
                        "Attempts": 3,
                        "EvaluateOnExit": [
                            {"OnExitCode": "75", "Action": "RETRY"},
                            {"OnReason": "*", "Action": "EXIT"},
                        ],
                    },
                },
                "Retry": [{"ErrorEquals": ["States.ALL"], "JitterStrategy": "FULL"}],
                "Next": "A",
            },
            "A": _job("pipeline-A", Catch=_catch("fail", "failure"), TimeoutSeconds=3600, Next="pause"),
            "pause": {"Type": "Wait", "Seconds": "{% $states.input.wait ? 5 : 1 %}", "Next": "until"},
            "until": {"Type": "Wait", "Timestamp": "2030-01-31T12:00:00Z", "Next": "count"},
            "count": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
                "Arguments": {"Bucket": "runs", "Key": "{% 'log/' & $run & '/count' %}"},
                "Output": "{% [0..$parse($states.result.Body).count - 1] %}",
                "Next": "map",
            },
            "map": {
                "Type": "Map",
                "Items": "{% $states.input %}",
                "MaxConcurrency": 10,
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "INLINE"},
                    "StartAt": "map.branch",
                    "States": {
                        "map.branch": {
                            "Type": "Pass",
                            "Assign": {"branch": "{% 'map.' & $states.input %}"},
                            "Next": "map.B",
                        },
                        "map.B": _job(
                            "pipeline-map-B", Catch=_catch("map.fail", "branchFailure"), Next="map.success"
                        ),
                        "map.success": {"Type": "Succeed", "Output": "{% '' %}"},
                        "map.fail": {"Type": "Succeed", "Output": "{% $branchFailure & $branch %}"},
                    },
                },
                "Output": "{% $trim($join($states.result, ' ')) %}",
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "fail"}],
                "Next": "outcome",
            },
            "outcome": {
                "Type": "Choice",
                "Choices": [
                    {
                        "Condition": "{% $states.input = '' %}",
                        "Assign": {"which": "{% $filter([1, 2, 3], function($n) { $n > 1 })[0] %}"},
                        "Next": "far",
                    }
                ],
                "Default": "fail",
            },
            "far": {
                "Type": "Map",
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSON", "MaxItems": 1000},
                    "Arguments": {"Bucket": "runs", "Key": "{% 'items/' & $run %}"},
                },
                "ItemSelector": {"run": "{% $run %}", "item": "{% $states.context.Map.Item.Value %}"},
                "ItemBatcher": {"MaxItemsPerBatch": 10, "BatchInput": {"run": "{% $run %}"}},
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Arguments": {"Bucket": "runs", "Prefix": "{% 'results/' & $run %}"},
                },
                "ToleratedFailurePercentage": 5,
                "Label": "far",
                "MaxConcurrency": "{% $count($states.input) + 1 %}",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    "StartAt": "far.branch",
                    "States": {
                        "far.branch": {
                            "Type": "Pass",
                            "Assign": {"farRun": "{% $states.input.BatchInput.run %}"},
                            "Next": "far.container",
                        },
                        "far.container": {
                            "Type": "Task",
                            "Resource": "arn:aws:states:::ecs:runTask.sync",
                            "Arguments": {
                                "Cluster": "cluster",
                                "TaskDefinition": "definition",
                                "LaunchType": "FARGATE",
                                "NetworkConfiguration": {
                                    "AwsvpcConfiguration": {
                                        "Subnets": ["subnet-1"],
                                        "AssignPublicIp": "DISABLED",
                                    }
                                },
                                "Overrides": {
                                    "ContainerOverrides": [
                                        {"Name": "main", "Command": ["magnus", "{% $farRun %}"], "Cpu": 1024}
                                    ]
                                },
                            },
                            "End": True,
                        },
                    },
                },
                "Next": "both",
            },
            "both": {
                "Type": "Parallel",
                "Arguments": {"which": "{% $which %}"},
                "Branches": [
                    {
                        "StartAt": "both.left",
                        "States": {
                            "both.left": {
                                "Type": "Task",
                                "Resource": "arn:aws:states:::lambda:invoke.waitForTaskToken",
                                "Arguments": {
                                    "FunctionName": "callback",
                                    "Payload": {
                                        "token": "{% $states.context.Task.Token %}",
                                        "run": "{% $run %}",
                                    },
                                },
                                "HeartbeatSeconds": 600,
                                "TimeoutSeconds": 3600,
                                "End": True,
                            }
                        },
                    },
                    {
                        "Comment": "A machine of its own",
                        "StartAt": "both.right",
                        "States": {
                            "both.right": {
                                "Type": "Task",
                                "Resource": "arn:aws:states:::states:startExecution.sync:2",
                                "Arguments": {
                                    "StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:child",
                                    "Name": "{% $run & '-child' %}",
                                    "Input": {"run": "{% $run %}"},
                                },
                                "Output": "{% $states.result.Output %}",
                                "End": True,
                            }
                        },
                    },
                ],
                "Output": "{% ($all := $states.result; $merge([$all[0], {'count': $count($all)}])) %}",
                "Next": "process",
            },
            "process": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sagemaker:createProcessingJob.sync",
                "Arguments": {
                    "ProcessingJobName": "{% 'job-' & $uuid() %}",
                    "AppSpecification": {"ImageUri": "image", "ContainerEntrypoint": ["magnus"]},
                    "ProcessingResources": {
                        "ClusterConfig": {
                            "InstanceCount": 1,
                            "InstanceType": "ml.m5.large",
                            "VolumeSizeInGB": 10,
                        }
                    },
                    "RoleArn": "arn:aws:iam::123456789012:role/processing",
                },
                "Next": "function",
            },
            "function": {
                "Type": "Task",
                "Resource": "arn:aws:lambda:eu-west-1:123456789012:function:last",
                "Arguments": {"run": "{% $run %}"},
                "Catch": [{"ErrorEquals": ["Lambda.TooManyRequestsException"], "Next": "fail"}],
                "Next": "pick: choice",
            },
            "pick: choice": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
                "Arguments": {"Bucket": "runs", "Key": "{% 'log/' & $run & '/steps/pick/start.json' %}"},
                "Output": "{% $parse($states.result.Body).choice %}",
                "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "pick", "Next": "fail"}],
                "Next": "pick",
            },
            "pick": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $states.input = 'good' %}", "Next": "pick.good.A"},
                    {"Condition": "{% $states.input = 'poor' %}", "Next": "pick.poor.A"},
                ],
                "Output": "{% 'pick' %}",
                "Default": "fail",
            },
            "pick.good.A": _job("pipeline-pick-good-A", Next="pick.good.B"),
            "pick.good.B": _job("pipeline-pick-good-B", Next="success"),
            "pick.poor.A": _job("pipeline-pick-poor-A", Next="success"),
            "success": {"Type": "Succeed", "Output": {"status": "SUCCESS", "run": "{% $run %}"}},
            "fail": {
                "Type": "Fail",
                "Error": "StepFailed",
                "Cause": "{% $substring('failed: ' & $failure & $string($states.input), 0, 1000) %}",
            },
        },
    }


def good() -> Machine:
    """Return a machine without a mistake."""
    return copy.deepcopy(_good())


class Mistake(NamedTuple):
    """A mistake: what makes it, the code and the state that are to be found."""

    make: Callable[[Machine], Any]
    code: str
    state: str = ""


def _states(machine: Machine, path: str) -> Machine:
    """Return a state by its name, wherever it stands."""
    waiting = [machine]
    while waiting:
        states = waiting.pop()["States"]
        if path in states:
            found: Machine = states[path]
            return found
        for state in states.values():
            waiting += [state["ItemProcessor"]] if "ItemProcessor" in state else state.get("Branches", [])
    raise KeyError(path)


def _set(state: str, *path: Any) -> Callable[[Machine], Any]:
    """Return what sets a field of a state: keys, then the value."""

    def make(machine: Machine) -> None:
        target: Any = _states(machine, state) if state else machine
        for key in path[:-2]:
            target = target[key]
        target[path[-2]] = path[-1]

    return make


def _drop(state: str, *path: Any) -> Callable[[Machine], Any]:
    def make(machine: Machine) -> None:
        target: Any = _states(machine, state) if state else machine
        for key in path[:-1]:
            target = target[key]
        del target[path[-1]]

    return make


def _rename(state: str, old: str, new: str) -> Callable[[Machine], Any]:
    def make(machine: Machine) -> None:
        target: Any = _states(machine, state)
        target[new] = target.pop(old)

    return make


def _nested_name(machine: Machine) -> None:
    states = _states(machine, "map")["ItemProcessor"]["States"]
    states["A"] = states.pop("map.success")
    states["map.B"]["Next"] = "A"


def _swap_catchers(machine: Machine) -> None:
    _states(machine, "A")["Catch"].reverse()


def _long_name(machine: Machine) -> None:
    machine["States"]["x" * 81] = machine["States"].pop("until")
    machine["States"]["pause"]["Next"] = "x" * 81


def _use_before(machine: Machine) -> None:
    machine["States"]["A"]["Arguments"]["Parameters"] = {"which": "{% $string($which) %}"}


def _use_inner(machine: Machine) -> None:
    machine["States"]["map"]["Output"] = "{% $branch %}"


def _express(machine: Machine) -> None:
    _states(machine, "far")["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = "EXPRESS"


def _endless(machine: Machine) -> None:
    processor = _states(machine, "both")["Branches"][0]
    state = processor["States"]["both.left"]
    del state["End"]
    state["Next"] = "both.left"


def _long_environment(machine: Machine) -> None:
    environment = [{"Name": f"NAME_{n}", "Value": "x" * 80} for n in range(90)]
    machine["States"]["start"]["Assign"]["environment"] = environment
    machine["States"]["A"]["Arguments"]["ContainerOverrides"]["Environment"] = "{% $environment %}"


def _no_choice(machine: Machine) -> None:
    machine["States"]["pick"] = {"Type": "Pass", "Next": "pick.good.A"}


def _is(branch: str) -> str:
    return f"{{% $states.input = '{branch}' %}}"


def _key(folder: str) -> str:
    return f"{{% 'log/' & $run & '/{folder}/start.json' %}}"


_RULES = ("pick", "Choices")
_KEY = ("pick: choice", "Arguments", "Key")
_OUTPUT = ("A", "Output")
_ARGS = ("A", "Arguments")
_RETRY = ("A", "Retry")

MISTAKES: dict[str, Mistake] = {
    # graph
    "no StartAt": Mistake(_drop("", "StartAt"), "MR220"),
    "no States": Mistake(_drop("", "States"), "MR220"),
    "state is a string": Mistake(_set("", "States", "until", "Wait"), "MR220", "until"),
    "branch without States": Mistake(_set("both", "Branches", 0, "States", {}), "MR220", "both"),
    "dangling StartAt": Mistake(_set("", "StartAt", "begin"), "MR221"),
    "dangling Next": Mistake(_set("A", "Next", "B"), "MR221", "A"),
    "dangling Default": Mistake(_set("outcome", "Default", "nowhere"), "MR221", "outcome"),
    "dangling rule": Mistake(_set("outcome", "Choices", 0, "Next", "Far"), "MR221", "outcome"),
    "dangling catcher": Mistake(_set("A", "Catch", 0, "Next", "failed"), "MR221", "A"),
    "Next out of a map": Mistake(_set("map.B", "Next", "success"), "MR221", "map.B"),
    "unreachable": Mistake(_set("A", "Next", "count"), "MR222", "pause"),
    "endless branch": Mistake(_endless, "MR223", "both"),
    "long name": Mistake(_long_name, "MR224", "x" * 81),
    "name twice": Mistake(_nested_name, "MR225", "A"),
    "neither Next nor End": Mistake(_drop("A", "Next"), "MR226", "A"),
    "both Next and End": Mistake(_set("A", "End", True), "MR226", "A"),
    "End of a Succeed": Mistake(_set("success", "End", True), "MR226", "success"),
    "Next of a Fail": Mistake(_set("fail", "Next", "success"), "MR226", "fail"),
    "unknown Type": Mistake(_set("pause", "Type", "Sleep"), "MR227", "pause"),
    "no Type": Mistake(_drop("pause", "Type"), "MR227", "pause"),
    # fields
    "JSONPath field": Mistake(_rename("A", "Arguments", "Parameters"), "MR228", "A"),
    "ResultPath": Mistake(_set("A", "ResultPath", "$.x"), "MR228", "A"),
    "ItemsPath": Mistake(_rename("map", "Items", "ItemsPath"), "MR228", "map"),
    "Result of a Pass": Mistake(_set("map.branch", "Result", {"a": 1}), "MR228", "map.branch"),
    "typo in a field": Mistake(_rename("map", "MaxConcurrency", "MaxConcurency"), "MR228", "map"),
    "Retry of a Wait": Mistake(_set("until", "Retry", []), "MR228", "until"),
    "Variable of a rule": Mistake(_set("outcome", "Choices", 0, "Variable", "$.a"), "MR228", "outcome"),
    "QueryLanguage of a branch": Mistake(
        _set("both", "Branches", 0, "QueryLanguage", "JSONata"), "MR228", "both"
    ),
    "no Resource": Mistake(_drop("A", "Resource"), "MR229", "A"),
    "no ItemProcessor": Mistake(_drop("map", "ItemProcessor"), "MR229", "map"),
    "no Branches": Mistake(_drop("both", "Branches"), "MR229", "both"),
    "no Condition": Mistake(_drop("outcome", "Choices", 0, "Condition"), "MR229", "outcome"),
    "no Next of a catcher": Mistake(_drop("A", "Catch", 0, "Next"), "MR229", "A"),
    "Wait without a time": Mistake(_drop("until", "Timestamp"), "MR229", "until"),
    "Wait with two times": Mistake(_set("until", "Seconds", 1), "MR229", "until"),
    "no branches": Mistake(_set("both", "Branches", []), "MR230", "both"),
    "no rules": Mistake(_set("outcome", "Choices", []), "MR230", "outcome"),
    "wrong Timestamp": Mistake(_set("until", "Timestamp", "tomorrow"), "MR230", "until"),
    "wrong MaxConcurrency": Mistake(_set("map", "MaxConcurrency", -1), "MR230", "map"),
    "Items is a string": Mistake(_set("map", "Items", "$states.input"), "MR230", "map"),
    "Items and ItemReader": Mistake(_set("far", "Items", []), "MR230", "far"),
    "Condition is text": Mistake(_set("outcome", "Choices", 0, "Condition", "$run = ''"), "MR230", "outcome"),
    "Assign is a list": Mistake(_set("until", "Assign", ["a"]), "MR230", "until"),
    "no Default": Mistake(_drop("outcome", "Default"), "MR231", "outcome"),
    # calls
    "no ARN": Mistake(_set("A", "Resource", "batch:submitJob"), "MR232", "A"),
    "no such action": Mistake(_set("A", "Resource", "arn:aws:states:::batch:submitJobs.sync"), "MR232", "A"),
    "no such pattern": Mistake(_set("A", "Resource", "arn:aws:states:::batch:submitJob.wait"), "MR232", "A"),
    "token from Batch": Mistake(
        _set("A", "Resource", "arn:aws:states:::batch:submitJob.waitForTaskToken"), "MR232", "A"
    ),
    "sync of aws-sdk": Mistake(
        _set("count", "Resource", "arn:aws:states:::aws-sdk:s3:getObject.sync"), "MR232", "count"
    ),
    "sync in Express": Mistake(_express, "MR232", "far.container"),
    # errors
    "no errors": Mistake(_set(*_RETRY, 0, "ErrorEquals", []), "MR233", "A"),
    "ALL not alone": Mistake(_set(*_RETRY, 1, "ErrorEquals", ["A.B", "States.ALL"]), "MR233", "A"),
    "ALL not last": Mistake(_swap_catchers, "MR233", "A"),
    "unknown States error": Mistake(_set(*_RETRY, 1, "ErrorEquals", ["States.TaskFail"]), "MR233", "A"),
    "retries of Runtime": Mistake(_set(*_RETRY, 1, "ErrorEquals", ["States.Runtime"]), "MR233", "A"),
    "negative MaxAttempts": Mistake(_set(*_RETRY, 0, "MaxAttempts", -1), "MR234", "A"),
    "many MaxAttempts": Mistake(_set(*_RETRY, 0, "MaxAttempts", 100_000_000), "MR234", "A"),
    "IntervalSeconds 0": Mistake(_set(*_RETRY, 0, "IntervalSeconds", 0), "MR234", "A"),
    "IntervalSeconds 0.5": Mistake(_set(*_RETRY, 0, "IntervalSeconds", 0.5), "MR234", "A"),
    "BackoffRate below 1": Mistake(_set(*_RETRY, 1, "BackoffRate", 0.5), "MR234", "A"),
    "MaxDelaySeconds too short": Mistake(_set(*_RETRY, 1, "MaxDelaySeconds", 3), "MR234", "A"),
    "MaxDelaySeconds too long": Mistake(_set(*_RETRY, 1, "MaxDelaySeconds", 31_622_400), "MR234", "A"),
    "JitterStrategy": Mistake(_set(*_RETRY, 0, "JitterStrategy", "SOME"), "MR234", "A"),
    "TimeoutSeconds 0": Mistake(_set("A", "TimeoutSeconds", 0), "MR235", "A"),
    "slow heartbeat": Mistake(_set("both.left", "HeartbeatSeconds", 3600), "MR235", "both.left"),
    # maps
    "ItemReader inline": Mistake(
        _set("far", "ItemProcessor", "ProcessorConfig", {"Mode": "INLINE"}), "MR236", "far"
    ),
    "Label inline": Mistake(_set("map", "Label", "map"), "MR236", "map"),
    "no ExecutionType": Mistake(
        _drop("far", "ItemProcessor", "ProcessorConfig", "ExecutionType"), "MR236", "far"
    ),
    "wrong Mode": Mistake(
        _set("far", "ItemProcessor", "ProcessorConfig", "Mode", "distributed"), "MR236", "far"
    ),
    # expressions
    "JSONPath machine": Mistake(_drop("", "QueryLanguage"), "MR237"),
    "JSONPath state": Mistake(_set("until", "QueryLanguage", "JSONPath"), "MR237", "until"),
    "not ended": Mistake(_set(*_OUTPUT, "{% $states.input"), "MR238", "A"),
    "blank before": Mistake(_set(*_OUTPUT, " {% $states.input %}"), "MR238", "A"),
    "string not closed": Mistake(_set(*_OUTPUT, "{% 'a & $run %}"), "MR238", "A"),
    "escaped quote": Mistake(_set(*_OUTPUT, "{% 'it\\'s' %}"), "MR238", "A"),
    "parenthesis not closed": Mistake(_set(*_OUTPUT, "{% $string($run %}"), "MR238", "A"),
    "wrong bracket": Mistake(_set(*_OUTPUT, "{% [1, 2) %}"), "MR238", "A"),
    "missing operator": Mistake(_set(*_OUTPUT, "{% $run '/x' %}"), "MR238", "A"),
    "missing value": Mistake(_set(*_OUTPUT, "{% $run & %}"), "MR238", "A"),
    "empty expression": Mistake(_set(*_OUTPUT, "{% %}"), "MR238", "A"),
    "function without $": Mistake(_set(*_OUTPUT, "{% string($run) %}"), "MR238", "A"),
    "eval": Mistake(_set(*_OUTPUT, "{% $eval('1') %}"), "MR238", "A"),
    "bare name": Mistake(_set(*_OUTPUT, {"a": ["{% run %}"]}), "MR239", "A"),
    "top-level $": Mistake(_set(*_OUTPUT, "{% $.a %}"), "MR239", "A"),
    "top-level $$": Mistake(_set(*_OUTPUT, "{% $$.a %}"), "MR239", "A"),
    "result in Arguments": Mistake(_set(*_ARGS, "JobQueue", "{% $states.result.a %}"), "MR240", "A"),
    "result of a Pass": Mistake(_set("map.branch", "Output", "{% $states.result %}"), "MR240", "map.branch"),
    "errorOutput in Output": Mistake(_set(*_OUTPUT, "{% $states.errorOutput.Error %}"), "MR240", "A"),
    "typo in $states": Mistake(_set(*_OUTPUT, "{% $states.inputs %}"), "MR240", "A"),
    "typo in the context": Mistake(_set(*_OUTPUT, "{% $states.context.Execution.Nam %}"), "MR240", "A"),
    "token without waiting": Mistake(
        _set(*_ARGS, "JobQueue", "{% $states.context.Task.Token %}"), "MR240", "A"
    ),
    "undefined variable": Mistake(_set(*_OUTPUT, "{% $rnu %}"), "MR241", "A"),
    "variable before": Mistake(_use_before, "MR241", "A"),
    "variable of inside": Mistake(_use_inner, "MR241", "map"),
    "variable in distributed": Mistake(_set("far.branch", "Output", "{% $run %}"), "MR241", "far.branch"),
    "unknown function": Mistake(_set(*_OUTPUT, "{% $substr($run, 1) %}"), "MR241", "A"),
    "parameter outside": Mistake(_set(*_OUTPUT, "{% $map([1], function($v) { $v }) & $v %}"), "MR241", "A"),
    "variable with $": Mistake(_set("until", "Assign", {"$a": 1}), "MR242", "until"),
    "variable states": Mistake(_set("until", "Assign", {"states": 1}), "MR242", "until"),
    "long variable": Mistake(_set("until", "Assign", {"x" * 81: 1}), "MR242", "until"),
    "outer variable": Mistake(_set("map.branch", "Assign", "run", "x"), "MR243", "map.branch"),
    # parameters
    "lower case member": Mistake(_set(*_ARGS, "jobQueue", "q"), "MR244", "A"),
    "unknown member": Mistake(_set(*_ARGS, "ContainerOverrides", "Comand", []), "MR244", "A"),
    "no JobName": Mistake(_drop(*_ARGS, "JobName"), "MR245", "A"),
    "no JobQueue": Mistake(_drop(*_ARGS, "JobQueue"), "MR245", "A"),
    "no Bucket": Mistake(_drop("count", "Arguments", "Bucket"), "MR245", "count"),
    "no token": Mistake(_drop("both.left", "Arguments", "Payload", "token"), "MR245", "both.left"),
    "JobName with a dot": Mistake(_set(*_ARGS, "JobName", "a.b"), "MR246", "A"),
    "long JobName": Mistake(_set(*_ARGS, "JobName", "a" * 129), "MR246", "A"),
    "number for a string": Mistake(_set(*_ARGS, "JobQueue", 5), "MR246", "A"),
    "string for a number": Mistake(_set(*_ARGS, "Timeout", "AttemptDurationSeconds", "60"), "MR246", "A"),
    "string for a list": Mistake(_set(*_ARGS, "ContainerOverrides", "Command", "magnus"), "MR246", "A"),
    "unknown LaunchType": Mistake(
        _set("far.container", "Arguments", "LaunchType", "FARGATES"), "MR246", "far.container"
    ),
    "long overrides": Mistake(_long_environment, "MR247", "A"),
    # conditionals
    "rule of no branch": Mistake(_set(*_RULES, 0, "Condition", _is("goods")), "MR252", "pick"),
    "rule of a name": Mistake(_set(*_RULES, 0, "Condition", _is("Good")), "MR252", "pick"),
    "two rules of a branch": Mistake(_set(*_RULES, 1, "Condition", _is("good")), "MR252", "pick"),
    "rule without a branch": Mistake(_set(*_RULES, 1, "Condition", "{% true %}"), "MR252", "pick"),
    "rule of two branches": Mistake(
        _set(*_RULES, 0, "Condition", "{% $states.input in ['good', 'poor'] %}"), "MR252", "pick"
    ),
    "branch without a rule": Mistake(_drop(*_RULES, 1), "MR252", "pick"),
    "rule into another branch": Mistake(_set(*_RULES, 1, "Next", "pick.good.A"), "MR252", "pick"),
    "conditional without Default": Mistake(_drop("pick", "Default"), "MR252", "pick"),
    "Default into a branch": Mistake(_set("pick", "Default", "pick.poor.A"), "MR252", "pick"),
    "Default to success": Mistake(_set("pick", "Default", "success"), "MR252", "pick: choice"),
    "no Choice": Mistake(_no_choice, "MR252", "pick"),
    "choice of another node": Mistake(_set(*_KEY, _key("steps/pick2")), "MR252", "pick: choice"),
    "choice of an inner node": Mistake(_set(*_KEY, _key("steps/pick/good/pick")), "MR252", "pick: choice"),
    "choice out of another record": Mistake(
        _set(*_KEY, "{% 'log/' & $run & '/steps/pick/join.json' %}"), "MR252", "pick: choice"
    ),
    "count for a choice": Mistake(
        _set("pick: choice", "Output", "{% $parse($states.result.Body).count %}"), "MR252", "pick: choice"
    ),
    "choice without Catch": Mistake(_drop("pick: choice", "Catch"), "MR252", "pick: choice"),
    "choice that catches too little": Mistake(
        _set("pick: choice", "Catch", 0, "ErrorEquals", ["States.TaskFailed"]), "MR252", "pick: choice"
    ),
    "choice that is not read": Mistake(_set("function", "Next", "pick"), "MR252", "function"),
    "end into another branch": Mistake(_set("pick.good.B", "Next", "pick.poor.A"), "MR253", "pick.good.B"),
    "failure into another branch": Mistake(
        _set("pick.poor.A", "Catch", [{"ErrorEquals": ["States.ALL"], "Next": "pick.good.B"}]),
        "MR253",
        "pick.poor.A",
    ),
    "past the Choice": Mistake(_set("process", "Next", "pick.good.A"), "MR253", "process"),
}
BY_MODEL = frozenset(
    {
        "lower case member",
        "unknown member",
        "number for a string",
        "string for a number",
        "string for a list",
        "unknown LaunchType",
    }
)
"""Mistakes that only a service's model tells."""
