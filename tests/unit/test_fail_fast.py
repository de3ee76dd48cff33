"""`fail_fast` in the runtime: when a branch has failed, no step of another begins, whoever asks for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.view_graphs import FAST, begin, call, each, graph, log, parallel, step, task

pytestmark = pytest.mark.usefixtures("project")


def test_no_step_of_another_branch_begins(capfd: pytest.CaptureFixture[str]) -> None:
    branches = {name: graph(a=task(), b=task("exit 1" if name == "x" else "true")) for name in "xyz"}
    begin(graph(p=parallel({**FAST, "on_failure": "h"}, **branches), h=task()))
    assert [step("p.x.a"), step("p.y.a"), step("p.x.b")] == [0, 0, 1]
    assert [step("p.y.b"), step("p.z.a")] == [1, 1]
    told = capfd.readouterr().err
    assert "magnus: p.y.b: not started: another branch of 'p' has failed\n" in told
    assert step("p.y.a") == 0, "a success that is on record is returned"
    assert step("h") == 0
    folded = log()
    assert folded["status"] == "SUCCESS"
    branches = folded["steps"]["p"]["branches"]
    assert {name: list(branch["steps"]) for name, branch in branches.items()} == {
        "p.x": ["p.x.a", "p.x.b", "p.x.fail"],
        "p.y": ["p.y.a"],
        "p.z": [],
    }
    assert {branch["status"] for branch in branches.values()} == {"FAIL"}


def test_an_attempt_that_is_left_is_not_begun() -> None:
    retried = graph(a=task("exit 1", retry=3))
    begin(graph(p=parallel(FAST, x=graph(a=task("exit 1")), y=retried)))
    assert step("p.y.a", "--again", "76") == 76
    assert step("p.x.a") == 1
    assert step("p.y.a", "--attempt", "2", "--again", "76") == 1


def test_without_it_siblings_go_on(project: Path) -> None:
    begin(graph(p=parallel({}, x=graph(a=task("exit 1")), y=graph(a=task()))))
    assert [step("p.x.a"), step("p.y.a")] == [1, 0]
    assert not list(project.rglob("fail_fast.json"))


def test_a_failure_that_is_handled_in_its_branch_stops_nothing() -> None:
    handled = graph(a=task("exit 1", on_failure="h"), h=task())
    begin(graph(p=parallel(FAST, x=handled, y=graph(a=task()))))
    assert [step("p.x.a"), step("p.x.h"), step("p.y.a")] == [1, 0, 0]


def test_a_handler_that_leads_to_fail_stops_the_siblings() -> None:
    handled = graph(a=task("exit 1", on_failure="h"), h=task(next="fail"))
    begin(graph(p=parallel(FAST, x=handled, y=graph(a=task(), b=task()))))
    assert [step("p.x.a"), step("p.y.a"), step("p.x.h"), step("p.y.b")] == [1, 0, 0, 1]


@pytest.mark.parametrize("handled", [False, True])
def test_an_inner_composite_without_it(handled: bool) -> None:
    """Its own branches go on; those of the outer one are stopped, unless its failure is handled."""
    fields = {"on_failure": "h"} if handled else {}
    inner = graph(q=parallel(fields, x=graph(a=task("exit 1")), y=graph(a=task())), h=task())
    begin(graph(p=parallel(FAST, l=inner, r=graph(a=task()))))
    assert [step("p.l.q.x.a"), step("p.l.q.y.a")] == [1, 0]
    assert step("p.r.a") == (0 if handled else 1)


def test_a_handler_that_is_the_fail_node_handles_nothing() -> None:
    inner = graph(q=parallel({"on_failure": "fail"}, x=graph(a=task("exit 1"))))
    begin(graph(p=parallel(FAST, l=inner, r=graph(a=task()))))
    assert [step("p.l.q.x.a"), step("p.r.a")] == [1, 1]


def test_a_map_that_cannot_start_is_not_handled_by_the_fail_node() -> None:
    inner = graph(m=each({"on_failure": "fail"}, graph(a=task())))
    begin(graph(p=parallel(FAST, l=inner, r=graph(a=task()))))
    assert [call("map_count", "p.l.m"), step("p.r.a")] == [1, 1]


def test_an_outer_composite_without_it() -> None:
    inner = graph(q=parallel(FAST, x=graph(a=task("exit 1")), y=graph(a=task())))
    begin(graph(p=parallel({}, l=inner, r=graph(a=task()))))
    assert [step("p.l.q.x.a"), step("p.l.q.y.a"), step("p.r.a")] == [1, 1, 0]


def test_each_item_of_a_map_has_siblings_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    inner = graph(q=parallel(FAST, x=graph(a=task("exit $MAGNUS_PRM_item")), y=graph(a=task())))
    begin(graph(m=each(FAST, inner)), items=[0, 1, 0])
    assert call("map_count", "m") == 0
    assert [step("m.0.q.x.a"), step("m.1.q.x.a")] == [0, 1]
    assert [step("m.1.q.y.a"), step("m.0.q.y.a")] == [1, 1]
    told = capfd.readouterr().err
    assert "m.1.q.y.a: not started: another branch of 'm.1.q' has failed" in told
    assert "m.0.q.y.a: not started: another branch of 'm' has failed" in told


def test_callbacks_of_composites_are_steps_of_a_branch_too() -> None:
    second = graph(n=parallel({}, k=graph(a=task())), m=each({}, graph(a=task())))
    begin(graph(p=parallel(FAST, x=graph(a=task("exit 1")), y=second)), items=[1])
    assert step("p.x.a") == 1
    assert [call("fan_in", "p.y.n"), call("map_count", "p.y.m")] == [1, 1]


def test_a_map_that_was_entered_is_counted_again() -> None:
    begin(graph(p=parallel(FAST, x=graph(a=task("exit 1")), y=graph(m=each({}, graph(a=task()))))), items=[1])
    assert [call("map_count", "p.y.m"), step("p.x.a"), call("map_count", "p.y.m")] == [0, 1, 0]


def test_a_map_that_cannot_start_is_a_failure_of_its_branch() -> None:
    begin(graph(p=parallel(FAST, x=graph(m=each({}, graph(a=task()))), y=graph(a=task()))))
    assert [call("map_count", "p.x.m"), step("p.y.a")] == [1, 1]
