"""What a step records as it hands over: the end of its graph, or the start of the composite that follows.

And what keeps a node from beginning: `max_time`, and the end of a branch, where the composite is to `fail_fast`.
"""

from __future__ import annotations

import os
import time

from magnus_render import naming
from magnus_render.errors import FAILED, SUCCESS
from magnus_render.plan import (
    COMPOSITES,
    CONDITIONAL,
    DECIDED,
    ITEMS_PER_PAGE,
    TASK,
    failure_target,
    is_decided,
)
from magnus_render.runtime import shapes, state
from magnus_render.runtime.records import Run, as_text, dumps
from magnus_render.texts import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import After, CompositeStart, FailFast, GraphEnd, Json, Node, Outcome, Status

CANNOT_START = "the map cannot start"
NOT_CHOSEN = "no branch was chosen"


def answer(run: Run, address: str, node: Node, outcome: Outcome, fan_out: str) -> int:
    """Record what follows from the outcome of a step, unless that was done; return the exit status that says it."""
    hand_over(run, address, node, outcome["handed_to"], outcome["state"], fan_out)
    return SUCCESS if outcome["status"] == "SUCCESS" else FAILED


def hand_over(run: Run, address: str, node: Node, to: str, digest: str, fan_out: str) -> None:
    """Record what follows from a hand-over: the end of the graph, or what the composite that comes next sees.

    `digest` is the state left behind; `fan_out` names the file for a map's item count or a conditional's branch, or is ''.
    Calling it again for the same hand-over changes nothing but writes that file anew.
    """
    graph, head = naming.parent(address), node["graph"]
    if to == head["success"]:
        end_graph(run, graph, "SUCCESS", digest)
        return
    if to == head["fail"]:
        if graph:  # the root's fail node is a callback of its own
            fail_graph(run, graph, node)
        return
    for after in (node.get("next"), node.get("on_failure")):
        if after and after["slug"] == to and (after["type"] in COMPOSITES or is_decided(after)):
            decided = enter(run, naming.join(graph, to), after, digest)
            if fan_out and is_decided(after):
                tell(fan_out, after, decided)
            return


def tell(file: str, what: After | Node, decided: int | str | None) -> None:
    """Tell an engine what was decided as a map or conditional was entered.

    The text is the number of items of a map or, in a .json file, the list of their indices. For a conditional it is the
    slug of the branch, for a task that has a condition `run` or `skip`. If the node cannot start (`None`), the text says
    so: no engine takes that for a list, for the lack of one, or for a branch.
    """
    if decided is None:
        text = NOT_CHOSEN if what["type"] == CONDITIONAL else CANNOT_START
    elif isinstance(decided, str):
        text = decided
    else:
        text = f"[{','.join(map(str, range(decided)))}]" if file.endswith(".json") else str(decided)
    os.makedirs(os.path.dirname(file) or os.curdir, exist_ok=True)
    with open(file, "w", encoding="ascii") as stream:
        stream.write(f"{text}\n")


def fail_graph(run: Run, graph: str, node: Node) -> None:
    """Record that a graph instance came to its fail node, from a node of it or as that node."""
    end_graph(run, graph, "FAIL", "")
    _stop_siblings(run, graph, node)


def end_graph(run: Run, graph: str, status: Status, digest: str) -> None:
    """Record how a graph instance ended; `digest` is the state at its success."""
    mock = bool(digest) and run.state(digest)["mocked"]
    end: GraphEnd = {"status": status, "state": digest, "time": time.time(), "mock": mock}
    run.create(f"{naming.key(graph)}/end.json", end)


def _stop_siblings(run: Run, graph: str, node: Node) -> None:
    """Record, of a graph that a node of it made fail, which composites with `fail_fast` fail with it.

    So no step of their other branches begins any more, also where an engine cannot be told to stop them. A composite
    that nobody handles makes the graph around it fail: that is certain before its other branches have ended.
    """
    if not any(scope.get("fail_fast") for scope in node["scopes"]):
        return
    while graph:
        address = naming.parent(graph)
        composite = run.node(address)
        if composite.get("fail_fast"):
            failed: FailFast = {"branch": naming.last(graph)}
            run.create(f"{naming.key(address)}/fail_fast.json", failed)
        if _is_handled(composite):
            return
        graph = naming.parent(address)


def _is_handled(node: Node) -> bool:
    return failure_target(node) != node["graph"]["fail"]


def deadline(run: Run) -> float | None:
    """Return when `max_time` of a run is over, in seconds since the epoch, or None."""
    limit = run.record["max_time"]
    return None if limit is None else run.record["created"] + limit


def overdue(run: Run) -> str:
    """Return that `max_time` of a run is over, or '' if it is not."""
    end = deadline(run)
    return over(run) if end is not None and time.time() >= end else ""


def over(run: Run) -> str:
    """Return what is said when `max_time` is over."""
    return f"max_time of {run.record['max_time']:g} s is over"


def stopped(run: Run, address: str, node: Node) -> str:
    """Return why a node may not begin, or ''.

    `max_time` is over, or a composite with `fail_fast` around it fails by another branch.
    """
    if why := overdue(run):
        return why
    parts = address.split(".")
    for scope in node["scopes"]:
        if scope.get("fail_fast"):
            depth = scope["address"].count(".") + 1
            composite = ".".join(parts[:depth])
            failed: FailFast | None = run.of(composite, "fail_fast")
            if failed is not None and failed["branch"] != parts[depth]:
                path = naming.shown(run.node(composite)["path"], composite)
                return f"another branch of '{path}' has failed"
    return ""


def enter(run: Run, address: str, what: After | Node, digest: str) -> int | str | None:
    """Record what a composite sees and what is decided there: of a map its items, of a conditional its branch.

    Return the number of items or the slug of the branch; None if there is none. The message of a map or conditional that
    cannot start is recorded in its place. Of a task that has a condition, RUN or SKIP.
    """
    if what["type"] == TASK:
        from magnus_render.runtime import skipping

        return skipping.decide(run, address, digest)
    if what["type"] not in DECIDED:
        state.enter_composite(run, address, digest)
        return None
    node = run.node(address)
    recorded: CompositeStart | None = run.of(address, "start")
    if recorded is None:
        recorded = {"sees": digest, "count": None, "message": "", "items_mocked": None}
        name = node["parameter"] if node["type"] == CONDITIONAL else node["iterate_on"]
        seen = run.state(digest)
        there, value = state.value_of(run, address, node, digest, name)
        if not there:
            recorded["message"] = f"parameter '{name}' is missing"
        if node["type"] == CONDITIONAL:
            recorded["choice"] = _chosen(node, value) if there else ""
            if there and not recorded["choice"]:
                recorded["message"] = f"no branch is named like the value of parameter '{name}'"
        elif isinstance(value, list):
            recorded["count"] = len(value)
            _write_items(run, address, value)
            if seen["mocked"]:
                recorded["items_mocked"] = _same_items(run, address, value)
        elif there:
            recorded["message"] = f"parameter '{name}' is not a list"
        if not run.create(f"{naming.key(address)}/start.json", recorded):
            recorded = (
                run.of(address, "start") or recorded
            )  # another callback was first: what it decided counts
    if recorded["message"]:
        say(f"{naming.shown(node['path'], address)}: {recorded['message']}")
        if not _is_handled(node):
            _stop_siblings(run, naming.parent(address), node)
    if node["type"] == CONDITIONAL:
        return shapes.choice(run.run_id, address, node["branches"], recorded) or None
    return recorded["count"]


def _chosen(node: Node, value: Json) -> str:
    """Return the slug of the branch of a conditional that a value names, of its default if none is named, else ''."""
    text = as_text(value)
    for branch in node["branches"]:
        if branch["name"] == text and branch["slug"] != node["default"]:
            return branch["slug"]
    return node["default"]


def _write_items(run: Run, address: str, items: list[Json]) -> None:
    folder = naming.key(address)
    for first in range(0, len(items), ITEMS_PER_PAGE):
        page = {str(first + i): item for i, item in enumerate(items[first : first + ITEMS_PER_PAGE])}
        run.create(f"{folder}/items.{first // ITEMS_PER_PAGE}.json", run.pack(page))


def _same_items(run: Run, address: str, items: list[Json]) -> list[bool]:
    original = Run.open(run.store, run.record["original_run_id"])
    start: CompositeStart | None = original.of(address, "start") if original else None
    if original is None or start is None or start["count"] is None:
        return [False] * len(items)
    old = original.items(address, start["count"])
    return [index < len(old) and dumps(old[index]) == dumps(item) for index, item in enumerate(items)]
