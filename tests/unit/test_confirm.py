"""`--confirm-failure`: an engine goes on from what it saw fail, and asks whether that is on record."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.unit.view_graphs import begin, call, each, graph, log, parallel, step, task

QUIET = {"type": "as-is"}
HANDLED = {"on_failure": "success"}


pytestmark = pytest.mark.usefixtures("project")


def confirm(address: str) -> int:
    return step(address, "--confirm-failure")


def test_a_recorded_failure() -> None:
    begin(graph(a=task("exit 1", **HANDLED)))
    assert [step("a"), confirm("a"), confirm("a")] == [1, 0, 0]
    assert log()["status"] == "SUCCESS"


def test_a_step_that_never_began(capfd: pytest.CaptureFixture[str]) -> None:
    begin(graph(a=task(**HANDLED)))
    assert confirm("a") == 1
    assert "magnus: a: no failure is on record" in capfd.readouterr().err
    assert log()["status"] != "SUCCESS"


def test_a_step_that_succeeded() -> None:
    begin(graph(a=task(**HANDLED)))
    assert [step("a"), confirm("a")] == [0, 1]


@pytest.mark.parametrize("handler", ["success", "q"])
def test_an_attempt_that_began_and_left_no_end(tmp_path: Path, handler: str) -> None:
    """The way to success leaves no record but this one, and the log shows it."""
    begin(graph(a=task("exit 1", on_failure=handler), q=QUIET))
    assert step("a") == 1
    (tmp_path / ".run_log_store/r/steps/a/outcome.json").unlink()
    assert confirm("a") == 0
    folded = log()
    assert folded["status"] == "SUCCESS"
    assert folded["steps"]["a"]["status"] == "CRASHED"


def test_a_run_that_belongs_to_somebody_else() -> None:
    begin(graph(a=task("exit 1", **HANDLED)))
    assert [step("a"), confirm("a")] == [1, 0]
    assert step("a", "--confirm-failure", "--walk", "another") == 65
    assert step("a", "--confirm-failure", "--dag-hash", "0" * 16) == 65


@pytest.mark.parametrize("fields", [HANDLED, {"on_failure": "q"}])
def test_composites(fields: dict[str, Any]) -> None:
    inner = graph(t=task("exit $MAGNUS_PRM_item"))
    begin(graph(m=each(fields, inner), q=QUIET), items=[0, 1])
    assert confirm("m") == 1
    assert call("map_count", "m") == 0
    assert [step("m.0.t"), step("m.1.t"), confirm("m")] == [0, 1, 0]
    assert log()["status"] == "SUCCESS"


def test_a_map_whose_branches_never_began() -> None:
    begin(graph(m=each(HANDLED, graph(q=QUIET, t=task("exit 1")))), items=[0, 1])
    assert [call("map_count", "m"), confirm("m")] == [0, 1]
    assert [step("m.1.t"), confirm("m")] == [1, 0]


def test_a_composite_in_which_another_one_failed() -> None:
    """Nothing records the end of the graph in between."""
    inner = parallel({}, x=graph(t=task("exit 1")), y=graph(t=task()))
    begin(graph(p=parallel(HANDLED, x=graph(q=QUIET, i=inner), y=graph(t=task()))))
    assert [step("p.y.t"), confirm("p")] == [0, 1]
    assert [step("p.x.i.y.t"), step("p.x.i.x.t"), confirm("p")] == [0, 1, 0]
    assert log()["status"] == "SUCCESS"


@pytest.mark.parametrize("handler", ["success", "q"])
def test_what_never_began_is_not_shown_as_handled(handler: str) -> None:
    """The walk went to the fail node, as a confirmation was refused: by a step, and by composites around one."""
    begin(graph(a=task(on_failure=handler), q=QUIET))
    assert [confirm("a"), step("fail", "--after", "a")] == [1, 1]
    assert {path: step["status"] for path, step in log()["steps"].items()} == {"fail": "FAIL"}


@pytest.mark.parametrize("handler", ["success", "q"])
def test_composites_in_which_nothing_began_are_not_shown_as_handled(handler: str) -> None:
    inner = parallel({"on_failure": handler}, x=graph(t=task(**HANDLED)), y=graph(q=QUIET, t=task()))
    begin(graph(a=task(next="d"), d=dag({"on_failure": handler}, graph(p=inner, q=QUIET)), q=QUIET))
    assert step("a") == 0
    assert [confirm("d.branch.p.x.t"), confirm("d.branch.p"), confirm("d")] == [1, 1, 1]
    assert step("fail", "--after", "d") == 1
    folded = log()
    assert folded["status"] == folded["steps"]["d"]["status"] == "FAIL"
    assert folded["steps"]["d"]["branches"]["d.branch"]["status"] == "FAIL"
    assert "success" not in folded["steps"]


def dag(fields: dict[str, Any], branch: dict[str, Any]) -> dict[str, Any]:
    return {"type": "dag", "branch": branch, **fields}


CRASHES = task("kill -KILL $PPID")


def crash(address: str) -> int:
    """Execute, in a process of its own, a step that kills it."""
    words = [Path(sys.executable).parent / "magnus", "execute_single_node", "r", address, "-f", "dag.yaml"]
    return subprocess.run(words).returncode


def test_branches_whose_names_are_numbers() -> None:
    inner = graph(**{"7": dag({}, graph(t=CRASHES))})
    begin(graph(p=parallel(HANDLED, **{"2023": inner, "2024": graph(t=task())})))
    assert [step("p.2024.t"), confirm("p")] == [0, 1]
    assert [crash("p.2023.7.branch.t"), confirm("p")] == [-9, 0]
    assert log()["status"] == "SUCCESS"


def test_a_step_within_that_never_began_behind_others_that_succeeded() -> None:
    """Within, at any depth, and behind handlers too."""
    inner = graph(
        a=task("exit 1", on_failure="h"), h=task(next="m"), m=each({}, graph(t=task())), q=QUIET, b=task()
    )
    begin(graph(d=dag(HANDLED, graph(i=dag({}, inner)))), items=[0])
    assert [step("d.branch.i.branch.a"), step("d.branch.i.branch.h"), confirm("d")] == [1, 0, 1]
    assert [step("d.branch.i.branch.m.0.t"), confirm("d")] == [0, 1]
    assert [step("d.branch.i.branch.b", "--after", "q"), confirm("d")] == [0, 1]


def test_a_step_within_that_crashed_behind_others_that_succeeded() -> None:
    inner = graph(a=task("exit 1", on_failure="h"), h=task(next="q"), q=QUIET, b=CRASHES)
    begin(graph(d=dag(HANDLED, graph(i=dag({}, inner)))))
    assert [step("d.branch.i.branch.a"), step("d.branch.i.branch.h"), confirm("d")] == [1, 0, 1]
    assert [crash("d.branch.i.branch.b"), confirm("d")] == [-9, 0]


def test_a_step_within_that_crashed_and_would_have_led_to_success() -> None:
    """Nobody confirmed that failure, so its branch has failed, as the engine says that asks of the composite."""
    begin(graph(p=parallel(HANDLED, x=graph(t={**CRASHES, **HANDLED}), y=graph(t=task()))))
    assert [step("p.y.t"), crash("p.x.t"), confirm("p"), confirm("p.x.t")] == [0, -9, 0, 1]
    folded = log()
    assert folded["status"] == "SUCCESS"
    assert folded["steps"]["p"]["status"] == "FAIL"


def test_a_handler_within_that_never_began() -> None:
    begin(graph(d=dag(HANDLED, graph(a=task("exit 1", on_failure="h"), h=task()))))
    assert [step("d.branch.a"), confirm("d")] == [1, 1]


def test_a_fail_node_that_a_refusal_led_to() -> None:
    """An engine runs it if nothing led to success."""
    begin(graph(d=dag(HANDLED, graph(a=task(next="fail", **HANDLED)))))
    assert [step("d.branch.fail"), confirm("d"), step("fail", "--after", "d")] == [1, 1, 1]
    assert {path: found["status"] for path, found in log()["steps"].items()} == {"fail": "FAIL"}


def test_a_success_that_led_to_a_fail_node() -> None:
    begin(graph(d=dag(HANDLED, graph(a=task(next="fail", **HANDLED)))))
    assert [step("d.branch.a"), step("d.branch.fail"), confirm("d")] == [0, 1, 0]
    assert log()["status"] == "SUCCESS"


def test_a_crash_behind_a_native_template_that_nothing_recorded() -> None:
    native = {"type": "as-is", "render_string": {"argo": {"suspend": {}}}}
    begin(graph(d=dag(HANDLED, graph(n=native, t=CRASHES))))
    assert confirm("d") == 1
    assert [crash("d.branch.t"), confirm("d")] == [-9, 0]


def test_a_composite_that_succeeded() -> None:
    begin(graph(p=parallel(HANDLED, x=graph(t=task()))))
    assert [step("p.x.t"), confirm("p")] == [0, 1]


def test_an_as_is_that_could_not_record_how_it_ended() -> None:
    begin(graph(a={"type": "as-is", "render_string": "exit 1", **HANDLED}))
    assert confirm("a") == 0
    folded = log()
    assert (folded["status"], folded["steps"]["a"]["status"]) == ("SUCCESS", "FAIL")


def test_what_failed_is_not_taken_for_a_success() -> None:
    """A part of a run, in another store or under another id, has nothing to go on from."""
    begin(graph(a=task(), b=task()))
    assert step("b") == 65


def test_failures_are_confirmed_where_they_lead_to_too() -> None:
    steps = {name: task("test $MAGNUS_STEP != b", on_failure="q") for name in "abc"}
    begin(graph(**steps, q=QUIET))
    assert [step("a"), confirm("q"), step("b"), confirm("q"), confirm("success")] == [0, 1, 1, 0, 1]
    folded = log()
    assert [found["status"] for found in folded["steps"].values()] == [
        "SUCCESS",
        "FAIL",
        "SUCCESS",
        "SUCCESS",
    ]


def test_a_branch_whose_first_graph_was_not_entered_is_not_taken_for_one_that_led_to_fail() -> None:
    """`c` succeeds as far as anybody can tell from what it lacks."""
    c = dag({"next": "fail"}, graph(t=task(**HANDLED)))
    begin(graph(s=task(), d=dag(HANDLED, graph(c=c))))
    assert step("s") == 0
    before = sorted(Path(".run_log_store").rglob("*"))
    assert [confirm("d.branch.c.branch.success"), confirm("d")] == [1, 1]
    assert sorted(Path(".run_log_store").rglob("*")) == before, "asking writes nothing"


def test_a_composite_that_was_never_entered_did_not_fail() -> None:
    """It would by its own definition: the failure that led to success is another one's."""
    p = parallel({**HANDLED, "next": "success"}, x=graph(q={**QUIET, "next": "fail"}), y=graph(t=task()))
    begin(graph(s=task("exit 1", next="p", on_failure="b"), p=p, b=task("exit 1", **HANDLED)))
    assert [step("s"), step("b", "--after", "s"), confirm("success")] == [1, 1, 0]
    assert log()["status"] == "SUCCESS"


@pytest.mark.parametrize("handler", ["q", "b"])
def test_a_failure_behind_a_step_that_was_lost_before_it_began(handler: str) -> None:
    """Its handler is silent, or was lost too."""
    lost = graph(
        a=task(next="success", on_failure=handler),
        q=QUIET,
        b=task(next="success", on_failure="h"),
        h=task("exit 1"),
    )
    lost["steps"]["q"] = {**QUIET, "next": "h"}
    begin(graph(d=dag(HANDLED, lost)))
    assert [confirm("d"), step("d.branch.h", "--after", handler), confirm("d")] == [1, 1, 0]


@pytest.mark.parametrize("began", [False, True])
def test_the_handler_of_a_composite_whose_lost_step_would_have_led_to_success(
    began: bool, tmp_path: Path
) -> None:
    """Nobody confirmed that failure, so the branch has failed, as the engine says that calls the handler."""
    branches = {"x": graph(t=task("exit 1", **HANDLED)), "y": graph(t=task())}
    begin(graph(p=parallel({"on_failure": "h"}, **branches), b=task(next="success"), h=task()))
    assert step("p.y.t") == 0
    if began:
        assert step("p.x.t") == 1
        (tmp_path / ".run_log_store/r/steps/p/x/t/outcome.json").unlink()
        (tmp_path / ".run_log_store/r/steps/p/x/end.json").unlink()
    else:
        assert confirm("p.x.t") == 1
    assert [step("p.x.fail"), step("h"), confirm("p.x.t"), step("b")] == [1, 0, 1, 65]
    folded = log()
    assert folded["status"] == "SUCCESS" and folded["steps"]["h"]["status"] == "SUCCESS"
    assert folded["steps"]["p"]["status"] == "FAIL"
    assert folded["steps"]["p"]["branches"]["p.x"]["steps"]["p.x.t"]["status"] == "CRASHED"


def test_a_call_that_is_refused_settles_no_step_at_work(tmp_path: Path) -> None:
    """A stray call of what follows a parallel, while one of its branches is at work."""
    branches = {"x": graph(t=task(**HANDLED)), "y": graph(u=task())}
    begin(graph(p=parallel({}, **branches), b=task()))
    assert step("p.x.t") == 0
    folder = tmp_path / ".run_log_store/r/steps/p/x"
    (folder / "t/outcome.json").unlink()
    (folder / "end.json").unlink()
    assert step("b") == 75
    assert not (folder / "t/outcome.json").exists()


def test_one_way_is_taken_from_an_as_is_that_left_no_word() -> None:
    begin(
        graph(
            q={"type": "as-is", "render_string": "true", "on_failure": "h"}, b=task(next="success"), h=task()
        )
    )
    assert [step("h", "--after", "q"), step("q", "--exit-status", "0"), step("b", "--after", "q")] == [
        0,
        1,
        65,
    ]
    folded = log()
    assert [folded["steps"][name]["status"] for name in ("q", "h")] == ["FAIL", "SUCCESS"]
    assert "b" not in folded["steps"]
