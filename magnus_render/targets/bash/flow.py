"""From graphs to straight-line code: which shell functions a plan becomes, and what stands in each.

A graph becomes a function whose lines are its nodes in the order of the walk. The handler of a failure stands in a block
behind the node that may fail. A node that several others lead to is written once. If all of them come to it by falling
through, it stands in that place. Otherwise it is a function of its own, which the others name as the next one.

So the length of a script is linear in the number of nodes, also where handlers share their ends. Nothing in it nests or
recurses more deeply than the composites do: bash crashes on some thousand levels of either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from magnus_render import naming
from magnus_render.graph.view import View, pause_after
from magnus_render.plan import AS_IS, CONDITIONAL, DAG, MAP, PARALLEL, TASK
from magnus_render.targets.base import graph_title

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.plan import Graph, Node, Plan, Retry

MAX_NESTING = 3
"""Handlers of handlers that stand inside each other's blocks; those further in become functions."""

Otherwise = Literal["fail", "success", "on", "block", "go"]
ROOT = "pipeline"


@dataclass(slots=True)
class Line:
    """One line of a function: a node, or how a block begins or ends."""

    kind: Literal["node", "confirm", "end", "go", "return"]
    depth: int
    """How far it is indented: one level for each block around it, two for the block of a parallel."""
    node: Node | None = None
    otherwise: Otherwise = "fail"
    """What follows if the node fails: the graph fails, the graph succeeds, the walk goes on as after a success, the block
    behind the node runs, or the function `target` does."""
    target: str = ""
    """Name of the function to go to: of `go`, or of a node whose `otherwise` is `go`."""
    confirm: bool = False
    """If the node fails, a callback must confirm that the failure is on record. Always so if `otherwise` is `success`."""
    status: int = 0
    """The exit status of a `return`."""
    command: str = ""
    """For a node: the script's function that runs nodes of its type."""
    slug: str = ""
    branches: list[tuple[str, str, str]] = field(default_factory=list)
    """For a composite: slug, name and function of each branch. For an `as-is`: the function that has its text."""
    pauses: list[float] = field(default_factory=list)
    argv: list[str] = field(default_factory=list)
    """For a task whose callbacks start by a command of their own: that command."""
    fan_out: bool = False
    """The task's hand-over decides for its successor, such as the items of a map: see `counted_by` of `plan.Node`."""


@dataclass(slots=True)
class Function:
    """One shell function."""

    name: str
    title: str
    """What the function is, for the comment above it."""
    lines: list[Line]


@dataclass(slots=True)
class Text:
    """The lines of an `as-is` node."""

    function: str
    text: str


def compile_plan(
    plan: Plan, command: Callable[[Node], list[str]], render_text: Callable[[Node], Any]
) -> list[Function]:
    """Return the functions of a plan, the root graph's first, in reading order.

    `command` gives the argv of a task's callbacks where it is not the common one, `render_text` an `as-is` node's text.
    """
    compiler = _Compiler(plan, command, render_text)
    return [function for graph in plan["graphs"].values() for function in compiler.functions(graph)]


def text_function(plan: Plan, node: Node) -> str:
    """Return the name of the function that holds an `as-is` node's lines."""
    return f"lines_{_identifier(plan, node['address'])}"


def graph_function(plan: Plan, address: str) -> str:
    """Return the name of the function that a graph becomes."""
    if not address:
        return ROOT
    kind = plan["nodes"][naming.parent(address)]["type"]
    prefix = {MAP: "each", PARALLEL: "branch", DAG: "within", CONDITIONAL: "if"}[kind]
    return f"{prefix}_{_identifier(plan, address)}"


def _identifier(plan: Plan, address: str) -> str:
    """Return an address as part of an identifier, one to one within a plan.

    Branches of maps and dags are left out (there is only one). A dot becomes `__`, a dash `_`, a dash after a dash `X`:
    slugs have no capitals, and no dash at either end.
    """
    parts: list[str] = []
    so_far = ""
    single = False
    for part in address.split("."):
        if not single:
            parts.append(part.replace("--", "-X").replace("X-", "XX").replace("-", "_"))
        so_far = naming.join(so_far, part)
        node = plan["nodes"].get(so_far)
        single = node is not None and node["type"] in (MAP, DAG)
    return "__".join(parts)


def pauses(retry: Retry) -> list[float]:
    """Return the pause after each attempt but the last, in seconds (docs/semantics.md)."""
    return [min(pause_after(retry, number), LONGEST_PAUSE) for number in range(1, retry["attempts"])]


LONGEST_PAUSE = 1e8
"""Seconds (three years): as much as `sleep` takes on every system, used where a back-off grows beyond that."""


class _Compiler:
    def __init__(
        self, plan: Plan, command: Callable[[Node], list[str]], render_text: Callable[[Node], Any]
    ) -> None:
        self.plan = plan
        self.command = command
        self.view = View(plan, render_text)

    def functions(self, graph: Graph) -> list[Function]:
        """Return the functions of one graph: its own first, then the shared ends in reading order."""
        self.graph = graph
        self.base = f"{graph['address']}." if graph["address"] else ""
        self.incoming = self.view.reached(graph)
        self.shared: dict[str, None] = {}
        name = graph_function(self.plan, graph["address"])
        own = Function(name, graph_title(self.plan, graph["address"]), self._body(graph["start"]))
        bodies: dict[str, Function] = {}
        waiting = list(self.shared)
        while waiting:
            for slug in waiting:
                title = f"from {self._node(slug)['path']} on"
                bodies[slug] = Function(self._shared_function(slug), title, self._body(slug))
            waiting = [slug for slug in self.shared if slug not in bodies]
        order = {slug: place for place, slug in enumerate(graph["nodes"])} if bodies else {}
        return [own, *(bodies[slug] for slug in sorted(bodies, key=order.__getitem__))]

    def _node(self, slug: str) -> Node:
        return self.view.node(self.graph, slug)

    def _shared_function(self, slug: str) -> str:
        return f"from_{_identifier(self.plan, self.base + slug)}"

    def _body(self, start: str) -> list[Line]:
        lines: list[Line] = []
        self._block(start, (), 0, lines, {start: self.incoming[start]})
        return lines

    def _block(
        self, slug: str, follow: tuple[str, ...], depth: int, lines: list[Line], arrived: dict[str, int]
    ) -> None:
        """Add lines from a node on.

        `follow` has the nodes that control falls through to at the end of this block and of those around it, innermost
        last; `arrived` counts the edges that fall through to each node. Nests no deeper than MAX_NESTING.
        """
        success, fail = self.graph["success"], self.graph["fail"]
        while True:
            if follow and slug == follow[-1]:
                return
            if slug == success:
                # At the end of a function control falls through with the status of the last node, 0.
                if depth or not lines:
                    lines.append(Line("return", depth))
                return
            if slug == fail:
                lines.append(Line("return", depth, status=1))
                return
            if (slug in self.shared and lines) or arrived[slug] < self.incoming[slug] or slug in follow:
                lines.append(Line("go", depth, target=self._share(slug)))
                return
            then, handler = self.view.edges(self._node(slug))
            line = self._line(slug, depth)
            lines.append(line)
            arrived[then] = arrived.get(then, 0) + 1
            if handler == fail:
                line.otherwise = "fail" if then != fail else "on"
            elif not handler:
                line.otherwise = "on"
            elif handler == then:
                line.otherwise = "on"
                arrived[then] += 1
            elif handler == success:
                line.otherwise = "success"
            elif self.incoming[handler] == 1 and depth < MAX_NESTING:
                line.otherwise = "block"
                arrived[handler] = 1
                # Such a composite has a line for each branch, which is indented itself, so its block is indented further.
                end = depth + 1 if line.command in (PARALLEL, CONDITIONAL) else depth
                if line.confirm:
                    lines.append(Line("confirm", end + 1))
                self._block(handler, (*follow, then), end + 1, lines, arrived)
                lines.append(Line("end", end))
            else:
                line.otherwise = "go"
                line.target = self._share(handler)
            slug = then

    def _share(self, slug: str) -> str:
        self.shared[slug] = None
        return self._shared_function(slug)

    def _line(self, slug: str, depth: int) -> Line:
        node = self._node(slug)
        line = Line("node", depth, node, slug=slug, confirm=self.view.must_confirm(node))
        kind = node["type"]
        if kind == TASK:
            line.command = "step"
            line.pauses = pauses(node["retry"]) if node["retry"]["attempts"] > 1 else []
            line.argv = self.command(node)
            line.fan_out = self.view.counts(node)
        elif kind == AS_IS:
            line.command = "pass" if self.view.is_silent(node) else "as_is"
            if line.command == "as_is":
                line.branches = [("", "", text_function(self.plan, node))]
        else:
            line.command = kind
            line.branches = [
                (
                    branch["slug"],
                    branch["name"],
                    graph_function(self.plan, f"{node['address']}.{branch['slug']}"),
                )
                for branch in node["branches"]
            ]
        return line
