"""Checks of names and transitions: does every state have a name of its own, can it be reached, and does it end?"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from magnus_render.targets.lint.report import near, shown
from magnus_render.targets.stepfunctions import limits
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.machine import ENDS, TYPES, Report, Scope

if TYPE_CHECKING:
    from collections.abc import Iterable


def check_graphs(scopes: Iterable[Scope], report: Report) -> None:
    """Check the names of all states and the transitions of every scope.

    Step Functions refuses dangling targets and unreachable states alike when a machine is created
    (`MISSING_TRANSITION_TARGET`), and a machine without an end (`MISSING_END_STATE`).
    """
    taken: dict[str, str] = {}
    for scope in scopes:
        states = scope.body.get("States")
        if not isinstance(states, dict) or not states:
            report.error(
                codes.MACHINE, scope.owner, f"{scope.label} has no States", "give it at least one state"
            )
            continue
        for name, state in states.items():
            _check_name(name, scope, taken, report)
            if not isinstance(state, dict):
                report.error(codes.MACHINE, name, f"a state is an object, not {shown(state)}")
        for name, state in scope.states.items():
            _check_transition(name, state, report)
        if scope.states:
            _check_paths(scope, report)


def _check_name(name: str, scope: Scope, taken: dict[str, str], report: Report) -> None:
    if not 1 <= len(name) <= limits.STATE_NAME:
        what = f"its name has {len(name)} characters, at most {limits.STATE_NAME} are allowed"
        report.error(codes.STATE_NAME, name, what if name else "a state's name is empty", "shorten the name")
    elif not name.isprintable():
        report.error(codes.STATE_NAME, name, "its name has a control character", "rename it")
    if name in taken:
        what = f"its name is used in {taken[name]} and again in {scope.label}"
        report.error(
            codes.STATE_NAME_TWICE, name, what, "names are unique in the whole definition: rename one"
        )
    taken.setdefault(name, scope.label)


def _check_transition(name: str, state: dict[str, Any], report: Report) -> None:
    kind, end = state.get("Type"), state.get("End")
    if kind not in TYPES:
        what = "it has no Type" if "Type" not in state else f"its Type {shown(kind)} is not known"
        report.error(codes.STATE_TYPE, name, what, near(kind, TYPES) or f"one of {', '.join(TYPES)}")
        return
    if "End" in state and not isinstance(end, bool):
        report.error(codes.TRANSITION, name, f"End is true or left out, not {shown(end)}")
    if kind in ENDS or kind == "Choice":
        for field in ("Next", "End"):
            if field in state:
                fix = "its Default and its rules lead on" if kind == "Choice" else "it is an end by itself"
                report.error(codes.TRANSITION, name, f"a {kind} state has no {field}", f"take it out: {fix}")
    elif "Next" in state and end is True:
        report.error(codes.TRANSITION, name, "it has both Next and End", "keep one of them")
    elif "Next" not in state and "End" not in state:
        report.error(codes.TRANSITION, name, "it has neither Next nor End", 'add "Next", or "End": true')
    elif "Next" not in state and end is False:
        report.error(
            codes.TRANSITION, name, "it has no Next, and its End is false", 'add "Next", or "End": true'
        )


def _check_paths(scope: Scope, report: Report) -> None:
    start, states = scope.body.get("StartAt"), scope.states
    if not any(s.get("Type") in ENDS or s.get("End") is True for s in states.values()):
        what = f"none of the states of {scope.label} is an end"
        report.error(codes.NO_END, scope.owner, what, 'add "End": true to one, or a Succeed')
    for name in states:
        for edge in scope.edges[name]:
            if not isinstance(edge.target, str) or edge.target not in states:
                hint = _elsewhere(edge.target, scope) or near(edge.target, states)
                what = f"{edge.field} leads to {shown(edge.target)}, which is no state of {scope.label}"
                report.error(codes.TARGET, name, what, hint)
    if not isinstance(start, str) or not start:
        what = f"{scope.label} has no StartAt" if start is None else f"StartAt is {shown(start)}"
        report.error(codes.MACHINE, scope.owner, what, "name the state to begin with")
        return
    if start not in states:
        what = f"StartAt of {scope.label} is {shown(start)}, which is none of its states"
        report.error(codes.TARGET, scope.owner, what, near(start, states))
        return
    reached = reachable(scope)
    for name in states:
        if name not in reached:
            report.error(codes.UNREACHABLE, name, "nothing leads to it", "lead to it, or take it out")


def _elsewhere(target: Any, scope: Scope) -> str:
    outer = scope.outer
    while outer is not None:
        if isinstance(target, str) and target in outer.states:
            return f"it stands in {outer.label}: states inside cannot lead out, end here instead"
        outer = outer.outer
    return ""


def reachable(scope: Scope) -> set[str]:
    """Return the names of the states that some path from the start leads to."""
    start = scope.body.get("StartAt")
    if not isinstance(start, str) or start not in scope.states:
        return set()
    reached, waiting = {start}, deque([start])
    while waiting:
        for edge in scope.ways(waiting.popleft()):
            if edge.target not in reached:
                reached.add(edge.target)
                waiting.append(edge.target)
    return reached
