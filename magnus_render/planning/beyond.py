"""The nodes behind a step whose outcome is not known yet: which of them a walk may come to, and in which order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render import naming
from magnus_render.plan import AS_IS, COMPOSITES, DECIDED, FAIL_NODE, MAP, SUCCESS_NODE, TASK, failure_target
from magnus_render.planning.verdicts import LATER, OPEN, Verdict
from magnus_render.runtime import state, way

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus_render.plan import Node
    from magnus_render.runtime.records import Run


def precedes(address: str, other: str) -> bool:
    """Tell whether a node stands before another on one path, given that the walk came to the other one later.

    False for nodes in two branches of one composite. Example: `a` and `m.0.x` both precede `m.0.y`; `m.1.x` does not.
    """
    left, right = address.split("."), other.split(".")
    for place in range(0, min(len(left), len(right)), 2):
        if left[place] != right[place]:
            return True
        if left[place + 1 : place + 2] != right[place + 1 : place + 2]:
            return False
    return False


def order(run: Run, address: str) -> tuple[int, ...]:
    """Return the sort key of an instance's address: reading order, and the order of items within a map."""
    parts = address.split(".")
    key: list[int] = []
    for place in range(0, len(parts), 2):
        key.append(run.node(".".join(parts[: place + 1]))["order"])
        branch = parts[place + 1 : place + 2]
        key.append(int(branch[0]) if branch and branch[0].isdigit() else -1)
    return tuple(key)


class FailFast:
    """The composites with `fail_fast` that may end before the walk comes to a node in them, by another branch's failure."""

    def __init__(self, run: Run, texts: Sequence[Verdict]) -> None:
        """`texts` are the as-is nodes with text, each of which may fail."""
        self._run = run
        self._texts = texts
        self._failing: dict[str, set[str]] = {}
        """The branches that may fail, by composite."""

    def conditions(self, address: str) -> Iterator[str]:
        """Yield a condition for each such composite around a node: what must not happen before the node begins."""
        parts = address.split(".")
        for place in range(1, len(parts), 2):
            composite = ".".join(parts[:place])
            node = self._run.node(composite)
            if node.get("fail_fast") and self._of(composite, node) - {f"{composite}.{parts[place]}"}:
                yield f"unless another branch of '{naming.shown(node['path'], composite)}' fails first"

    def _of(self, composite: str, node: Node) -> set[str]:
        if composite not in self._failing:
            graphs = state.branch_graphs(self._run, composite, node)
            self._failing[composite] = {graph for graph in graphs if self._may_fail(graph)}
        return self._failing[composite]

    def _may_fail(self, graph: str) -> bool:
        succeeded = way.branch_end(self._run, graph)[0] == "SUCCESS"
        return not succeeded or any(text.address.startswith(f"{graph}.") for text in self._texts)


def behind(run: Run, address: str, path: str, slugs: Sequence[str], failed: bool) -> Iterator[Verdict]:
    """Yield a verdict on every step that a walk may come to behind a node, beginning at the nodes `slugs` of its graph.

    With `failed`, the walk comes to `slugs` if the node fails; otherwise if it has run.
    """
    return _Behind(run, failed).walk(naming.parent(address), path, slugs)


class _Behind:
    """Follows all edges, and visits each node once. A walk may reach all nodes that it yields, but need not."""

    def __init__(self, run: Run, failed: bool) -> None:
        self._run = run
        self._failed = failed
        self._seen: set[str] = set()
        self._stack: list[tuple[str, str, str]] = []
        """Addresses to visit, each with the path of the node before it, and the reason why it is open, or ''."""

    def walk(self, graph: str, cause: str, slugs: Sequence[str]) -> Iterator[Verdict]:
        self._push(graph, slugs, cause, "")
        while self._stack:
            address, cause, open_ = self._stack.pop()
            if address not in self._seen:
                self._seen.add(address)
                yield from self._visit(address, self._run.node(address), cause, open_)

    def _push(self, graph: str, slugs: Sequence[str], cause: str, open_: str) -> None:
        self._stack += [(naming.join(graph, slug), cause, open_) for slug in reversed(slugs)]

    def _visit(self, address: str, node: Node, cause: str, open_: str) -> Iterator[Verdict]:
        graph, path = naming.parent(address), naming.shown(node["path"], address)
        if node["type"] in (SUCCESS_NODE, FAIL_NODE):
            around = naming.parent(graph)
            if graph and around not in self._seen:  # otherwise the visit of the composite itself has gone on
                self._seen.add(around)
                composite = self._run.node(around)
                self._push(
                    naming.parent(around), _ways(composite), naming.shown(composite["path"], around), ""
                )
            return
        self._push(graph, _ways(node), cause, open_)
        decided = f"decided when '{cause}' has {'failed' if self._failed else 'run'}"
        if node["type"] in COMPOSITES:
            if node["type"] in DECIDED:
                yield Verdict(
                    address,
                    path,
                    OPEN,
                    f"{'its items are' if node['type'] == MAP else 'its branch is'} {decided}",
                )
                open_ = decided
            for branch in node["branches"]:
                inner = f"{address}.{branch['slug']}"
                self._push(inner, [self._start(inner)], cause, open_)
        elif node["type"] == TASK and "when" in node:
            yield Verdict(address, path, OPEN, f"its condition is {decided}")
        elif node["type"] == TASK or (node["type"] == AS_IS and not node.get("silent")):
            before = f"it is behind '{cause}', which {'may fail' if self._failed else 'runs'}"
            yield Verdict(address, path, OPEN if open_ else LATER, open_ or before)

    def _start(self, graph: str) -> str:
        graphs = self._run.graphs()
        if graph in graphs:
            return graphs[graph]["start"]
        # The graph of an instance in a map: in the definition's address `_` stands in place of the index.
        parts, composite = graph.split("."), self._run.node(naming.parent(graph))["address"]
        return graphs[f"{composite}.{parts[-1]}"]["start"]


def _ways(node: Node) -> list[str]:
    return list(dict.fromkeys((node["next"]["slug"], failure_target(node))))
