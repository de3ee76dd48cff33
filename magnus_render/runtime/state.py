"""What a node sees: the state left by what came before it on its own path.

Nothing here waits or locks. A state is found by walking *back* from the node that asks. That leads to the outcome of its
predecessor, through a join of branches, or up to what the enclosing composite saw. The one place where several
predecessors are possible is `_came_from`; the one place where branches meet is `join`. What stands before the node without
an outcome gets one before the node begins.
"""

from __future__ import annotations

from magnus_render import naming
from magnus_render.errors import PlatformError, Refused, UsageError
from magnus_render.plan import (
    AS_IS,
    COMPOSITES,
    CONDITIONAL,
    DECIDED,
    MAP,
    failure_target,
)
from magnus_render.runtime import merge, shapes
from magnus_render.runtime import outcome as outcomes
from magnus_render.texts import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import (
        Before,
        CompositeStart,
        Json,
        Node,
        Outcome,
        State,
    )
    from magnus_render.runtime.records import Run


def initial(run: Run) -> str:
    """Return the state that the root graph starts from."""
    record = run.record
    state: State = {
        "parameters": record["parameters"],
        "files": {},
        "set": [],
        "filed": [],
        "mocked": bool(record["original_run_id"]) and not record["changed"],
    }
    return run.save(state)


def seen_by(run: Run, address: str, after: str = "") -> str:
    """Return the hash of the state that the node at an instance address sees.

    `after` is the slug of the predecessor, where the engine knows it. Raises `UsageError` if no such edge exists, and
    `PlatformError` if the records do not tell.
    """
    # On the way back, latest first: graphs whose start was passed, and nodes of which nobody has recorded how they ended.
    passed: list[tuple[str, str]] = []
    asked, seen = address, set()
    while True:
        if address in seen:
            raise PlatformError(f"run {run.run_id}: the definition leads in a circle before '{asked}'")
        seen.add(address)
        node = run.node(address)
        if node["type"] in COMPOSITES and (start := run.of(address, "start")):
            digest: str = start["sees"]
            break
        if not node["before"]:
            if after:
                raise UsageError(f"'{after}' does not lead to '{address}'")
            graph = naming.parent(address)
            if not graph:
                digest = initial(run)
                break
            passed.append(("start", graph))
            address, after = naming.parent(graph), ""
            continue
        before = _came_from(run, address, node, after)
        origin = naming.join(naming.parent(address), before["slug"])
        found = _left_by(run, origin, before, naming.last(address))
        if found:
            digest = found
            break
        passed.append((before["via"], origin))
        address, after = origin, ""
    for what, where in reversed(passed):
        if what == "start":
            _check_branch(run, where)
            enter_composite(run, naming.parent(where), digest)
            digest = _enter(run, where, digest)
        else:
            digest = _left_unrecorded(run, where, what, digest)
    return digest


def value_of(run: Run, address: str, node: Node, digest: str, name: str) -> tuple[bool, Json]:
    """Return whether a node that sees a state sees a parameter or map variable of a name, and its value."""
    variables = run.map_variables(address, node["scopes"])
    if name in variables:
        return True, variables[name]
    packed = run.state(digest)["parameters"]
    if name in packed["values"] or name in packed["large"]:
        return True, run.unpack_one(packed, name)
    return False, None


def enter_composite(run: Run, address: str, digest: str) -> None:
    """Record what a composite sees, if nothing is decided there, so that no later step has to look behind it."""
    if run.is_known(address, "start"):
        return
    start: CompositeStart = {"sees": digest, "count": None, "message": "", "items_mocked": None}
    run.create(f"{naming.key(address)}/start.json", start)


def is_taken(run: Run, graph: str) -> bool:
    """Tell whether a branch is among those that its composite runs, as far as is recorded."""
    composite = naming.parent(graph)
    node = run.node(composite)
    return node["type"] not in DECIDED or graph in branch_graphs(run, composite, node)


def _check_branch(run: Run, graph: str) -> None:
    """Raise if a graph is a branch of a map or conditional that is not entered, or one that is not taken there."""
    if is_taken(run, graph):
        return
    composite = naming.parent(graph)
    path = naming.shown(run.node(composite)["path"], composite)
    if run.of(composite, "start") is None:
        raise PlatformError(f"run {run.run_id}: it is not recorded which branches '{path}' has")
    raise Refused(f"run {run.run_id}: '{naming.last(graph)}' is not a branch that is taken at '{path}'")


def _enter(run: Run, graph: str, digest: str) -> str:
    """Return the state at the start of a branch, given what the composite sees: nothing set yet in this graph."""
    state = run.state(digest)
    mocked = state["mocked"]
    composite = naming.parent(graph)
    if mocked and run.node(composite)["type"] == MAP:
        start = run.of(composite, "start")
        same = start["items_mocked"] if start else None
        index = int(naming.last(graph))
        mocked = same is not None and index < len(same) and same[index]
    return run.save({**state, "set": [], "filed": [], "mocked": mocked})


def _left_by(run: Run, address: str, before: Before, to: str) -> str:
    """Return the state that a predecessor left as it handed over to `to`; '' if that is what it saw itself.

    Raises `Refused` if the records tell that it handed over to another node, or to none.
    """
    composite = before["type"] in COMPOSITES
    done = outcomes.of(run, address)
    if before["via"] == "on_failure":
        if done is None and composite:
            from magnus_render.runtime import way  # which needs this module

            if way.ended(run, address, run.node(address), way.LOST) == "SUCCESS":
                raise _not_failed(run, address)
        elif done is None:
            done = outcomes.settle(run, address, run.node(address))
        return "" if done is None else _failed(run, address, done, to)
    if done is None and composite:
        done = join(run, address)
    if done is None and before["type"] == AS_IS:
        return ""
    return _succeeded(run, address, done)


def _left_unrecorded(run: Run, address: str, via: str, sees: str) -> str:
    """Record how a node ended that the walk went on from, unless somebody has; return the state that it left."""
    node = run.node(address)
    if via == "on_failure":
        settled = outcomes.settle(run, address, node, sees)
        assert settled is not None, "what it sees was given"
        return _failed(run, address, settled, failure_target(node))
    if node.get("silent"):
        return sees
    return _succeeded(run, address, outcomes.passed(run, address, node, sees))


def _succeeded(run: Run, address: str, outcome: Outcome | None) -> str:
    """Return the state that a node left by its success; raise `Refused` if there is no record of that."""
    if outcome is not None and outcome["status"] == "SUCCESS":
        return outcome["state"]
    path = naming.shown(run.node(address)["path"], address)
    raise Refused(
        f"run {run.run_id}: there is no record that '{path}' succeeded, which what follows needs: "
        "is the store another one there, or was only a part of the run submitted anew?"
    )


def _failed(run: Run, address: str, outcome: Outcome, to: str) -> str:
    """Return the state that a node left by its failure; raise `Refused` if it has succeeded, which leads elsewhere."""
    if outcome["handed_to"] != to:
        raise _not_failed(run, address)
    return outcome["state"]


def _not_failed(run: Run, address: str) -> Refused:
    path = naming.shown(run.node(address)["path"], address)
    return Refused(f"run {run.run_id}: '{path}' has succeeded: what its failure leads to does not begin")


def _came_from(run: Run, address: str, node: Node, after: str) -> Before:
    """Tell which of a node's possible predecessors handed over to it.

    The first of these that there is:

    - the one that the engine names, or that has handed over by what is recorded
    - one that began, and of which nobody has recorded how it ended: the engine went on from its failure
    - one that the walk came to, and that left nothing at all
    """
    choices = node["before"]
    if after:
        choices = [b for b in choices if b["slug"] == after]
        if not choices:
            raise UsageError(f"'{after}' does not lead to '{address}'")
    if len(choices) == 1:
        return choices[0]
    graph, me = naming.parent(address), naming.last(address)
    unrecorded: list[Before] = []
    for choice in choices:
        led = _led(run, graph, choice, me)
        if led:
            return choice
        if led is None and _may_have_led(run, graph, choice):
            unrecorded.append(choice)
    for choice in unrecorded:
        if run.names(naming.join(graph, choice["slug"])):
            return choice
    for choice in unrecorded:
        if _reached(run, naming.join(graph, choice["slug"])):
            return choice
    raise PlatformError(f"run {run.run_id}: the records do not tell what came before '{address}'")


def _led(run: Run, graph: str, before: Before, to: str) -> bool | None:
    """Tell whether a node of a graph handed over to its node `to` on the way `before`; None if the records do not tell."""
    origin, success = naming.join(graph, before["slug"]), before["via"] == "next"
    done = outcomes.of(run, origin)
    if done is not None:
        return done["handed_to"] == to and (done["status"] == "SUCCESS") == success
    if before["type"] not in COMPOSITES:
        return None
    from magnus_render.runtime import way  # which needs this module

    ended = way.ended(run, origin, run.node(origin), way.NOTHING)
    came_to = run.of(origin, "start") is not None or _reached(run, origin)
    if ended not in ("SUCCESS", "FAIL") or not came_to:
        return None
    return (ended == "SUCCESS") == success


def _may_have_led(run: Run, graph: str, before: Before) -> bool:
    """Tell whether the walk may have gone on by a way though nobody has recorded how the node ended.

    From a failure it may, and from the success of an as-is: an engine need not call back at either.
    """
    failed = before["via"] == "on_failure"
    if before["type"] == AS_IS:
        return failed == bool(run.names(naming.join(graph, before["slug"])))
    return failed


def _reached(run: Run, address: str) -> bool:
    """Tell whether the walk came to a node of a graph that was entered, given that it has gone on from there or failed."""
    graph, stack = naming.parent(address), [naming.last(address)]
    while stack:
        slug = stack.pop()
        here = naming.join(graph, slug)
        node = run.node(here)
        if not node["before"] or run.names(here):
            return True
        for before in node["before"]:
            led = _led(run, graph, before, slug)
            if led:
                return True
            if led is None and _may_have_led(run, graph, before):
                stack.append(before["slug"])
    return False


# ---- composites ----


def branch_graphs(run: Run, address: str, node: Node) -> list[str]:
    """Return the instance addresses of a composite's branch graphs, in order.

    Those of a map or conditional are decided as it is entered: before that it has none.
    """
    if node["type"] in DECIDED:
        start: CompositeStart | None = run.of(address, "start")
        if node["type"] == CONDITIONAL:
            chosen = shapes.choice(run.run_id, address, node["branches"], start) if start else ""
            return [f"{address}.{chosen}"] if chosen else []
        count = (start["count"] or 0) if start else 0
        return [f"{address}.{index}" for index in range(count)]
    return [f"{address}.{branch['slug']}" for branch in node["branches"]]


def join(run: Run, address: str) -> Outcome:
    """Return the outcome of a composite from whose success the walk goes on: what it saw, and what its branches set.

    It is recorded if nobody has. If somebody was quicker to record a failure, that is returned. Raises `PlatformError` if a
    branch has not ended well, `Refused` if the composite failed before any branch began.
    """
    node = run.node(address)
    if node["type"] in DECIDED and (start := run.of(address, "start")) and start["message"]:
        path = naming.shown(node["path"], address)
        raise Refused(f"run {run.run_id}: '{path}' has failed: what its success leads to does not begin")
    graphs = branch_graphs(run, address, node)
    states = [_left_by_branch(run, graph) for graph in graphs]
    merged = _merged(run, node, graphs, states)
    sees = seen_by(run, address)
    mocked = all(state["mocked"] for state in states or [run.state(sees)])
    packed = run.pack(merged.set)
    left = run.save({**merge.added(run.state(sees), packed, merged.files), "mocked": mocked})
    mine = outcomes.made_of(outcomes.ended(0, 0, "SUCCESS", sees), node["next"]["slug"], left)
    mine["set"], mine["message"], mine["mock"] = packed, merged.message, mocked
    done = outcomes.decide(run, address, mine)
    if done is mine:
        for warning in merged.message.splitlines():
            say(f"{naming.shown(node['path'], address)}: warning: {warning}")
    return done


def _left_by_branch(run: Run, graph: str) -> State:
    """Return the state that a branch left at its success."""
    from magnus_render.runtime import way  # which needs this module

    ended, digest, last = way.branch_end(run, graph)
    if ended != "SUCCESS":
        raise PlatformError(f"run {run.run_id}: the branch '{graph}' is not recorded as a success")
    return run.state(digest or seen_by(run, way.success_of(run, graph), last))


def _merged(run: Run, node: Node, graphs: list[str], states: list[State]) -> merge.Merged:
    """Return what the branches of a composite added to what it saw, merged."""
    contributions = [
        merge.Contribution(
            {name: run.unpack_one(state["parameters"], name) for name in state["set"]},
            {path: state["files"][path] for path in state["filed"]},
        )
        for state in states
    ]
    if node["type"] == MAP:
        return merge.merge_map(contributions)
    chosen = {naming.last(graph) for graph in graphs}
    names = [branch["name"] for branch in node["branches"] if branch["slug"] in chosen]
    return merge.merge_parallel(list(zip(names, contributions, strict=True)))
