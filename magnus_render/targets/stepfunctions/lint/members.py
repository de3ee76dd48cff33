"""Checks of the literal parameters of a call against the service's model of the request."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.lint.report import near, shown
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.machine import is_expression, is_number, is_whole

if TYPE_CHECKING:
    from magnus_render.targets.stepfunctions.lint.machine import Report

_LONGEST_MATCHED = 2048
"""Characters of the longest string that is matched against a pattern."""
_KINDS: dict[str, tuple[type, str]] = {
    "structure": (dict, "an object"),
    "map": (dict, "an object"),
    "list": (list, "a list"),
    "string": (str, "a string"),
    "boolean": (bool, "true or false"),
}
_NUMBERS = {"integer": is_whole, "long": is_whole, "float": is_number, "double": is_number}
_ANY_JSON = {("states", "Input"), ("sns", "Message"), ("sqs", "MessageBody"), ("events", "Detail")}
"""Members for which Step Functions turns any JSON into a string (developer guide, "Integrating optimized services")."""


_LIMITS = frozenset(("enum", "pattern", "min", "max"))


class Model:
    """A service's requests, from botocore's model of the service."""

    def __init__(self, model: dict[str, Any]) -> None:
        self.operations: dict[str, Any] = model["operations"]
        self.shapes: dict[str, Any] = model["shapes"]
        # Resources write actions as the AWS SDK for Java does. A comparison without case makes its rules unnecessary.
        self._actions = {name.lower(): name for name in self.operations}
        self._written: dict[tuple[str, bool], dict[str, str]] = {}
        self.any_text = {
            name
            for name, shape in self.shapes.items()
            if shape["type"] == "string" and _LIMITS.isdisjoint(shape)
        }
        """Shapes that take any text."""

    def input(self, action: str) -> str | None:
        """Return the name of the shape of an action's input, '' if it takes none, None if there is no such action."""
        if action.lower() not in self._actions:
            return None
        name: str = self.operations[self._actions[action.lower()]].get("input", {}).get("shape", "")
        return name

    def actions(self) -> list[str]:
        """Return the actions as resources name them."""
        return [name[:1].lower() + java_name(name)[1:] for name in self.operations]

    def written(self, shape: str, sdk: bool) -> dict[str, str]:
        """Return the members of a structure by their names in Step Functions."""
        key = (shape, sdk)
        if key not in self._written:
            name = java_name if sdk else pascal
            self._written[key] = {name(member): member for member in self.shapes[shape]["members"]}
        return self._written[key]


def check_members(
    name: str, service: str, model: Model, shape: str, arguments: dict[str, Any], sdk: bool, report: Report
) -> None:
    """Check the arguments of the state `name` against the shape of a request: names, what is required, literals.

    `sdk` tells calls by `aws-sdk` from optimized integrations.
    """
    waiting: list[tuple[Any, str, str]] = [(arguments, shape, "")]
    while waiting:
        value, shape_name, path = waiting.pop()
        described = model.shapes[shape_name]
        if (
            is_expression(value)
            or _known_later(value)
            or (not sdk and (service, path.rpartition(".")[2]) in _ANY_JSON)
        ):
            continue
        what = _wrong(value, described)
        if what:
            report.error(
                codes.MEMBER_VALUE, name, f"{path or 'Arguments'} is {shown(value)}, {what[0]}", what[1]
            )
        elif described["type"] == "structure" and not described.get("document"):
            waiting += _members(name, value, model, shape_name, path, sdk, report)
        elif described["type"] == "list":
            inner = described["member"]["shape"]
            waiting += [(item, inner, f"{path}[{number}]") for number, item in enumerate(value)]
        elif described["type"] == "map":
            inner = described["value"]["shape"]
            waiting += [(item, inner, f"{path}.{key}") for key, item in value.items()]


def _known_later(value: Any) -> bool:
    """Tell whether a text gets its final form only when the machine is deployed."""
    return isinstance(value, str) and "${" in value


def _members(
    name: str, value: dict[str, Any], model: Model, shape: str, path: str, sdk: bool, report: Report
) -> list[tuple[Any, str, str]]:
    """Check the members of an object and return what is inside them."""
    written, members = model.written(shape, sdk), model.shapes[shape]["members"]
    inside, given = [], set()
    for key, item in value.items():
        where = f"{path}.{key}" if path else key
        member = written.get(key)
        if member is None and sdk and key in members:
            member = key
            what = f"Arguments has {where}, which Step Functions writes otherwise"
            report.warning(codes.MEMBER, name, what, f"write {java_name(key)}")
        if member is None:
            fix = near(key, written) or "leave it out, or update botocore if it is new"
            report.error(codes.MEMBER, name, f"Arguments has {where}, which the service does not know", fix)
            continue
        given.add(member)
        inner = members[member]["shape"]
        if not isinstance(item, str) or inner not in model.any_text:
            inside.append((item, inner, where))
    for member in model.shapes[shape].get("required", ()):
        token = members[member].get("idempotencyToken") or model.shapes[members[member]["shape"]].get(
            "idempotencyToken"
        )
        if member not in given and not token:
            name_there = java_name(member) if sdk else pascal(member)
            where = f"{path}.{name_there}" if path else name_there
            report.error(codes.MEMBER_MISSING, name, f"Arguments has no {where}, which the service requires")
    return inside


def _wrong(value: Any, shape: dict[str, Any]) -> tuple[str, str] | None:
    """Return what is wrong with a literal, and the likely fix; None if nothing is."""
    kind = shape["type"]
    if kind in _KINDS:
        if not isinstance(value, _KINDS[kind][0]):
            return f"not {_KINDS[kind][1]}", ""
    elif kind in _NUMBERS:
        if not _NUMBERS[kind](value):
            return "not a whole number" if _NUMBERS[kind] is is_whole else "not a number", ""
    else:
        return None
    least, most = shape.get("min"), shape.get("max")
    size = value if kind in _NUMBERS else len(value) if kind in ("string", "list", "map") else None
    unit = "" if kind in _NUMBERS else " characters" if kind == "string" else " entries"
    if size is not None and least is not None and size < least:
        return f"less than {least}{unit}", ""
    if size is not None and most is not None and size > most:
        return f"more than {most}{unit}", ""
    if kind == "string":
        known = shape.get("enum")
        if known and value not in known:
            return "which the service does not know", near(value, known) or f"one of {', '.join(known[:12])}"
        pattern = _compiled(shape.get("pattern", ""))
        if pattern is not None and len(value) <= _LONGEST_MATCHED and not pattern.search(value):
            return "not of the form that the service takes", f"it must match {shape['pattern']}"
    return None


@functools.cache
def _compiled(pattern: str) -> re.Pattern[str] | None:
    try:
        return re.compile(pattern) if pattern else None
    except re.error:  # the dialect is that of other languages
        return None


def pascal(member: str) -> str:
    """Return a member's name as optimized integrations write it."""
    return member[:1].upper() + member[1:]


@functools.cache
def java_name(name: str) -> str:
    """Return a name as the AWS SDK for Java writes it, and with it Step Functions in `aws-sdk` calls: `SsekmsKeyId`.

    Step Functions developer guide, "Learning to use AWS service SDK integrations": parameters are in Pascal case. The SDK
    for Java 2 takes capitals at the beginning for one word.
    """
    end = 1
    while end < len(name) and name[end].isupper() and not name[end + 1 : end + 2].islower():
        end += 1
    return name[:1].upper() + name[1:end].lower() + name[end:]
