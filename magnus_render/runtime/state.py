"""What a node sees: the state left by what came before it on its own path.

Nothing here waits or locks. A state is found by walking *back* from the node that asks. That leads to the outcome of its
predecessor, through a join of branches, or up to what the enclosing composite saw. The one place where several
predecessors are possible is `_came_from`; the one place where branches meet is `join`. A predecessor that failed without
an outcome is settled.
"""

from __future__ import annotations

from magnus_render import naming
from magnus_render.errors import PlatformError, Refused, UsageError
from magnus_render.plan import AS_IS, COMPOSITES, CONDITIONAL, DECIDED, MAP, TASK, failure_target
from magnus_render.runtime import merge, shapes
from magnus_render.runtime import outcome as outcomes
from magnus_render.texts import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import (
        Before,
        CompositeStart,
        GraphEnd,
        Join,
        Json,
        Node,
        Outcome,
        Settled,
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
    # On the way back, latest first: graphs whose start was passed, failures, and steps that were lost before they began.
    passed: list[tuple[str, str]] = []
    asked, seen = address, set()
    while True:
        if address in seen:
            raise PlatformError(f"run {run.run_id}: the definition leads in a circle before '{asked}'")
        seen.add(address)
        node = run.node(address)
        if node["type"] in COMPOSITES and (start := run.start(address)):
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
        if before["via"] == "on_failure":
            lost = before["type"] == TASK or (before["type"] == AS_IS and not run.node(origin).get("silent"))
            passed.append(("lost" if lost else "failed", origin))
        address, after = origin, ""
    for what, where in reversed(passed):
        if what == "start":
            _check_branch(run, where)
            enter_composite(run, naming.parent(where), digest)
            digest = _enter(run, where, digest)
        elif what == "lost":
            settled = outcomes.settle(run, where, run.node(where), sees=digest)
            assert settled is not None, "what it sees was given"
            digest = _failed(run, where, settled, failure_target(run.node(where)))
        else:
            digest = run.unmocked(digest)
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
    if run.has_start(address):
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
    if run.start(composite) is None:
        raise PlatformError(f"run {run.run_id}: it is not recorded which branches '{path}' has")
    raise Refused(f"run {run.run_id}: '{naming.last(graph)}' is not a branch that is taken at '{path}'")


def _enter(run: Run, graph: str, digest: str) -> str:
    """Return the state at the start of a branch, given what the composite sees: nothing set yet in this graph."""
    state = run.state(digest)
    mocked = state["mocked"]
    composite = naming.parent(graph)
    if mocked and run.node(composite)["type"] == MAP:
        start = run.start(composite)
        same = start["items_mocked"] if start else None
        index = int(naming.last(graph))
        mocked = same is not None and index < len(same) and same[index]
    return run.save({**state, "set": [], "filed": [], "mocked": mocked})


def _left_by(run: Run, address: str, before: Before, to: str) -> str:
    """Return the state that a predecessor left as it handed over to `to`; '' if that is what it saw itself.

    Raises `Refused` if the records tell that it handed over to another node, or to none.
    """
    if before["via"] == "next":
        if before["type"] in COMPOSITES:
            return after_composite(run, address)
        done = outcomes.of(run, address)
        if before["type"] == AS_IS and (done is None or done["status"] == "SUCCESS"):
            return ""
        if done is None or done["status"] != "SUCCESS":
            path = naming.shown(run.node(address)["path"], address)
            raise Refused(
                f"run {run.run_id}: there is no record that '{path}' succeeded, which what follows needs: "
                "is the store another one there, or was only a part of the run submitted anew?"
            )
        return done["state"]
    if before["type"] in COMPOSITES:
        _check_failed(run, address)
        return ""
    settled = outcomes.settle(run, address, run.node(address))
    return "" if settled is None else _failed(run, address, settled, to)


def _failed(run: Run, address: str, outcome: Outcome, to: str) -> str:
    """Return the state that a step left by its failure; raise `Refused` if it has succeeded, which leads elsewhere."""
    if outcome["handed_to"] != to:
        raise _succeeded(run, address)
    return outcome["state"]


def _check_failed(run: Run, address: str) -> None:
    """Raise `Refused` if a composite from whose failure the walk went on has succeeded; settle steps in it, if need be."""
    from magnus_render.runtime import way  # which needs this module

    node = run.node(address)
    ends = (run.of(graph, "end") for graph in branch_graphs(run, address, node))
    failed = any(end is not None and end["status"] == "FAIL" for end in ends)
    if not failed and way.ended(run, address, node, way.LOST, failed=True) == "SUCCESS":
        raise _succeeded(run, address)


def _succeeded(run: Run, address: str) -> Refused:
    path = naming.shown(run.node(address)["path"], address)
    return Refused(f"run {run.run_id}: '{path}' has succeeded: what its failure leads to does not begin")


def _came_from(run: Run, address: str, node: Node, after: str) -> Before:
    """Tell which of a node's possible predecessors handed over to it.

    The first of these that there is:

    - the one that the engine names, or that has a recorded hand-over
    - a composite whose outcome leads here
    - a step that began and left no end: it crashed, and the engine went on
    - a step, or an undecided map or conditional, that the walk came to and that left nothing at all
    """
    choices = node["before"]
    if after:
        choices = [b for b in choices if b["slug"] == after]
        if not choices:
            raise UsageError(f"'{after}' does not lead to '{address}'")
    if len(choices) == 1:
        return choices[0]
    graph, me = naming.parent(address), naming.last(address)
    crashed: list[Before] = []
    for choice in choices:
        origin = naming.join(graph, choice["slug"])
        if choice["type"] in COMPOSITES:
            if outcome(run, origin) == ("SUCCESS" if choice["via"] == "next" else "FAIL"):
                return choice
            if choice["type"] in DECIDED and choice["via"] == "on_failure" and not run.start(origin):
                crashed.append(choice)
        elif choice["type"] != AS_IS or run.names(origin):
            done = outcomes.of(run, origin)
            if done is None:
                if choice["via"] == "on_failure":
                    crashed.append(choice)
            elif done["handed_to"] == me and (done["status"] == "SUCCESS") == (choice["via"] == "next"):
                return choice
        elif choice["via"] == "next" and _reached(run, origin):
            return choice
    for choice in crashed:
        if run.names(naming.join(graph, choice["slug"])):
            return choice
    for choice in crashed:
        if _reached(run, naming.join(graph, choice["slug"])):
            return choice
    raise PlatformError(f"run {run.run_id}: the records do not tell what came before '{address}'")


def _reached(run: Run, address: str) -> bool:
    """Tell whether the walk came to a node of a graph that was entered, from what its predecessors recorded."""
    graph, stack = naming.parent(address), [naming.last(address)]
    while stack:
        slug = stack.pop()
        here = naming.join(graph, slug)
        node = run.node(here)
        if not node["before"] or run.names(here):
            return True
        for before in node["before"]:
            origin = naming.join(graph, before["slug"])
            if before["type"] in COMPOSITES:
                if outcome(run, origin) == ("SUCCESS" if before["via"] == "next" else "FAIL"):
                    return True
            elif before["type"] == AS_IS and not run.names(origin):
                if before["via"] == "next":
                    stack.append(before["slug"])
            else:
                done = outcomes.of(run, origin)
                if done is not None and done["handed_to"] == slug:
                    return True
    return False


# ---- composites ----


def branch_graphs(run: Run, address: str, node: Node) -> list[str]:
    """Return the instance addresses of a composite's branch graphs, in order.

    Those of a map or conditional are decided as it is entered: before that it has none.
    """
    if node["type"] in DECIDED:
        start = run.start(address)
        if node["type"] == CONDITIONAL:
            chosen = shapes.choice(run.run_id, address, node["branches"], start) if start else ""
            return [f"{address}.{chosen}"] if chosen else []
        count = (start["count"] or 0) if start else 0
        return [f"{address}.{index}" for index in range(count)]
    return [f"{address}.{branch['slug']}" for branch in node["branches"]]


def outcome(run: Run, address: str) -> str:
    """Return 'SUCCESS' or 'FAIL' as a composite's branches ended, or '' if there is no trace of it."""
    node = run.node(address)
    start = run.start(address)
    if start and start["message"]:
        return "FAIL"
    if not start and (node["type"] in DECIDED or not (run.names(address) or _reached(run, address))):
        return ""
    ends = [branch_end(run, graph) for graph in branch_graphs(run, address, node)]
    if all(end and end["status"] == "SUCCESS" for end in ends):
        return "SUCCESS"
    return "FAIL" if start or any(ends) or run.names(address) else ""


def branch_end(run: Run, graph: str) -> GraphEnd | None:
    """Return how a branch ended, or None if it has not (or nothing recorded that it failed).

    Most branches end in a step that writes the end as it hands over. Behind a composite, a silent as-is or a step that
    crashed none does: there the end is computed from what is recorded of them.
    """
    end: GraphEnd | None = run.of(graph, "end")
    if end is not None:
        return end
    composite = run.node(naming.parent(graph))
    branch = "_" if composite["type"] == MAP else naming.last(graph)
    settled = composite.get("settled", {}).get(branch)
    if settled is not None:
        return _settled_end(run, graph, settled)
    for slug, via in composite["tails"].get(branch, []):
        digest = _left_at_end(run, naming.join(graph, slug), via)
        if digest:
            return {"status": "SUCCESS", "state": digest, "time": 0.0, "mock": run.state(digest)["mocked"]}
    return None


def _left_at_end(run: Run, address: str, via: str) -> str:
    """Return the state in which a node that leads to its branch's success left it; '' if it did not lead there."""
    node = run.node(address)
    if node["type"] not in COMPOSITES and not node.get("silent"):
        done = outcomes.of(run, address)
        if done is not None:
            return done["state"] if done["handed_to"] == node["graph"]["success"] else ""
    if via == "next" and _succeeded_silently(run, address):
        return after_composite(run, address) if node["type"] in COMPOSITES else seen_by(run, address)
    if via == "on_failure" and _failed_silently(run, address):
        return run.unmocked(seen_by(run, address))
    return ""


def _settled_end(run: Run, graph: str, settled: Settled) -> GraphEnd:
    """Return how a branch ended in which nothing could be recorded."""
    if settled["status"] != "SUCCESS":
        return {"status": "FAIL", "state": "", "time": 0.0, "mock": False}
    digest = _enter(run, graph, seen_by(run, naming.parent(graph)))
    if settled["handled"]:
        digest = run.unmocked(digest)
    return {"status": "SUCCESS", "state": digest, "time": 0.0, "mock": run.state(digest)["mocked"]}


def _succeeded_silently(run: Run, address: str) -> bool:
    """Tell whether a composite succeeded, or an as-is that leaves no record was passed."""
    node = run.node(address)
    if node["type"] in COMPOSITES:
        return outcome(run, address) == "SUCCESS"
    return bool(node.get("silent")) and _reached(run, address)


def _failed_silently(run: Run, address: str) -> bool:
    """Tell whether a composite failed, or an as-is that leaves no record did."""
    node = run.node(address)
    if node["type"] in COMPOSITES:
        return outcome(run, address) == "FAIL"
    if node["type"] != AS_IS or node.get("silent"):
        return False
    succeeded = run.names(naming.join(naming.parent(address), node["next"]["slug"]))
    return not succeeded and _reached(run, address)


def join(run: Run, address: str) -> Join:
    """Return what a composite's branches set, merged; record it if nobody has.

    Raises `PlatformError` if a branch has not ended well, `Refused` if the composite failed before any branch began.
    """
    recorded: Join | None = run.of(address, "join")
    if recorded is not None:
        return recorded
    node = run.node(address)
    if node["type"] in DECIDED and (start := run.start(address)) and start["message"]:
        path = naming.shown(node["path"], address)
        raise Refused(f"run {run.run_id}: '{path}' has failed: what its success leads to does not begin")
    graphs = branch_graphs(run, address, node)
    contributions: list[merge.Contribution] = []
    mocked = True
    for graph in graphs:
        end = branch_end(run, graph)
        if end is None or end["status"] != "SUCCESS":
            raise PlatformError(f"run {run.run_id}: the branch '{graph}' is not recorded as a success")
        state = run.state(end["state"])
        mocked = mocked and state["mocked"]
        parameters = state["parameters"]
        contributions.append(
            merge.Contribution(
                {name: run.unpack_one(parameters, name) for name in state["set"]},
                {path: state["files"][path] for path in state["filed"]},
            )
        )
    if node["type"] == MAP:
        merged = merge.merge_map(contributions)
    else:
        chosen = {naming.last(graph) for graph in graphs}
        names = [branch["name"] for branch in node["branches"] if branch["slug"] in chosen]
        merged = merge.merge_parallel(list(zip(names, contributions, strict=True)))
    if not graphs:
        mocked = run.state(seen_by(run, address))["mocked"]
    result: Join = {
        "set": run.pack(merged.set),
        "files": merged.files,
        "message": merged.message,
        "mocked": mocked,
    }
    if run.create(f"{naming.key(address)}/join.json", result):
        for warning in merged.message.splitlines():
            say(f"{naming.shown(node['path'], address)}: warning: {warning}")
    return result


def after_composite(run: Run, address: str) -> str:
    """Return the state behind a composite that succeeded: what it saw and what its branches set."""
    joined = join(run, address)
    state = merge.added(run.state(seen_by(run, address)), joined["set"], joined["files"])
    return run.save({**state, "mocked": joined["mocked"]})
