"""Messages about graphs that came to their fail node though no step of them failed: which graph, and what led there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from magnus_render import naming
from magnus_render.errors import MagnusError
from magnus_render.executors.terminal import fit
from magnus_render.plan import CONDITIONAL, FAIL_NODE
from magnus_render.runtime import state
from magnus_render.runtime.reading import steps_of
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import CompositeStart, Json
    from magnus_render.runtime.fold import Log, Step
    from magnus_render.runtime.records import Run

_FINE = ("SUCCESS", "SKIPPED")
_VALUE_COLUMNS = 80


def led_to_fail(log: Log, run: Run, most: int, *, unstarted: bool = False) -> Iterator[str]:
    """Yield a line for each graph that came to its fail node though no step of it failed.

    Graphs beyond the first `most` are counted in a last line. With `unstarted`, there is also a line for each graph that
    ended because its next step was not started. The walk itself names such steps when it meets them, so it needs no line.
    """
    graphs = [("", log["steps"])]
    graphs += [
        (path, graph["steps"]) for _, step in steps_of(log) for path, graph in step["branches"].items()
    ]
    found = 0
    for path, steps in graphs:
        *before, last = list(steps.values()) or [None]
        if last is None or last["step_type"] != FAIL_NODE or any(s["status"] not in _FINE for s in before):
            continue
        if not _leads_to_fail(run, before, last) and not unstarted:
            continue
        found += 1
        if found <= most:
            graph = f"the branch '{safe(path)}'" if path else "the pipeline"
            yield graph + _values(run, last["internal_name"]) + _how(run, before, last)
    if found > most:
        yield f"and {found - most} more came to a fail node in this way"


def _how(run: Run, before: list[Step], fail: Step) -> str:
    """Return the end of the line: how a graph ended, given the steps that it walked before its fail node."""
    behind = ""
    if before:
        how = "was skipped" if before[-1]["status"] == "SKIPPED" else "succeeded"
        behind = f"behind '{safe(before[-1]['name'])}', which {how}"
    if _leads_to_fail(run, before, fail):
        return f" comes to its fail node '{safe(fail['name'])}' {behind or 'at once'}"
    limit = run.record["max_time"]
    why = "" if limit is None else f" (max_time is {limit:g} s)"
    return f" ended {behind or 'before its first step'}: what follows was not started{why}"


def _leads_to_fail(run: Run, before: list[Step], fail: Step) -> bool:
    """Tell whether a graph leads to its fail node by the success of its last step, or starts there."""
    if not before:
        graph = run.node(fail["internal_name"])["graph"]
        return graph["start"] == graph["fail"]
    node = run.node(before[-1]["internal_name"])
    return node["next"]["slug"] == node["graph"]["fail"]


def _values(run: Run, address: str) -> str:
    """Return the items and the choice that the branch around a node is for, such as ` (quality = "bad")`.

    '' if there is no map and no conditional around the node.
    """
    try:
        values = _chosen_by(run, address)
    except MagnusError:  # a record is damaged: the line has no values then
        values = {}
    told = (f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
    return f" ({fit(safe(', '.join(told)), _VALUE_COLUMNS)})" if values else ""


def _chosen_by(run: Run, address: str) -> dict[str, Json]:
    scopes = run.node(address)["scopes"]
    values = run.map_variables(address, scopes)
    if scopes and scopes[-1]["type"] == CONDITIONAL:
        composite = naming.parent(naming.parent(address))
        node = run.node(composite)
        start: CompositeStart | None = run.of(composite, "start")
        if start is not None:
            name = node["parameter"]
            values[name] = state.value_of(run, composite, node, start["sees"], name)[1]
    return values
