"""The output of `magnus plan --markdown`, for a pull request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from magnus_render.planning import text
from magnus_render.planning.fields import ABSENT
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus_render.planning.compare import Comparison, NodeChange
    from magnus_render.planning.fields import Change
    from magnus_render.planning.outputs import Outputs
    from magnus_render.planning.preview import Preview

_ACTIONS = {"add": "added", "remove": "removed", "change": "changed", "move": "moved"}
_MARKS = re.compile(r"([\\`*_\[\]!|<~&])")
_CALLS = re.compile("([@#])")
"""Characters from which GitHub makes a mention or a link, also behind a backslash."""


def comparison(found: Comparison, old: str, new: str, outputs: Outputs | None) -> Iterator[str]:
    """Yield the differences of two definitions, as GitHub's Markdown."""
    yield f"### Plan of {_plain(found.new['name'])}"
    yield ""
    yield f"{_code(old)} → {_code(new)}: {text.summary(found)}"
    if found.changed:
        yield ""
        yield "| | step | field | old | new | why |"
        yield "|---|---|---|---|---|---|"
        if found.pipeline:
            yield from _rows("~", "the pipeline", found.pipeline, "")
        for node in found.nodes:
            yield from _node(node)
    if outputs is not None:
        yield from listed(text.output_lines(found, outputs))


def listed(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines as a list, after an empty line; nothing if there are no lines."""
    for number, line in enumerate(lines):
        if not number:
            yield ""
        yield f"- {_plain(line)}"


def preview(found: Preview) -> Iterator[str]:
    """Yield the preview of a run, as GitHub's Markdown."""
    yield f"### What a run of {_plain(found.run.record['name'])} would do"
    yield ""
    yield _plain(text.run_summary(found))
    yield ""
    yield "| step | what | why |"
    yield "|---|---|---|"
    for verdict, name, rest in text.grouped(found):
        yield f"| {_code(name)} | {verdict.what} | {_plain(rest)} |"


def _node(node: NodeChange) -> Iterator[str]:
    name = f"{_code(node.path)} {_ACTIONS[node.action]}"
    yield from _rows(text.SIGNS[node.action], name, node.changes, node.why)


def _rows(sign: str, name: str, changes: list[Change], why: str) -> Iterator[str]:
    """Yield the rows of one node: its name and sign stand in the first of them."""
    if why or not changes:
        yield f"| {_code(sign)} | {name} | | | | {_plain(safe(why))} |"
        sign = name = ""
    for change in changes:
        values = " | ".join(_value(change.field, value) for value in (change.old, change.new))
        first = _code(sign) if sign else ""
        yield f"| {first} | {name} | {_code(change.field)} | {values} | {_plain(safe(change.why))} |"
        sign = name = ""


def _value(field: str, value: object) -> str:
    return "" if value is ABSENT else _code(text.told(field, value))


def _plain(words: str) -> str:
    """Return a text in which nothing is Markdown or HTML, nor mentions anybody."""
    return _CALLS.sub(r"\1<!-- -->", _MARKS.sub(r"\\\1", words))


def _code(words: str) -> str:
    """Return a text as code within a cell of a table."""
    shown = safe(words).replace("|", "\\|")
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    pad = " " if shown.startswith("`") or shown.endswith("`") or not shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
