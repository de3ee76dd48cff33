"""Checks of the fields of machines and states in the JSONata query language: known, complete, and of the right kind.

`states.txt` has the fields. The checks of fields that depend on each other stand here.
"""

from __future__ import annotations

import os
import re
from functools import cache
from typing import TYPE_CHECKING, Any

from magnus_render.targets.lint.fields import Format, Table, Walk, read_types
from magnus_render.targets.lint.report import objects, shown
from magnus_render.targets.stepfunctions import limits
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.errors import check_errors
from magnus_render.targets.stepfunctions.lint.machine import TYPES, Report, Scope, is_whole

if TYPE_CHECKING:
    from collections.abc import Iterable


_TYPES = os.path.join(os.path.dirname(__file__), "states.txt")
_DISTRIBUTED = (
    *("ItemReader", "ItemBatcher", "ResultWriter", "Label"),
    *("ToleratedFailureCount", "ToleratedFailurePercentage"),
)
_SUCCESSORS = {
    "Parameters": "Arguments",
    "ResultSelector": "Output",
    "Result": "Output",
    "ResultPath": "Output",
    "OutputPath": "Output",
    "InputPath": "$states.input in the expressions",
    "ItemsPath": "Items",
    "Variable": "Condition",
    "Iterator": "ItemProcessor",
}
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")
_NOT_IN_LABELS = re.compile(r"[\s?*<>{}\[\]:;,\\|^~$#%&`\"]|[\x00-\x1f\x7f-\x9f]")
_FORMATS = {
    "timestamp": Format(lambda text: bool(_TIMESTAMP.fullmatch(text)), "write it like 2030-01-31T12:00:00Z"),
    "label": Format(
        lambda text: len(text) <= limits.LABEL and not _NOT_IN_LABELS.search(text),
        f"at most {limits.LABEL} characters, no blanks, brackets or wildcards",
    ),
    "items": Format(lambda value: isinstance(value, list | dict), "write a list, or {% ... %}"),
    "condition": Format(lambda value: isinstance(value, bool), "write {% ... %}"),
}


def _is_marked(text: str) -> bool:
    """Tell whether a string is an expression, or was meant as one: `variables.py` reports a missing mark."""
    return text.startswith("{%") or text.endswith("%}")


def _successor(type_: str, name: str) -> str:
    successor = _SUCCESSORS.get(name, name[:-4] if name.endswith("Path") else "")
    return f"that belongs to JSONPath: in JSONata write {successor}" if successor else ""


@cache
def _table() -> Table:
    with open(_TYPES, encoding="utf-8") as file:
        types = read_types(file.read())
    return Table(types, codes.FIELD, codes.VALUE, codes.REQUIRED, _FORMATS, _is_marked, renamed=_successor)


def check_fields(scopes: Iterable[Scope], report: Report) -> None:
    """Check the fields of the machine, of each scope and of each state (Amazon States Language, "State Types")."""
    walk = Walk(_table(), report)
    for scope in scopes:
        if scope.outer is None:
            walk.check(scope.body, "Machine", "", label=scope.label)
            _check_language(scope.body, report)
        for name, state in scope.states.items():
            kind = state.get("Type")
            if kind not in TYPES:
                continue
            if state.get("QueryLanguage", "JSONata") != "JSONata":
                what = f"its QueryLanguage is {shown(state['QueryLanguage'])}, that of the state machine is JSONata"
                report.error(codes.QUERY_LANGUAGE, name, what, "write its fields in JSONata")
                continue
            walk.check(state, kind, name, label=f"a {kind} state")
            _check_together(name, kind, state, report)


def _check_language(body: dict[str, Any], report: Report) -> None:
    if body.get("QueryLanguage") != "JSONata":
        what = f"QueryLanguage of the state machine is {shown(body.get('QueryLanguage', 'JSONPath'))}"
        report.error(codes.QUERY_LANGUAGE, "", what, 'write "QueryLanguage": "JSONata" beside StartAt')


def _check_together(name: str, kind: str, state: dict[str, Any], report: Report) -> None:
    """Check the fields of a state that depend on each other."""
    if kind == "Wait":
        given = [field for field in ("Seconds", "Timestamp") if field in state]
        if len(given) != 1:
            what = "has both Seconds and Timestamp" if given else "has neither Seconds nor Timestamp"
            report.error(codes.REQUIRED, name, f"a Wait state {what}", "give exactly one of them")
    elif kind == "Choice":
        if "Default" not in state:
            what = "it has no Default: the execution fails if none of its rules matches"
            report.warning(codes.NO_DEFAULT, name, what, "add a Default")
    elif kind == "Task":
        timeout, heartbeat = state.get("TimeoutSeconds"), state.get("HeartbeatSeconds")
        if is_whole(timeout) and is_whole(heartbeat) and heartbeat >= timeout:
            what = f"its heartbeat of {heartbeat} seconds is not shorter than its timeout of {timeout}"
            report.error(codes.TIMEOUT, name, what)
    elif kind == "Map":
        _check_map(name, state, report)
    for field in ("Retry", "Catch"):
        check_errors(name, field, objects(state.get(field)), report)


def _check_map(name: str, state: dict[str, Any], report: Report) -> None:
    if "Items" in state and "ItemReader" in state:
        report.error(codes.VALUE, name, "it has both Items and ItemReader", "keep one of them")
    processor = state.get("ItemProcessor")
    config = processor.get("ProcessorConfig") if isinstance(processor, dict) else None
    config = config if isinstance(config, dict) else {}
    distributed = config.get("Mode") == "DISTRIBUTED"
    if distributed and "ExecutionType" not in config:
        what = "a distributed Map has no ExecutionType"
        report.error(codes.MAP_MODE, name, what, "write STANDARD, or EXPRESS")
    elif config.get("Mode", "INLINE") == "INLINE" and "ExecutionType" in config:
        report.warning(codes.MAP_MODE, name, "ExecutionType means nothing on an inline Map", "take it out")
    for field in _DISTRIBUTED:
        if field in state and not distributed:
            what = f"{field} belongs to distributed Maps, this one is inline"
            fix = 'take it out, or write "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}'
            report.error(codes.MAP_MODE, name, what, fix)
