"""Checks of every field: is it known, is its value of the right kind, is what must be there given?

The fields are those of Argo's OpenAPI description (`openapi.txt`). Argo decodes a manifest strictly into these types,
and the full CRDs demand the same.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.manifest import Document, dotted, near, shown
from magnus_render.targets.argo.lint.yaml import load

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.targets.argo.lint.manifest import Owner, Report

_WORDS = {
    "s": "a string",
    "i": "a whole number",
    "n": "a number",
    "b": "true or false",
    "x": "a whole number or a string",
    "q": "an amount such as 512Mi",
    "a": "a string",
}
_RENAMED = {
    ("CronWorkflowSpec", "schedule"): "Argo 4 has dropped it: write schedules, a list",
    ("Synchronization", "mutex"): "Argo 4 has dropped it: write mutexes, a list",
    ("Synchronization", "semaphore"): "Argo 4 has dropped it: write semaphores, a list",
    ("WorkflowSpec", "podPriority"): "Argo 4 has dropped it: write podPriorityClassName",
}
_OWNERS = frozenset(("Template", "DAGTask", "WorkflowStep"))
_STRINGS = {str}
_TABLE = os.path.join(os.path.dirname(__file__), "openapi.txt")
_TOP = frozenset(("apiVersion", "kind", "metadata", "spec", "status"))


class _Kind(NamedTuple):
    shape: str
    """What is around the values: '' nothing, '[' a list, '{' a mapping, '[[' a list of lists."""
    base: str
    """One letter, or the name of a type."""


class _Type(NamedTuple):
    fields: dict[str, _Kind]
    required: frozenset[str]
    texts: frozenset[str]
    """Fields that are strings."""


@cache
def _types() -> dict[str, _Type]:
    with open(_TABLE, encoding="utf-8") as file:
        text = "".join(line for line in file if not line.startswith("#"))
    types = {}
    for line in text.rstrip().replace("\n ", " ").split("\n"):
        name, _, rest = line.partition(":")
        fields, required = {}, []
        for field in rest.split():
            key, _, kind = field.partition("=")
            if kind.endswith("!"):
                kind = kind[:-1]
                required.append(key)
            base = kind.strip("[]{}")
            fields[key] = _Kind(kind[: kind.index(base)], base)
        texts = frozenset(key for key, kind in fields.items() if kind.base in "sax" and not kind.shape)
        types[name] = _Type(fields, frozenset(required), texts)
    return types


def check_fields(document: Document, report: Report) -> None:
    """Check the fields of one object at every level."""
    body = document.body
    for key in body:
        if key not in _TOP:
            report.error(
                codes.FIELD, document, f"an object has no field {key}", near(key, _TOP) or "take it out"
            )
    spec = "CronWorkflowSpec" if document.kind == "CronWorkflow" else "WorkflowSpec"
    for key, name in (("metadata", "ObjectMeta"), ("spec", spec)):
        if isinstance(body.get(key), dict):
            _check(body[key], name, document, (None, key), report, document.owners)


def check_part(body: dict[Any, Any], name: str, owner: Owner, place: str, report: Report) -> None:
    """Check a mapping by itself, whose type `openapi.txt` has under a name."""
    _check(body, name, owner, (None, place), report, {})


def check_patch(given: Any, owner: Owner, report: Report, place: str = "podSpecPatch") -> None:
    """Check the text that is merged into each pod's specification; what holds tags is known at run time only."""
    if not isinstance(given, str) or not given or "{{" in given:
        return
    try:
        bodies = load(given)
    except yaml.YAMLError as error:
        what = f"{place} is not YAML: {' '.join(str(error).split())}"
        report.error(codes.PATCH, owner, what, "write fields of a PodSpec, as YAML or JSON")
        return
    body = bodies[0] if bodies else None
    if not isinstance(body, dict):
        what = f"{place} is {shown(body)}, not a mapping"
        report.error(codes.PATCH, owner, what, "write fields of a PodSpec, as YAML or JSON")
        return
    _check(body, "PodSpec", owner, (None, place), report, {}, patch=True)


def _check(
    body: dict[Any, Any],
    name: str,
    owner: Owner,
    place: Any,
    report: Report,
    owners: Mapping[int, Owner],
    patch: bool = False,
) -> None:
    """Check a mapping and all below it. A `patch` may leave out what it does not change, and has directives (`$patch`)."""
    types = _types()
    waiting: list[tuple[dict[Any, Any], str, Owner, Any]] = [(body, name, owner, place)]
    while waiting:
        body, name, owner, place = waiting.pop()
        if name in _OWNERS and id(body) in owners:
            owner, place = owners[id(body)], None
        fields, required, _ = types[name]
        inner: list[tuple[dict[Any, Any], str, Owner, Any]] = []
        for key, value in body.items():
            kind = fields.get(key)
            if kind is None:
                if not (patch and str(key).startswith("$")):
                    _unknown(name, key, fields, owner, place, report, patch)
                continue
            shape, base = kind
            if value is None:
                continue
            if not shape:
                if base == "s" and type(value) is str:
                    continue
                _value(value, base, owner, (place, key), inner, report)
            elif shape == "{":
                if not isinstance(value, dict):
                    _wrong(value, "a mapping", owner, (place, key), report)
                    continue
                for word, item in value.items():
                    if not isinstance(word, str):
                        _wrong(word, "a string as key", owner, (place, key), report)
                    _value(item, base, owner, ((place, key), word), inner, report)
            elif not isinstance(value, list):
                _wrong(value, "a list", owner, (place, key), report)
            else:
                for number, item in enumerate(value):
                    at = ((place, key), number)
                    if shape == "[":
                        _value(item, base, owner, at, inner, report)
                    elif not isinstance(item, list):
                        _wrong(item, "a list", owner, at, report)
                    else:
                        for position, element in enumerate(item):
                            _value(element, base, owner, (at, position), inner, report)
        for key in () if patch else sorted([key for key in required if body.get(key) is None]):
            where = f"{dotted(place)} has no {key}" if place else f"it has no {key}"
            report.error(codes.REQUIRED, owner, where, f"add {key}")
        waiting.extend(reversed(inner))


def _value(value: Any, base: str, owner: Owner, place: Any, inner: list[Any], report: Report) -> None:
    if base == "*":
        return
    if len(base) > 1:
        if isinstance(value, dict):
            if not _is_plain(value, _types()[base]):
                inner.append((value, base, owner, place))
        elif value is not None or isinstance(place[1], int):
            _wrong(value, "a mapping", owner, place, report)
        return
    kind = type(value)
    if kind is str:
        if base in "inb":
            _wrong(value, _WORDS[base], owner, place, report)
    elif kind is int:
        if base in "sb":
            _wrong(value, _WORDS[base], owner, place, report)
        elif base == "a":
            _unquoted(value, owner, place, report)
    elif kind is float and base == "n":
        pass
    elif base in "aq" and kind in (bool, float):
        if base == "q" and kind is bool:
            _wrong(value, _WORDS[base], owner, place, report)
        else:
            _unquoted(value, owner, place, report)
    elif base != "b" or kind is not bool:
        _wrong(value, _WORDS[base], owner, place, report)


def _is_plain(body: dict[Any, Any], kind: _Type) -> bool:
    """Return whether a mapping has nothing but strings, all of them known and none missing: most have."""
    keys = body.keys()
    return keys <= kind.texts and kind.required <= keys and set(map(type, body.values())) <= _STRINGS


def _wrong(value: Any, wanted: str, owner: Owner, place: Any, report: Report) -> None:
    fix = ""
    if wanted == "a string" and not isinstance(value, dict | list) and value is not None:
        fix = "put it into quotes: YAML reads it as something else than text"
    elif isinstance(value, str) and wanted in ("a whole number", "true or false"):
        fix = "write it without quotes"
    report.error(codes.VALUE, owner, f"{dotted(place)} is {shown(value)}, not {wanted}", fix)


def _unquoted(value: Any, owner: Owner, place: Any, report: Report) -> None:
    """A number or truth value where Argo wants text: it makes text of it, if not always the text that was meant."""
    what = f"{dotted(place)} is {shown(value)} to YAML, not a string"
    report.house(codes.VALUE, owner, what, "put it into quotes")


def _unknown(
    name: str, key: Any, fields: dict[str, _Kind], owner: Owner, place: Any, report: Report, patch: bool
) -> None:
    fix = _RENAMED.get((name, key)) or near(key, fields) or "take it out"
    where = dotted(place) if place else "it"
    add = report.house if patch else report.error  # Argo leaves out what a patch has besides
    add(codes.FIELD, owner, f"{where} has no field {shown(key) if isinstance(key, str) else key}", fix)
