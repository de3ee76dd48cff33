"""The Step Functions target: a refused callback leads nowhere but to failure, and every machine makes one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.unit.stepfunctions_rendering import caught, command, dag, graph, machine, made, native, task

QUIET: dict[str, Any] = {"type": "as-is", "next": "success"}


def test_a_child_machine_without_a_step_calls_back_once_to_be_refused_if_it_is_stale(tmp_path: Path) -> None:
    rendered = made(tmp_path, graph(d=dag(graph(n=QUIET), separate=True)))
    assert "run: record" not in json.loads(rendered.text)["States"]
    child = json.loads(rendered.others["d"])["States"]
    assert child["run: start"]["Next"] == "run: record"
    assert command(child["run: record"])[3] == "{% $branch & '.success' %}"
    assert (child["run: record"]["Next"], caught(child["run: record"])) == ("d.n", "run: record: failed")
    assert child["run: record: failed"]["Type"] == "Fail"


def test_a_failure_after_which_nothing_calls_back_is_confirmed(tmp_path: Path) -> None:
    well, inner = {"on_failure": "success"}, graph(t=task())
    over = {"type": "map", "iterate_on": "l", "iterate_as": "i"}
    notify = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sns:publish",
        "Arguments": {"TopicArn": "t", "Message": "m"},
    }
    for step, state in (
        (task(**well), "s"),
        (task(on_failure="q"), "s"),
        ({**over, "branch": inner, "next": "success", **well}, "s: count"),
        ({"type": "parallel", "branches": {"x": inner}, "next": "q", "fail_fast": True, **well}, "s"),
        (dag(inner, **well), "s.t"),
        (dag(inner, separate=True, **well), "s"),
        (native(notify, **well), "s"),
        (native({"Type": "Wait", "Seconds": 1}, **well), "s: record"),
    ):
        states = machine(tmp_path, graph(s=step, q=QUIET))["States"]
        confirmation = states["s: failed"]
        assert caught(states[state]) == "s: failed", step
        assert command(confirmation)[1:] == ["execute_single_node", "{% $run %}", "s", "--confirm-failure"]
        assert confirmation["Next"] == step["on_failure"]
        assert caught(confirmation) == "fail"


def test_a_failure_after_which_something_calls_back_is_not(tmp_path: Path) -> None:
    inner = graph(t=task())
    steps = {
        "a": task("p", on_failure="q"),
        "q": {**QUIET, "next": "b"},
        "p": {"type": "parallel", "branches": {"x": inner}, "next": "d", "on_failure": "fail"},
        "d": dag(inner, then="b", on_failure="p2"),
        "p2": {"type": "parallel", "branches": {"x": inner}, "next": "b"},
        "b": task(),
    }
    assert "--confirm-failure" not in made(tmp_path, graph(**steps)).text


def test_the_cause_of_a_failure_that_was_handled_in_vain_names_it(tmp_path: Path) -> None:
    inner = graph(t=task(on_failure="success"))
    states = machine(tmp_path, graph(d=dag(inner, then="fail")))["States"]
    confirmation = states["d.t: failed"]
    assert (confirmation["Output"], confirmation["Next"]) == ("{% $states.input %}", "fail")


def test_what_fails_without_any_callback_is_recorded_where_it_fails(tmp_path: Path) -> None:
    doomed = graph(n={**QUIET, "next": "fail"})
    parallel = {"type": "parallel", "branches": {"x": doomed}, "next": "d"}
    states = machine(tmp_path, graph(p=parallel, d=dag(doomed, on_failure="success")))["States"]
    branch = states["p"]["Branches"][0]["States"]
    assert command(branch["p.x.fail"])[3] == "p.x.fail"
    assert branch["p.x.fail"]["Next"] == caught(branch["p.x.fail"]) == "p.x.fail: end"
    assert command(states["d.fail"])[3] == "d.branch.fail"
    assert states["d.fail"]["Next"] == caught(states["d.fail"]) == "d: failed"
