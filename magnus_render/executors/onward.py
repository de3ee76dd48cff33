"""What follows an outcome: the next callbacks of a walk, its handlers, its branches, its end.

In goes the outcome of a call, out come the calls that are due next. Both kinds of walk use it: that of a single process
(`walk.py`), and that from job to job (`job_walk.py`). They differ in how they start a callback, and in where they count
the branches at work. All decisions are exactly those of a rendered bash script.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render import errors, naming
from magnus_render.executors.frames import DECIDING, Call, CompositeFrame, GraphFrame, Kind, instance
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

FINAL = frozenset((errors.USAGE, errors.REFUSED, errors.PLATFORM))
"""Exit statuses after which nothing more can be recorded, so that the walk is broken off, and may be resumed."""


class Onward:
    """A walk of one plan; `engine` chooses the text of `as-is` nodes."""

    def __init__(self, plan: Plan, engine: str = "local") -> None:
        self.plan = plan
        self.engine = engine
        self.failures: list[tuple[str, str]] = []
        """Address and path of every node, composites apart, that failed for good, in order."""
        self.succeeded = 0
        """Steps that succeeded."""
        self.skipped: list[str] = []
        """Paths of the tasks whose condition did not hold, in order."""
        self._view = View(self.plan, self._text)

    # ---- defined by each kind of walk ----

    def _due(self, call: Call) -> None:
        """Take a call that may start now."""
        raise NotImplementedError

    def _again(self, call: Call, now: float, seconds: float) -> None:
        """Take a call that may start after a pause; `now` is the time that was given with the outcome."""
        raise NotImplementedError

    def _opened(self, composite: CompositeFrame) -> None:
        """Begin as many branches of a composite as may run; close it if it has none."""
        raise NotImplementedError

    def _branch_over(self, frame: GraphFrame, success: bool) -> bool:
        """Note that a branch has ended; tell whether its composite has ended with it, so that it must be closed now."""
        raise NotImplementedError

    def _over(self, status: int) -> None:
        """Note that the root graph has ended, with the exit status of the run."""
        raise NotImplementedError

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
            self._over(errors.FAILED)
        elif status == 0 and call.fan_out:
            self.succeeded += 1
            frame.after, frame.slug = frame.slug, node["next"]["slug"]
            self._decided(frame, self._view.node(frame.graph, frame.slug), decided)
        elif status == 0:
            self.succeeded += 1
            self._advance(self._behind(frame, node, True))
        elif (
            call.kind == "step" and status != errors.FAILED and call.attempt < node["retry"]["attempts"]
        ):  # FAILED is final: a callback that leaves a further attempt ends with `AGAIN`
            pause = pause_after(node["retry"], call.attempt)
            call.attempt, call.repeats = call.attempt + 1, 0
            self._again(call, now, pause)
        else:
            self.failures.append((call.address, call.path))
            self._advance(self._behind(frame, node, False))

    def _decided(self, frame: GraphFrame, node: Node, decided: str) -> None:
        """Go on at a map, a conditional or a task that has a condition, given what was decided.

        Any other text than a number, a branch, RUN or SKIP means that the node has failed.
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
            success = frame.slug == frame.graph["success"]
            if frame.parent is not None and (success or frame.slug == frame.graph["fail"]):
                # The node at the end of a branch is not looked up: a job would have to read a page for it.
                if not self._branch_over(frame, success):
                    return
                frame = self._closed(frame.parent)
                continue
            node = self._view.node(frame.graph, frame.slug)
            kind = node["type"]
            if frame.failed:
                self._call("confirm", frame, node)
                return
            if kind == FAIL_NODE:
                self._call("step", frame, node)
                return
            if kind == SUCCESS_NODE:
                self._over(errors.SUCCESS)
                return
            if kind == AS_IS and (text := self._text(node)) is None:
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
        """Move a graph on behind one of its nodes. If a callback must confirm a failure first, the graph stays there."""
        if success:
            frame.after, frame.slug = frame.slug, node["next"]["slug"]
        elif self._view.must_confirm(node):
            frame.failed = True
        else:
            frame.after, frame.slug = frame.slug, failure_target(node)
        return frame

    def _confirmed(self, frame: GraphFrame, node: Node, on_record: bool) -> None:
        """Walk on from a failure. If it is not on record, the graph fails, even if the node has a handler."""
        frame.failed = False
        frame.after, frame.slug = frame.slug, failure_target(node) if on_record else frame.graph["fail"]
        self._advance(frame)

    def _open_composite(
        self, frame: GraphFrame, node: Node, branches: Iterator[Branch], count: int = 0
    ) -> None:
        address, path = instance(frame, node)
        self._opened(CompositeFrame(node, address, path, frame, branches, node.get("max_concurrency"), count))

    def _branch(self, composite: CompositeFrame, branch: Branch) -> GraphFrame:
        """Return the graph of a branch, standing at its start."""
        # The branches of a map share one graph, found under `_`.
        shared = "_" if composite.node["type"] == MAP else branch["slug"]
        graph = self.plan["graphs"][naming.join(composite.node["address"], shared)]
        address = naming.join(composite.address, branch["slug"])
        path = naming.join(composite.path, branch["name"])
        return GraphFrame(graph, address, path, composite, graph["start"])

    def _closed(self, composite: CompositeFrame) -> GraphFrame:
        """Return the graph around a composite that is over, standing behind it."""
        return self._behind(composite.parent, composite.node, not composite.failed)

    def _text(self, node: Node) -> str | None:
        text = as_is_text(node, self.engine)
        return text if isinstance(text, str) else None

    def _call(
        self, kind: Kind, frame: GraphFrame, node: Node, *, fan_out: bool = False, text: str = ""
    ) -> None:
        address, path = instance(frame, node)
        self._due(Call(kind, node, address, path, frame, after=frame.after, fan_out=fan_out, text=text))
