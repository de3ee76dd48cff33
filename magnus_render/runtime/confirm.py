"""The callback on the way from a failure that nothing else would call back on: it tells a failure from a refusal.

An engine sees that a step failed, not why. Where a handler follows, its callback is refused as the step was (drift, a
store that is gone, `max_time`). Where the way leads straight to success, this one stands in between.
"""

from __future__ import annotations

import sys

from magnus_render import naming
from magnus_render.errors import FAILED, SUCCESS
from magnus_render.plan import AS_IS, COMPOSITES, FAIL_NODE, SUCCESS_NODE
from magnus_render.runtime import earlier, state
from magnus_render.runtime.handover import end_graph, hand_over

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, CompositeStart, Node, Services
    from magnus_render.runtime.records import Run


def confirm_failure(run: Run, services: Services, address: str, node: Node) -> int:
    """Record that the walk goes on from a node's failure; return 0 if that is on record, or if the node had begun.

    An as-is that has not recorded how it ended is recorded as failed.
    """
    if node["type"] == AS_IS:
        from magnus_render.runtime import attempt

        attempt.execute(run, services, address, node, attempt.Options(exit_status=FAILED))
    seen = _seen(run, address, node)
    if not seen:
        path = naming.shown(node["path"], address)
        print(f"magnus: {path}: no failure is on record: the engine saw one before it began", file=sys.stderr)
        return FAILED
    handler = node.get("on_failure")
    to = handler["slug"] if handler else node["graph"]["fail"]
    hand_over(run, address, node, to, seen, "")
    graph = naming.parent(address)
    if _leads_to_success(run, graph, to):
        end_graph(run, graph, "SUCCESS", seen)
    return SUCCESS


def _seen(run: Run, address: str, node: Node) -> str:
    """Return the hash of the state behind a node's failure; '' if it succeeded, or has not begun."""
    if node["type"] in COMPOSITES:
        return _unmocked(run, state.seen_by(run, address)) if _composite_failed(run, address, node) else ""
    if run.of(address, "success") is not None:
        return ""
    end: AttemptEnd | None = state.last_end(run, address, failed=True)
    if end is not None:
        return _unmocked(run, end["state"])
    started = earlier.last_start(run, address)
    return _unmocked(run, started["sees"]) if started is not None else ""


def _unmocked(run: Run, digest: str) -> str:
    return run.save({**run.state(digest), "mocked": False})  # nothing behind a failure is taken over


def _composite_failed(run: Run, address: str, node: Node) -> bool:
    """Tell whether a composite could not start, or a branch of it that has not succeeded came to a fail node or began."""
    if state.outcome(run, address) != "FAIL":
        return False
    start: CompositeStart | None = run.of(address, "start")
    if start is not None and start["message"]:
        return True
    heads = run.graphs()
    for graph in state.branch_graphs(run, address, node):
        end = state.branch_end(run, graph)
        if end is None:
            first = _first(run, graph, heads[naming.normal(graph)]["start"])
            if first["type"] == FAIL_NODE or run.names(naming.join(graph, naming.last(first["address"]))):
                return True
        elif end["status"] == "FAIL":
            return True
    return False


def _leads_to_success(run: Run, graph: str, slug: str) -> bool:
    """Tell whether nothing but as-is nodes that leave no record stand between a node and success."""
    return _first(run, graph, slug)["type"] == SUCCESS_NODE


def _first(run: Run, graph: str, slug: str) -> Node:
    """Return the node that a walk from a node comes to behind the as-is nodes that leave no record."""
    while True:
        node = run.node(naming.join(graph, slug))
        if node["type"] != AS_IS or not node.get("silent"):
            return node
        slug = node["next"]["slug"]
