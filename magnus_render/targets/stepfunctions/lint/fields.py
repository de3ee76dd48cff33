"""Checks of a state's fields in the JSONata query language: known, complete, and of the right kind."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.errors import check_errors
from magnus_render.targets.stepfunctions.lint.machine import (
    TYPES,
    Report,
    Scope,
    is_expression,
    is_number,
    is_whole,
    near,
    shown,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_TIME = 99_999_999
"""Seconds, of a wait and of a time limit (Step Functions developer guide, "Task workflow state")."""
LONGEST_LABEL = 40
"""Characters (Step Functions developer guide, "Map state in Distributed mode")."""

_COMMON = frozenset({"Type", "Comment", "QueryLanguage", "Next", "End"})
_DATA = frozenset({"Output", "Assign"})
_JOB = _DATA | {"Retry", "Catch"}
_FIELDS = {
    "Task": _COMMON | _JOB | {"Resource", "Arguments", "TimeoutSeconds", "HeartbeatSeconds", "Credentials"},
    "Pass": _COMMON | _DATA,
    "Choice": _COMMON | _DATA | {"Choices", "Default"},
    "Wait": _COMMON | _DATA | {"Seconds", "Timestamp"},
    "Succeed": _COMMON | {"Output"},
    "Fail": _COMMON | {"Error", "Cause"},
    "Parallel": _COMMON | _JOB | {"Branches", "Arguments"},
    "Map": _COMMON
    | _JOB
    | {"Items", "ItemProcessor", "ItemSelector", "ItemReader", "ItemBatcher", "ResultWriter", "Label"}
    | {"MaxConcurrency", "ToleratedFailureCount", "ToleratedFailurePercentage"},
}
"""Next and End are among all: `graph` says which types may have them."""
_REQUIRED = {"Task": "Resource", "Choice": "Choices", "Parallel": "Branches", "Map": "ItemProcessor"}
_RULE = frozenset({"Condition", "Next", "Assign", "Output", "Comment"})
_MACHINE = frozenset({"Comment", "QueryLanguage", "StartAt", "States", "TimeoutSeconds", "Version"})
_BRANCH = frozenset({"Comment", "StartAt", "States"})
_INNER = {
    "ItemReader": frozenset({"Resource", "Arguments", "ReaderConfig"}),
    "ItemBatcher": frozenset({"MaxItemsPerBatch", "MaxInputBytesPerBatch", "BatchInput"}),
    "ResultWriter": frozenset({"Resource", "Arguments", "WriterConfig"}),
}
_DISTRIBUTED = (*_INNER, "ToleratedFailureCount", "ToleratedFailurePercentage", "Label")
_SUCCESSORS = {
    "Parameters": "Arguments",
    "ResultSelector": "Output",
    "ResultPath": "Output",
    "OutputPath": "Output",
    "Result": "Output",
    "InputPath": "$states.input in the expressions",
    "ItemsPath": "Items",
    "Variable": "Condition",
    "Iterator": "ItemProcessor",
}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NOT_IN_LABELS = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"]|[\x00-\x1f\x7f-\x9f]")


def check_fields(scopes: Iterable[Scope], report: Report) -> None:
    """Check the fields of the machine, of each scope and of each state (Amazon States Language, "State Types")."""
    root = True
    for scope in scopes:
        known = _MACHINE if root else _BRANCH | ({"ProcessorConfig"} if scope.inside_map else set())
        _known(scope.body, known, scope.owner, scope.label, report)
        if root:
            _check_machine(scope.body, report)
        root = False
        for name, state in scope.states.items():
            _check_state(name, state, scope, report)


def _known(body: dict[str, Any], known: Iterable[str], state: str, what: str, report: Report) -> None:
    for field in body:
        if field in known:
            continue
        successor = _SUCCESSORS.get(field, field[:-4] if field.endswith("Path") else "")
        if successor:
            message = f"{what} has {field}, which belongs to JSONPath"
            report.error(codes.FIELD, state, message, f"in JSONata write {successor}")
        else:
            report.error(
                codes.FIELD, state, f"{what} has no field {field}", near(field, known) or "take it out"
            )


def _check_machine(body: dict[str, Any], report: Report) -> None:
    if body.get("QueryLanguage") != "JSONata":
        what = f"QueryLanguage of the state machine is {shown(body.get('QueryLanguage', 'JSONPath'))}"
        report.error(codes.QUERY_LANGUAGE, "", what, 'write "QueryLanguage": "JSONata" beside StartAt')
    if "TimeoutSeconds" in body and not _is_time(body["TimeoutSeconds"]):
        what = f"TimeoutSeconds of the state machine is {shown(body['TimeoutSeconds'])}"
        report.error(codes.TIMEOUT, "", what, f"a whole number from 1 to {LONGEST_TIME}")


def _check_state(name: str, state: dict[str, Any], scope: Scope, report: Report) -> None:
    kind = state.get("Type")
    if kind not in TYPES:
        return
    if state.get("QueryLanguage", "JSONata") != "JSONata":
        what = f"its QueryLanguage is {shown(state['QueryLanguage'])}, that of the state machine is JSONata"
        report.error(codes.QUERY_LANGUAGE, name, what, "write its fields in JSONata")
        return
    _known(state, _FIELDS[kind], name, f"a {kind} state", report)
    required = _REQUIRED.get(kind)
    if required and required not in state:
        fix = "in JSONata write ItemProcessor" if "Iterator" in state else ""
        report.error(codes.REQUIRED, name, f"a {kind} state must have {required}", fix)
    for field in ("Comment", "Resource", "Error", "Cause"):
        if field in state and not isinstance(state[field], str):
            report.error(codes.VALUE, name, f"{field} is {shown(state[field])}, not a string")
    if "Assign" in state:
        _check_assign(name, "Assign", state["Assign"], report)
    if kind == "Wait":
        _check_wait(name, state, report)
    elif kind == "Choice":
        _check_choice(name, state, report)
    elif kind == "Task":
        _check_times(name, state, report)
    elif kind == "Parallel":
        branches = state.get("Branches", [{}])
        if not isinstance(branches, list) or not branches or not all(isinstance(b, dict) for b in branches):
            report.error(codes.VALUE, name, "Branches is not a list of at least one object")
    elif kind == "Map":
        _check_map(name, state, report)
    if kind in ("Task", "Parallel", "Map"):
        check_errors(name, state, report)
        for number, catcher in enumerate(state["Catch"] if isinstance(state.get("Catch"), list) else (), 1):
            if isinstance(catcher, dict) and "Assign" in catcher:
                _check_assign(name, f"Assign of catcher {number}", catcher["Assign"], report)
        if isinstance(state.get("Arguments", {}), dict | str):
            _expression_if_text(name, "Arguments", state.get("Arguments", {}), report)
        else:
            report.error(codes.VALUE, name, f"Arguments is {shown(state['Arguments'])}, not an object")


def _check_assign(name: str, what: str, value: Any, report: Report) -> None:
    if not isinstance(value, dict):
        report.error(codes.VALUE, name, f"{what} is {shown(value)}, not an object of variables")


def _expression_if_text(name: str, field: str, value: Any, report: Report) -> None:
    # A string with one of the marks only is reported with the expressions.
    if isinstance(value, str) and not (value.startswith("{%") or value.endswith("%}")):
        report.error(
            codes.VALUE, name, f"{field} is {shown(value)}, which is no expression", "write {% ... %}"
        )


def _check_wait(name: str, state: dict[str, Any], report: Report) -> None:
    given = [field for field in ("Seconds", "Timestamp") if field in state]
    if len(given) != 1:
        what = "has both Seconds and Timestamp" if given else "has neither Seconds nor Timestamp"
        report.error(codes.REQUIRED, name, f"a Wait state {what}", "give exactly one of them")
    if "Seconds" in given:
        seconds = state["Seconds"]
        if not is_expression(seconds) and not (is_whole(seconds) and 0 <= seconds <= LONGEST_TIME):
            what = f"Seconds is {shown(seconds)}, not a whole number from 0 to {LONGEST_TIME}"
            report.error(codes.VALUE, name, what)
    if "Timestamp" in given:
        stamp = state["Timestamp"]
        if not is_expression(stamp) and not (isinstance(stamp, str) and _TIMESTAMP.fullmatch(stamp)):
            what = f"Timestamp is {shown(stamp)}"
            report.error(codes.VALUE, name, what, "write it like 2030-01-31T12:00:00Z")


def _check_choice(name: str, state: dict[str, Any], report: Report) -> None:
    rules = state.get("Choices", [{"Condition": "{%%}", "Next": ""}])
    if not isinstance(rules, list) or not rules:
        report.error(codes.VALUE, name, "Choices is not a list of at least one rule")
        rules = []
    for number, rule in enumerate(rules, 1):
        if not isinstance(rule, dict):
            report.error(codes.VALUE, name, f"rule {number} is {shown(rule)}, not an object")
            continue
        _known(rule, _RULE, name, f"rule {number}", report)
        for field in ("Condition", "Next"):
            if field not in rule:
                report.error(codes.REQUIRED, name, f"rule {number} has no {field}")
        condition = rule.get("Condition", True)
        if not isinstance(condition, bool | str):
            report.error(codes.VALUE, name, f"Condition of rule {number} is {shown(condition)}")
        _expression_if_text(name, f"Condition of rule {number}", condition, report)
        if "Assign" in rule:
            _check_assign(name, f"Assign of rule {number}", rule["Assign"], report)
    if "Default" not in state:
        what = "it has no Default: the execution fails if none of its rules matches"
        report.warning(codes.NO_DEFAULT, name, what, "add a Default")


def _is_time(value: Any) -> bool:
    return is_whole(value) and 1 <= value <= LONGEST_TIME


def _check_times(name: str, state: dict[str, Any], report: Report) -> None:
    for field in ("TimeoutSeconds", "HeartbeatSeconds"):
        if field in state and not _is_time(state[field]) and not is_expression(state[field]):
            what = f"{field} is {shown(state[field])}, not a whole number from 1 to {LONGEST_TIME}"
            report.error(codes.TIMEOUT, name, what)
    timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
    if is_whole(timeout) and is_whole(heartbeat) and heartbeat >= timeout:
        what = f"its heartbeat of {heartbeat} seconds is not shorter than its timeout of {timeout}"
        report.error(codes.TIMEOUT, name, what)


def _check_map(name: str, state: dict[str, Any], report: Report) -> None:
    processor = state.get("ItemProcessor", {})
    if not isinstance(processor, dict):
        report.error(codes.VALUE, name, f"ItemProcessor is {shown(processor)}, not an object")
        processor = {}
    distributed = _check_mode(name, processor.get("ProcessorConfig", {}), report)
    items = state.get("Items", [])
    if not isinstance(items, list | dict) and not is_expression(items):
        report.error(codes.VALUE, name, f"Items is {shown(items)}, neither a list nor an expression")
    if "Items" in state and "ItemReader" in state:
        report.error(codes.VALUE, name, "it has both Items and ItemReader", "keep one of them")
    _number(name, state, "MaxConcurrency", None, report)
    _number(name, state, "ToleratedFailureCount", None, report)
    _number(name, state, "ToleratedFailurePercentage", 100, report)
    for field in _DISTRIBUTED:
        if field in state and not distributed:
            what = f"{field} belongs to distributed Maps, this one is inline"
            fix = 'take it out, or write "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}'
            report.error(codes.MAP_MODE, name, what, fix)
    for field, known in _INNER.items():
        if field not in state:
            continue
        if not isinstance(state[field], dict):
            report.error(codes.VALUE, name, f"{field} is {shown(state[field])}, not an object")
            continue
        _known(state[field], known, name, field, report)
        if field == "ItemReader" and not isinstance(state[field].get("Resource"), str):
            report.error(codes.REQUIRED, name, f"{field} has no Resource")
    label = state.get("Label", "")
    if not isinstance(label, str) or len(label) > LONGEST_LABEL or _NOT_IN_LABELS.search(label):
        what = (
            f"Label is {shown(label)}: at most {LONGEST_LABEL} characters, no blanks, brackets or wildcards"
        )
        report.error(codes.VALUE, name, what)


def _check_mode(name: str, config: Any, report: Report) -> bool:
    """Check a ProcessorConfig and tell whether the map is distributed."""
    if not isinstance(config, dict):
        report.error(codes.VALUE, name, f"ProcessorConfig is {shown(config)}, not an object")
        return False
    _known(config, ("Mode", "ExecutionType"), name, "ProcessorConfig", report)
    mode, execution = config.get("Mode", "INLINE"), config.get("ExecutionType")
    if mode not in ("INLINE", "DISTRIBUTED"):
        report.error(codes.MAP_MODE, name, f"Mode is {shown(mode)}", near(mode, ("INLINE", "DISTRIBUTED")))
    elif mode == "DISTRIBUTED" and execution not in ("STANDARD", "EXPRESS"):
        what = (
            "has no ExecutionType"
            if "ExecutionType" not in config
            else f"has ExecutionType {shown(execution)}"
        )
        report.error(codes.MAP_MODE, name, f"a distributed Map {what}", "write STANDARD, or EXPRESS")
    elif mode == "INLINE" and "ExecutionType" in config:
        report.warning(codes.MAP_MODE, name, "ExecutionType means nothing on an inline Map", "take it out")
    return bool(mode == "DISTRIBUTED")


def _number(name: str, state: dict[str, Any], field: str, most: int | None, report: Report) -> None:
    value = state.get(field, 0)
    fits = is_whole(value) if most is None else is_number(value) and value <= most
    if not is_expression(value) and not (fits and value >= 0):
        what = "a whole number of at least 0" if most is None else f"a number from 0 to {most}"
        report.error(codes.VALUE, name, f"{field} is {shown(value)}, not {what}")
