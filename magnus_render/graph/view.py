"""A plan as one engine sees it: nodes, where they lead, what is inside them, and which ways start a callback.

Engines differ in two points: what they do at an as-is, and whether a separate dag begins with a callback of its own. All
other questions about a plan have the same answer for every engine, and it stands here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.plan import AS_IS, DECIDED, FAIL_NODE, SUCCESS_NODE, TASK, failure_target, is_decided

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magnus_render.plan import Graph, Node, Plan, Retry


class View:
    """A plan as one engine sees it.

    `text` gives the text of an as-is for that engine, None if it has none. `separate` tells whether a separate dag starts
    with a callback of its own on that engine.
    """

    def __init__(self, plan: Plan, text: Callable[[Node], Any], *, separate: bool = False) -> None:
        self.plan = plan
        self.text = text
        self._separate = separate
        self._ends: dict[tuple[str, str], str] = {}

    # ---- nodes and graphs ----

    def node(self, graph: Graph, slug: str) -> Node:
        """Return a node of a graph."""
        return self.plan["nodes"][naming.join(graph["address"], slug)]

    def graph_of(self, node: Node) -> Graph:
        """Return the graph that a node stands in."""
        return self.plan["graphs"][node["graph"]["address"]]

    def inner_graphs(self, node: Node) -> list[Graph]:
        """Return the graphs of a node's branches: one of a map or dag, none of a node that has no branches."""
        graphs = self.plan["graphs"]
        return [graphs[f"{node['address']}.{branch['slug']}"] for branch in node.get("branches", ())]

    def inner(self, node: Node) -> Graph:
        """Return the one graph of a map or dag."""
        return self.inner_graphs(node)[0]

    def around(self, graph: Graph) -> Node | None:
        """Return the composite that a graph is a branch of, None for the root graph."""
        return self.plan["nodes"][naming.parent(graph["address"])] if graph["address"] else None

    # ---- where nodes lead ----

    def is_silent(self, node: Node) -> bool:
        """Tell whether a node is an as-is at which the engine does nothing: it cannot fail, and leaves no record."""
        return node["type"] == AS_IS and self.text(node) is None

    def edges(self, node: Node) -> tuple[str, str]:
        """Return the slugs that a node's success and its failure lead to; '' for the failure if it cannot fail."""
        return node["next"]["slug"], "" if self.is_silent(node) else failure_target(node)

    def reached(self, graph: Graph) -> dict[str, int]:
        """Return the slugs that the start leads to, each with how many edges lead there; the start has one more."""
        counts = {graph["start"]: 1}
        waiting = [graph["start"]]
        while waiting:
            slug = waiting.pop()
            if slug in (graph["success"], graph["fail"]):
                continue
            for target in filter(None, self.edges(self.node(graph, slug))):
                if target not in counts:
                    counts[target] = 0
                    waiting.append(target)
                counts[target] += 1
        return counts

    def steps(self, graph: Graph) -> Iterator[str]:
        """Yield the slugs of a graph's nodes in reading order, without its status nodes."""
        return (slug for slug in graph["nodes"] if slug not in (graph["success"], graph["fail"]))

    def counts(self, node: Node) -> bool:
        """Tell whether a task's hand-over decides for its successor: see `counted_by` of `plan.Node`."""
        following = node["next"]
        if not is_decided(following):
            return False
        counted: Node = self.node(self.graph_of(node), following["slug"])
        return counted.get("counted_by") == naming.last(node["address"])

    # ---- which ways start a callback ----

    def surely_calls(self, graph: Graph, slug: str = "") -> bool:
        """Tell whether every way through a graph, from a node on, starts a callback, or comes to the graph's fail node."""
        return self._end(graph, slug or graph["start"]) != graph["success"]

    def none_before_fail(self, graph: Graph) -> bool:
        """Tell whether a graph comes to its fail node without a callback: the fail node needs one then, for the record."""
        return self._end(graph, graph["start"]) == graph["fail"]

    def must_confirm(self, node: Node) -> bool:
        """Tell whether a callback must confirm a node's failure, because no callback comes later that would be refused.

        A step that the engine saw fail may never have begun: after drift, without its store, or past `max_time`.
        """
        if node["type"] in (SUCCESS_NODE, FAIL_NODE) or "on_failure" not in node or self.is_silent(node):
            return False
        return not self.surely_calls(self.graph_of(node), node["on_failure"]["slug"])

    def _end(self, graph: Graph, slug: str) -> str:
        """Return the status node that a node leads to without any callback; '' if one is started on the way."""
        passed = []
        while slug not in (graph["success"], graph["fail"], ""):
            key = (graph["address"], slug)
            if key in self._ends:
                slug = self._ends[key]
                break
            passed.append(key)
            node = self.node(graph, slug)
            slug = "" if self._calls_at(node) else node["next"]["slug"]
        self._ends.update(dict.fromkeys(passed, slug))
        return slug

    def _calls_at(self, node: Node) -> bool:
        if node["type"] == AS_IS:
            return not self.is_silent(node)
        if (
            node["type"] in (TASK, *DECIDED)
            or node.get("fan_in")
            or (self._separate and node.get("separate"))
        ):
            return True
        return any(map(self.surely_calls, self.inner_graphs(node)))


def pause_after(retry: Retry, attempt: int) -> float:
    """Return the seconds between a failed attempt (from 1) and the next (docs/semantics.md, Choices); may be infinite."""
    if retry["delay"] == 0:
        return 0.0
    try:
        pause = retry["delay"] * retry["backoff"] ** (attempt - 1)
    except OverflowError:
        pause = math.inf
    return pause if retry["max_delay"] is None else min(pause, retry["max_delay"])
