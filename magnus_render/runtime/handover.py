"""What a step records as it hands over: the end of its graph, or the start of the composite that follows."""

from __future__ import annotations

import os
import sys
import time

from magnus_render import naming
from magnus_render.plan import COMPOSITES, ITEMS_PER_PAGE, MAP
from magnus_render.runtime import state
from magnus_render.runtime.records import Run, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import After, CompositeStart, GraphEnd, Json, Node, Status

CANNOT_START = "the map cannot start"


def hand_over(run: Run, address: str, node: Node, to: str, digest: str, fan_out: str) -> None:
    """Record what follows from a hand-over: the end of the graph, or what the composite that comes next sees.

    `digest` is the state left behind; `fan_out` names the file for a map's item count, or is ''. Calling it again for the
    same hand-over changes nothing but writes that file anew.
    """
    graph, head = naming.parent(address), node["graph"]
    if to == head["success"]:
        end_graph(run, graph, "SUCCESS", digest)
        return
    if to == head["fail"]:
        if graph:  # the root's fail node is a callback of its own
            end_graph(run, graph, "FAIL", "")
        return
    for after in (node.get("next"), node.get("on_failure")):
        if after and after["slug"] == to and after["type"] in COMPOSITES:
            count = enter(run, naming.join(graph, to), after, digest)
            if fan_out and after["type"] == MAP:
                write_count(fan_out, count)
            return


def write_count(file: str, count: int | None) -> None:
    """Tell an engine how many items a map has: their number or, in a .json file, the list of their indices.

    Of a map that cannot start (`None`) it says so, which no engine takes for a list, or for the lack of one.
    """
    text = CANNOT_START
    if count is not None:
        text = f"[{','.join(map(str, range(count)))}]" if file.endswith(".json") else str(count)
    os.makedirs(os.path.dirname(file) or os.curdir, exist_ok=True)
    with open(file, "w", encoding="ascii") as stream:
        stream.write(f"{text}\n")


def end_graph(run: Run, graph: str, status: Status, digest: str) -> None:
    """Record that a graph instance reached its success or fail node."""
    mock = bool(digest) and run.state(digest)["mocked"]
    end: GraphEnd = {"status": status, "state": digest, "time": time.time(), "mock": mock}
    run.create(f"{naming.key(graph)}/end.json", end)


def enter(run: Run, address: str, what: After | Node, digest: str) -> int | None:
    """Record what a composite sees and, of a map, its items; return their number, or None if there is none.

    The message of a map that cannot start is recorded in its place.
    """
    if what["type"] != MAP:
        state.enter_composite(run, address, digest)
        return None
    recorded: CompositeStart | None = run.of(address, "start")
    if recorded is None:
        recorded = {"sees": digest, "count": None, "message": "", "items_mocked": None}
        name = what["iterate_on"]
        seen = run.state(digest)
        variables = run.map_variables(address, run.node(address)["scopes"])
        if name in variables:
            items = variables[name]
        elif name in seen["parameters"]["values"] or name in seen["parameters"]["large"]:
            items = run.unpack_one(seen["parameters"], name)
        else:
            items = None
            recorded["message"] = f"parameter '{name}' is missing"
        if isinstance(items, list):
            recorded["count"] = len(items)
            _write_items(run, address, items)
            if seen["mocked"]:
                recorded["items_mocked"] = _same_items(run, address, items)
        elif not recorded["message"]:
            recorded["message"] = f"parameter '{name}' is not a list"
        run.create(f"{naming.key(address)}/start.json", recorded)
    if recorded["message"]:
        path = naming.shown(run.node(address)["path"], address)
        print(f"magnus: {path}: {recorded['message']}", file=sys.stderr)
    return recorded["count"]


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
