"""What the records tell of a walk: which nodes it came to, and how they ended.

Nothing is written here, and nothing concluded from what is lacking: an engine goes on from what it saw fail, also where
that was refused, or was lost before it began.
"""

from __future__ import annotations

from magnus_render import naming
from magnus_render.plan import (
    AS_IS,
    COMPOSITES,
    FAIL_NODE,
    MAP,
    SUCCESS_NODE,
    TASK,
    failure_target,
    onward_unrecorded,
)
from magnus_render.runtime import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import CompositeStart, GraphEnd, Node
    from magnus_render.runtime.records import Run


def come_to(run: Run, address: str) -> bool:
    """Tell whether the walk came to a node, and to the composites around it."""
    graph = naming.parent(address)
    if graph and not come_to(run, naming.parent(graph)):
        return False
    return any(passed == address for passed, _, _ in _way(run, graph, until=address))


def failed_before(run: Run, address: str) -> str:
    """Return the address of the node whose failure led to a node of its graph; '' if none is on record."""
    graph, slug = naming.parent(address), naming.last(address)
    if graph and not come_to(run, naming.parent(graph)):
        return ""
    for origin, node, ended in _way(run, graph):
        if ended == "FAIL" and node["type"] != FAIL_NODE and failure_target(node) == slug:
            return origin
    return ""


def recorded_outcome(run: Run, address: str, node: Node) -> str:
    """Return SUCCESS or FAIL as a node's records tell how it ended, '' if they do not.

    Of a step, any attempt without a success is a failure; of a composite, the way to one in a branch.
    """
    if node["type"] not in COMPOSITES:
        if node.get("silent") or run.of(address, "success") is not None:
            return "SUCCESS"
        return "FAIL" if run.names(address) else ""
    start: CompositeStart | None = run.of(address, "start")
    if start is not None and start["message"]:
        return "FAIL"
    if start is None and node["type"] == MAP:
        return ""
    if run.of(address, "join") is not None:
        return "SUCCESS"
    ends = [_ended(run, graph) for graph in state.branch_graphs(run, address, node)]
    if "FAIL" in ends:
        return "FAIL"
    return "" if "" in ends else "SUCCESS"


def _ended(run: Run, graph: str) -> str:
    """Return SUCCESS or FAIL as a branch ended, '' if the records do not tell.

    A recorded failure of it does not: an engine also runs a fail node where a refusal led it there.
    """
    end: GraphEnd | None = run.of(graph, "end")
    if end is not None and end["status"] == "SUCCESS":
        return "SUCCESS"
    for _, node, ended in _way(run, graph):
        if node["type"] in (SUCCESS_NODE, FAIL_NODE):
            return ended
    return ""


def _way(run: Run, graph: str, until: str = "") -> Iterator[tuple[str, Node, str]]:
    """Yield address, node and outcome of the nodes that the walk of a graph came to, as far as records tell.

    It ends with the node `until`, whose outcome, of a map costly to learn, it leaves out.
    """
    slug = run.graphs()[_definition(run, graph)]["start"]
    while slug:
        address = naming.join(graph, slug)
        node = run.node(address)
        if node["type"] in (SUCCESS_NODE, FAIL_NODE):
            yield address, node, "SUCCESS" if node["type"] == SUCCESS_NODE else "FAIL"
            return
        ended = recorded_outcome(run, address, node) if address != until else ""
        yield address, node, ended
        if address == until:
            return
        if ended:
            slug = node["next"]["slug"] if ended == "SUCCESS" else failure_target(node)
        else:
            slug = next((to for to in _ways_past(node) if _is_passed(run, graph, to)), "")


def _definition(run: Run, graph: str) -> str:
    """Return the definition address of a graph."""
    if not graph:
        return ""
    composite = run.node(naming.parent(graph))
    return f"{composite['address']}.{'_' if composite['type'] == MAP else naming.last(graph)}"


def _ways_past(node: Node) -> list[str]:
    """Return where a walk may have gone on from a node of which nothing is on record.

    A native as-is may be passed without a record, and a step whose pods were all lost leaves none.
    """
    if node["type"] == AS_IS:
        return [node["next"]["slug"], failure_target(node)]
    return [failure_target(node)] if node["type"] == TASK else []


def _is_passed(run: Run, graph: str, slug: str) -> bool:
    """Tell whether something is on record of a node, or behind it if it may leave nothing."""
    seen, waiting = set(), [slug]
    while waiting:
        slug = waiting.pop()
        node = run.node(naming.join(graph, slug))
        if slug in seen or node["type"] in (SUCCESS_NODE, FAIL_NODE):
            continue
        if run.names(naming.join(graph, slug)):
            return True
        seen.add(slug)
        onward = onward_unrecorded(node)
        waiting += [onward] if onward else _ways_past(node)
    return False
