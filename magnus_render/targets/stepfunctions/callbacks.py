"""Which ways through a graph start a callback: on the others nothing is recorded, and nothing is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.plan import AS_IS, FAIL_NODE, MAP, SUCCESS_NODE, TASK

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.plan import Graph, Node, Plan


class Callbacks:
    """What is known of a plan's callbacks; `native` gives the state that the user wrote for an as-is, or None."""

    def __init__(self, plan: Plan, native: Callable[[Node], Any]) -> None:
        self._plan = plan
        self._native = native
        self._ends: dict[tuple[str, str], str] = {}

    def begin(self, graph: Graph) -> bool:
        """Tell whether every way through a graph starts one; a way that fails does anyhow."""
        return self._end(graph, graph["start"]) != graph["success"]

    def fail_quietly(self, graph: Graph) -> bool:
        """Tell whether a graph comes to its fail node without any: one must then stand there, for the record."""
        return self._end(graph, graph["start"]) == graph["fail"]

    def must_confirm(self, node: Node) -> bool:
        """Tell whether a callback must say that a node's failure is on record, for no later one could be refused.

        What Step Functions sees fail may never have begun: for drift, a store that is gone, or `max_time`.
        """
        if node["type"] in (SUCCESS_NODE, FAIL_NODE) or "on_failure" not in node:
            return False
        graph = self._plan["graphs"][node["graph"]["address"]]
        return self._end(graph, node["on_failure"]["slug"]) == graph["success"]

    def _end(self, graph: Graph, slug: str) -> str:
        """Return the status node that a node leads to without any callback; '' if one is started on the way."""
        key = (graph["address"], slug)
        if key not in self._ends:
            while slug not in (graph["success"], graph["fail"]):
                node = self._plan["nodes"][naming.join(graph["address"], slug)]
                if self._calls_back(node):
                    slug = ""
                    break
                slug = node["next"]["slug"]
            self._ends[key] = slug
        return self._ends[key]

    def _calls_back(self, node: Node) -> bool:
        if node["type"] == AS_IS:
            return self._native(node) is not None
        if node["type"] in (TASK, MAP) or node.get("fan_in") or node.get("separate"):
            return True
        graphs = (self._plan["graphs"][f"{node['address']}.{branch['slug']}"] for branch in node["branches"])
        return any(map(self.begin, graphs))
