"""What a picture shows: the nodes of a plan, what leads where, and how a run went."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.plan import CONDITIONAL, DAG, FAIL_NODE, MAP, SUCCESS_NODE, TASK
from magnus_render.texts import condition, safe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.plan import Node, Plan

COLOURS: Mapping[str, tuple[str, str]] = {
    "SUCCESS": ("#d9f2d9", "#2e7d32"),
    "FAIL": ("#fbd9d9", "#b71c1c"),
    "CRASHED": ("#fbd9d9", "#b71c1c"),
    "PROCESSING": ("#fff3c4", "#b58900"),
    "TRIGGERED": ("#fff3c4", "#b58900"),
    "SKIPPED": ("#e3e7f1", "#5b6b94"),
    "": ("#f5f5f5", "#555555"),
}
"""Fill and line of each status, '' where a node was not reached or no run is shown."""
_WORST = ("CRASHED", "FAIL", "PROCESSING", "TRIGGERED", "SUCCESS", "SKIPPED")
_DETAIL_LENGTH = 40


@dataclass
class Box:
    """One node."""

    id: str
    """Unique, safe in every format: `n` and a number."""
    kind: str
    title: str
    detail: str
    """What the node does, in a few words."""
    condition: str = ""
    """The condition of a task, such as `if quality is good`; '' if it has none."""
    status: str = ""
    count: str = ""
    """For a node in a map, if a run is shown: how many instances succeeded, such as `3/5`. If all were skipped, how many."""
    edges: list[tuple[str, str]] = field(default_factory=list)
    """Address of a node it leads to, and whether by `next` or `on_failure`."""
    branches: list[tuple[str, str]] = field(default_factory=list)
    """For a composite: address and title of each branch graph."""
    link: str = ""
    """Where a click on it leads, in formats that can; '' for nowhere."""

    def label(self) -> list[str]:
        """Return its lines of text."""
        last = " ".join(part for part in (self.status, self.count) if part)
        if self.kind == CONDITIONAL:
            return [line for line in (f"{self.title}: {self.detail}", last) if line]
        plain = self.kind in (TASK, MAP, SUCCESS_NODE, FAIL_NODE)
        first = self.title if plain else f"{self.title} ({self.kind})"
        return [line for line in (first, self.detail, self.condition, last) if line]


@dataclass
class Picture:
    """A pipeline to be drawn. All texts are free of control characters, but not escaped for any format."""

    name: str
    boxes: dict[str, Box]
    """By definition address, composites before what is in them."""
    graphs: dict[str, list[str]]
    """Addresses of the boxes of each graph, in reading order."""
    starts: dict[str, str]


def picture(
    plan: Plan, outcome: Mapping[str, list[str]] | None = None, links: Mapping[str, str] | None = None
) -> Picture:
    """Return the picture of a plan. `outcome`, from `statuses`, colours it. `links`: where a click leads, by address.

    A fail node is left out if only failures without a handler lead to it, because every graph has that way.
    """
    boxes: dict[str, Box] = {}
    graphs: dict[str, list[str]] = {address: [] for address in plan["graphs"]}
    drawn = _drawn(plan)
    reached = {naming.parent(address) for address in outcome or ()} | {*(outcome or ())}
    for address, node in plan["nodes"].items():
        if address not in drawn:
            continue
        box = Box(f"n{len(boxes)}", node["type"], safe(node["name"]), _detail(node))
        box.link = (links or {}).get(address, "")
        found = (outcome or {}).get(address, [])
        if "when" in node:
            box.condition = _clipped(f"if {condition(node['when'])}")
        box.status = next((status for status in _WORST if status in found), "")
        if outcome is not None and any(scope["type"] == MAP for scope in node["scopes"]) and found:
            good = "SKIPPED" if box.status == "SKIPPED" else "SUCCESS"
            box.count = f"{found.count(good)}/{len(found)}"
        base = node["graph"]["address"]
        for via, after in (("next", node.get("next")), ("on_failure", node.get("on_failure"))):
            if after is not None:
                box.edges.append((naming.join(base, after["slug"]), via))
        box.branches = _branches(address, node, reached)
        boxes[address] = box
        graphs[base].append(address)
    starts = {address: naming.join(address, graph["start"]) for address, graph in plan["graphs"].items()}
    return Picture(safe(plan["name"]), boxes, graphs, starts)


def _drawn(plan: Plan) -> set[str]:
    drawn = {address for address, node in plan["nodes"].items() if node["type"] != FAIL_NODE}
    for node in plan["nodes"].values():
        for after in (node.get("next"), node.get("on_failure")):
            if after is not None:
                drawn.add(naming.join(node["graph"]["address"], after["slug"]))
    drawn.update(naming.join(address, graph["start"]) for address, graph in plan["graphs"].items())
    return drawn


def _branches(address: str, node: Node, reached: set[str]) -> list[tuple[str, str]]:
    """Return address and title of each branch graph of a node; `reached` has the graphs and nodes that a run came to."""
    graphs = [naming.join(address, branch["slug"]) for branch in node.get("branches", ())]
    if node["type"] in (MAP, DAG):
        return [(graph, "") for graph in graphs]
    titles = [safe(branch["name"]) for branch in node.get("branches", ())]
    if node["type"] == CONDITIONAL:
        if node["default"]:
            titles[-1] = "default: any other value"
        if address in reached:
            titles = [
                title if graph in reached else f"{title} (not taken)"
                for graph, title in zip(graphs, titles, strict=True)
            ]
    return list(zip(graphs, titles, strict=True))


def _detail(node: Node) -> str:
    kind = node["type"]
    if kind == TASK:
        text = node["command"]
    elif kind == MAP:
        text = f"for each {node['iterate_as']} of {node['iterate_on']}"
    elif kind == CONDITIONAL:
        text = f"by {node['parameter']}"
    else:
        return ""
    return _clipped(text)


def _clipped(text: str) -> str:
    lines = text.strip().splitlines() or [""]
    shown = safe(lines[0].strip())
    return shown if len(shown) <= _DETAIL_LENGTH else shown[: _DETAIL_LENGTH - 3] + "..."


def statuses(plan: Plan, log: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return the statuses of all instances of each node of a plan, from a run's folded log."""
    found: dict[str, list[str]] = {}
    waiting: list[tuple[str, Mapping[str, Any]]] = [("", log["steps"])]
    while waiting:
        base, steps = waiting.pop()
        for step in steps.values():
            address = naming.join(base, naming.last(step["internal_name"]))
            found.setdefault(address, []).append(step["status"])
            slugs = {branch["name"]: branch["slug"] for branch in plan["nodes"][address].get("branches", ())}
            for path, branch in step["branches"].items():
                slug = "_" if step["step_type"] == MAP else _branch_slug(path, slugs)
                waiting.append((naming.join(address, slug), branch["steps"]))
    return found


def _branch_slug(path: str, slugs: Mapping[str, str]) -> str:
    return slugs[path.rpartition(".")[2]]
