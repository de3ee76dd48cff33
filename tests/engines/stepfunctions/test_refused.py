"""What must never end well: callbacks that are refused, and machines of an earlier definition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.comparing import check_equal, comparable
from tests.conformance.engines import Local, RunSpec, magnus
from tests.conformance.stepfunctions import BUCKET, MACHINE, StepFunctions, project
from tests.engines.stepfunctions.client import Execution, shared

RUN_ID = "run-1"
ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}
TOUCH = 'echo "$MAGNUS_STEP" >> "$HOME/ran"'
QUIET = {"type": "as-is", "next": "success"}
DOOMED = {"type": "as-is", "next": "fail"}
MISSING = {"Type": "Task", "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
           "Arguments": {"Bucket": BUCKET, "Key": "no-such-key"}}  # fmt: skip


def shell(command: str, then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "task", "command_type": "shell", "command": command, "next": then, **fields}


def graph(**steps: Any) -> dict[str, Any]:
    return {"start_at": next(iter(steps), "fail"), "steps": {**steps, **ENDS}}


def dag(branch: dict[str, Any], then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "dag", "branch": branch, "next": then, **fields}


def parallel(*branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    named = {f"b{number}": branch for number, branch in enumerate(branches)}
    return {"type": "parallel", "branches": named, "next": "success", **fields}


def each(branch: dict[str, Any], **fields: Any) -> dict[str, Any]:
    over = {"iterate_on": "items", "iterate_as": "item"}
    return {"type": "map", **over, "branch": branch, "next": "success", **fields}


def conditional(default: dict[str, Any] | None, branch: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a conditional that has no branch for the list `items` but its default, if it has one."""
    other = {} if default is None else {"default": default}
    return {
        "type": "conditional",
        "parameter": "items",
        "branches": {"x": branch},
        **other,
        "next": "success",
        **fields,
    }


def native(state: dict[str, Any], text: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": "as-is",
        "render_string": {"local": text, "stepfunctions": state},
        "next": "success",
        **fields,
    }


def write(folder: Path, steps: dict[str, Any], **more: Any) -> None:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "parameters.json").write_text(json.dumps({"items": [0, 1]}))
    (folder / "dag.yaml").write_text(json.dumps({"dag": {**graph(**steps), **more}}))


def rendered(folder: Path) -> dict[str, str]:
    """Return the machines of the definition as it stands, by name."""
    config = StepFunctions().configure(folder, RunSpec(RUN_ID))
    argv = ["render", "dag.yaml", "--target", "stepfunctions", "-c", config, "-o", MACHINE]
    status, stderr = magnus(argv, folder, {})
    assert status == 0, stderr
    return StepFunctions.machines(folder)


def run(folder: Path, machines: dict[str, str]) -> Execution:
    return shared().run(machines, project(folder), RUN_ID, {"parameters": {"items": [0, 1]}})


def codes(execution: Execution) -> set[Any]:
    return {attempt["exit_code"] for job in execution.jobs for attempt in job["attempts"]}


def handled(command: str) -> dict[str, dict[str, Any]]:
    """Return pipelines in which a failure is handled by going on, without a callback of a handler."""
    task, well = shell(command), {"on_failure": "success"}
    quietly = graph(a={**task, **well})
    return {
        "success": quietly["steps"],
        "as-is": {"a": {**task, "on_failure": "q"}, "q": QUIET},
        "quiet dag": {"a": {**task, "on_failure": "q"}, "q": dag(graph(n=QUIET))},
        "either way": {"p": parallel(graph(a=task), graph(a=task), **well)},
        "map": {"m": each(graph(t=task), next="last", **well), "last": QUIET},
        "distributed": {
            "m": each(graph(t=task), executor_config={"stepfunctions": {"distributed": True}}, **well)
        },
        "fail_fast": {"p": parallel(graph(a=task), fail_fast=True, **well)},
        "dag": {"d": dag(graph(t=task), **well)},
        "dags": {"d": dag(graph(e=dag(graph(t=task))), **well)},
        "separate": {"d": dag(graph(t=task), separate=True, **well)},
        "conditional": {"c": conditional(graph(t=task), graph(n=QUIET), **well)},
        "conditional without a branch": {"c": conditional(None, graph(t=task), on_failure="q"), "q": QUIET},
        "conditional in an item": {"m": each(graph(c=conditional(quietly, graph(n=QUIET), **well)))},
        "native": {"n": native(MISSING if command == "exit 1" else {"Type": "Pass"}, command, **well)},
        "in a dag": {"d": dag(quietly)},
        "in a branch": {"p": parallel(quietly)},
        "in an item": {"m": each(quietly)},
        "in a separate dag": {"d": dag(quietly, separate=True)},
        "next to what is doomed": {"p": parallel(graph(n=DOOMED), graph(t=task), **well)},
        "doomed": {"p": parallel(graph(n=DOOMED), graph(), **well)},
        "a doomed dag": {"d": dag(graph(n=DOOMED), **well)},
        "a doomed conditional": {"c": conditional(graph(n=DOOMED), graph(n=QUIET), **well)},
        "a doomed separate dag": {"d": dag(graph(n=DOOMED), separate=True, **well)},
    }


WAYS = list(handled(TOUCH))


@pytest.mark.parametrize("how", WAYS)
def test_a_refusal_is_not_a_failure_that_was_handled(tmp_path: Path, how: str) -> None:
    steps = handled(TOUCH)[how]
    write(tmp_path, steps)
    machines = rendered(tmp_path)
    write(tmp_path, steps, max_time=1000)
    execution = run(tmp_path, machines)
    assert (execution.status, execution.error) == ("FAILED", "StepFailed"), execution.logs
    assert codes(execution) == {65}, execution.logs
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("how", WAYS)
def test_a_failure_that_was_handled_is_none(tmp_path: Path, how: str) -> None:
    logs = []
    for engine in (Local(), StepFunctions()):
        folder = tmp_path / engine.name
        write(folder, handled("exit 1")[how])
        outcome = engine.run(folder, RunSpec(RUN_ID, parameter_file="parameters.json"))
        assert outcome.status == 0, outcome.stderr
        logs.append(comparable(outcome.log))
    assert logs[0]["status"] == "SUCCESS"
    check_equal(logs[0], logs[1], "local", "stepfunctions")


def test_a_native_state_that_failed_unrecorded_is_not_handled(tmp_path: Path) -> None:
    steps = {"n": native(MISSING, "exit 1", on_failure="success")}
    write(tmp_path, steps)
    machines = rendered(tmp_path)
    write(tmp_path, steps, max_time=1000)
    execution = run(tmp_path, machines)
    assert execution.status == "FAILED", execution.logs


def test_a_step_that_crashed_and_is_handled_by_going_on(tmp_path: Path) -> None:
    write(tmp_path, {"a": shell("kill -KILL $PPID", on_failure="success")})
    outcome = StepFunctions().run(tmp_path, RunSpec(RUN_ID))
    assert outcome.log["status"] == "SUCCESS", outcome.stderr
    assert outcome.log["steps"]["a"]["status"] == "CRASHED"


def test_a_step_that_never_began_fails_the_run(tmp_path: Path) -> None:
    write(tmp_path, {"lost": shell(TOUCH, on_failure="success")})
    shared().fault(["never-1", "lost"], host_loss=["start"] * 3)
    outcome = StepFunctions().run(tmp_path, RunSpec("never-1"))
    assert (outcome.status, outcome.log["status"]) == (1, "FAIL"), outcome.stderr


@pytest.mark.parametrize("before", ["task", "nothing"])
def test_a_separate_dag_that_was_not_deployed_anew_is_refused(tmp_path: Path, before: str) -> None:
    """The step that has been added to it would be left out, unnoticed."""
    was = {"t": shell(TOUCH, "audit"), "audit": QUIET} if before == "task" else {"audit": QUIET}
    write(tmp_path, {"d": dag(graph(**was), separate=True)})
    old = rendered(tmp_path)
    write(tmp_path, {"d": dag(graph(**{**was, "audit": shell(TOUCH)}), separate=True)})
    name = project(tmp_path)
    execution = run(tmp_path, {**old, name: rendered(tmp_path)[name]})
    assert execution.status == "FAILED", execution.logs
    assert not (tmp_path / "ran").exists()
