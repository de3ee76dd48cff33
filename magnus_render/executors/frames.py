"""Where a walk stands: the graphs and composites that are open, and the calls that are due in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from magnus_render import naming
from magnus_render.errors import AGAIN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus_render.plan import Branch, Graph, Node

Kind = Literal["step", "map_count", "choose", "fan_in", "text", "record", "confirm"]

DECIDING = frozenset(("map_count", "choose"))
"""Callbacks that decide: how many items a map has, which branch of a conditional runs, whether a task runs."""


class GraphFrame:
    """One graph being walked: an instance of it, so a map's branch has one per item."""

    __slots__ = ("address", "after", "failed", "graph", "parent", "path", "slug")

    def __init__(
        self, graph: Graph, address: str, path: str, parent: CompositeFrame | None, slug: str, after: str = ""
    ) -> None:
        self.graph = graph
        self.address = address
        """Address of the graph (`''` for the root, else composite and branch)."""
        self.path = path
        """Dot path of the graph."""
        self.parent = parent
        self.slug = slug
        """Slug of the node at which the walk of this graph stands."""
        self.after = after
        """Slug of the node that handed over, `''` at the start."""
        self.failed = False
        """The node at which it stands has failed, and a callback must confirm that the failure is on record."""


class CompositeFrame:
    """One composite whose branches are being walked."""

    __slots__ = (
        "address", "branches", "count", "ended", "exhausted", "failed", "limit", "listed", "lost", "node", "parent", "path",
        "running", "stopped",
    )  # fmt: skip

    def __init__(
        self,
        node: Node,
        address: str,
        path: str,
        parent: GraphFrame,
        branches: Iterator[Branch],
        limit: int | None,
        count: int = 0,
    ) -> None:
        self.node = node
        self.address = address
        self.path = path
        self.parent = parent
        self.branches = branches
        """Branches that have not begun."""
        self.limit = limit
        self.count = count
        """How many branches a map has: one for each item."""
        self.running = 0
        self.ended = 0
        """Branches that came to an end."""
        self.lost = 0
        """Ended branches that came to their fail node."""
        self.failed = False
        self.stopped = False
        """True if `fail_fast` applies: no branch begins any more, and those at work are being ended."""
        self.exhausted = False
        self.listed = False
        """Whether it is among the composites that may begin a branch."""


class Call:
    """One process to run: a callback, or the text of an `as-is` node."""

    __slots__ = (
        "address", "after", "attempt", "due", "exit_status", "fan_out", "frame", "kind", "node", "path", "repeats",
        "stopping", "text",
    )  # fmt: skip

    def __init__(
        self,
        kind: Kind,
        node: Node,
        address: str,
        path: str,
        frame: GraphFrame,
        attempt: int = 1,
        after: str = "",
        fan_out: bool = False,
        text: str = "",
        repeats: int = 0,
    ) -> None:
        self.kind = kind
        """`step` for an attempt, or the root's fail node; `text` for the lines of an as-is, and `record` to record how they
        ended; `confirm` for a confirmation."""
        self.node = node
        self.address = address
        self.path = path
        self.frame = frame
        self.attempt = attempt
        """The user's attempt, from 1."""
        self.after = after
        self.fan_out = fan_out
        """The hand-over of the step decides for its successor; the decision goes to `Walk.finish`."""
        self.text = text
        self.exit_status = 0
        """Exit status of the text, for its record."""
        self.repeats = repeats
        """How often the platform failed this attempt so far."""
        self.due = 0.0
        """The time at which it may start again, after a pause."""
        self.stopping = False
        """Its outcome no longer matters: it is being stopped."""

    def argv(self, run_id: str, common: Sequence[str], fan_out: str) -> list[str]:
        """Return the command line of the callback; `fan_out` is the file for a decision, or ''."""
        argv: list[str] = [self.kind if self.kind in (*DECIDING, "fan_in") else "execute_single_node"]
        argv += [run_id, self.address, *common]
        if self.after:
            argv += ["--after", self.after]
        if self.kind == "confirm":
            argv.append("--confirm-failure")
        if self.kind in ("step", "record"):
            argv += ["--attempt", str(self.attempt), "--again", str(AGAIN)]
        if self.kind == "record":
            argv += ["--exit-status", str(self.exit_status)]
        return [*argv, "--fan-out", fan_out] if fan_out else argv


def instance(frame: GraphFrame, node: Node) -> tuple[str, str]:
    """Return the address and the dot path of a node in a graph's instance."""
    return naming.join(frame.address, naming.last(node["address"])), naming.join(frame.path, node["name"])


def inside(frame: GraphFrame, composite: CompositeFrame) -> bool:
    """Tell whether a graph is part of a composite, at any depth."""
    parent = frame.parent
    while parent is not None:
        if parent is composite:
            return True
        parent = parent.parent.parent
    return False
