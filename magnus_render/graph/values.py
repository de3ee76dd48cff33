"""Warnings of values that a conditional or a condition compares, and that match less than their spelling suggests.

Example: the branch `True` runs for the text `True` only, and not for the value true.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus_render.plan import CONDITIONAL, TASK
from magnus_render.runtime.records import as_text
from magnus_render.spec import codes
from magnus_render.spec.tree import Map, Seq, clipped, plain, resolve

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.graph.definition import Definition, Step
    from magnus_render.spec.report import Place, Report
    from magnus_render.spec.tree import Value

_TESTS = ("is", "is_not", "in")
_LONG = 10_000
"""A text with more characters is not read as a list or an object."""


def check_values(definition: Definition, report: Report) -> None:
    """Warn of texts that look like another value, which they do not match, and of values that stand twice.

    A text in quotes is meant as a text. So there is no warning, unless it looks like a list or an object.
    """
    for step in definition.steps.values():
        branches, when = step.raw.get("branches"), step.raw.get("when")
        if step.type == CONDITIONAL and isinstance(branches, Map):
            for name in branches:
                _branch(step, name, branches.key_place(name), report)
        elif step.type == TASK and step.spec is not None and isinstance(when, Map):
            _condition(step, when, report)


def _branch(step: Step, name: str, place: Place, report: Report) -> None:
    """Warn of one name of a branch."""
    owner = f"branch '{step.path}.{name}'"
    if "${" in name:
        what = f"{owner}: a variable in a name is not filled in"
        fix = "only these characters themselves come to this branch: write a value"
        report.warning(codes.ONLY_A_TEXT, place, what, fix)
    quoted = f"if the text is meant, put it in quotes: '{name}'"
    if name == "default" and _is_plain(name, place):
        if "default" not in step.raw:
            what = f"{owner}: only the text 'default' comes to this branch, no other value"
            fix = f"for all other values write 'default:' beside 'branches'; {quoted}"
            report.warning(codes.ONLY_A_TEXT, place, what, fix)
        return
    text = _looks_like(name, place)
    if text == name or "." in name:  # a name with a point is an error
        return
    fix = f"write '{text}'"
    if "." in text:
        fix = "let the step set a text: no branch is named by a number with a point"
    if _is_plain(name, place):
        fix = f"{fix}; {quoted}"
    what = f"{owner}: only the text '{name}' comes to this branch, the value {text} does not"
    report.warning(codes.ONLY_A_TEXT, place, what, fix)


def _condition(step: Step, when: Map, report: Report) -> None:
    """Warn of the values of a task's condition."""
    seen: set[str] = set()
    for field, given, place in _compared(when):
        owner, text = f"step '{step.path}': 'when.{field}'", as_text(plain(given))
        shown = clipped(text)
        if text in seen:
            what = f"{owner} holds a value twice: {shown}"
            report.warning(
                codes.TWICE, place, what, "remove one; a text and the value that reads so are the same"
            )
        seen.add(text)
        if not isinstance(given, str) or (value := _looks_like(given, place)) == given:
            continue
        fix = f"write {clipped(value)} without quotes"
        if _is_plain(given, place):
            fix = f"write {value}; if the text is meant, put it in quotes: '{shown}'"
        what = f"{owner}: only the text '{shown}' equals it, the value {clipped(value)} does not"
        report.warning(codes.ONLY_A_TEXT, place, what, fix)


def _compared(when: Map) -> Iterator[tuple[str, Value, Place]]:
    """Yield the values that a condition compares with: the field, the value, and where that stands."""
    for field in _TESTS:
        given = when.get(field)
        if field == "in" and isinstance(given, Seq):
            yield from ((field, one, given.item_place(number)) for number, one in enumerate(given))
        elif field in when:
            yield field, given, when.value_place(field)


def _is_plain(text: str, place: Place) -> bool:
    """Tell whether a text stands at a place without quotes."""
    return bool(text) and place.source.text.startswith(text, place.offset)


def _looks_like(text: str, place: Place) -> str:
    """Return the text by which a value is compared that a text looks like; the text itself if it looks like no value."""
    if text[:1] in ("[", "{") and len(text) <= _LONG:
        with suppress(ValueError, RecursionError):  # a value that no parameter can have is meant as a text
            value = json.loads(text)
            json.dumps(value, allow_nan=False)
            as_text(value).encode()
            return as_text(value)
    if not _is_plain(text, place):
        return text
    if text == "None":
        return as_text(None)
    try:
        value = resolve(text.replace("_", "") if text[:1].isdigit() else text)
    except ValueError:
        return text
    if isinstance(value, float) and value.is_integer() and "." in as_text(value):
        value = int(value)
    return text if isinstance(value, str) else as_text(value)
