"""What the records tell of a walk: which nodes it came to, and how they ended.

Nothing is concluded from what is lacking: an engine goes on from what it saw fail, also where that was refused, or was lost
before it began. A step that began and has no outcome is settled, where the walk cannot have gone on but from its failure.
"""

from __future__ import annotations

from magnus_render import naming
from magnus_render.plan import (
    COMPOSITES,
    DECIDED,
    FAIL_NODE,
    MAP,
    SUCCESS_NODE,
    TASK,
    failure_target,
    silent_end,
)
from magnus_render.runtime import outcome as outcomes
from magnus_render.runtime import state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import CompositeStart, GraphEnd, Node, Outcome
    from magnus_render.runtime.records import Run


OPEN = "OPEN"
"""Of a step that began and has no outcome: it may be at work, or have crashed."""
NOTHING, BEGUN, FAILED, LOST = range(4)
"""Which steps without an outcome are settled: none; those that began; those that began, in a graph that has failed; in
such a graph also those that the walk came to and that did not begin."""
_INSIDE = {
    NOTHING: (NOTHING,),
    BEGUN: (NOTHING, FAILED),
    FAILED: (NOTHING, FAILED),
    LOST: (NOTHING, FAILED, LOST),
}
"""How the branches of a composite are asked, if the composite is: once for each of these, until a failure is found."""


def come_to(run: Run, address: str) -> bool:
    """Tell whether the walk came to a node, and to the composites around it.

    A fail node is asked for by its own callback: an engine has gone on from a failure in its graph.
    """
    graph = naming.parent(address)
    if graph and not (state.is_taken(run, graph) and come_to(run, naming.parent(graph))):
        return False
    settling = FAILED if run.node(address)["type"] == FAIL_NODE else BEGUN
    return any(passed == address for passed, _, _ in _along(run, graph, settling, until=address))


def failed_before(run: Run, address: str) -> str:
    """Return the address of the node whose failure led to a node of its graph; '' if none is on record."""
    graph, slug = naming.parent(address), naming.last(address)
    if graph and not (state.is_taken(run, graph) and come_to(run, naming.parent(graph))):
        return ""
    for origin, node, outcome in _along(run, graph, BEGUN):
        if outcome == "FAIL" and node["type"] != FAIL_NODE and failure_target(node) == slug:
            return origin
    return ""


def ended(run: Run, address: str, node: Node, settling: int) -> str:
    """Return SUCCESS or FAIL as a node ended, '' if the records do not tell.

    A step that has no outcome is settled as `settling` says: any attempt of it is a failure. It is OPEN if it began and
    that is NOTHING. A composite failed if the records lead to a failure in a branch. Its steps are settled only where no
    other failure is on record.
    """
    if node["type"] in COMPOSITES:
        return _composite_ended(run, address, node, settling)
    if node.get("silent"):
        return "SUCCESS"
    done = _decided(run, address, node, settling)
    if done is not None:
        return "SUCCESS" if done["status"] == "SUCCESS" else "FAIL"
    return OPEN if not settling and run.names(address) else ""


def _decided(run: Run, address: str, node: Node, settling: int) -> Outcome | None:
    """Return the outcome of a step, settled as `ended` says.

    A step whose failure would lead straight to success has made its graph fail, if that failed: no callback has confirmed
    that failure.
    """
    if not settling:
        return outcomes.of(run, address)
    to = failure_target(node)
    if settling >= FAILED and leads_to_success(run, node, to):
        to = node["graph"]["fail"]
    done = outcomes.settle(run, address, node, to=to)
    if done is None and settling == LOST and node["type"] == TASK:
        done = outcomes.settle(run, address, node, sees=state.seen_by(run, address), to=to)
    return done


def _composite_ended(run: Run, address: str, node: Node, settling: int) -> str:
    done = outcomes.of(run, address)
    if done is not None:
        return done["status"]
    start: CompositeStart | None = run.of(address, "start")
    if start is not None and start["message"]:
        return "FAIL"
    if start is None and node["type"] in DECIDED:
        return ""
    graphs = state.branch_graphs(run, address, node)
    if any((end := run.of(graph, "end")) and end["status"] == "FAIL" for graph in graphs):
        return "FAIL"
    ends: set[str] = set()
    for level in _INSIDE[settling]:
        ends = set()
        for graph in graphs:
            ends.add(branch_end(run, graph, level)[0])
            if "FAIL" in ends:
                return "FAIL"
        if ends <= {"SUCCESS"}:
            break
    return next((end for end in (OPEN, "") if end in ends), "SUCCESS")


def branch_end(run: Run, graph: str, settling: int = NOTHING) -> tuple[str, str, str]:
    """Return how a branch ended: SUCCESS, FAIL, OPEN if a step on its way is, '' if nothing tells.

    Most branches end in a step that records the end as it hands over. Then the state at its success follows. Behind a
    composite, or a silent as-is, none does: then the slug of the node before the end comes third.
    """
    end: GraphEnd | None = run.of(graph, "end")
    if end is not None:
        return end["status"], end["state"], ""
    if last := _composite_before_success(run, graph):
        return "SUCCESS", "", last
    for address, node, outcome in _along(run, graph, settling):
        if node["type"] in (SUCCESS_NODE, FAIL_NODE) or outcome == OPEN:
            return outcome, "", last
        last = naming.last(address)
    return "", "", ""


def success_of(run: Run, graph: str) -> str:
    """Return the address of the success node of a graph."""
    return naming.join(graph, run.graphs()[_definition(run, graph)]["success"])


def _composite_before_success(run: Run, graph: str) -> str:
    """Return the slug of the composite whose success ended a branch, '' if none did. What is before it need not be read."""
    for before in run.node(success_of(run, graph))["before"]:
        if before["via"] == "next" and before["type"] in COMPOSITES:
            address = naming.join(graph, before["slug"])
            came_to = run.of(address, "start") is not None
            if came_to and ended(run, address, run.node(address), NOTHING) == "SUCCESS":
                return before["slug"]
    return ""


def _along(run: Run, graph: str, settling: int, until: str = "") -> Iterator[tuple[str, Node, str]]:
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
        outcome = ended(run, address, node, settling) if address != until else ""
        yield address, node, outcome
        if address == until or outcome == OPEN:
            return
        if outcome == "FAIL":
            done = outcomes.of(run, address)
            slug = failure_target(node) if done is None else done["handed_to"]
        else:
            slug = node["next"]["slug"] if outcome else ""


def _definition(run: Run, graph: str) -> str:
    """Return the definition address of a graph."""
    if not graph:
        return ""
    composite = run.node(naming.parent(graph))
    return f"{composite['address']}.{'_' if composite['type'] == MAP else naming.last(graph)}"


def leads_to_success(run: Run, node: Node, slug: str) -> bool:
    """Tell whether nothing but nodes that leave no record stand between a node of the same graph and success."""
    return (
        silent_end(run.find, lambda graph: run.graphs()[graph], node["graph"]["address"], slug) == "SUCCESS"
    )
