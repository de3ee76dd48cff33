"""Two callbacks of one step at once: the platform took one for lost that was at work, and made another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.view_graphs import FAST, begin, call, graph, log, parallel, step, task

MAGNUS = Path(sys.executable).parent / "magnus"


pytestmark = pytest.mark.usefixtures("project")


def overtaken(folder: Path, address: str, *, first: int, second: int, handler: str = "") -> dict[str, Any]:
    """Return a task whose second attempt begins and ends while the first is at work, and what they exit with."""
    again = f"{MAGNUS} execute_single_node r {address} -f dag.yaml"
    then = f"{MAGNUS} execute_single_node r {handler} -f dag.yaml;" if handler else ""
    flag = folder / "flag"
    return task(
        f"if test -e {flag}; then exit {second}; fi; touch {flag}; cd {folder}; {again}; {then} exit {first}"
    )


def test_a_failure_behind_a_success_counts_for_nothing(tmp_path: Path) -> None:
    late = overtaken(tmp_path, "p.x.a", first=1, second=0)
    begin(graph(p=parallel(FAST, x=graph(a=late, b=task()), y=graph(a=task())), e=task()))
    assert [step("p.x.a"), step("p.x.b"), step("p.y.a"), step("e")] == [0, 0, 0, 0]
    folded = log()
    assert folded["status"] == "SUCCESS"
    late_one, winner = folded["steps"]["p"]["branches"]["p.x"]["steps"]["p.x.a"]["attempts"]
    assert (late_one["status"], late_one["platform"], winner["status"]) == ("CRASHED", True, "SUCCESS")


def test_a_success_behind_a_failure_that_was_handled_counts_for_nothing(tmp_path: Path) -> None:
    late = overtaken(tmp_path, "d.branch.a", first=0, second=1, handler="h")
    begin(graph(d={"type": "dag", "branch": graph(a=late), "on_failure": "h"}, h=task()))
    assert step("d.branch.a") == 1
    folded = log()
    assert {path: found["status"] for path, found in folded["steps"].items()} == {
        "d": "FAIL",
        "h": "SUCCESS",
        "success": "SUCCESS",
    }
    assert call("execute_single_node", "d.branch.a") == 1


def at_work(*callbacks: str) -> dict[str, Any]:
    """Return a task that sets a parameter and ends well when the engine has made other callbacks meanwhile."""
    made = [f"{MAGNUS} execute_single_node r {words} -f $OLDPWD/dag.yaml" for words in callbacks]
    return task("; ".join(['echo x=1 >> "$MAGNUS_OUTPUT"', "cd $PWD", *made, "true"]))


def test_a_success_behind_a_failure_that_was_confirmed_counts_for_nothing() -> None:
    begin(graph(a={**at_work("a --confirm-failure"), "on_failure": "success"}, b=task()))
    assert step("a") == 1
    folded = log()
    assert {path: found["status"] for path, found in folded["steps"].items()} == {
        "a": "CRASHED",
        "success": "SUCCESS",
    }
    assert "x" not in folded["parameters"]


def test_a_success_of_an_attempt_that_the_engine_has_given_up_counts_for_nothing() -> None:
    begin(graph(a={**at_work("a --attempt 2", "h"), "on_failure": "h"}, b=task(), h=task(next="c"), c=task()))
    assert [step("a"), step("c")] == [1, 0]
    folded = log()
    assert {path: found["status"] for path, found in folded["steps"].items()} == {
        "a": "CRASHED",
        "h": "SUCCESS",
        "c": "SUCCESS",
        "success": "SUCCESS",
    }
    assert "x" not in folded["parameters"]


@pytest.mark.parametrize(
    ("status", "message"),
    [(3, "exited with status 3"), (0, "it succeeded, but the walk had gone on from its failure")],
)
def test_an_attempt_that_was_settled_while_at_work_still_says_how_it_ended(status: int, message: str) -> None:
    handler = f"{MAGNUS} execute_single_node r h -f $OLDPWD/dag.yaml"
    failing = task(f"cd $PWD; {handler}; exit {status}", on_failure="h")
    begin(graph(a=failing, b=task(next="success"), h=task()))
    assert step("a") == 1
    folded = log()
    assert folded["status"] == folded["steps"]["h"]["status"] == "SUCCESS" and "b" not in folded["steps"]
    found = folded["steps"]["a"]
    assert (found["status"], found["message"]) == ("CRASHED", message)
    assert [attempt["message"] for attempt in found["attempts"]] == [message]
