"""The callback on the way from a failure that nothing else would call back on: it tells a failure from a refusal.

An engine sees that a step failed, not why. Where a handler follows, its callback is refused as the step was (drift, a
store that is gone, `max_time`). Where the way leads straight to success, this one stands in between.
"""

from __future__ import annotations

from magnus_render import naming
from magnus_render.errors import FAILED, SUCCESS
from magnus_render.plan import AS_IS, COMPOSITES, SUCCESS_NODE, failure_target
from magnus_render.runtime import outcome, state, way
from magnus_render.runtime.handover import end_graph, hand_over
from magnus_render.texts import say

TYPE_CHECKING = False
if TYPE_CHECKING:

    from magnus_render.plan import Node, Services
    from magnus_render.runtime.records import Run


def confirm_failure(run: Run, services: Services, address: str, node: Node) -> int:
    """Record that the walk goes on from a failure; return 0 if that is on record.

    The node is the one that failed, or the one to which failures lead. An as-is that has not recorded how it ended is
    recorded as failed, an attempt that has not as crashed. Of a step that has succeeded no failure is on record, though the
    engine may have lost it.
    """
    asked = naming.shown(node["path"], address)
    if node["type"] == SUCCESS_NODE or node.get("silent"):
        address = way.failed_before(run, address)
        failed = bool(address)
        node = run.node(address) if failed else node
    else:
        if node["type"] == AS_IS:
            from magnus_render.runtime import attempt

            attempt.execute(run, services, address, node, attempt.Options(exit_status=FAILED))
        failed = way.ended(run, address, node, way.BEGUN) == "FAIL"
        failed = failed and (node["type"] not in COMPOSITES or way.come_to(run, address))
    if not failed:
        say(f"{asked}: no failure is on record")
        return FAILED
    sees = state.seen_by(run, address) if node["type"] in COMPOSITES else ""
    done = outcome.settle(run, address, node, sees=sees)
    assert done is not None, "its failure is on record"
    to = done["handed_to"]
    if to != failure_target(node):
        say(f"{asked}: the walk has gone on from the failure of what is around it")
        return FAILED
    hand_over(run, address, node, to, done["state"], "")
    if way.leads_to_success(run, node, to):
        end_graph(run, naming.parent(address), "SUCCESS", done["state"])
    return SUCCESS
