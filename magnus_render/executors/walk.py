"""The walk: which callbacks are due, given how those before them ended.

Engine-neutral, single-threaded, without processes or clocks: an executor asks `take` for calls that may
start, runs them however it likes, and reports each with `finish`. What is decided here is exactly what a
rendered bash script decides: order, retries and pauses, handlers, branches and their bounds. What a step
does, sees and records is the callback's business.

Frames are explicit and every step is a loop: a chain of 10,000 nodes or 50 nested composites need no stack.
"""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magnus_render import errors, naming
from magnus_render.executors.frames import DECIDING, Call, CompositeFrame, GraphFrame, Kind, inside, instance
from magnus_render.graph.view import View, pause_after
from magnus_render.plan import (
    AS_IS,
    CONDITIONAL,
    FAIL_NODE,
    MAP,
    RUN,
    SKIP,
    SUCCESS_NODE,
    TASK,
    as_is_text,
    failure_target,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import Branch, Node, Plan

PLATFORM_PAUSES = (1.0, 5.0)
"""Seconds before a callback that exited 75 is repeated (docs/semantics.md, Choices)."""

_FINAL = frozenset((errors.USAGE, errors.REFUSED, errors.PLATFORM))
"""After these nothing more can be recorded, so the walk is broken off and may be resumed."""


@dataclass
class Walk:
    """A walk of one plan.

    `engine` chooses the text of `as-is` nodes. No pause lasts beyond `deadline` (of `max_time`, on the clock
    of `take`). `status` is None until the walk is over, then the exit status of the run: 0 success, 1 failed,
    64, 65 or 75 if it had to be broken off.
    """

    plan: Plan
    engine: str = "local"
    deadline: float | None = None
    status: int | None = None
    running: dict[Call, None] = field(default_factory=dict)
    """Calls taken and not finished, in the order they were taken."""
    broken: Call | None = None
    """The call that broke the walk off, if one did."""
    cancelled: bool = False
    """`cancel` came before the end."""
    failures: list[tuple[str, str]] = field(default_factory=list)
    """Address and path of every node, composites apart, that failed for good, in order."""
    succeeded: int = 0
    """Steps that succeeded."""
    skipped: list[str] = field(default_factory=list)
    """Paths of the tasks whose condition did not hold, in order."""
    maps: dict[CompositeFrame, None] = field(default_factory=dict)
    """Maps whose items are being walked, in the order they were entered."""
    _ready: deque[Call] = field(default_factory=deque)
    _paused: list[tuple[float, int, Call]] = field(default_factory=list)
    _open: list[CompositeFrame] = field(default_factory=list)
    _open_maps: list[CompositeFrame] = field(default_factory=list)
    _stops: list[Call] = field(default_factory=list)
    _breaking: int | None = None
    _sequence: int = 0

    def __post_init__(self) -> None:
        self._view = View(self.plan, self._text)
        root = self.plan["graphs"][""]
        self._advance(GraphFrame(root, "", "", None, root["start"]))

    # ---- what an executor calls ----

    def take(self, now: float) -> Call | None:
        """Return a call that may start now (`now` in seconds of any steady clock), or None."""
        while self._paused and self._paused[0][0] <= now:
            self._ready.append(heapq.heappop(self._paused)[2])
        # All branches that a person wrote begin at once; items of maps only when a worker would be idle, the
        # innermost map's first, so that a large map does not open thousands of branches before it closes one.
        while self._open or (self._open_maps and not self._ready):
            self._begin_branch(self._open[-1] if self._open else self._open_maps[-1])
        if not self._ready:
            return None
        call = self._ready.popleft()
        self.running[call] = None
        return call

    def due(self) -> float | None:
        """Return the time at which the next pause ends, or None if nothing is paused."""
        return self._paused[0][0] if self._paused else None

    def waiting(self) -> int:
        """Return how many calls a pause holds back."""
        return len(self._paused)

    def finish(self, call: Call, status: int, now: float, decided: str = "") -> None:
        """Take the outcome of a call: exit status (negative: killed by a signal), and an item count or a branch."""
        del self.running[call]
        if self._breaking is not None:
            self._end_if_idle()
            return
        stopped = self._stopped_above(call.frame)
        if stopped is not None:
            if not self._running_in(stopped):
                self._advance(self._closed(stopped))
        elif call.kind == "text":
            call.kind, call.exit_status = "record", status if status >= 0 else 128 - status
            self._ready.append(call)
        elif status == errors.PLATFORM and call.repeats < len(PLATFORM_PAUSES):
            self._pause(call, now, PLATFORM_PAUSES[call.repeats])
            call.repeats += 1
        elif status in _FINAL:
            self._break_off(call, status)
        else:
            self._finished(call, status, now, decided)

    def stops(self) -> list[Call]:
        """Return the running calls that must be stopped, each once; to be asked after `take` and `finish`.

        Their outcomes are to be reported as any other's.
        """
        stops = [call for call in self._stops if call in self.running and not call.stopping]
        self._stops.clear()
        for call in stops:
            call.stopping = True
        return stops

    def cancel(self) -> None:
        """Start nothing more and stop what runs. The walk then ends with status 1."""
        if self._breaking is None and self.status is None:
            self.cancelled = True
            self._break_off(None, errors.FAILED)

    # ---- outcomes ----

    def _finished(self, call: Call, status: int, now: float, decided: str) -> None:
        frame, node = call.frame, call.node
        if call.kind in DECIDING:
            self._decided(frame, node, decided if status == 0 else "")
        elif call.kind == "fan_in" and status == 0:
            self._open_composite(frame, node, iter(node["branches"]))
        elif call.kind == "confirm":
            self._confirmed(frame, node, status == 0)
        elif node["type"] == FAIL_NODE:
            self.status = errors.FAILED
        elif status == 0 and call.fan_out:
            self.succeeded += 1
            frame.after, frame.slug = frame.slug, node["next"]["slug"]
            self._decided(frame, self._view.node(frame.graph, frame.slug), decided)
        elif status == 0:
            self.succeeded += 1
            self._advance(self._behind(frame, node, True))
        elif (
            call.kind == "step" and status != errors.FAILED and call.attempt < node["retry"]["attempts"]
        ):  # no further attempt would change a plain failure: a callback that leaves one ends with `AGAIN`
            self._pause(call, now, pause_after(node["retry"], call.attempt))
            call.attempt, call.repeats = call.attempt + 1, 0
        else:
            self.failures.append((call.address, call.path))
            self._advance(self._behind(frame, node, False))

    def _decided(self, frame: GraphFrame, node: Node, decided: str) -> None:
        """Go on at a map, a conditional or a task that has a condition, given what was decided.

        Anything but a number, a branch, RUN or SKIP means that it failed.
        """
        if node["type"] == TASK and decided == RUN:
            self._call("step", frame, node)
            return
        if node["type"] == TASK and decided == SKIP:
            self.skipped.append(instance(frame, node)[1])
            self._advance(self._behind(frame, node, True))
            return
        chosen = [branch for branch in node.get("branches", ()) if branch["slug"] == decided]
        if node["type"] == CONDITIONAL and chosen:
            self._open_composite(frame, node, iter(chosen))
        elif node["type"] == MAP and decided.isascii() and decided.isdigit():
            indices: Iterator[Branch] = ({"slug": str(i), "name": str(i)} for i in range(int(decided)))
            self._open_composite(frame, node, indices, int(decided))
        else:
            self.failures.append(instance(frame, node))
            self._advance(self._behind(frame, node, False))

    # ---- going on ----

    def _advance(self, frame: GraphFrame) -> None:
        """Walk on from where a graph stands, until a call is due, a composite is open or the walk is over."""
        while True:
            node = self._view.node(frame.graph, frame.slug)
            kind = node["type"]
            if frame.failed:
                self._call("confirm", frame, node)
                return
            if kind in (SUCCESS_NODE, FAIL_NODE):
                if frame.parent is None:
                    if kind == FAIL_NODE:
                        self._call("step", frame, node)
                    else:
                        self.status = errors.SUCCESS
                    return
                if not self._branch_over(frame.parent, kind == SUCCESS_NODE):
                    return
                frame = self._closed(frame.parent)
            elif kind == AS_IS and (text := self._text(node)) is None:
                frame = self._behind(frame, node, True)
            else:
                if kind == AS_IS:
                    self._call("text", frame, node, text=text or "")
                elif kind == TASK and "when" in node:
                    self._call("choose", frame, node)
                elif kind == TASK:
                    self._call("step", frame, node, fan_out=self._view.counts(node))
                elif kind == MAP:
                    self._call("map_count", frame, node)
                elif kind == CONDITIONAL:
                    self._call("choose", frame, node)
                elif node.get("fan_in"):
                    self._call("fan_in", frame, node)
                else:
                    self._open_composite(frame, node, iter(node["branches"]))
                return

    def _behind(self, frame: GraphFrame, node: Node, success: bool) -> GraphFrame:
        """Move a graph on behind one of its nodes, unless only a callback can tell that this failed."""
        if success:
            frame.after, frame.slug = frame.slug, node["next"]["slug"]
        elif self._view.must_confirm(node):
            frame.failed = True
        else:
            frame.after, frame.slug = frame.slug, failure_target(node)
        return frame

    def _confirmed(self, frame: GraphFrame, node: Node, on_record: bool) -> None:
        """Walk on from a failure; what failed and left no record makes its graph fail, whatever handles it."""
        frame.failed = False
        frame.after, frame.slug = frame.slug, failure_target(node) if on_record else frame.graph["fail"]
        self._advance(frame)

    def _branch_over(self, composite: CompositeFrame, success: bool) -> bool:
        """Note that a branch has ended; tell whether the whole composite has."""
        composite.running -= 1
        composite.ended += 1
        if not success:
            composite.lost += 1
            composite.failed = True
            if composite.node.get("fail_fast"):
                self._stop_branches(composite)
                return not self._running_in(composite)
        if not composite.exhausted:
            self._list(composite)
            return False
        return composite.running == 0

    def _open_composite(
        self, frame: GraphFrame, node: Node, branches: Iterator[Branch], count: int = 0
    ) -> None:
        address, path = instance(frame, node)
        composite = CompositeFrame(node, address, path, frame, branches, node.get("max_concurrency"), count)
        if node["type"] == MAP:
            self.maps[composite] = None
        self._list(composite)

    def _list(self, composite: CompositeFrame) -> None:
        """Put a composite among those that may begin a branch, unless it is there or has no room."""
        if not composite.listed and (composite.limit is None or composite.running < composite.limit):
            composite.listed = True
            (self._open_maps if composite.node["type"] == MAP else self._open).append(composite)

    def _unlist(self, composite: CompositeFrame) -> None:
        composite.listed = False
        (self._open_maps if composite.node["type"] == MAP else self._open).remove(composite)

    def _begin_branch(self, composite: CompositeFrame) -> None:
        """Begin the next branch of a composite, or close the composite if there is none and none runs."""
        branch = next(composite.branches, None)
        if branch is None:
            composite.exhausted = True
            self._unlist(composite)
            if composite.running == 0:
                self._advance(self._closed(composite))
            return
        composite.running += 1
        if composite.running == composite.limit:
            self._unlist(composite)
        # The branches of a map share one graph, found under `_`.
        shared = "_" if composite.node["type"] == MAP else branch["slug"]
        graph = self.plan["graphs"][naming.join(composite.node["address"], shared)]
        address = naming.join(composite.address, branch["slug"])
        path = naming.join(composite.path, branch["name"])
        self._advance(GraphFrame(graph, address, path, composite, graph["start"]))

    def _closed(self, composite: CompositeFrame) -> GraphFrame:
        """Return the graph around a composite that is over, standing behind it."""
        self.maps.pop(composite, None)
        return self._behind(composite.parent, composite.node, not composite.failed)

    def _pause(self, call: Call, now: float, seconds: float) -> None:
        until = now + seconds
        if self.deadline is not None:
            until = min(until, max(now, self.deadline))
        call.due = until
        self._sequence += 1
        heapq.heappush(self._paused, (until, self._sequence, call))

    # ---- stopping ----

    def _stop_branches(self, composite: CompositeFrame) -> None:
        """Forget all that has not begun inside a composite, and have what runs there stopped."""
        composite.stopped = composite.exhausted = True
        self._ready = deque(call for call in self._ready if not inside(call.frame, composite))
        self._paused = [entry for entry in self._paused if not inside(entry[2].frame, composite)]
        heapq.heapify(self._paused)
        for listed in (*self._open, *self._open_maps):
            if listed is composite or inside(listed.parent, composite):
                self._unlist(listed)
        self.maps = {one: None for one in self.maps if not inside(one.parent, composite)}
        self._stops += self._running_in(composite)

    def _running_in(self, composite: CompositeFrame) -> list[Call]:
        return [call for call in self.running if inside(call.frame, composite)]

    def _stopped_above(self, frame: GraphFrame) -> CompositeFrame | None:
        """Return the outermost stopped composite that encloses a graph."""
        found = None
        composite = frame.parent
        while composite is not None:
            if composite.stopped:
                found = composite
            composite = composite.parent.parent
        return found

    def _break_off(self, call: Call | None, status: int) -> None:
        if self._breaking is None and self.status is None:
            self.broken, self._breaking = call, status
            self._ready.clear()
            self._paused.clear()
            self._open.clear()
            self._open_maps.clear()
            self._stops += self.running
            self._end_if_idle()

    def _end_if_idle(self) -> None:
        if not self.running:
            self.status = self._breaking

    # ---- helpers ----

    def _text(self, node: Node) -> str | None:
        text = as_is_text(node, self.engine)
        return text if isinstance(text, str) else None

    def _call(
        self, kind: Kind, frame: GraphFrame, node: Node, *, fan_out: bool = False, text: str = ""
    ) -> None:
        address, path = instance(frame, node)
        self._ready.append(
            Call(kind, node, address, path, frame, after=frame.after, fan_out=fan_out, text=text)
        )
