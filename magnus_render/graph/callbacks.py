"""Which ways through a graph start a callback: on the others nothing is recorded, and nothing is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.plan import AS_IS, FAIL_NODE, MAP, SUCCESS_NODE, TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.plan import Graph, Node, Plan


class Callbacks:
    """What is known of a plan's callbacks on one engine.

    `text` gives what that engine is to do at an as-is, None if nothing; `separate` tells that a separate dag starts with
    a callback of its own there.
    """

    def __init__(self, plan: Plan, text: Callable[[Node], Any], *, separate: bool = False) -> None:
        self._plan = plan
        self._text = text
        self._separate = separate
        self._ends: dict[tuple[str, str], str] = {}

    def surely_made(self, graph: Graph, slug: str = "") -> bool:
        """Tell whether every way through a graph, from a node on, starts a callback, or comes to the graph's fail node."""
        return self._end(graph, slug or graph["start"]) != graph["success"]

    def none_before_fail(self, graph: Graph) -> bool:
        """Tell whether a graph comes to its fail node without any: one must then stand there, for the record."""
        return self._end(graph, graph["start"]) == graph["fail"]

    def must_confirm(self, node: Node) -> bool:
        """Tell whether a callback must say that a node's failure is on record, for no later one could be refused.

        What an engine sees fail may never have begun: for drift, a store that is gone, or `max_time`.
        """
        if node["type"] in (SUCCESS_NODE, FAIL_NODE) or "on_failure" not in node:
            return False
        if node["type"] == AS_IS and self._text(node) is None:
            return False
        graph = self._plan["graphs"][node["graph"]["address"]]
        return not self.surely_made(graph, node["on_failure"]["slug"])

    def _end(self, graph: Graph, slug: str) -> str:
        """Return the status node that a node leads to without any callback; '' if one is started on the way."""
        passed = []
        while slug not in (graph["success"], graph["fail"], ""):
            key = (graph["address"], slug)
            if key in self._ends:
                slug = self._ends[key]
                break
            passed.append(key)
            node = self._plan["nodes"][naming.join(graph["address"], slug)]
            slug = "" if self._made_at(node) else node["next"]["slug"]
        self._ends.update(dict.fromkeys(passed, slug))
        return slug

    def _made_at(self, node: Node) -> bool:
        if node["type"] == AS_IS:
            return self._text(node) is not None
        if node["type"] in (TASK, MAP) or node.get("fan_in") or (self._separate and node.get("separate")):
            return True
        graphs = (self._plan["graphs"][f"{node['address']}.{branch['slug']}"] for branch in node["branches"])
        return any(map(self.surely_made, graphs))
