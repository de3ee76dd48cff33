"""The callback on the way from a failure that nothing else would call back on: it tells a failure from a refusal.

An engine sees that a step failed, not why. Where a handler follows, its callback is refused as the step was (drift, a
store that is gone, `max_time`). Where the way leads straight to success, this one stands in between.
"""

from __future__ import annotations

import sys

from magnus_render import naming
from magnus_render.errors import FAILED, SUCCESS
from magnus_render.plan import AS_IS, COMPOSITES, FAIL_NODE, MAP, SUCCESS_NODE
from magnus_render.runtime import earlier, state
from magnus_render.runtime.handover import end_graph, failure_target, hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, CompositeStart, Node, Services
    from magnus_render.runtime.records import Run


def confirm_failure(run: Run, services: Services, address: str, node: Node) -> int:
    """Record that the walk goes on from a failure; return 0 if that is on record.

    The node is the one that failed, or the one to which failures lead. An as-is that has not recorded how it ended is
    recorded as failed, an attempt that has not as crashed.
    """
    asked = naming.shown(node["path"], address)
    if node["type"] == SUCCESS_NODE or node.get("silent"):
        address = _failed_before(run, address, node)
        node = run.node(address) if address else node
    elif node["type"] == AS_IS:
        from magnus_render.runtime import attempt

        attempt.execute(run, services, address, node, attempt.Options(exit_status=FAILED))
    if not address or not _failed(run, address, node):
        print(f"magnus: {asked}: no failure is on record", file=sys.stderr)
        return FAILED
    to = failure_target(node)
    digest = _left_behind(run, address, node)
    hand_over(run, address, node, to, digest, "")
    graph = naming.parent(address)
    if _leads_to_success(run, graph, to):
        end_graph(run, graph, "SUCCESS", digest)
    return SUCCESS


def _failed_before(run: Run, address: str, node: Node) -> str:
    """Return the address of the node whose failure led to a node; '' if none is on record."""
    graph = naming.parent(address)
    for before in node["before"]:
        origin = naming.join(graph, before["slug"])
        if before["via"] == "on_failure" and _failed(run, origin, run.node(origin)):
            return origin
    return ""


def _left_behind(run: Run, address: str, node: Node) -> str:
    """Return the state that a node left by its failure."""
    if node["type"] in COMPOSITES:
        return state.unmocked(run, state.seen_by(run, address))
    earlier.give_up(run, address, node)
    end: AttemptEnd | None = state.last_end(run, address, failed=True)
    assert end is not None
    return state.unmocked(run, end["state"])


def _failed(run: Run, address: str, node: Node) -> bool:
    """Tell whether a node's failure is on record: of a step, an attempt; of a composite, the way to it in a branch."""
    if node["type"] not in COMPOSITES:
        return run.of(address, "success") is None and bool(run.names(address))
    start: CompositeStart | None = run.of(address, "start")
    if start is not None and start["message"]:
        return True
    graphs = run.graphs()
    for graph in state.branch_graphs(run, address, node):
        branch = "_" if node["type"] == MAP else naming.last(graph)
        if _graph_failed(run, graph, graphs[f"{node['address']}.{branch}"]["start"]):
            return True
    return False


def _graph_failed(run: Run, graph: str, slug: str) -> bool:
    """Tell whether a branch failed by what is recorded of its nodes, from the first on.

    Its end does not say so: an engine also runs a fail node where a refusal led it there.
    """
    end = state.branch_end(run, graph)
    if end is not None and end["status"] == "SUCCESS":
        return False
    while slug:
        address = naming.join(graph, slug)
        node = run.node(address)
        if node["type"] in (SUCCESS_NODE, FAIL_NODE):
            return node["type"] == FAIL_NODE
        slug = failure_target(node) if _failed(run, address, node) else _after(run, address, node)
    return False


def _after(run: Run, address: str, node: Node) -> str:
    """Return where the walk went on from a node of which no failure is on record; '' if it stopped there."""
    if node["type"] in COMPOSITES:
        return node["next"]["slug"] if state.outcome(run, address) == "SUCCESS" else ""
    done: AttemptEnd | None = run.of(address, "success")
    if done is not None:
        return done["handed_to"]
    if node.get("silent"):
        return node["next"]["slug"]
    # A native as-is may be passed without a record, and a step whose pods were all lost has none.
    ways = [failure_target(node)]
    if node["type"] == AS_IS:
        ways.insert(0, node["next"]["slug"])
    return next((slug for slug in ways if run.names(naming.join(naming.parent(address), slug))), "")


def _leads_to_success(run: Run, graph: str, slug: str) -> bool:
    """Tell whether nothing but as-is nodes that leave no record stand between a node and success."""
    while True:
        node = run.node(naming.join(graph, slug))
        if node["type"] != AS_IS or not node.get("silent"):
            return node["type"] == SUCCESS_NODE
        slug = node["next"]["slug"]
