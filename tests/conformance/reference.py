"""What a pipeline means: an interpreter of DESIGN §3 that predicts the folded run log.

It is written to be read beside the design, shares no code with the product and runs nothing: what tasks do is told by a
table of actions (behaviour.py). `interpret` returns the log that every engine must leave, as `comparable` (comparing.py)
leaves it, without what only the product knows (`dag_hash`).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field, replace
from typing import Any

from tests.conformance.behaviour import PYTHON_COMMAND, SHELL_COMMAND, Action, Behaviour, large_values
from tests.conformance.naming import slug

Log = dict[str, Any]


@dataclass(frozen=True)
class State:
    """What is visible at a point of a path (§3.3)."""

    parameters: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)  # path -> text
    added: frozenset[str] = frozenset()  # parameters set since the graph began
    filed: frozenset[str] = frozenset()  # files catalogued since the graph began
    mocked: bool = False  # nothing on the path so far was run again

    def plus(self, values: dict[str, Any], files: dict[str, str], mocked: bool) -> State:
        """The state after a success that set these values and catalogued these files."""
        return State(
            {**self.parameters, **values},
            {**self.files, **files},
            self.added | set(values),
            self.filed | set(files),
            self.mocked and mocked,
        )


@dataclass(frozen=True)
class Place:
    """Where a graph or node stands: its dot path, its address, and the variables of the maps around it."""

    path: str = ""
    address: str = ""
    variables: dict[str, Any] = field(default_factory=dict)

    def inside(self, name: str, **variables: Any) -> Place:
        def extended(whole: str, part: str) -> str:
            return f"{whole}.{part}" if whole else part

        return Place(
            extended(self.path, name), extended(self.address, slug(name)), {**self.variables, **variables}
        )


@dataclass(frozen=True)
class Remembered:
    """A task that succeeded: its definition, what it saw, set and catalogued, and its log."""

    definition: Any
    saw: Any
    set: dict[str, Any]
    files: dict[str, str]
    log: Log


@dataclass
class Memory:
    """What a run did, for a later one with `--use-cached`: the tasks that succeeded, by address."""

    tasks: dict[str, Remembered] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)  # initial ones


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
        graphs: list[tuple[str, Any, Place, State]] = []
        if node["type"] == "parallel":
            graphs = [(b, g, here.inside(b), state) for b, g in node["branches"].items()]
        elif node["type"] == "dag":
            inner = node["branch"] if "branch" in node else self.definitions[node["dag_definition"]]["dag"]
            graphs = [("branch", inner, here.inside("branch"), state)]
        else:
            visible = {**state.parameters, **here.variables}
            key = node["iterate_on"]
            if not isinstance(visible.get(key), list):
                message = f"parameter '{key}' is " + ("not a list" if key in visible else "missing")
                return False, step_log(name, here, node, False, message), state
            for i, item in enumerate(visible[key]):
                inside = here.inside(str(i), **{node["iterate_as"]: item})
                graphs.append((str(i), node["branch"], inside, state))

        branches: Log = {}
        ends: list[tuple[str, State]] = []
        succeeded = True
        for branch, graph, place, sees in graphs:
            reached, steps, end = self.graph(graph, place, sees)
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

    # §3.6 Tasks, §4 attempts

    def task(self, node: Any, name: str, here: Place, state: State) -> tuple[bool, Log, State]:
        definition = {k: v for k, v in node.items() if k not in ("next", "on_failure")}
        saw = [{**state.parameters, **here.variables}, state.files]
        before = self.cached.tasks.get(here.address) if self.cached and state.mocked else None
        if before and before.definition == definition and equal(before.saw, saw):
            self.memory.tasks[here.address] = before
            return (
                True,
                {**before.log, "attempts": [], "mock": True},
                state.plus(before.set, before.files, True),
            )
        retry = node.get("retry", 1)
        attempts: list[Log] = []
        for n in range(1, (retry["attempts"] if isinstance(retry, dict) else retry) + 1):
            self.attempts += 1
            attempt = run_attempt(node, self.behaviour.action(here.path, n), here, state)
            status = "FAIL" if attempt.failed else "SUCCESS"
            attempts.append({"attempt_number": n, "status": status, "message": attempt.message})
            if not attempt.failed:
                break
        log = step_log(
            name, here, node, not attempt.failed, attempt.message,
            attempts=attempts, metrics=attempt.metrics, catalog=attempt.catalog,
        )  # fmt: skip
        if attempt.failed:
            return False, log, state
        self.memory.tasks[here.address] = Remembered(definition, saw, attempt.set, attempt.files, log)
        return True, log, state.plus(attempt.set, attempt.files, False)


@dataclass
class Attempt:
    """What one attempt of a task leaves in its record."""

    message: str = ""
    failed: bool = False
    set: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    catalog: list[Log] = field(default_factory=list)

    def fail(self, message: str) -> Attempt:
        self.failed, self.message, self.set, self.files = True, message, {}, {}
        return self


def run_attempt(node: Any, action: Action, here: Place, state: State) -> Attempt:
    """One attempt: get files, run the command, take what it set, put files. Any failure ends it."""
    attempt = Attempt()
    warnings = []

    # get
    got: dict[str, str] = {}
    for pattern in node.get("catalog", {}).get("get", []):
        found = matching(pattern, state.files)
        if not found and is_glob(pattern):
            warnings.append(f"catalog: '{pattern}' matches nothing to get")
        elif not found:
            return attempt.fail(f"catalog: nothing to get for '{pattern}'")
        got.update(found)
    attempt.catalog = entries("get", got)

    # the command
    visible = {**state.parameters, **here.variables}
    if node["command"] in (SHELL_COMMAND, PYTHON_COMMAND):
        attempt.metrics["saw"] = visible
    if action.list_files:
        attempt.metrics["files"] = sorted(got)
    attempt.metrics.update(action.metrics)
    in_folder = {**({} if action.clean else got), **action.files}
    for path, source in action.copies.items():
        in_folder[path] = in_folder[source]

    # what it sets; by a function call, a map's variable is refused at once, else when the command has ended
    attempt.set = {**action.set, **large_values(action)}
    for line in action.lines:
        name, _, value = line.partition("=")
        attempt.set[name] = value
    if action.collect:
        attempt.set[action.collect] = visible
    forbidden = next((key for key in attempt.set if key in here.variables), None)
    refusal = f"'{forbidden}' is the map's variable and cannot be set"
    if forbidden is not None and node["command"] == PYTHON_COMMAND:
        return attempt.fail(refusal)

    # how it ends
    if action.sleep:
        return attempt.fail(f"timed out after {node['timeout']:g} s")
    if action.signal:
        return attempt.fail(f"killed by signal {action.signal}")
    if action.exit:
        return attempt.fail(f"exited with status {action.exit}")
    if action.raises:
        return attempt.fail("RuntimeError: " + action.raises.split("\n")[0])
    if action.fails:
        return attempt.fail(action.fails)

    if forbidden is not None:
        return attempt.fail(refusal)

    # put
    for pattern in node.get("catalog", {}).get("put", []):
        found = matching(pattern, in_folder)
        if not found and is_glob(pattern):
            warnings.append(f"catalog: '{pattern}' matches nothing to put")
        elif not found:
            return attempt.fail(f"catalog: nothing to put for '{pattern}'")
        attempt.files.update(found)
    attempt.catalog += entries("put", attempt.files)
    attempt.message = "\n".join([*warnings, *action.warns])
    return attempt


def entries(stage: str, files: dict[str, str]) -> list[Log]:
    """Catalog entries of a step's log."""
    return [
        {
            "name": path,
            "stage": stage,
            "sha256": hashlib.sha256(files[path].encode()).hexdigest(),
            "size": len(files[path].encode()),
        }
        for path in sorted(files)
    ]


def is_glob(pattern: str) -> bool:
    return any(c in pattern for c in "*?[")


def matching(pattern: str, files: dict[str, str]) -> dict[str, str]:
    """The files that a pattern names: `*` and `?` do not cross a `/`, `**/` stands for any folders.

    A pattern that names a folder names all files below it.
    """
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[a-z]+\])", pattern)
    meaning = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    meaning.update((part, part) for part in parts if part.startswith("["))
    expression = "".join(meaning.get(part) or re.escape(part) for part in parts) + "(/.*)?"
    return {path: text for path, text in files.items() if re.fullmatch(expression, path, re.DOTALL)}


# §3.4 Joins


def equal(a: Any, b: Any) -> bool:
    """Equality as JSON: types count, the order of keys does not."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def join_parallel(ends: list[tuple[str, State]]) -> tuple[dict[str, Any], dict[str, str], str]:
    """What branches set, in the order of declaration; the later one wins, with a warning where values differ."""
    values = {key: end.parameters[key] for _, end in ends for key in end.parameters if key in end.added}
    files = {path: end.files[path] for _, end in ends for path in end.files if path in end.filed}
    lines = []
    for key in sorted(values):
        by = [f"'{name}'" for name, end in ends if key in end.added]
        if not all(equal(end.parameters[key], values[key]) for _, end in ends if key in end.added):
            lines.append(f"branches {listed(by)} set '{key}' to different values: that of {by[-1]} is kept")
    for path in sorted(files):
        by = [f"'{name}'" for name, end in ends if path in end.filed]
        if any(end.files[path] != files[path] for _, end in ends if path in end.filed):
            lines.append(
                f"branches {listed(by)} catalogued '{path}' with different content: that of {by[-1]} is kept"
            )
    return values, files, "\n".join(lines)


def join_map(ends: list[tuple[str, State]]) -> tuple[dict[str, Any], dict[str, str], str]:
    """Of each parameter set inside, the list of its values by item; of each file, the last."""
    keys = {key for _, end in ends for key in end.added}
    values = {key: [end.parameters[key] if key in end.added else None for _, end in ends] for key in keys}
    files = {path: end.files[path] for _, end in ends for path in end.files if path in end.filed}
    lines = []
    for path in sorted(files):
        by = [item for item, end in ends if path in end.filed]
        if any(end.files[path] != files[path] for _, end in ends if path in end.filed):
            lines.append(
                f"items {listed(by)} catalogued '{path}' with different content: that of item {by[-1]} is kept"
            )
    return values, files, "\n".join(lines)


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
