"""The walk of one process: which callbacks are due, given how those before them ended.

A walk has no threads, processes or clocks. An executor asks `take` for calls that may start, runs them in any way, and
reports the outcome of each with `finish`. The walk decides order, retries and pauses, handlers, branches and their bounds,
exactly as a rendered bash script does. The callback alone knows what a step does, sees and records.

It loops over explicit frames and does not recurse, so that 10,000 nodes or 50 nested composites need no deep stack.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING

from magnus_render import errors
from magnus_render.executors.frames import Call, CompositeFrame, GraphFrame, inside
from magnus_render.executors.onward import FINAL, PLATFORM_PAUSES, Onward
from magnus_render.plan import MAP

if TYPE_CHECKING:
    from magnus_render.plan import Plan


class Walk(Onward):
    """A walk of one plan.

    `engine` chooses the text of `as-is` nodes. No pause lasts beyond `deadline` (of `max_time`, on the clock
    of `take`). `status` is None until the walk is over, then the exit status of the run: 0 success, 1 failed,
    64, 65 or 75 if it had to be broken off.
    """

    def __init__(self, plan: Plan, engine: str = "local", deadline: float | None = None) -> None:
        super().__init__(plan, engine)
        self.deadline = deadline
        self.status: int | None = None
        self.running: dict[Call, None] = {}
        """Calls taken and not finished, in the order they were taken."""
        self.broken: Call | None = None
        """The call that broke the walk off, if one did."""
        self.cancelled = False
        """True if `cancel` was called before the end."""
        self.maps: dict[CompositeFrame, None] = {}
        """Maps whose items are being walked, in the order they were entered."""
        self._ready: deque[Call] = deque()
        self._paused: list[tuple[float, int, Call]] = []
        self._open: list[CompositeFrame] = []
        self._open_maps: list[CompositeFrame] = []
        self._stops: list[Call] = []
        self._breaking: int | None = None
        self._sequence = 0
        root = self.plan["graphs"][""]
        self._advance(GraphFrame(root, "", "", None, root["start"]))

    # ---- what an executor calls ----

    def take(self, now: float) -> Call | None:
        """Return a call that may start now (`now` in seconds of any steady clock), or None."""
        while self._paused and self._paused[0][0] <= now:
            self._ready.append(heapq.heappop(self._paused)[2])
        # Branches that a person wrote begin at once. Items of maps begin only when a worker would be idle, those of the
        # innermost map first. So a large map does not open thousands of branches before it closes one.
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
        """Return how many calls wait for the end of a pause."""
        return len(self._paused)

    def finish(self, call: Call, status: int, now: float, decided: str = "") -> None:
        """Take the outcome of a call: its exit status (negative if killed by a signal) and its decision, if it made one."""
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
            call.repeats += 1
            self._again(call, now, PLATFORM_PAUSES[call.repeats - 1])
        elif status in FINAL:
            self._break_off(call, status)
        else:
            self._finished(call, status, now, decided)

    def stops(self) -> list[Call]:
        """Return the running calls that must be stopped, each once. Call it after each `take` and `finish`.

        Their outcomes must be reported as those of all other calls.
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

    # ---- what follows ----

    def _branch_over(self, frame: GraphFrame, success: bool) -> bool:
        composite = frame.parent
        assert composite is not None, "the root is no branch"
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

    def _opened(self, composite: CompositeFrame) -> None:
        if composite.node["type"] == MAP:
            self.maps[composite] = None
        self._list(composite)

    def _list(self, composite: CompositeFrame) -> None:
        """Add a composite to those that may begin a branch, unless it is one already, or has as many as it may."""
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
        self._advance(self._branch(composite, branch))

    def _closed(self, composite: CompositeFrame) -> GraphFrame:
        self.maps.pop(composite, None)
        return super()._closed(composite)

    def _due(self, call: Call) -> None:
        self._ready.append(call)

    def _over(self, status: int) -> None:
        self.status = status

    def _again(self, call: Call, now: float, seconds: float) -> None:
        until = now + seconds
        if self.deadline is not None:
            until = min(until, max(now, self.deadline))
        call.due = until
        self._sequence += 1
        heapq.heappush(self._paused, (until, self._sequence, call))

    # ---- stopping ----

    def _stop_branches(self, composite: CompositeFrame) -> None:
        """Forget the calls inside a composite that have not begun, and have the running ones stopped."""
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
