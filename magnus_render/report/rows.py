"""The steps of a run as the rows of its report: in the order of the walk, branches below their composite."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.errors import MagnusError
from magnus_render.executors.terminal import duration, fit
from magnus_render.plan import CONDITIONAL, DAG, FAIL_NODE, ITEMS_PER_PAGE, MAP, SUCCESS_NODE, TASK
from magnus_render.report.timeline import pieces
from magnus_render.report.told import RUNNING, attempts, took
from magnus_render.report.values import text
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import Node
    from magnus_render.report.timeline import Axis, Piece
    from magnus_render.report.told import Span, Step, Told

MOST = 2000
"""Rows on a page. Further steps have a row only if they did not succeed."""
ITEMS = 10
"""If a map has more items, only those are shown that did not succeed, and the slowest."""
BAD_ITEMS = 20
"""How many items of one map that did not succeed are shown."""
SLOW_ITEMS = 3
_FINE = ("SUCCESS", "SKIPPED")
_NAME_COLUMNS = 80


@dataclass
class Row:
    """A row: a step, a branch, or a line in place of items that are not shown."""

    kind: str
    """The type of the node; `branch`, or `folded`."""
    name: str
    depth: int
    status: str = ""
    path: str = ""
    """The dot path of a step."""
    about: list[str] = field(default_factory=list)
    took: str = ""
    pieces: list[Piece] = field(default_factory=list)
    step: Step | None = None
    node: Node | None = None
    address: str = ""
    """The definition address of a step."""
    ready: float = 0.0
    """The time at which its first attempt could begin, in seconds since the epoch."""

    @property
    def anchor(self) -> str:
        """The anchor of a link to a step: its address, which has only safe characters."""
        return f"step-{self.step['internal_name']}" if self.step else ""


class Rows:
    """Makes the rows of a run, without recursion."""

    def __init__(self, told: Told, axis: Axis, spans: dict[str, Span]) -> None:
        self._told = told
        self._axis = axis
        self._spans = spans
        self.left_out = 0
        """Steps that have no row, besides those of folded items."""

    def all(self) -> list[Row]:
        """Return the rows."""
        found: list[Row] = []
        stack = [self._graph("", self._told.log["steps"], 0, self._told.run.record["created"])]
        while stack:
            for row in stack[-1]:
                if not isinstance(row, Row):
                    stack.append(row)
                    break
                if len(found) < MOST or row.status not in _FINE:
                    found.append(row)
                else:
                    self.left_out += row.step is not None
            else:
                stack.pop()
        return found

    def _graph(self, graph: str, steps: dict[str, Step], depth: int, ready: float) -> Iterator[Any]:
        """Yield the rows of a graph and, in their place, iterators of the rows of graphs inside.

        `graph` is its definition address, `ready` when its first step could begin.
        """
        for path, step in steps.items():
            if step["step_type"] in (SUCCESS_NODE, FAIL_NODE):
                continue
            row = self._step(graph, path, step, depth, ready)
            yield row
            yield self._inside(row, step)
            ready = max(ready, (self._spans[path] or (ready, ready))[1])

    def _step(self, graph: str, path: str, step: Step, depth: int, ready: float) -> Row:
        address = naming.join(graph, naming.last(step["internal_name"]))
        span = self._spans[path]
        return Row(
            kind=step["step_type"],
            name=fit(safe(step["name"]), _NAME_COLUMNS),
            depth=depth,
            status=step["status"],
            path=path,
            about=list(_about(step)),
            took=_took(step["status"], span),
            pieces=pieces(self._axis, step, ready, span),
            step=step,
            node=self._told.plan["nodes"].get(address),
            address=address,
            ready=ready,
        )

    def _inside(self, row: Row, step: Step) -> Iterator[Any]:
        """Yield the rows of the branches of a step."""
        branches = list(step["branches"].items())
        shown = set(range(len(branches)))
        if row.kind == MAP and len(branches) > ITEMS:
            shown = self._telling(branches)
        for number, (path, branch) in enumerate(branches):
            if number not in shown:
                continue
            title = path[len(row.path) + 1 :]
            alone = row.kind in (DAG, CONDITIONAL)  # one graph, which needs no row of its own
            if not alone:
                yield self._branch(row, number, title, branch)
            inner = naming.join(row.address, "_" if row.kind == MAP else naming.slug(title))
            yield self._graph(inner, branch["steps"], row.depth + (1 if alone else 2), row.ready)
        folded = [entry for number, entry in enumerate(branches) if number not in shown]
        if folded:
            yield Row("folded", self._folded(folded), row.depth + 1)

    def _branch(self, row: Row, number: int, title: str, branch: dict[str, Any]) -> Row:
        name = safe(title)
        if row.kind == MAP and row.node is not None and row.step is not None:
            value = self._item(row.step["internal_name"], number)
            name = f"[{number}] {safe(row.node['iterate_as'])}{' = ' + value if value else ''}"
        span = self._span(branch)
        bar = [self._axis.piece("span", branch["status"], *span, f"took {took(span)}")] if span else []
        return Row(
            "branch",
            fit(name, _NAME_COLUMNS),
            row.depth + 1,
            branch["status"],
            took=_took(branch["status"], span),
            pieces=bar,
        )

    def _item(self, address: str, number: int) -> str:
        try:
            page = self._told.records.of(address, f"items.{number // ITEMS_PER_PAGE}")
            values = self._told.records.unpack(page, [str(number)]) if page else {}
        except MagnusError:  # the row has the item's number only
            return ""
        return "".join(map(text, values.values()))

    def _telling(self, branches: list[tuple[str, dict[str, Any]]]) -> set[int]:
        """Return the numbers of the items that are shown, if a map has many."""
        bad = [number for number, (_, branch) in enumerate(branches) if branch["status"] not in _FINE]
        lengths = {number: _length(self._span(branch)) for number, (_, branch) in enumerate(branches)}
        good = sorted(lengths.keys() - set(bad), key=lambda number: (-lengths[number], number))
        return {*bad[:BAD_ITEMS], *good[:SLOW_ITEMS]}

    def _folded(self, branches: list[tuple[str, dict[str, Any]]]) -> str:
        from statistics import median

        counts = Counter(branch["status"] for _, branch in branches)
        lengths = [_length(span) for _, branch in branches if (span := self._span(branch))]
        told = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items()))
        line = f"{len(branches):,} more item{'s' * (len(branches) != 1)} not shown: {told}"
        if lengths:
            line += f"; took {duration(min(lengths))} to {duration(max(lengths))}, median {duration(median(lengths))}"
        return line

    def _span(self, branch: dict[str, Any]) -> Span:
        moments = [moment for path in branch["steps"] for moment in (self._spans[path] or ())]
        return (min(moments), max(moments)) if moments else None


def _about(step: Step) -> Iterator[str]:
    """Yield the remarks about a step in its row."""
    kind, branches = step["step_type"], step["branches"]
    if kind != TASK:
        yield kind
    if kind == MAP:
        counts = Counter(branch["status"] for branch in branches.values())
        bad = "".join(f", {n:,} {s}" for s, n in sorted(counts.items()) if s not in _FINE)
        yield f"{len(branches):,} item{'s' * (len(branches) != 1)}{bad}"
    yield from attempts(step)
    if step["mock"] and step["status"] != "SKIPPED":
        yield "not run again"


def _took(status: str, span: Span) -> str:
    """Return how long something took; '' while it has not ended."""
    return "" if status in RUNNING else took(span)


def _length(span: Span) -> float:
    return span[1] - span[0] if span else 0.0
