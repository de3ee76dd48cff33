"""The fold: statuses are computed from records (DESIGN §4, docs/semantics.md "The folded log")."""

from __future__ import annotations

import json
from typing import Any

from magnus_render.naming import slug
from magnus_render.runtime.comparing import comparable
from magnus_render.runtime.fold import fold
from tests.unit.fold_tools import Book, as_is, dag, make_plan, make_run, map_, packed, parallel, task


def folded(tree: Any, book: Book, now: float = 1000.0, **run: Any) -> Any:
    return fold(make_plan(tree), make_run(**run), book.records, now)


def statuses(graph: Any) -> dict[str, str]:
    """Status by dot path of all steps and branch graphs, in order."""
    found = {}
    for path, step in graph["steps"].items():
        found[path] = step["status"]
        for inner, branch in step["branches"].items():
            found[inner] = branch["status"]
            found.update(statuses(branch))
    return found


def test_linear_success() -> None:
    book = Book()
    put = {"path": "out.csv", "stage": "put", "sha256": "a" * 64, "size": 3}
    get = {"path": "z.csv", "stage": "get", "sha256": "b" * 64, "size": 4}
    book.fail("a", 1, message="exited with status 1")
    book.succeed(
        "a", 2, "b", message="a warning", catalog=[put, get], metrics={"m": 1},
        state=book.state({"a": 1, "x": [1]}, set=["x"]),
    )  # fmt: skip
    book.succeed("b", 1, state=book.state({"a": 1, "x": [1], "y": 2}, set=["x", "y"]))
    log = folded({"a": task("b"), "b": task()}, book, tag="t")
    assert list(log["steps"]) == ["a", "b", "success"]
    assert log["status"] == "SUCCESS"
    assert log["parameters"] == {"a": 1, "x": [1], "y": 2}
    assert (log["run_id"], log["dag_hash"], log["tag"], log["original_run_id"]) == ("r", "0" * 16, "t", "")
    step = log["steps"]["a"]
    assert [(a["attempt_number"], a["status"], a["message"]) for a in step["attempts"]] == [
        (1, "FAIL", "exited with status 1"),
        (2, "SUCCESS", "a warning"),
    ]
    assert step["attempts"][0]["log"] == "r/steps/a/1.log"
    assert step["attempts"][0]["start_time"] == "1970-01-01T00:00:01.000+00:00"
    assert step["attempts"][0]["duration"] == 1.0
    assert step["message"] == "a warning"
    assert step["user_defined_metrics"] == {"m": 1}
    assert [(c["name"], c["stage"]) for c in step["data_catalog"]] == [("z.csv", "get"), ("out.csv", "put")]
    assert log["steps"]["success"]["attempts"] == []
    assert json.loads(json.dumps(log)) == log


def test_names_and_addresses() -> None:
    book = Book()
    book.enter(slug("My Map"), 1)
    book.succeed(f"{slug('My Map')}.0.{slug('Été')}", 1)
    log = folded({"My Map": map_({"Été": task()})}, book)
    assert list(log["steps"]) == ["My Map", "success"]
    step = log["steps"]["My Map"]["branches"]["My Map.0"]["steps"]["My Map.0.Été"]
    assert (step["name"], step["internal_name"]) == ("Été", f"{slug('My Map')}.0.{slug('Été')}")


def test_failure_is_handed_to_the_handler_which_sees_what_the_failed_step_saw() -> None:
    book = Book()
    book.fail("a", 1, "h", message="RuntimeError: no", set=packed({"lost": 1}))
    book.succeed("h", 1)
    log = folded({"a": task("b", on_failure="h"), "b": task(), "h": task()}, book)
    assert statuses(log) == {"a": "FAIL", "h": "SUCCESS", "success": "SUCCESS"}
    assert log["status"] == "SUCCESS"
    assert log["parameters"] == {"a": 1}
    assert log["steps"]["a"]["message"] == "RuntimeError: no"


def test_next_may_be_fail() -> None:
    book = Book()
    book.succeed("a", 1, "fail")
    log = folded({"a": task("fail")}, book)
    assert statuses(log) == {"a": "SUCCESS", "fail": "FAIL"}
    assert log["status"] == "FAIL"


def test_running_and_triggered() -> None:
    book = Book()
    assert folded({"a": task()}, book)["status"] == "TRIGGERED"
    book.start("a", 1, deadline=500.0)
    log = folded({"a": task("b"), "b": task()}, book, now=530.0)
    assert (log["status"], statuses(log)) == ("PROCESSING", {"a": "PROCESSING"})
    assert log["steps"]["a"]["attempts"][0]["end_time"] is None
    assert statuses(folded({"a": task("b"), "b": task()}, book, now=530.1)) == {"a": "CRASHED"}
    book.succeed("a", 1, "b")
    log = folded({"a": task("b"), "b": task()}, book)
    assert (log["status"], statuses(log)) == ("PROCESSING", {"a": "SUCCESS", "b": "TRIGGERED"})


def test_a_step_between_two_attempts_is_processing() -> None:
    book = Book()
    book.fail("a", 1)
    log = folded({"a": task()}, book)
    assert (log["status"], statuses(log)) == ("PROCESSING", {"a": "PROCESSING"})
    assert log["steps"]["a"]["message"] == ""


def test_attempt_without_end_crashed_when_a_later_one_began() -> None:
    book = Book()
    book.start("a", 1, try_=1)
    book.start("a", 2, try_=2)
    log = folded({"a": task()}, book)
    assert [a["status"] for a in log["steps"]["a"]["attempts"]] == ["CRASHED", "PROCESSING"]
    assert all("platform" not in a for a in log["steps"]["a"]["attempts"])
    book.succeed("a", 2)
    assert [a["status"] for a in comparable(folded({"a": task()}, book))["steps"]["a"]["attempts"]] == [
        "CRASHED",
        "SUCCESS",
    ]


def test_step_killed_outright_whose_handler_ran() -> None:
    book = Book()
    book.start("a", 1)
    tree = {"a": task("b", on_failure="h"), "b": task(), "h": task("fail")}
    assert statuses(folded(tree, book)) == {"a": "PROCESSING"}
    book.settle("a", 1, "h")
    book.succeed("h", 1, "fail")
    log = folded(tree, book)
    assert (log["status"], statuses(log)) == ("FAIL", {"a": "CRASHED", "h": "SUCCESS", "fail": "FAIL"})


def test_step_lost_before_it_began_whose_handler_ran() -> None:
    book = Book()
    tree = {"a": task("b", on_failure="h"), "b": task(), "h": task()}
    assert statuses(folded(tree, book)) == {"a": "TRIGGERED"}
    book.settle("a", 0, "h")
    book.succeed("h", 1, "success")
    log = folded(tree, book)
    assert (log["status"], statuses(log)) == (
        "SUCCESS",
        {"a": "CRASHED", "h": "SUCCESS", "success": "SUCCESS"},
    )
    assert log["steps"]["a"]["attempts"] == []


def test_step_killed_outright_whose_handler_leaves_no_record_itself() -> None:
    book = Book()
    book.start("a", 1)
    book.settle("a", 1, "h")
    book.succeed("b", 1, after="h")
    tree = {"a": task("b", on_failure="h"), "h": as_is("b", silent=True), "b": task()}
    assert statuses(folded(tree, book)) == {
        "a": "CRASHED", "h": "SUCCESS", "b": "SUCCESS", "success": "SUCCESS",
    }  # fmt: skip


def test_step_killed_outright_and_the_root_failed() -> None:
    book = Book()
    book.start("a", 1)
    book.graph_end("", "FAIL", "")
    log = folded({"a": task()}, book)
    assert (log["status"], statuses(log)) == ("FAIL", {"a": "CRASHED", "fail": "FAIL"})


def test_platform_stopped_attempt_with_nothing_after_it() -> None:
    book = Book()
    book.fail("a", 1)
    book.stop("a", 2)
    log = folded({"a": task()}, book)
    assert (log["status"], statuses(log)) == ("CRASHED", {"a": "CRASHED"})
    assert log["steps"]["a"]["message"] == "stopped by signal 15"
    assert log["steps"]["a"]["attempts"][1]["platform"] is True
    book.succeed("a", 3, try_=2)
    log = folded({"a": task()}, book)
    assert log["status"] == "SUCCESS"
    attempts = comparable(log)["steps"]["a"]["attempts"]
    assert [(a["attempt_number"], a["status"]) for a in attempts] == [(1, "FAIL"), (2, "SUCCESS")]
    assert set(attempts[0]) == {"attempt_number", "status", "message"}


def test_attempt_lost_and_repeated_by_resume_is_the_platforms() -> None:
    book = Book()
    book.fail("a", 1, try_=1)
    book.start("a", 2, try_=2)
    book.succeed("a", 3, try_=2)
    log = folded({"a": task()}, book)
    assert [a.get("platform", False) for a in log["steps"]["a"]["attempts"]] == [False, True, False]
    assert [a["status"] for a in comparable(log)["steps"]["a"]["attempts"]] == ["FAIL", "SUCCESS"]


def test_comparable_leaves_out_what_engines_differ_in_at_every_depth_and_does_not_touch_the_log() -> None:
    book = Book()
    book.enter("m", 1)
    book.succeed("m.0.a", 1)
    log = folded({"m": map_({"a": task()})}, book)
    before = json.dumps(log)
    stripped = comparable(log)
    assert json.dumps(log) == before
    assert "run_id" not in stripped
    attempt = stripped["steps"]["m"]["branches"]["m.0"]["steps"]["m.0.a"]["attempts"][0]
    assert attempt == {"attempt_number": 1, "status": "SUCCESS", "message": ""}


# ---- composites ----


def test_parallel_at_the_end_is_joined_in_memory() -> None:
    book = Book()
    book.enter("p")
    book.succeed("p.l.a", 1, state=book.state({"a": 1, "x": 1}, set=["x"]))
    book.succeed("p.r.a", 1, state=book.state({"a": 1, "x": 2, "y": 3}, set=["x", "y"]))
    log = folded({"p": parallel({"l": {"a": task()}, "r": {"a": task()}})}, book)
    assert statuses(log) == {
        "p": "SUCCESS", "p.l": "SUCCESS", "p.l.a": "SUCCESS", "p.l.success": "SUCCESS",
        "p.r": "SUCCESS", "p.r.a": "SUCCESS", "p.r.success": "SUCCESS", "success": "SUCCESS",
    }  # fmt: skip
    assert log["status"] == "SUCCESS"
    assert log["parameters"] == {"a": 1, "x": 2, "y": 3}
    assert log["steps"]["p"]["message"] == (
        "branches 'l' and 'r' set 'x' to different values: that of 'r' is kept"
    )


def test_the_recorded_outcome_of_a_composite_is_believed() -> None:
    book = Book()
    book.enter("p")
    book.succeed("p.l.a", 1)
    left = book.state({"a": 1, "x": 1})
    book.outcome("p", 0, "SUCCESS", "success", message="told", state=left)
    log = folded({"p": parallel({"l": {"a": task()}})}, book)
    assert (log["parameters"], log["steps"]["p"]["message"]) == ({"a": 1, "x": 1}, "told")


def test_map_joins_lists_and_a_step_after_it_sees_them() -> None:
    book = Book()
    book.enter("m", 3)
    for i in range(3):
        state = book.state({"a": 1, "x": i}, set=["x"]) if i != 1 else book.state()
        book.succeed(f"m.{i}.t", 1, state=state)
    tree = {"m": map_({"t": task()})}
    assert folded(tree, book)["parameters"] == {"a": 1, "x": [0, None, 2]}
    assert list(folded(tree, book)["steps"]["m"]["branches"]) == ["m.0", "m.1", "m.2"]


def test_nested_composites_join_upwards() -> None:
    book = Book()
    book.enter("m", 2)
    for i in range(2):
        book.succeed(f"m.{i}.first", 1, "p", state=book.state({"a": 1, "f": i}, set=["f"]))
        book.enter(f"m.{i}.p")
        for b in ("l", "r"):
            book.succeed(f"m.{i}.p.{b}.t", 1, state=book.state({"a": 1, "f": i, b: i}, set=[b]))
    tree = {"m": map_({"first": task("p"), "p": parallel({b: {"t": task()} for b in ("l", "r")})})}
    log = folded({"d": dag(tree)}, Book())
    assert (log["status"], log["steps"]["d"]["branches"]) == ("TRIGGERED", {})
    log = folded(tree, book)
    assert log["status"] == "SUCCESS"
    assert log["parameters"] == {"a": 1, "f": [0, 1], "l": [0, 1], "r": [0, 1]}


def test_empty_map_succeeds_without_branches() -> None:
    book = Book()
    book.enter("m", 0)
    log = folded({"m": map_({"t": task()})}, book)
    assert (log["status"], log["steps"]["m"]["branches"], log["parameters"]) == ("SUCCESS", {}, {"a": 1})


def test_map_that_cannot_start_fails_with_its_message() -> None:
    book = Book()
    book.enter("m", None, "parameter 'xs' is missing")
    tree = {"m": map_({"t": task()}, on_failure="h"), "h": task()}
    log = folded(tree, book)
    assert statuses(log) == {"m": "FAIL", "h": "TRIGGERED"}
    assert log["steps"]["m"]["message"] == "parameter 'xs' is missing"
    log = folded({"m": map_({"t": task()})}, book)
    assert (log["status"], statuses(log)) == ("FAIL", {"m": "FAIL", "fail": "FAIL"})


def test_map_waiting_for_its_count_is_triggered() -> None:
    book = Book()
    book.succeed("a", 1, "m")
    book.put("steps/m/items.0.json", packed({"0": 1}))
    assert statuses(folded({"a": task("m"), "m": map_({"t": task()})}, book)) == {
        "a": "SUCCESS",
        "m": "TRIGGERED",
    }


def test_failed_composite_contributes_nothing_and_waits_for_all_branches() -> None:
    book = Book()
    book.enter("p")
    book.succeed("p.l.a", 1, state=book.state({"a": 1, "x": 1}, set=["x"]))
    book.start("p.r.a", 1)
    tree = {"p": parallel({"l": {"a": task()}, "r": {"a": task()}}, on_failure="h"), "h": task()}
    log = folded(tree, book)
    assert (log["status"], log["steps"]["p"]["status"]) == ("PROCESSING", "PROCESSING")
    book.fail("p.r.a", 1, "fail")
    log = folded(tree, book)
    assert (log["steps"]["p"]["status"], log["steps"]["h"]["status"]) == ("FAIL", "TRIGGERED")
    book.succeed("h", 1)
    log = folded(tree, book)
    assert (log["status"], log["parameters"], log["steps"]["p"]["message"]) == ("SUCCESS", {"a": 1}, "")


def test_branch_killed_outright_counts_as_failed_once_the_walk_went_on() -> None:
    book = Book()
    book.enter("p")
    book.start("p.l.a", 1)
    tree = {"p": parallel({"l": {"a": task()}}, on_failure="h"), "h": task()}
    assert statuses(folded(tree, book))["p.l.a"] == "PROCESSING"
    book.succeed("h", 1)
    assert statuses(folded(tree, book)) == {
        "p": "FAIL", "p.l": "FAIL", "p.l.a": "CRASHED", "p.l.fail": "FAIL", "h": "SUCCESS", "success": "SUCCESS",
    }  # fmt: skip


def test_interrupted_branch_leaves_the_run_crashed() -> None:
    book = Book()
    book.enter("p")
    book.stop("p.l.a", 1)
    book.succeed("p.r.a", 1)
    tree = {"p": parallel({"l": {"a": task()}, "r": {"a": task()}})}
    log = folded(tree, book)
    assert (log["status"], statuses(log)["p"], statuses(log)["p.l"]) == ("CRASHED", "CRASHED", "CRASHED")


def test_closed_graph_has_no_steps_that_were_never_reached() -> None:
    book = Book()
    book.enter("p")
    book.fail("p.l.a", 1, "fail")
    book.succeed("p.r.a", 1, "b")
    book.graph_end("", "FAIL", "")
    log = folded({"p": parallel({"l": {"a": task()}, "r": {"a": task("b"), "b": task()}})}, book)
    assert statuses(log) == {
        "p": "FAIL", "p.l": "FAIL", "p.l.a": "FAIL", "p.l.fail": "FAIL",
        "p.r": "FAIL", "p.r.a": "SUCCESS", "fail": "FAIL",
    }  # fmt: skip


# ---- as-is ----


def test_silent_as_is_is_a_success_that_leaves_no_record() -> None:
    book = Book()
    book.succeed("a", 1, "s")
    tree = {"a": task("s"), "s": as_is(silent=True)}
    log = folded(tree, book)
    assert statuses(log) == {"a": "SUCCESS", "s": "SUCCESS", "success": "SUCCESS"}
    assert (log["status"], log["steps"]["s"]["attempts"]) == ("SUCCESS", [])


def test_recorded_as_is_has_no_attempts() -> None:
    tree = {"s": as_is(on_failure="h"), "h": task("fail")}
    book = Book()
    book.fail("s", 1, "h", message="exited with status 3")
    log = folded(tree, book)
    assert (statuses(log), log["steps"]["s"]["attempts"]) == ({"s": "FAIL", "h": "TRIGGERED"}, [])
    assert log["steps"]["s"]["message"] == "exited with status 3"
    book = Book()
    book.succeed("s", 1)
    assert statuses(folded(tree, book)) == {"s": "SUCCESS", "success": "SUCCESS"}


def test_a_native_as_is_of_which_only_what_is_behind_it_tells() -> None:
    tree = {"s": as_is("b", on_failure="h"), "b": task(on_failure="h"), "h": task("b2"), "b2": task()}
    book = Book()
    assert statuses(folded(tree, book)) == {"s": "TRIGGERED"}
    book.outcome("s", 0, "FAIL", "h")
    book.start("h", 1, after="s")
    assert statuses(folded(tree, book)) == {"s": "FAIL", "h": "PROCESSING"}
    book = Book()
    book.outcome("s", 0, "SUCCESS", "b")
    book.fail("b", 1, "h")
    book.start("h", 1, after="b")
    assert statuses(folded(tree, book)) == {"s": "SUCCESS", "b": "FAIL", "h": "PROCESSING"}
    book = Book()
    book.graph_end("", "FAIL", "")
    assert statuses(folded({"s": as_is("b"), "b": task()}, book)) == {"s": "FAIL", "fail": "FAIL"}


# ---- --use-cached ----


def test_mocks() -> None:
    book = Book()
    mocked = book.state(mocked=True)
    book.succeed("a", 0, "m", metrics={"m": 1}, state=mocked)
    book.enter("m", 2, items_mocked=[True, False])
    book.succeed("m.0.t", 0, state=mocked)
    book.succeed("m.1.t", 1)
    log = folded({"a": task("m"), "m": map_({"t": task()})}, book, original_run_id="old")
    step = log["steps"]["a"]
    assert (step["mock"], step["attempts"], step["status"]) == (True, [], "SUCCESS")
    assert step["user_defined_metrics"] == {"m": 1}
    branches = log["steps"]["m"]["branches"]
    assert branches["m.0"]["steps"]["m.0.success"]["mock"] is True
    assert branches["m.1"]["steps"]["m.1.success"]["mock"] is False
    assert log["steps"]["m"]["mock"] is False


# ---- size ----


def test_long_chains_and_deep_nesting() -> None:
    book = Book()
    names = [f"s{i}" for i in range(3000)]
    for name, following in zip(names, [*names[1:], "success"], strict=True):
        book.succeed(name, 1, following)
    tree: Any = {
        name: task(following) for name, following in zip(names, [*names[1:], "success"], strict=True)
    }
    log = folded(tree, book)
    assert (log["status"], len(log["steps"])) == ("SUCCESS", 3001)
    tree, address = {"t": task()}, "t"
    for _ in range(200):
        tree, address = {"d": dag(tree)}, f"d.branch.{address}"
    book = Book()
    book.succeed(address, 1, state=book.state({"x": 1}, set=["x"]))
    log = folded(tree, book)
    assert (log["status"], log["parameters"]) == ("SUCCESS", {"a": 1, "x": 1})
