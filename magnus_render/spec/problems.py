"""Turns the errors of pydantic models into diagnostics at the place in the file where they belong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from magnus_render.spec import codes
from magnus_render.spec.models import NO_TASK
from magnus_render.spec.tree import Map, Seq, Value, clipped, kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.spec.models import Spec
    from magnus_render.spec.report import Place, Report

    _Spec = TypeVar("_Spec", bound=Spec)

_KINDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {"greater_than": "more than", "greater_than_equal": "at least", "less_than_equal": "at most"}
_BOUND_KEYS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than_equal": "le"}
_USUAL_MISTAKES = {
    "depends": "a step names what comes after it: use 'next' in the step before",
    "depends_on": "a step names what comes after it: use 'next' in the step before",
    "retries": "use 'retry'",
    "parameters": "parameters are given with -p when the run is started, and set by steps",
    "env": "a task's environment comes from parameters and 'secrets'; an executor's from its 'environment'",
    "dag": "a graph inside of a node has no key 'dag'; in a dag node it is 'branch' or 'dag_definition'",
    "when": NO_TASK,
}
_BY_TYPE = {
    "conditional": {
        **dict.fromkeys(("max_concurrency", "fail_fast"), "remove it: one branch runs, never several"),
        "separate": "put a dag with 'separate: true' into the branch",
        **dict.fromkeys(
            ("choices", "cases", "when", "if", "rules"),
            "the graphs stand in 'branches', each under its value",
        ),
        **dict.fromkeys(("else", "otherwise"), "use 'default'"),
        **dict.fromkeys(("variable", "value", "expression", "on", "iterate_on"), "use 'parameter'"),
    },
    "task": dict.fromkeys(
        ("if", "condition", "only_if", "run_if", "skip_if", "unless"), "use 'when: {parameter: p, is: v}'"
    ),
}
"""Fixes for usual mistakes at one type of node. They are preferred to the suggestion of a similar name."""
_IN_WHEN = {
    **dict.fromkeys(("equals", "eq", "value", "equal"), "use 'is'"),
    **dict.fromkeys(("not", "isnt", "unless", "not_equals", "ne"), "use 'is_not'"),
    **dict.fromkeys(("any_of", "one_of", "values"), "use 'in'"),
    **dict.fromkeys(("variable", "name", "param"), "use 'parameter'"),
}
"""Fixes for usual mistakes in the condition of a task."""


def validate(model: type[_Spec], raw: Map, owner: str, place: Place, report: Report) -> _Spec | None:
    """Return the model of a mapping, or None after reporting everything that is wrong with it.

    `owner` begins the messages, such as "step 'train'". `place` is where a missing field is reported. Besides unknown
    fields all other mistakes are reported too.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        found: list[Any] = error.errors(include_url=False)
    for item in found:
        _report(model, raw, owner, place, report, item)
    if any(item["type"] != "extra_forbidden" for item in found):
        return None
    try:
        return model.model_validate(_without(raw, [item["loc"] for item in found]))
    except ValidationError:  # an unknown field in a part that has another name in the file
        report.broken = True
        return None


def _without(raw: Map, locs: list[tuple[Any, ...]]) -> Map:
    """Return a mapping without the fields at some locations."""
    inside: dict[Any, list[tuple[Any, ...]]] = {}
    for name, *rest in locs:
        inside.setdefault(name, []).extend([tuple(rest)] if rest else [])
    kept = {
        name: _without(raw[name], rest)
        for name, rest in inside.items()
        if rest and isinstance(raw[name], Map)
    }
    return raw.replaced({**raw, **kept}).without(*(name for name, rest in inside.items() if not rest))


def _report(
    model: type[Spec], raw: Map, owner: str, place: Place, report: Report, item: dict[str, Any]
) -> None:
    loc, error, given = item["loc"], item["type"], item["input"]
    box, where, written = _walk(raw, loc)
    field = _dotted(loc if error == "missing" else written)
    context = item.get("ctx", {})
    if error == "missing":
        at = place if len(loc) == 1 else where
        report.error(codes.MISSING_FIELD, at, f"{owner}: '{field}' is missing", _missing_fix(raw, field))
    elif error == "extra_forbidden":
        name = str(loc[-1])
        known = _fields(model, loc)
        usual, others = model.mistakes, {}
        if usual is None:
            usual, others = _usual(raw, loc), _USUAL_MISTAKES
        fix = usual.get(name, "") or report.did_you_mean(name, known) or others.get(name, "")
        at = box.key_place(name) if isinstance(box, Map) else where
        if not fix:
            fix = "allowed here: " + ", ".join(sorted(known)) if known else "it has no fields but 'type'"
        report.error(codes.UNKNOWN_FIELD, at, f"{owner}: unknown field '{field}'", fix, breaks=False)
    elif error.startswith("MR"):
        message = item["msg"]
        prefix = f"'{field}' " if field and message.startswith("must") else f"'{field}': " if field else ""
        separator = " " if not field and message.startswith("has ") else ": "
        if not loc:
            where = raw.value_place(context["field"]) if context.get("field") else place
        report.error(error, where, f"{owner}{separator}{prefix}{message}", context.get("fix", ""))
    elif error in _KINDS:
        fix = ""
        if _KINDS[error] == "a text" and isinstance(given, (bool, int, float)):
            fix = "put it in quotes"
        what = kind(given) if _KINDS[error] != "a number" or not isinstance(given, int) else "one so large"
        message = f"{owner}: '{field}' must be {_KINDS[error]}, not {what}"
        report.error(codes.WRONG_TYPE, where, message, fix)
    elif error in _BOUNDS:
        bound = f"{_BOUNDS[error]} {context[_BOUND_KEYS[error]]:,.10g}"
        given = _number(given) if isinstance(given, (int, float)) else given
        report.error(codes.OUT_OF_RANGE, where, f"{owner}: '{field}' must be {bound}, not {given}")
    elif error in ("string_too_short", "too_short"):
        fix = _missing_fix(raw, field) if error == "too_short" else ""
        report.error(codes.OUT_OF_RANGE, where, f"{owner}: '{field}' is empty", fix)
    else:
        report.error(codes.WRONG_TYPE, where, f"{owner}: '{field}': {item['msg']}")


def _usual(raw: Map, loc: tuple[Any, ...]) -> Mapping[str, str]:
    """Return the fixes for usual mistakes at a place of a node, which are preferred to the suggestion of a similar name."""
    if len(loc) == 1:
        return _BY_TYPE.get(str(raw.get("type")), {})
    return _IN_WHEN if loc[0] == "when" else {}


def _number(given: float) -> str:
    """Return a number for a message: a whole one may have more digits than a `float` can take."""
    return clipped(f"{given:,}") if isinstance(given, int) else f"{given:,.10g}"


def _missing_fix(raw: Map, field: str) -> str:
    if field == "branches" and raw.get("type") == "conditional":
        return "give at least one graph under the value that it is for: 'branches: {good: {start_at: ..., steps: ...}}'"
    return {
        "next": "every step but success and fail names the step that follows: 'next: success' ends the graph",
        "command": "add 'command', such as 'command: package.module.function'",
        "start_at": "name the first step",
        "parameter": "name the parameter whose value decides which branch runs",
        "when.parameter": "name the parameter that is looked at",
        "when.in": "name at least one value with which the task runs",
        "steps": "add the steps",
        "pipelines": "name the pipelines: 'pipelines: {NAME: {definition: dag.yaml}}'",
        "definition": "name the file that holds it: 'definition: dag.yaml'",
    }.get(field, "")


def _dotted(loc: tuple[Any, ...]) -> str:
    """Return a location as users write it; the parts pydantic adds for the members of a union are left out."""
    text = ""
    for part in loc:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part not in ("str", "[key]") and not str(part).startswith(("dict[", "function-", "list[")):
            text += f".{part}" if text else str(part)
    return text


def _walk(raw: Map, loc: tuple[Any, ...]) -> tuple[Value, Place, tuple[Any, ...]]:
    """Follow a location as far as the file goes; return the innermost container, the place, and that location."""
    box: Value = raw
    used = 0
    place = raw.place()
    current: Value = raw
    for part in loc:
        if isinstance(current, Map) and part in current:
            box, place = current, current.value_place(part)
            current = current[part]
        elif isinstance(current, Seq) and isinstance(part, int) and part < len(current):
            box, place = current, current.item_place(part)
            current = current[part]
        elif isinstance(current, Seq) and part in current:
            place = current.item_place(list(current).index(part))
        elif not isinstance(current, (Map, Seq)):
            break  # deeper parts were made by a validator, and do not stand in the file
        used += 1
    return box, place, loc[:used]


def _fields(model: type[Spec], loc: tuple[Any, ...]) -> list[str]:
    """Return the fields that the model at a location knows."""
    current: Any = model
    for part in loc[:-1]:
        field = current.model_fields.get(part) if hasattr(current, "model_fields") else None
        if field is None:
            return []
        current = next((one for one in _members(field.annotation) if hasattr(one, "model_fields")), None)
    if not hasattr(current, "model_fields"):
        return []
    return [field.alias or name for name, field in current.model_fields.items()]


def _members(annotation: Any) -> list[Any]:
    todo, found = [annotation], []
    while todo:
        one = todo.pop()
        found.append(one)
        todo += getattr(one, "__args__", ())
    return found
