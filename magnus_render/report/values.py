"""Parameters and files of a run for its report: those that each step saw, set and put, and their history."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from magnus_render.executors.terminal import fit
from magnus_render.plan import COMPOSITES, MAP
from magnus_render.report.told import size
from magnus_render.runtime.fold_attempts import Tried
from magnus_render.runtime.reading import steps_of
from magnus_render.texts import safe

if TYPE_CHECKING:
    from typing import Any

    from magnus_render.plan import Packed
    from magnus_render.report.told import Told

_Any = TypeVar("_Any")
COLUMNS = 160
"""Columns of a value on the page."""
NAMES = 25
"""How many names of parameters, or of files, are listed for one step."""
CHANGES = 10
"""How many changes of one parameter or file are listed."""
ROWS = 500
"""How many parameters, and how many files, are listed for the run."""
_LISTED = 20_000
"""How many names all steps together list as seen."""
_SHORT = 12


class Named(NamedTuple):
    """A name and what it stands for, as text."""

    name: str
    value: str


class Some(NamedTuple):
    """The first of some names, and how many are left out."""

    shown: list[Named]
    more: int


class Change(NamedTuple):
    """A change: a step gave a parameter a value, or put a file."""

    path: str
    value: str
    failed: bool
    """True if the step failed, so that no other step saw the value."""


class Row(NamedTuple):
    """The history of one parameter or file."""

    name: str
    first: str
    """Its value when the run began, '' if it had none."""
    changes: list[Change]
    more: int
    """How many changes in the middle are left out."""
    last: str
    """Its value at the end, '' if it has none."""


def text(value: Any) -> str:
    """Return a JSON value as a page shows it."""
    return fit(safe(json.dumps(value, ensure_ascii=False)), COLUMNS)


class Values:
    """The values that steps saw and set, as texts. A state that many steps saw is read once."""

    def __init__(self, told: Told) -> None:
        self._told = told
        self._left = _LISTED
        self._states: dict[str, tuple[Some, Some]] = {}

    def saw(self, sha256: str) -> tuple[Some, Some]:
        """Return the parameters and the files of the state with that hash. Raises `shapes.Damaged`."""
        if sha256 not in self._states:
            state = self._told.records.state(sha256)
            parameters = self.packed(state["parameters"]) if state else Some([], 0)
            files = state["files"] if state else {}
            named = [Named(safe(name), size(files[name]["size"])) for name in sorted(files)[:NAMES]]
            self._states[sha256] = parameters, Some(named, len(files) - len(named))
        return tuple(map(self._within, self._states[sha256]))  # type: ignore[return-value]

    def packed(self, packed: Packed) -> Some:
        """Return values of a packed mapping by name, sorted; only shown values are read. Raises `shapes.Damaged`."""
        names = sorted({*packed["values"], *packed["large"]})
        found = self._told.records.unpack(packed, names[:NAMES])
        return Some(
            [Named(safe(name), text(value)) for name, value in found.items()], len(names) - len(found)
        )

    def _within(self, some: Some) -> Some:
        """Return the part for which the page still has room."""
        kept = some.shown[: self._left]
        self._left -= len(kept)
        return Some(kept, some.more + len(some.shown) - len(kept))


def parameters(told: Told) -> tuple[list[Row], int]:
    """Return the history of each parameter of a run, by name, and how many are left out. Raises `shapes.Damaged`."""
    first = told.records.unpack(told.run.record["parameters"])
    changes: dict[str, list[tuple[str, Any, bool]]] = {name: [] for name in first}
    for path, step in steps_of(told.log):
        if (
            step["step_type"] not in COMPOSITES or step["step_type"] == MAP
        ):  # composites hand on the parameters that steps in them set
            for name, value in told.set(step).items():
                changes.setdefault(name, []).append((path, value, step["status"] != "SUCCESS"))
    last = told.log["parameters"]
    rows = [
        _row(
            name,
            text(first[name]) if name in first else "",
            changes[name],
            text(last[name]) if name in last else "",
        )
        for name in sorted(changes)[:ROWS]
    ]
    return rows, len(changes) - len(rows)


def _row(name: str, first: str, changes: list[tuple[str, Any, bool]], last: str) -> Row:
    shown, more = _ends(changes)
    return Row(safe(name), first, [Change(path, text(value), bad) for path, value, bad in shown], more, last)


def files(told: Told) -> tuple[list[Row], int]:
    """Return which steps put each file of a run, by name, and how many files are left out. Raises `shapes.Damaged`."""
    changes: dict[str, list[Change]] = {}
    for path, step in steps_of(told.log):
        if step["step_type"] in COMPOSITES:
            continue
        end = Tried(told.records, step["internal_name"]).last_end if step["data_catalog"] else None
        for entry in end["catalog"] if end else ():
            if entry["stage"] == "put":
                value = f"{size(entry['size'])}, {safe(entry['sha256'][:_SHORT])}"
                changes.setdefault(entry["path"], []).append(Change(path, value, step["status"] != "SUCCESS"))
    rows = []
    for name in sorted(changes)[:ROWS]:
        shown, more = _ends(changes[name])
        kept = [change.value for change in changes[name] if not change.failed]
        rows.append(Row(safe(name), "", shown, more, kept[-1] if kept else ""))
    return rows, len(changes) - len(rows)


def _ends(changes: list[_Any]) -> tuple[list[_Any], int]:
    """Return the first and the last changes, and how many in the middle are left out."""
    half = CHANGES // 2
    return (
        (changes, 0)
        if len(changes) <= CHANGES
        else (changes[:half] + changes[-half:], len(changes) - CHANGES)
    )
