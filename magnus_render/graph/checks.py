"""The rules that a definition's graph must keep, one small function for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import networkx as nx

from magnus_render.graph.values import check_values
from magnus_render.plan import CONDITIONAL, FAIL_NODE, SUCCESS_NODE
from magnus_render.spec import codes
from magnus_render.spec.tree import Map

if TYPE_CHECKING:
    from magnus_render.graph.definition import Definition, GraphInfo
    from magnus_render.spec.report import Place, Report

_SHOWN_STEPS = 10


def check(definition: Definition, report: Report) -> None:
    """Run all checks; what is wrong goes to the report."""
    check_ends(definition, report)
    check_targets(definition, report)
    check_cycles(definition, report)
    check_values(definition, report)
    if not report.broken:
        check_reachable(definition, report)


def check_ends(definition: Definition, report: Report) -> None:
    """Report each graph without exactly one success node and one fail node."""
    for info in definition.graphs.values():
        if not isinstance(info.raw.get("steps"), Map):
            continue  # reported when it was read
        for kind in (SUCCESS_NODE, FAIL_NODE):
            ends = [address for address in info.steps if definition.steps[address].type == kind]
            if not ends:
                what = f"{info.owner} has no node of type '{kind}'"
                report.error(codes.NO_END, info.place, what, f"add '{kind}: {{type: {kind}}}' to its steps")
            for address in ends[1:]:
                step = definition.steps[address]
                what = (
                    f"{step.owner}: a second node of type '{kind}', after '{definition.steps[ends[0]].name}'"
                )
                report.error(codes.SEVERAL_ENDS, step.place, what, "let the steps before it name the first")


def check_targets(definition: Definition, report: Report) -> None:
    """Report each `start_at`, `next` and `on_failure` that names no step of the same graph."""
    owners = {step.name: step.owner for step in reversed(definition.steps.values())}
    for info in definition.graphs.values():
        _target(info.raw, "start_at", info.owner, info, owners, report)
        for address in info.steps:
            step = definition.steps[address]
            for field in ("next", "on_failure"):
                _target(step.raw, field, step.owner, info, owners, report)


def _target(
    raw: Map, field: str, owner: str, info: GraphInfo, owners: dict[str, str], report: Report
) -> None:
    name = raw.get(field)
    if not isinstance(name, str) or not name or name in info.slugs or not info.slugs:
        return
    fix = report.did_you_mean(name, info.slugs)
    if not fix:
        if name in owners:
            fix = f"{owners[name]} is in another graph; a step hands over within its own graph only"
        elif len(info.slugs) <= _SHOWN_STEPS:
            fix = "its steps: " + ", ".join(info.slugs)
    report.error(
        codes.DANGLING,
        raw.value_place(field),
        f"{owner}: '{field}' names '{name}', no step of its graph",
        fix,
    )


def check_cycles(definition: Definition, report: Report) -> None:
    """Report circles of `next` and `on_failure`. Of steps that are in several circles together, one circle is named."""
    graph = definition.graph
    if nx.is_directed_acyclic_graph(graph):
        return
    order = {address: number for number, address in enumerate(definition.steps)}
    for knot in nx.strongly_connected_components(graph):
        members = sorted(knot, key=order.__getitem__)
        if len(members) == 1 and not graph.has_edge(members[0], members[0]):
            continue
        circle = [edge[0] for edge in nx.find_cycle(graph.subgraph(knot), members[0])]
        first = definition.steps[circle[0]]
        names = [definition.steps[address].name for address in (*circle, circle[0])]
        if len(names) > _SHOWN_STEPS + 2:
            names[_SHOWN_STEPS:-1] = [f"({len(names) - _SHOWN_STEPS - 1} more)"]
        what = f"{first.owner} comes back to itself: {' -> '.join(names)}"
        fix = "to try again use 'retry', to repeat over a list use a map"
        last = definition.steps[circle[-1]]
        report.error(codes.CYCLE, _edge_place(definition, last.address, circle[0]), what, fix)


def _edge_place(definition: Definition, source: str, target: str) -> Place:
    raw = definition.steps[source].raw
    field = definition.graph.edges[source, target]["via"][0]
    return raw.value_place(field)


def reachable(definition: Definition) -> set[str]:
    """Return the addresses of all steps a walk may come to: graphs inside of unreachable steps are not walked."""
    if definition.reached is not None:
        return definition.reached
    found: set[str] = set()
    todo = [""]
    while todo:
        info = definition.graphs.get(todo.pop())
        if info is None or not info.start:
            continue
        prefix = info.address + "." if info.address else ""
        steps = [prefix + info.start]
        while steps:
            address = steps.pop()
            if address in found:
                continue
            found.add(address)
            todo += [f"{address}.{branch['slug']}" for branch in definition.steps[address].branches]
            steps += [
                target
                for target, data in definition.graph.adj[address].items()
                if data["via"][0] != "contains" and target not in found
            ]
    definition.reached = found
    return found


def check_reachable(definition: Definition, report: Report) -> None:
    """Warn of steps that no walk comes to, and of graphs that cannot succeed."""
    found = reachable(definition)
    for info in definition.graphs.values():
        scope = info.scopes[-1]["address"] if info.scopes else ""
        if scope and scope not in found:
            continue
        for address in info.steps:
            step = definition.steps[address]
            if address in found or step.type == FAIL_NODE:
                continue
            if step.type == SUCCESS_NODE:
                if info.scopes and info.scopes[-1]["type"] == CONDITIONAL:
                    continue  # a branch of a conditional may be there to fail; the composite is checked below
                what = f"{info.owner} cannot succeed: no step leads to '{step.name}'"
                report.warning(codes.NEVER_SUCCEEDS, step.place, what, "let a step's 'next' name it")
            else:
                what = f"{step.owner} is never reached and is left out"
                report.warning(
                    codes.UNREACHABLE, step.place, what, "let a step's 'next' or 'on_failure' name it"
                )
    for address, step in definition.steps.items():
        ends = [f"{address}.{branch['slug']}" for branch in step.branches]
        if (
            step.type == CONDITIONAL
            and address in found
            and not any(_succeeds(definition, end) for end in ends)
        ):
            what = f"{step.owner} cannot succeed: in none of its branches a step leads to success"
            report.warning(
                codes.NEVER_SUCCEEDS, step.place, what, "let a step of one of them lead to success"
            )


def _succeeds(definition: Definition, graph: str) -> bool:
    """Tell whether a walk of a graph may come to its success node."""
    info, found = definition.graphs[graph], reachable(definition)
    return any(a in found and definition.steps[a].type == SUCCESS_NODE for a in info.steps)
