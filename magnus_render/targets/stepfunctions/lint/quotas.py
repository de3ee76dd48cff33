"""Checks against the quotas of Step Functions: size of a definition, events of an execution, size of payloads.

Quotas: Step Functions developer guide, "Quotas" (definition 1 MiB, 25,000 events a Standard execution, 256 KiB of
payload). Events: Step Functions API reference, "HistoryEvent". How many events each kind of state makes was counted in
histories of executions.
"""

from __future__ import annotations

import json
import math
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from magnus_render.targets.stepfunctions import limits
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.machine import is_expression

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus_render.targets.stepfunctions.lint.machine import Report, Scope

FEW_ITEMS = 200
"""If the history has no room for so many items of a map, the user is warned."""

_EXECUTION = 2
"""ExecutionStarted, and ExecutionSucceeded or ExecutionFailed."""
_STATE = {"Task": 5, "Pass": 2, "Choice": 2, "Wait": 2, "Succeed": 2, "Fail": 1, "Parallel": 4, "Map": 4}
"""Entered and exited (a Fail does not exit); a Task's scheduled, started and succeeded, the others' started and
succeeded. A Task that is waited for is submitted too; a distributed Map has events for its run."""
_SUBMITTED = 1
_MAP_RUN = 2
_ITEM = 2
"""MapIterationStarted and MapIterationSucceeded."""


def check_size(machine: Mapping[str, Any], size: int, report: Report) -> None:
    """Check the bytes of a definition as it is written; `size` is their number."""
    if size <= limits.DEFINITION_BYTES:
        return
    compact = len(json.dumps(machine, ensure_ascii=False, separators=(",", ":")).encode())
    fix = "move parts into a node of type dag with `separate: true`: it becomes a state machine of its own"
    if compact <= limits.DEFINITION_BYTES:
        fix = f"render with --compact ({compact:,} bytes), or move parts into a dag with `separate: true`"
    what = f"the definition has {size:,} bytes, Step Functions takes {limits.DEFINITION_BYTES:,}"
    report.error(codes.DEFINITION_SIZE, "", what, fix)


def check_payloads(scopes: Iterable[Scope], size: int, report: Report) -> None:
    """Check the literals that states take, hand over and assign; `size` is the bytes of the whole definition."""
    if size <= limits.PAYLOAD_BYTES:
        return
    for scope in scopes:
        for name, state in scope.states.items():
            for field in ("Arguments", "Output", "Assign", "Items", "ItemSelector"):
                if field in state and not is_expression(state[field]):
                    length = len(json.dumps(state[field], ensure_ascii=False, separators=(",", ":")).encode())
                    if length > limits.PAYLOAD_BYTES:
                        what = f"{field} has {length:,} bytes, a payload holds {limits.PAYLOAD_BYTES:,}"
                        report.error(codes.PAYLOAD, name, what, "keep it in the store, and pass its key")


def check_history(scopes: list[Scope], report: Report) -> None:
    """Estimate the events of an execution without failures and retries; each list counts as one item.

    The finding is an error if the shortest way has too many events. It is a warning if the longest way has too many, or
    if a map could take only few items.
    """
    least: dict[tuple[Scope, str], float] = {}
    most: dict[tuple[Scope, str], float] = {}
    inside: dict[tuple[Scope, str], float] = {}
    for scope in reversed(scopes):  # inner before outer
        if scope.express:
            continue  # Express executions keep no history
        shortest = _shortest(scope, least)
        longest = _longest(scope, most)
        if scope.outer is None or scope.distributed:
            _check_execution(scope, shortest, longest, report)
            continue
        key = (scope.outer, scope.owner)
        extra = _ITEM if scope.inside_map else 0
        if math.isfinite(shortest):
            least[key] = least.get(key, 0) + shortest + extra
        most[key] = most.get(key, 0) + longest + extra
        if scope.inside_map:
            inside[key] = longest + extra
    _check_items(scopes, most, inside, report)


def _check_execution(scope: Scope, shortest: float, longest: float, report: Report) -> None:
    what = "each item of the distributed Map" if scope.distributed else "an execution"
    fix = "move parts into a dag with `separate: true`, or make its maps `distributed: true`"
    if math.isfinite(shortest) and shortest + _EXECUTION > limits.EVENTS:
        message = (
            f"{what} has at least {int(shortest) + _EXECUTION:,} events, its history holds {limits.EVENTS:,}"
        )
        report.error(codes.HISTORY, scope.owner, message, fix)
    elif longest + _EXECUTION > limits.EVENTS:
        message = f"{what} can have {int(longest) + _EXECUTION:,} events, its history holds {limits.EVENTS:,}"
        report.warning(codes.HISTORY, scope.owner, message, fix)


def _check_items(
    scopes: list[Scope],
    most: dict[tuple[Scope, str], float],
    inside: dict[tuple[Scope, str], float],
    report: Report,
) -> None:
    """Warn of inline Maps that few items would fill the history of: the outermost, where they are nested."""
    whole: dict[Scope, float] = {}
    warned: set[tuple[Scope, str]] = set()
    silent: set[Scope] = set()
    for scope in scopes:
        if scope.outer is None or scope.distributed:
            execution = _longest(scope, most) + _EXECUTION
        else:
            execution = whole[scope.outer]
            if scope.outer in silent or (scope.outer, scope.owner) in warned:
                silent.add(scope)
        whole[scope] = execution
        for name in scope.states:
            each = inside.get((scope, name), 0)
            if each and execution <= limits.EVENTS and scope not in silent:
                items = 1 + int((limits.EVENTS - execution) // each)
                if items < FEW_ITEMS:
                    what = f"more than {items} items fill the history of {limits.EVENTS:,} events ({int(each):,} an item)"
                    fix = "make the map `distributed: true` if its list can be that long"
                    report.warning(codes.HISTORY_ITEMS, name, what, fix)
                    warned.add((scope, name))


def _cost(scope: Scope, name: str, inner: dict[tuple[Scope, str], float]) -> float:
    state = scope.states[name]
    kind, resource = state.get("Type"), state.get("Resource")
    events = _STATE.get(kind, 0) if isinstance(kind, str) else 0
    if (
        kind == "Task"
        and isinstance(resource, str)
        and resource.rpartition(".")[2]
        in (
            "sync",
            "sync:2",
            "waitForTaskToken",
        )
    ):
        events += _SUBMITTED
    processor = state.get("ItemProcessor")
    config = processor.get("ProcessorConfig") if isinstance(processor, dict) else None
    if kind == "Map" and isinstance(config, dict) and config.get("Mode") == "DISTRIBUTED":
        events += _MAP_RUN
    return events + inner.get((scope, name), 0)


def _ways(scope: Scope, name: str) -> list[str]:
    """Return where a state leads if nothing fails."""
    return [edge.target for edge in scope.ways(name) if not edge.caught]


def _shortest(scope: Scope, inner: dict[tuple[Scope, str], float]) -> float:
    """Return the events of the way from start to end that has fewest; infinite if there is none.

    A way that ends in a Fail counts only where no other ends.
    """
    start = scope.body.get("StartAt")
    if not isinstance(start, str) or start not in scope.states:
        return math.inf
    waiting = [(_cost(scope, start, inner), start)]
    done: set[str] = set()
    failing = math.inf
    while waiting:
        events, name = heappop(waiting)
        if name in done:
            continue
        done.add(name)
        ways = _ways(scope, name)
        if not ways and scope.states[name].get("Type") != "Fail":
            return events
        if not ways:
            failing = min(failing, events)
        for target in ways:
            if target not in done:
                heappush(waiting, (events + _cost(scope, target, inner), target))
    return failing


def _longest(scope: Scope, inner: dict[tuple[Scope, str], float]) -> float:
    """Return the events of the way from the start that has most, going through a loop once."""
    start = scope.body.get("StartAt")
    if not isinstance(start, str) or start not in scope.states:
        return 0
    total: dict[str, float] = {}
    best = {start: 0.0}
    waiting = [(start, iter(_ways(scope, start)))]
    opened = {start}
    while waiting:
        name, rest = waiting[-1]
        for target in rest:
            if target in total:
                best[name] = max(best[name], total[target])
            elif target not in opened:
                opened.add(target)
                best[target] = 0.0
                waiting.append((target, iter(_ways(scope, target))))
                break
        else:
            waiting.pop()
            total[name] = _cost(scope, name, inner) + best[name]
            if waiting:
                before = waiting[-1][0]
                best[before] = max(best[before], total[name])
    return total[start]
