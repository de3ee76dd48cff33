"""The output of `magnus plan` for people: a comparison, or the preview of a run."""

from __future__ import annotations

import difflib
import json
from typing import TYPE_CHECKING, Any

from magnus_render.executors.terminal import width
from magnus_render.planning.fields import ABSENT
from magnus_render.planning.verdicts import FAILS, LATER, OPEN, RUNS, SKIPPED, TAKEN, WORDS
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.planning.compare import Comparison, NodeChange
    from magnus_render.planning.fields import Change
    from magnus_render.planning.outputs import Outputs
    from magnus_render.planning.preview import Preview
    from magnus_render.planning.verdicts import Verdict

SIGNS = {"add": "+", "remove": "-", "change": "~", "move": "~"}
_COLOURS = {"+": "32", "-": "31", "~": "33", TAKEN: "32", RUNS: "33", FAILS: "31", SKIPPED: "36"}
_ROOM = 4
"""Columns before the fields of a node."""


class Text:
    """Lines for a terminal of some columns, in colour or not."""

    def __init__(self, colour: bool, columns: int) -> None:
        self._colour = colour
        self._columns = columns

    # ---- a comparison ----

    def comparison(self, found: Comparison, old: str, new: str, outputs: Outputs | None) -> Iterator[str]:
        """Yield the differences of two definitions; `old` and `new` are their names, as the user gave them."""
        if found.changed:
            yield f"{safe(old)} -> {safe(new)}"
            yield ""
        if found.pipeline:
            yield self._headed("~", f"pipeline {safe(found.new['name'])}", "")
            yield from self._fields(found.pipeline)
        for node in found.nodes:
            yield from self._node(node)
        if found.changed:
            yield ""
        yield summary(found)
        if outputs is not None:
            yield from output_lines(found, outputs)

    def _node(self, node: NodeChange) -> Iterator[str]:
        kind = f"{node.type}, moved" if node.action == "move" else node.type
        yield self._headed(SIGNS[node.action], safe(node.path), f"({kind})")
        if node.why:
            yield f"{' ' * _ROOM}because {safe(node.why)}"
        yield from self._fields(node.changes, node.action in ("add", "remove"))

    def _headed(self, sign: str, name: str, rest: str) -> str:
        return self._painted(sign, f"{sign} {name}") + (f"  {rest}" if rest else "")

    def _fields(self, changes: list[Change], alone: bool = False) -> Iterator[str]:
        """Yield lines about fields. With `alone`, only one definition has the node, and its fields have one value."""
        most = max((width(change.field) for change in changes), default=0)
        for change in changes:
            name = safe(change.field) + " " * (most - width(change.field))
            yield from self._field(name, change, alone)
            if change.why:
                yield f"{' ' * (_ROOM + 2)}because {safe(change.why)}"

    def _field(self, name: str, change: Change, alone: bool) -> Iterator[str]:
        pad = " " * _ROOM
        if isinstance(change.old, str) and isinstance(change.new, str) and "\n" in change.old + change.new:
            yield f"{pad}{name.rstrip()}"
            for line in _line_diff(change.old, change.new):
                yield f"{pad}  {self._painted(line[0], safe(line))}"
            return
        old, new = (told(change.field, value) for value in (change.old, change.new))
        line = f"{pad}{name}  {old} -> {new}"
        if alone and ABSENT in (change.old, change.new):
            yield f"{pad}{name}  {new if change.old is ABSENT else old}"
        elif width(line) <= self._columns:
            yield line
        else:
            yield f"{pad}{name.rstrip()}"
            yield f"{pad}  {self._painted('-', f'- {old}')}"
            yield f"{pad}  {self._painted('+', f'+ {new}')}"

    # ---- the preview of a run ----

    def preview(self, found: Preview) -> Iterator[str]:
        """Yield the preview of a run; steps of a map with the same verdict are one line."""
        rows = list(grouped(found))
        most = max((width(name) for _, name, _ in rows), default=0)
        for verdict, name, rest in rows:
            word = self._painted(verdict.what, verdict.what.ljust(max(map(len, WORDS))))
            yield f"{word}  {name}{' ' * (most - width(name))}  {rest}".rstrip()
        if rows:
            yield ""
        yield run_summary(found)

    def _painted(self, kind: str, text: str) -> str:
        return f"\x1b[{_COLOURS[kind]}m{text}\x1b[0m" if self._colour and kind in _COLOURS else text


def told(field: str, value: Any) -> str:
    """Return a field's value on one line; predecessors are a list of names."""
    if field == "after" and isinstance(value, list):
        return ", ".join(map(shown, value)) or "nothing"
    return shown(value)


def shown(value: Any) -> str:
    """Return a value on one line: a text as JSON has it, in quotes."""
    return "none" if value is ABSENT else safe(json.dumps(value, ensure_ascii=False))


def summary(found: Comparison) -> str:
    """Return one line with the numbers of changed nodes."""
    same = f"{found.same} step{'s are' if found.same != 1 else ' is'} the same"
    if not found.changed:
        return f"No change: {same}."
    counts = [
        f"{found.count(action)} {words}"
        for action, words in (
            ("add", "added"),
            ("change", "changed"),
            ("move", "moved"),
            ("remove", "removed"),
        )
        if found.count(action)
    ]
    return f"{', '.join(counts) or 'no step differs'}; {same}.".capitalize()


def output_lines(found: Comparison, outputs: Outputs) -> Iterator[str]:
    """Yield lines about the outputs for a target: the same bytes, or the outputs that differ."""
    if outputs.same:
        rest = ": what differs is not for this target" if found.changed else ""
        yield f"{outputs.target}: the output has the same bytes{rest}."
    for change in outputs.changes:
        name = f"the output '{safe(change.name)}'" if change.name else "the output"
        added = f"{change.added} line{'s' * (change.added != 1)} added"
        yield f"{outputs.target}: {name} differs: {added}, {change.removed} removed."


def grouped(found: Preview) -> Iterator[tuple[Verdict, str, str]]:
    """Yield verdicts with the name of the step and the rest of the line; items of a map with equal verdicts are one."""
    groups: dict[tuple[str, ...], list[Verdict]] = {}
    for one in found.verdicts:
        path = found.run.node(one.address)["path"]
        common = (_of_all_items(words, one.path, path) for words in (*one.conditions, one.why))
        groups.setdefault((path, one.what, *common), []).append(one)
    for (path, _, *rest), verdicts in groups.items():
        one, count = verdicts[0], len(verdicts)
        name = f"{path} ({count} of them)"
        if count == 1:
            name, rest = one.path, [*one.conditions, one.why]
        yield one, safe(name), safe(", ".join(filter(None, rest)))


def _of_all_items(words: str, path: str, definition: str) -> str:
    """Return a text about an instance in which paths within its own items have `_` in place of the item's number."""
    here, there = path.split("."), definition.split(".")
    for place in range(len(here) - 1, 0, -1):
        if there[place] == "_" and here[place] != "_":
            start, common = (".".join(parts[: place + 1]) for parts in (here, there))
            words = words.replace(f"'{start}.", f"'{common}.")
    return words


def run_summary(found: Preview) -> str:
    """Return in one line how many steps a run would take over, and how many it would run."""
    counts = {word: sum(one.what == word for one in found.verdicts) for word in WORDS}
    from_ = f" from run {found.original}" if found.original else ""
    parts = [f"{counts[TAKEN]} taken over{from_}"] if found.original else []
    parts.append(f"{counts[RUNS]} to run")
    parts += [f"{counts[word]} {word}" for word in (SKIPPED, FAILS, LATER, OPEN) if counts[word]]
    return f"{', '.join(parts)}. Nothing was run."


def _line_diff(old: str, new: str) -> Iterator[str]:
    lines = difflib.unified_diff(old.split("\n"), new.split("\n"), n=1, lineterm="")
    for number, line in enumerate(lines):
        if number > 1:
            yield line if line.startswith(("+", "-", "@")) else f" {line[1:]}"
