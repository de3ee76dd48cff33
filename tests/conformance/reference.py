"""What a pipeline means: an interpreter of DESIGN §3 that predicts the folded run log.

It is written to be read beside the design, shares no code with the product and runs nothing: what tasks do is told by a
table of actions (behaviour.py). `interpret` returns the log that every engine must leave, as `comparable` (comparing.py)
leaves it, without what only the product knows (`dag_hash`). One attempt of a task, and joins, have modules of their own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from tests.conformance.behaviour import Behaviour
from tests.conformance.reference_attempt import run_attempt
from tests.conformance.reference_join import equal, join_map, join_parallel
from tests.conformance.reference_state import Log, Memory, Place, Remembered, State


@dataclass
class Run:
    """The outcome of `interpret`."""

    log: Log
    memory: Memory
    attempts: int  # executed in all


@dataclass
class Interpreter:
    behaviour: Behaviour
    definitions: dict[str, Any]  # of `dag` nodes: file name -> parsed file
    cached: Memory | None
    memory: Memory
    attempts: int = 0

    # §3.1 Walk

    def graph(self, graph: Any, place: Place, state: State) -> tuple[bool, Log, State]:
        """Walk a graph from its start; return whether it reached success, its steps' logs and the state at its end."""
        state = replace(state, added=frozenset(), filed=frozenset())
        steps: Log = {}
        name = graph["start_at"]
        while True:
            node = graph["steps"][name]
            here = place.inside(name)
            if node["type"] in ("success", "fail"):
                reached = node["type"] == "success"
                steps[here.path] = step_log(
                    name, here, node, reached, mock=state.mocked and self.cached is not None
                )
                return reached, steps, state
            succeeded, steps[here.path], after = self.node(node, name, here, state)
            if succeeded:
                name, state = node["next"], after
            else:  # a handler sees what the failed node saw, though nothing is mocked behind a failure
                failed = next(n for n, s in graph["steps"].items() if s["type"] == "fail")
                name, state = node.get("on_failure") or failed, replace(state, mocked=False)

    def node(self, node: Any, name: str, here: Place, state: State) -> tuple[bool, Log, State]:
        """Run a node; return whether it succeeded, its log and, if so, what is visible after it."""
        if node["type"] == "task":
            return self.task(node, name, here, state)
        if node["type"] in ("as-is", "stub"):
            exit = self.behaviour.action(here.path, 1).exit
            message = f"exited with status {exit}" if exit else ""
            return not exit, step_log(name, here, node, not exit, message), state
        return self.composite(node, name, here, state)

    # §3.2 Composites

    def composite(self, node: Any, name: str, here: Place, state: State) -> tuple[bool, Log, State]:
        graphs, message = self.inner(node, here, state)
        if message:  # no branch begins
            return False, step_log(name, here, node, False, message), state
        branches: Log = {}
        ends: list[tuple[str, State]] = []
        succeeded = True
        for branch, graph, place in graphs:
            reached, steps, end = self.graph(graph, place, state)
            branches[place.path] = {"status": "SUCCESS" if reached else "FAIL", "steps": steps}
            ends.append((branch, end))
            succeeded = succeeded and reached
        if not succeeded:  # contributes nothing
            return False, step_log(name, here, node, False, branches=branches), state
        values, files, message = (join_map if node["type"] == "map" else join_parallel)(ends)
        mocked = all(end.mocked for _, end in ends)
        mock = self.cached is not None and state.mocked and mocked
        return (
            True,
            step_log(name, here, node, True, message, branches=branches, mock=mock),
            state.plus(values, files, mocked),
        )

    def inner(self, node: Any, here: Place, state: State) -> tuple[list[tuple[str, Any, Place]], str]:
        """Return the graphs that run inside a composite, each with its branch and place; or why it fails at once."""
        if node["type"] == "parallel":
            return [(b, g, here.inside(b)) for b, g in node["branches"].items()], ""
        if node["type"] == "dag":
            inner = node["branch"] if "branch" in node else self.definitions[node["dag_definition"]]["dag"]
            return [("branch", inner, here.inside("branch"))], ""
        key = node["parameter" if node["type"] == "conditional" else "iterate_on"]
        visible = {**state.parameters, **here.variables}
        if key not in visible:
            return [], f"parameter '{key}' is missing"
        value = visible[key]
        if node["type"] == "conditional":
            named = branch_named_by(value)
            if named in node["branches"]:
                return [(named, node["branches"][named], here.inside(named))], ""
            if "default" in node:
                return [("default", node["default"], here.inside("default"))], ""
            return [], f"no branch is named like the value of parameter '{key}'"
        if not isinstance(value, list):
            return [], f"parameter '{key}' is not a list"
        variable = node["iterate_as"]
        return [
            (str(i), node["branch"], here.inside(str(i), **{variable: item})) for i, item in enumerate(value)
        ], ""

    # §3.6 Tasks, §4 attempts

    def task(self, node: Any, name: str, here: Place, state: State) -> tuple[bool, Log, State]:
        if "when" in node:
            visible, parameter = {**state.parameters, **here.variables}, node["when"]["parameter"]
            if parameter not in visible:
                self.attempts += 1
                message = f"parameter '{parameter}' is missing"
                attempts: list[Log] = [{"attempt_number": 1, "status": "FAIL", "message": message}]
                return False, step_log(name, here, node, False, message, attempts=attempts), state
            if not holds(node["when"], visible[parameter]):
                log = step_log(name, here, node, True, mock=state.mocked and self.cached is not None)
                return True, {**log, "status": "SKIPPED"}, state
        definition = {k: v for k, v in node.items() if k not in ("next", "on_failure")}
        if "when" in node:  # conditions that compare alike are the same
            definition["when"] = [node["when"]["parameter"], *compared(node["when"])]
        saw = [{**state.parameters, **here.variables}, state.files]
        before = self.cached.tasks.get(here.address) if self.cached and state.mocked else None
        if before and equal(before.definition, definition) and equal(before.saw, saw):
            self.memory.tasks[here.address] = before
            return (
                True,
                {**before.log, "attempts": [], "mock": True},
                state.plus(before.set, before.files, True),
            )
        retry = node.get("retry", 1)
        attempts = []
        for n in range(1, (retry["attempts"] if isinstance(retry, dict) else retry) + 1):
            self.attempts += 1
            action = self.behaviour.action(here.path, n)
            attempt = run_attempt(node, action, here, state)
            status = "FAIL" if attempt.failed else "SUCCESS"
            attempts.append({"attempt_number": n, "status": status, "message": attempt.message})
            if not attempt.failed or action.final:
                break
        log = step_log(
            name, here, node, not attempt.failed, attempt.message,
            attempts=attempts, metrics=attempt.metrics, catalog=attempt.catalog,
        )  # fmt: skip
        if attempt.failed:
            return False, log, state
        self.memory.tasks[here.address] = Remembered(definition, saw, attempt.set, attempt.files, log)
        return True, log, state.plus(attempt.set, attempt.files, False)


def holds(when: Any, value: Any) -> bool:
    """Tell whether a condition of a task holds for the value of its parameter."""
    texts, among = compared(when)
    return (branch_named_by(value) in texts) == among


def compared(when: Any) -> tuple[list[str], bool]:
    """Return the texts that a condition compares with, and whether it holds for those or for all others."""
    if "is_not" in when:
        return [branch_named_by(when["is_not"])], False
    return [branch_named_by(one) for one in (when["in"] if "in" in when else [when["is"]])], True


def branch_named_by(value: Any) -> str:
    """Return the name of the branch of a conditional that a value stands for: text as it is, all else as short JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


# §4 The folded log


def step_log(
    name: str,
    here: Place,
    node: Any,
    succeeded: bool,
    message: str = "",
    *,
    attempts: list[Log] | None = None,
    metrics: dict[str, Any] | None = None,
    catalog: list[Log] | None = None,
    branches: Log | None = None,
    mock: bool = False,
) -> Log:
    return {
        "name": name,
        "internal_name": here.address,
        "step_type": {"stub": "as-is"}.get(node["type"], node["type"]),
        "status": "SUCCESS" if succeeded else "FAIL",
        "message": message,
        "mock": mock,
        "attempts": attempts or [],
        "user_defined_metrics": metrics or {},
        "data_catalog": catalog or [],
        "branches": branches or {},
    }


def interpret(
    dag: Any,
    behaviour: Behaviour,
    parameters: dict[str, Any],
    *,
    definitions: dict[str, Any] | None = None,
    cached: Memory | None = None,
    original_run_id: str = "",
    tag: str = "",
) -> Run:
    """Predict the log of a run.

    `dag` is the `dag` block of a parsed definition, `definitions` the parsed files that its `dag` nodes name,
    `parameters` the initial ones. `cached` is the memory of the run `original_run_id` (`--use-cached`).
    """
    mocked = False
    if cached is not None:
        overlaid = {**cached.parameters, **parameters}
        mocked = all(
            key in cached.parameters and equal(v, cached.parameters[key]) for key, v in overlaid.items()
        )
        parameters = overlaid
    memory = Memory(parameters=parameters)
    interpreter = Interpreter(behaviour, definitions or {}, cached, memory)
    reached, steps, end = interpreter.graph(dag, Place(), State(parameters, mocked=mocked))
    log = {
        "tag": tag,
        "original_run_id": original_run_id,
        "status": "SUCCESS" if reached else "FAIL",
        "parameters": end.parameters,
        "message": "",
        "steps": steps,
    }
    return Run(log, memory, interpreter.attempts)
