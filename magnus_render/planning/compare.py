"""How two definitions differ: their plans compared, node by node and field by field.

Two plans without a reported difference are the same data, but for what follows from reported fields (`_DERIVED`).
So no target could render them differently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

from magnus_render import naming
from magnus_render.plan import FAIL_NODE, SUCCESS_NODE
from magnus_render.planning import reasons
from magnus_render.planning.fields import ABSENT, Change, differences, of_node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.graph.load import Loaded
    from magnus_render.plan import Node, Plan

Action = Literal["add", "remove", "change", "move"]

_ENDS = (SUCCESS_NODE, FAIL_NODE)
_ARROWS = ("next", "on_failure")
_DERIVED = frozenset(
    (
        "address",
        "path",
        "hash",
        "order",
        "graph",
        "scopes",
        "before",
        "counted_by",
        "fan_in",
        *_ARROWS,
        "branches",
    )
)
"""What follows from other fields, from where a node stands, or is told in another form."""
_BLOCKS = ("executor", "run_log_store", "catalog", "secrets")


class Where(NamedTuple):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass
class NodeChange:
    """What becomes of one node. A node that only got other neighbours, or another place among them, is moved."""

    action: Action
    address: str
    path: str
    type: str
    where: Where
    """In NEW; of a node that is removed, in OLD."""
    changes: list[Change] = field(default_factory=list)
    why: str = ""
    """Why the node is added or removed, or what all its changes come from, where the node itself does not show it."""


@dataclass
class Comparison:
    """How two definitions differ."""

    old: Plan
    new: Plan
    pipeline: list[Change] = field(default_factory=list)
    """Of the pipeline itself and of its configuration."""
    nodes: list[NodeChange] = field(default_factory=list)
    """In reading order: those of NEW, each removed one after those that stood before it."""

    @property
    def changed(self) -> bool:
        return bool(self.pipeline or self.nodes)

    @property
    def same(self) -> int:
        """How many steps are in both and do not differ. Status nodes do not count."""
        told = {change.address for change in self.nodes}
        return sum(
            address in self.old["nodes"] and address not in told and node["type"] not in _ENDS
            for address, node in self.new["nodes"].items()
        )

    def count(self, action: str) -> int:
        """Return of how many nodes something becomes."""
        return sum(change.action == action for change in self.nodes)


def compare(old: Loaded, new: Loaded) -> Comparison:
    """Return how two definitions differ that were read without an error."""
    return _Comparer(old, new).run()


class _Comparer:
    def __init__(self, old: Loaded, new: Loaded) -> None:
        self._old, self._new = old, new
        self._before, self._after = old.plan["nodes"], new.plan["nodes"]
        self._like = reasons.Alike(self._before, self._after)

    def run(self) -> Comparison:
        result = Comparison(self._old.plan, self._new.plan)
        result.pipeline = [*self._pipeline(), *self._graph("")]
        result.nodes = [change for address in self._order() if (change := self._node(address)) is not None]
        return result

    def _order(self) -> Iterator[str]:
        """Yield the addresses of both plans: those of NEW, each removed one behind what stood before it."""
        gone: dict[str, list[str]] = {}
        last = ""
        for address in self._before:
            if address in self._after:
                last = address
            else:
                gone.setdefault(last, []).append(address)
        yield from gone.get("", ())
        for address in self._after:
            yield address
            yield from gone.get(address, ())

    def _pipeline(self) -> Iterator[Change]:
        old, new = self._old.plan, self._new.plan
        for name in ("name", "description", "max_time"):
            yield from differences(name, old[name], new[name])
        yield from differences("variables", old["variables"], new["variables"])
        before, after = (cast("dict[str, Any]", loaded.config) for loaded in (self._old, self._new))
        for block in _BLOCKS:
            yield from differences(block, before[block], after[block])

    def _node(self, address: str) -> NodeChange | None:
        old, new = self._before.get(address), self._after.get(address)
        if old is None or new is None:
            return self._alone(address, old, new)
        changes = list(self._fields(address, old, new))
        moves = list(self._arrows(old, new))
        if not changes and not moves:
            return None
        step = self._new.definition.steps[address]
        where = Where(*reasons.where(step.place))
        why = reasons.nested(self._new, step)
        return NodeChange(
            "change" if changes else "move", address, new["path"], new["type"], where, [*changes, *moves], why
        )

    def _alone(self, address: str, old: Node | None, new: Node | None) -> NodeChange:
        """Return what there is to tell of a node that one definition has: the fields that are written there."""
        loaded, node = (self._old, old) if new is None else (self._new, new)
        assert node is not None
        step = loaded.definition.steps[address]
        found = [
            change
            for key, value in node.items()
            if key not in _DERIVED and reasons.WRITTEN.get(key, key) in step.raw and key != "type"
            for change in (of_node(key, value, ABSENT) if new is None else of_node(key, ABSENT, value))
        ]
        found += self._arrows(old, new)
        action: Action = "remove" if new is None else "add"
        why = self._like.why(action, node)
        return NodeChange(
            action, address, node["path"], node["type"], Where(*reasons.where(step.place)), found, why
        )

    def _fields(self, address: str, old: Node, new: Node) -> Iterator[Change]:
        for key in dict.fromkeys((*old, *new)):
            if key in _DERIVED:
                continue
            for change in of_node(key, old.get(key, ABSENT), new.get(key, ABSENT)):
                yield change._replace(why=reasons.of_field(self._old, self._new, address, change.field))
        yield from differences("branches", _branches(old), _branches(new))
        for branch in new.get("branches", ()):
            yield from self._graph(naming.join(address, branch["slug"]), f"branches.{branch['name']}.")

    def _graph(self, address: str, prefix: str = "") -> Iterator[Change]:
        """Yield what differs in a graph that both have: where it starts, and in which order its steps are written."""
        old, new = self._old.plan["graphs"].get(address), self._new.plan["graphs"].get(address)
        if old is None or new is None:
            return
        starts = (_name(self._before, old, old["start"]), _name(self._after, new, new["start"]))
        yield from differences(f"{prefix}start_at", *starts)
        orders = [
            [slug for slug in one["nodes"] if slug in other["nodes"]]
            for one, other in ((old, new), (new, old))
        ]
        if orders[0] != orders[1]:
            named = [
                [_name(nodes, graph, slug) for slug in order]
                for nodes, graph, order in zip((self._before, self._after), (old, new), orders, strict=True)
            ]
            yield Change(f"{prefix}order of steps", named[0], named[1])

    def _arrows(self, old: Node | None, new: Node | None) -> Iterator[Change]:
        """Yield which predecessors and successors a node got or lost. Of a status node its predecessors tell it."""
        if new is None or new["type"] in _ENDS:
            return
        yield from differences("after", _predecessors(self._before, old), _predecessors(self._after, new))
        for arrow in _ARROWS:
            yield from differences(
                arrow, _successor(self._before, old, arrow), _successor(self._after, new, arrow)
            )


def _branches(node: Node) -> Any:
    """Return the names of a node's branches; of a map or a dag there is one, and it has no name."""
    return [branch["name"] for branch in node["branches"]] if "branches" in node else ABSENT


def _predecessors(nodes: dict[str, Node], node: Node | None) -> Any:
    if node is None:
        return ABSENT
    named = [
        _name(nodes, node["graph"], before["slug"]) + " (on failure)" * (before["via"] == "on_failure")
        for before in node["before"]
    ]
    return sorted(named)


def _successor(nodes: dict[str, Node], node: Node | None, arrow: str) -> Any:
    if node is None or arrow not in node:
        return ABSENT
    return _name(nodes, node["graph"], node[arrow]["slug"])  # type: ignore[literal-required]


def _name(nodes: dict[str, Node], graph: Any, slug: str) -> str:
    return nodes[naming.join(graph["address"], slug)]["name"]
