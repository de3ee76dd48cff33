"""The names of failed steps, handed on as data from state to state, so that the cause of a Fail state can have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.targets.stepfunctions.jsonata import expression, string
from magnus_render.targets.stepfunctions.model import Rule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus_render.targets.stepfunctions.model import Machine, State

PASSED_ON = "{% $states.input %}"
_BESIDE_CHOICE = "{% $states.input[1] %}"
_FAILED_BRANCHES = "{% $substring($trim($join($states.result, ' ')), 0, 1000) %}"


def mark(machine: Machine, fail: str) -> None:
    """Set the output of each state whose success leads to the fail node called `fail`.

    A state that is reached only after a failure hands on the names that it gets. A state that may be reached after a
    success, and leads to the fail node, puts its own name. So does a task that is skipped.
    """
    states = {state.name: state for state in machine.states}
    normal = _reached({name: state.successors for name, state in states.items()}, machine.start)
    leads = _leading(states, fail)
    lost = leads - normal
    for state in machine.states:
        if state.kind in ("map", "parallel", "child"):
            state.output = state.output or _composite(state)
        elif state.kind == "conditional":
            state.output = _itself(state)
            state.choices = [
                rule._replace(output=_itself(state) if rule.next == fail or rule.next in lost else "")
                for rule in state.choices
            ]
        elif state.kind == "when":
            _mark_when(state, fail, passes_on=state.name in lost)
            continue
        if state.fixed or state.name not in leads:
            continue
        if state.kind == "outcome":
            if state.next == fail or state.name not in normal:
                state.output = _itself(state)
        elif state.kind in ("map", "parallel", "child"):
            if state.next == fail or (state.next in leads and state.name not in normal):
                state.output = _itself(state)
        elif state.name not in normal:
            state.output = PASSED_ON
        elif state.next == fail:
            state.output = _itself(state)


def _mark_when(state: State, fail: str, passes_on: bool) -> None:
    """Set the outputs of the Choice before a task that has a condition.

    If the Choice must hand on names, its input is a list of the decision and those names (`state-choice.json.j2`).
    """
    state.output = _itself(state)
    skip, run = state.choices
    if passes_on:
        state.choices = [
            Rule(rule.condition.replace("$states.input", "$states.input[0]"), rule.next, _BESIDE_CHOICE)
            for rule in (skip, run)
        ]
    elif skip.next == fail:
        state.choices = [skip._replace(output=_itself(state)), run]


def _composite(state: State) -> str:
    if state.node is not None and state.node.get("fail_fast"):
        return "{% '' %}"
    return "{% $states.result.Output %}" if state.kind == "child" else _FAILED_BRANCHES


def _itself(state: State) -> str:
    """Return the state's own address, as an expression: other tools report a plain text there as a mistake."""
    return state.address if state.address.startswith("{%") else expression(string(state.address))


def reached(states: Iterable[State], start: str) -> set[str]:
    """Return the names of the states that are reached from the start, by success or failure."""
    return _reached(
        {state.name: (*state.successors, state.catch, state.otherwise) for state in states},
        start,
    )


def _reached(edges: Mapping[str, Iterable[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in found and name in edges:
            found.add(name)
            waiting.extend(edges[name])
    return found


def _leading(states: dict[str, State], fail: str) -> set[str]:
    """Return the states from which successes alone lead to the fail node."""
    known = {fail: True, "": False}
    for name in states:
        way: list[str] = []
        while name not in known:
            way.append(name)
            name = states[name].next if name in states else ""
        known.update(dict.fromkeys(way, known[name]))
    return {name for name, leads in known.items() if leads and name != fail}
