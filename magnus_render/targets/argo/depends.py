"""The dependencies of tasks: the tasks of one graph by name, and where each of their outcomes leads.

A node becomes a task, often with a helper task beside it. A helper counts a map's items, decides, or records an outcome
that no other callback records. A successor waits for the task or, where a helper tells the outcome, for the helper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, CONDITIONAL, MAP, PARALLEL, SUCCESS_NODE, TASK
from magnus_render.targets.argo import names

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.graph.view import View
    from magnus_render.plan import Graph, Node

OK, BAD = ("Succeeded",), ("Failed", "Errored")
"""Argo's words for the outcomes of a task that are a node's success and its failure."""


def is_bounded(node: Node) -> bool:
    """Tell whether a composite's branches stand in a template of their own, which bounds or stops them."""
    return bool(node["fail_fast"]) or node["max_concurrency"] is not None


class Depends:
    """The tasks of one graph, by name, and what leads to each."""

    def __init__(self, head: Graph, view: View, text: Callable[[Node], Any]) -> None:
        self.head = head
        self.view = view
        self.text = text
        self.reached = view.reached(head)
        """The nodes that a walk can come to. A handler of nodes that cannot fail is not among them."""
        self.slugs = [slug for slug in view.steps(head) if slug in self.reached]
        """The nodes that become tasks, in reading order, without the status nodes."""
        self.names = self._task_names()
        """Task names by slug; those of helpers under `slug: helper`."""

    def node(self, slug: str) -> Node:
        """Return a node of the graph."""
        return self.view.node(self.head, slug)

    def arriving(self, slug: str) -> list[str]:
        """Return the outcomes of tasks that lead to a node; empty for a graph's start."""
        found: list[str] = []
        for before in self.node(slug)["before"]:
            if before["slug"] not in self.reached:
                continue
            node = self.node(before["slug"])
            then, otherwise = self.view.edges(node)
            if before["via"] == "next" and then == slug:
                found += [f"{self.last(node, before['slug'])}.{phase}" for phase in self.good(node)]
            elif before["via"] == "on_failure" and otherwise == slug:
                found += self._failures(node, before["slug"])
        return list(dict.fromkeys(found))

    def last(self, node: Node, slug: str) -> str:
        """Return the task whose success is the node's."""
        return self.names[f"{slug}: record"] if self.is_recorded(node) else self.names[slug]

    def good(self, node: Node) -> tuple[str, ...]:
        """Return the outcomes of a node's last task that are its success."""
        # Argo skips a map's task if there are no items. Inside a template of its own it is skipped too, but that template
        # succeeds.
        skips = "when" in node or (node["type"] == MAP and not is_bounded(node))
        return (*OK, "Skipped") if skips else OK

    def _failures(self, node: Node, slug: str) -> list[str]:
        """Return the outcomes of tasks that are a node's failure: of those of its helpers too."""
        if not self.view.must_confirm(node):
            return self.ended_badly(node, slug)
        to = node["on_failure"]["slug"]
        helper = f"{to}: confirm" if self.is_confirmed_there(node) else f"{slug}: failed"
        return [f"{self.names[helper]}.Succeeded"]

    def is_confirmed_there(self, node: Node) -> bool:
        """Tell whether one helper of the handler confirms this failure, together with all others that lead there.

        Otherwise the failed node has a helper of its own. It has one if it is an as-is, which may have left no record to
        find, or if its handler is a composite: a confirmation there would ask for that composite's own failure.
        """
        to = self.node(node["on_failure"]["slug"])
        return node["type"] != AS_IS and to["type"] in (AS_IS, SUCCESS_NODE)

    def ended_badly(self, node: Node, slug: str) -> list[str]:
        """Return the outcomes of a node's tasks that are its failure, before anybody confirms it."""
        tasks = [self.names[slug]]
        for helper in ("items", "choice", "fan-in", "record"):
            if f"{slug}: {helper}" in self.names and (helper != "record" or self.is_recorded(node)):
                tasks.append(self.names[f"{slug}: {helper}"])
        if f"{slug}: failed" in self.names and not self.view.must_confirm(node):
            tasks[0] = self.names[f"{slug}: failed"]
        return [f"{task}.{phase}" for task in tasks for phase in BAD]

    def is_recorded(self, node: Node) -> bool:
        """Tell whether a callback records the success of a native as-is.

        It is not needed before a task that surely runs: the task's record tells that the as-is has succeeded.
        """
        then = node["next"]
        runs = then["type"] == TASK and not then.get("when")
        return node["type"] == AS_IS and isinstance(self.text(node), dict) and not runs

    def _task_names(self) -> dict[str, str]:
        head = self.head
        own = names.distinct({slug: names.task_name(slug) for slug in head["nodes"]})
        wanted: dict[str, str] = {}
        for slug in head["nodes"]:
            node = self.node(slug)
            if node["type"] == MAP and not node["counted_by"]:
                wanted[f"{slug}: items"] = f"{own[slug]}-items"
            elif (node["type"] == CONDITIONAL or "when" in node) and not node["counted_by"]:
                wanted[f"{slug}: choice"] = f"{own[slug]}-choice"
            elif node["type"] == PARALLEL and node["fan_in"]:
                wanted[f"{slug}: fan-in"] = f"{own[slug]}-fan-in"
            elif node["type"] == AS_IS and isinstance(self.text(node), dict):
                wanted[f"{slug}: record"] = f"{own[slug]}-record"
                wanted[f"{slug}: failed"] = f"{own[slug]}-failed"
            if self.view.must_confirm(node):
                if self.is_confirmed_there(node):
                    to = node["on_failure"]["slug"]
                    wanted[f"{to}: confirm"] = f"{own[to]}-confirm"
                else:
                    wanted[f"{slug}: failed"] = f"{own[slug]}-failed"
        if not head["address"]:
            wanted[": record"] = names.RECORD
        return {**own, **names.distinct(wanted, own.values())}
