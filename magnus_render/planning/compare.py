"""How two definitions differ: their plans compared, node by node and field by field.

Two plans without a reported difference have the same data, but for fields that are computed from reported ones
(`_DERIVED`). So no target could render them differently.
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
"""Fields that are not compared: they follow from other fields or from the node's position, or are told in another form."""
_BLOCKS = ("executor", "run_log_store", "catalog", "secrets")


class Where(NamedTuple):
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int


@dataclass
class NodeChange:
    """The change of one node. A node is `moved` if only its neighbours, or its position among them, have changed."""

    action: Action
    address: str
    path: str
    type: str
    where: Where
    """Its place in NEW; for a removed node, its place in OLD."""
    changes: list[Change] = field(default_factory=list)
    why: str = ""
    """The reason of its addition or removal, or of all its changes, if the node itself does not show it."""


@dataclass
class Comparison:
    """How two definitions differ."""

    old: Plan
    new: Plan
    pipeline: list[Change] = field(default_factory=list)
    """Changes of the pipeline itself and of its configuration."""
    nodes: list[NodeChange] = field(default_factory=list)
    """Changes of nodes, in the reading order of NEW. A removed node comes after those that stood before it in OLD."""

    @property
    def changed(self) -> bool:
        return bool(self.pipeline or self.nodes)

    @property
    def same(self) -> int:
        """How many steps are in both definitions and do not differ. Status nodes do not count."""
        told = {change.address for change in self.nodes}
        return sum(
            address in self.old["nodes"] and address not in told and node["type"] not in _ENDS
            for address, node in self.new["nodes"].items()
        )

    def count(self, action: str) -> int:
        """Return the number of nodes with a kind of change, such as `added`."""
        return sum(change.action == action for change in self.nodes)


def compare(old: Loaded, new: Loaded) -> Comparison:
    """Return the differences of two definitions, which must have no errors."""
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
        """Yield the addresses of both plans: those of NEW in order, each removed one behind the node before it in OLD."""
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
        """Return the change of a node that only one definition has, with the fields that are written there."""
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
        """Yield the differences of a graph in both definitions: its start, and the order in which its steps are written."""
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
        """Yield the predecessors and successors that a node got or lost; none for a status node."""
        if new is None or new["type"] in _ENDS:
            return
        yield from differences("after", _predecessors(self._before, old), _predecessors(self._after, new))
        for arrow in _ARROWS:
            yield from differences(
                arrow, _successor(self._before, old, arrow), _successor(self._after, new, arrow)
            )


def _branches(node: Node) -> Any:
    """Return the names of a node's branches; `ABSENT` if it has one branch without a name (a map or a dag), or none."""
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
