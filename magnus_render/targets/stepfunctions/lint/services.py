"""Checks of what a Task calls, and of the literal parameters it hands over.

The services' requests are those of the models that botocore brings along (`data/<service>/<version>/service-2.json`).
They are read without importing botocore, which would take longer than all other checks together.
"""

from __future__ import annotations

import functools
import json
import os
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.executors import aws_batch_rules
from magnus_render.targets.lint.report import near, shown
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.machine import is_expression
from magnus_render.targets.stepfunctions.lint.members import Model, check_members

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus_render.targets.stepfunctions.lint.machine import Report, Scope


_ARN = re.compile(
    r"arn:aws[a-z-]*:(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<rest>.+)"
)
_CALL = re.compile(
    r"(?P<service>[a-z0-9-]+):(?P<action>[a-z][A-Za-z0-9]*)(?:\.(?P<pattern>[A-Za-z]+(?::\d)?))?"
)
_PATTERNS = ("sync", "sync:2", "waitForTaskToken")
_SYNC, _TOKEN = ("", "sync"), ("", "waitForTaskToken")
_ALL = ("", "sync", "waitForTaskToken")
_INTEGRATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "batch": {"submitJob": _SYNC},
    "ecs": {"runTask": _ALL},
    "lambda": {"invoke": _TOKEN},
    "states": {"startExecution": ("", "sync", "sync:2", "waitForTaskToken")},
    "sagemaker": {
        **dict.fromkeys(("createEndpoint", "createEndpointConfig", "createModel", "updateEndpoint"), ("",)),
        **dict.fromkeys(("createHyperParameterTuningJob", "createLabelingJob", "createProcessingJob"), _SYNC),
        **dict.fromkeys(("createTrainingJob", "createTransformJob"), _SYNC),
    },
    "sns": {"publish": _TOKEN},
    "sqs": {"sendMessage": _TOKEN},
    "events": {"putEvents": _TOKEN},
    "glue": {"startJobRun": _SYNC},
    "dynamodb": dict.fromkeys(("getItem", "putItem", "updateItem", "deleteItem"), ("",)),
}
"""Actions of the optimized integrations, and how they can be waited for (Step Functions developer guide, "Integrating
services"). Services that are not listed are taken as they are."""
_MODELS = {
    "states": "stepfunctions",
    "sfn": "stepfunctions",
    "cloudwatchlogs": "logs",
    "eventbridge": "events",
}
"""Folders of botocore's data whose names differ from that of the service in a resource."""
_REQUIRED = {
    "batch:submitJob": ("JobName", "JobQueue", "JobDefinition"),
    "ecs:runTask": ("TaskDefinition",),
    "lambda:invoke": ("FunctionName",),
    "states:startExecution": ("StateMachineArn",),
    "sagemaker:createProcessingJob": (
        "ProcessingJobName",
        "ProcessingResources",
        "AppSpecification",
        "RoleArn",
    ),
    "aws-sdk:s3:getObject": ("Bucket", "Key"),
    "aws-sdk:s3:putObject": ("Bucket", "Key"),
}
"""Members that a call must have, used if botocore is not installed."""
_JOB_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_ONE_VARIABLE = re.compile(r"\{%\s*\$(\w+)\s*%\}")
_EXAMPLE = "write it like arn:aws:states:::batch:submitJob.sync"


class _Call(NamedTuple):
    key: str
    """`batch:submitJob`, or `aws-sdk:s3:getObject`."""
    service: str
    action: str
    pattern: str
    sdk: bool


def check_services(scopes: Iterable[Scope], report: Report, models: bool = True) -> None:
    """Check the resource and the arguments of every Task; without `models`, only by the tables here."""
    shared = {name: _length(value, {}) for name, value in _literals(scopes).items()}
    for scope in scopes:
        for name, state in scope.states.items():
            if state.get("Type") == "Task" and isinstance(state.get("Resource"), str):
                call = _call(name, state["Resource"], scope, report)
                if call is not None:
                    _check_arguments(name, call, state.get("Arguments", {}), shared, report, models)


def _call(name: str, resource: str, scope: Scope, report: Report) -> _Call | None:
    """Check a resource and return the call it names; None for functions, activities and what cannot be read."""
    arn = _ARN.fullmatch(resource)
    if arn is None:
        report.error(codes.RESOURCE, name, f"its Resource is {shown(resource)}, which is no ARN", _EXAMPLE)
        return None
    rest = arn["rest"]
    if arn["service"] != "states":
        if arn["service"] != "lambda" or not rest.startswith("function:") or not arn["account"]:
            what = f"its Resource is {shown(resource)}, neither an integration nor a Lambda function"
            report.error(codes.RESOURCE, name, what, _EXAMPLE)
        return None
    if rest.startswith("activity:"):
        if scope.express:
            report.error(codes.RESOURCE, name, "an Express execution has no activities")
        return None
    sdk = rest.startswith("aws-sdk:")
    match = _CALL.fullmatch(rest.removeprefix("aws-sdk:"))
    if match is None:
        what = f"its Resource is {shown(resource)}, without a service and an action after the last '::'"
        report.error(codes.RESOURCE, name, what, _EXAMPLE)
        return None
    service, action, pattern = match["service"], match["action"], match["pattern"] or ""
    known = _INTEGRATIONS.get(service, {}) if not sdk else {}
    fix = ""
    if pattern and pattern not in _PATTERNS:
        what, fix = (
            f"'.{pattern}' is no way to wait",
            near(pattern, _PATTERNS) or ".sync or .waitForTaskToken",
        )
    elif sdk and pattern.startswith("sync"):
        what, fix = (
            "a call of aws-sdk cannot be waited for with .sync",
            "take .sync off, or use an integration",
        )
    elif known and action not in known:
        what, fix = (
            f"{service} has no integration {action}",
            near(action, known) or f"aws-sdk:{service}:{action}",
        )
    elif known and pattern not in known[action]:
        ways = " or ".join(f".{way}" for way in known[action] if way) or "nothing"
        what, fix = f"{service}:{action} cannot be called with .{pattern}", f"it takes {ways}"
    elif scope.express and pattern:
        what, fix = (
            f"an Express execution cannot wait with .{pattern}",
            "make the Map's ExecutionType STANDARD",
        )
    else:
        key = f"aws-sdk:{service}:{action}" if sdk else f"{service}:{action}"
        return _Call(key, service, action, pattern, sdk)
    report.error(codes.RESOURCE, name, f"its Resource is {shown(resource)}: {what}", fix)
    return None


def _check_arguments(
    name: str, call: _Call, arguments: Any, shared: dict[str, int], report: Report, models: bool
) -> None:
    # An integration that is not listed may take other members than the service does, so it is not checked.
    modelled = models and (call.sdk or call.service in _INTEGRATIONS)
    model = _model(_MODELS.get(call.service, call.service)) if modelled else None
    shape = model.input(call.action) if model is not None else None
    if model is not None and shape is None and call.sdk:
        what = f"its Resource calls {call.action}, which {call.service} does not have"
        fix = near(call.action, model.actions()) or "update botocore if it is new"
        report.error(codes.RESOURCE, name, what, fix)
    if not isinstance(arguments, dict):
        return  # one expression, or reported as no object
    if model is not None and shape:
        check_members(name, call.service, model, shape, arguments, call.sdk, report)
    else:
        for member in _REQUIRED.get(call.key, ()):
            if member not in arguments:
                report.error(codes.MEMBER_MISSING, name, f"{call.key} needs {member} in its Arguments")
    if call.pattern == "waitForTaskToken" and "context.Task.Token" not in json.dumps(arguments):
        what = "it waits for a task token that its Arguments do not hand over"
        report.error(codes.MEMBER_MISSING, name, what, "hand over {% $states.context.Task.Token %}")
    if call.key == "batch:submitJob":
        _check_batch(name, arguments, shared, report)


def _check_batch(name: str, arguments: dict[str, Any], shared: dict[str, int], report: Report) -> None:
    job = arguments.get("JobName")
    if isinstance(job, str) and not is_expression(job) and not _JOB_NAME.fullmatch(job):
        what = f"JobName is {shown(job)}: 1 to 128 letters, digits, '-' and '_', a letter or digit first"
        report.error(codes.MEMBER_VALUE, name, what)
    overrides = arguments.get("ContainerOverrides")
    if isinstance(overrides, dict):
        length = _length(overrides, shared)
        if length > aws_batch_rules.OVERRIDES:
            what = f"its ContainerOverrides have {length:,} characters, AWS Batch takes {aws_batch_rules.OVERRIDES:,}"
            report.error(
                codes.OVERRIDES, name, what, "shorten the environment, or move it to the job definition"
            )


def _literals(scopes: Iterable[Scope]) -> dict[str, Any]:
    """Return the variables that are assigned once in the definition, to a literal."""
    seen: dict[str, list[Any]] = {}
    for scope in scopes:
        for state in scope.states.values():
            holders = [state]
            for field in ("Catch", "Choices"):
                if isinstance(state.get(field), list):
                    holders += [entry for entry in state[field] if isinstance(entry, dict)]
            for holder in holders:
                if isinstance(holder.get("Assign"), dict):
                    for variable, value in holder["Assign"].items():
                        seen.setdefault(variable, []).append(value)
    return {
        name: values[0] for name, values in seen.items() if len(values) == 1 and not is_expression(values[0])
    }


def _length(value: Any, shared: dict[str, int]) -> int:
    """Return the least length of a value as JSON: an expression counts 0, unless it is a variable of known length."""
    total, waiting = 0, [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if not is_expression(item):
                total += len(item) + 2
            elif shared and (variable := _ONE_VARIABLE.fullmatch(item)) is not None:
                total += shared.get(variable[1], 0)
        elif isinstance(item, dict):
            total += 1 + len(item) + sum(len(key) + 3 for key in item)
            waiting += item.values()
        elif isinstance(item, list):
            total += 1 + len(item)
            waiting += item
        else:
            total += len(json.dumps(item))
    return total


@functools.cache
def _model(service: str) -> Model | None:
    """Return botocore's newest model of a service; None if there is none, or no botocore."""
    import gzip
    from importlib.util import find_spec

    spec = find_spec("botocore")
    if spec is None or not spec.origin:
        return None
    folder = os.path.join(os.path.dirname(spec.origin), "data", service)
    try:
        folder = os.path.join(folder, max(os.listdir(folder)))
        if os.path.exists(os.path.join(folder, "service-2.json.gz")):
            with gzip.open(os.path.join(folder, "service-2.json.gz")) as file:
                model = json.load(file)
        else:
            with open(os.path.join(folder, "service-2.json"), "rb") as file:
                model = json.load(file)
        return Model(model)
    except (OSError, ValueError, EOFError, KeyError):
        return None
