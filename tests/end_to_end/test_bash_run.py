"""Rendered scripts, run with a stand-in for `magnus`: what is called, when, and how the script ends."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from magnus_render.naming import slug
from tests.end_to_end.bash_stub import Script
from tests.tools import require

ENDS = "success: {type: success}, fail: {type: fail}"


def task(name: str, then: str = "success", **fields: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in fields.items())
    return f"{name}: {{type: task, command: m.{name}, next: {then}{extra}}}"


def graph(start: str, *steps: str) -> str:
    return f"{{start_at: {start}, steps: {{{', '.join((*steps, ENDS))}}}}}"


def dag(start: str, *steps: str) -> str:
    return f"dag: {graph(start, *steps)}\n"


def parallel(name: str, branches: dict[str, str], then: str = "success", **fields: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in fields.items())
    inner = ", ".join(f"{branch}: {text}" for branch, text in branches.items())
    return f"{name}: {{type: parallel, branches: {{{inner}}}, next: {then}{extra}}}"


def each(name: str, branch: str, then: str = "success", **fields: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in fields.items())
    return f"{name}: {{type: map, iterate_on: l, iterate_as: i, branch: {branch}, next: {then}{extra}}}"


LINEAR = dag("a", task("a", "b"), task("b"))
DEEP = dag(
    "p",
    parallel(
        "p",
        {
            "left": graph("l1", task("l1")),
            "right": graph(
                "r1", task("r1", "m"), each("m", graph("q", parallel("q", {"x": graph("x1", task("x1"))})))
            ),
        },
        "z",
    ),
    task("z"),
)


def test_all_good_calls_each_step_once_and_cleans_up(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    workspace = tmp_path / ".magnus" / "workspaces" / "R1" / "p.left"
    workspace.mkdir(parents=True)
    done = script.run("R1")
    assert done.returncode == 0, done.stderr
    assert script.steps() == ["start_run", "a", "b"]
    assert script.left() == []
    assert "run R1: success" in done.stderr


def test_every_callback_says_whose_it_is(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    script.run("R1", "-p", "my file.json", "--param", "k=$(id) v", "--use-cached", "R0", "--tag", "nightly")
    start, first, second = script.calls()
    assert start[:3] == ["start_run", "R1", "-f"]
    assert start[start.index("--target") + 1] == "bash"
    assert start[start.index("-p") + 1] == "my file.json"
    assert start[start.index("--param") + 1] == "k=$(id) v"
    assert start[start.index("--use-cached") + 1] == "R0"
    assert start[start.index("--tag") + 1] == "nightly"
    for option in ("--walk", "--dag-hash"):
        assert len({call[call.index(option) + 1] for call in (start, first, second)}) == 1
    assert "--after" not in first
    assert second[second.index("--after") + 1] == "a"
    assert not {"-f", "--resume", "--param"} & {*first, *second}


def test_each_run_is_a_walk_of_its_own(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    script.run("R1")
    script.run("R1")
    assert len({call[call.index("--walk") + 1] for call in script.calls()}) == 2


def test_resume_is_passed_to_every_callback(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    assert script.run("R1", "--resume").returncode == 0
    assert all("--resume" in call for call in script.calls())


def test_run_id_is_made_and_printed(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    done = script.run()
    run_id = script.calls()[0][1]
    assert f"run {run_id}: success" in done.stderr
    assert run_id.replace("-", "").isalnum()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--resume"],
        ["-x"],
        ["a", "b"],
        ["a.b"],
        ["-"],
        ["x" * 81],
        ["é"],
        ["--param"],
        ["-p"],
        ["a\nb"],
        [""],
    ],
)
def test_wrong_usage_starts_nothing(tmp_path: Path, arguments: list[str]) -> None:
    script = Script(tmp_path, LINEAR)
    done = script.run(*arguments)
    assert done.returncode == 64
    assert script.calls() == []
    assert "--help" in done.stderr


@pytest.mark.parametrize("limit", ["0", "x", "-1", "1.5", "$(id)"])
def test_a_bad_bound_is_refused(tmp_path: Path, limit: str) -> None:
    assert Script(tmp_path, LINEAR).run("R1", MAGNUS_MAX_CONCURRENCY=limit).returncode == 64


def test_help(tmp_path: Path) -> None:
    done = Script(tmp_path, LINEAR).run("--help")
    assert done.returncode == 0
    assert "usage: run.sh [RUN_ID]" in done.stdout


def test_failure_is_recorded_and_ends_the_run(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    script.tell(a="1")
    done = script.run("R1")
    assert done.returncode == 1
    assert script.steps() == ["start_run", "a", "fail"]
    last = script.calls()[-1]
    assert last[last.index("--after") + 1] == "a"


def test_success_that_leads_to_fail_fails(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", task("a", "fail")))
    assert script.run("R1").returncode == 1
    assert script.steps() == ["start_run", "a", "fail"]


def test_retry_until_success(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", task("a", retry="{attempts: 3, delay: 2}")))
    script.tell(a__1="1", a__2="137")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "a", "a#2", "a#3"]


def test_retries_end(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", task("a", retry="3")))
    script.tell(a="1")
    assert script.run("R1").returncode == 1
    assert script.steps() == ["start_run", "a", "a#2", "a#3", "fail"]


def test_a_final_failure_spends_no_attempts(tmp_path: Path) -> None:
    script = Script(
        tmp_path, dag("a", task("a", on_failure="b", retry="{attempts: 3, delay: 600}"), task("b"))
    )
    script.tell(a="final")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "a", "b"]


@pytest.mark.parametrize("status", [64, 65])
def test_refusal_breaks_off_everything(tmp_path: Path, status: int) -> None:
    branches = {
        "one": graph("a", task("a", on_failure="b", retry="5"), task("b")),
        "two": graph("c", task("c")),
    }
    script = Script(tmp_path, dag("p", parallel("p", branches, on_failure="h"), task("h")))
    script.tell(p__one__a=str(status))
    assert script.run("R1").returncode == status
    assert {"p.one.a#2", "p.one.b", "h", "fail"}.isdisjoint(script.steps())


def test_refusal_stops_what_runs(tmp_path: Path) -> None:
    branches = {"one": graph("a", task("a")), "two": graph("c", task("c"))}
    script = Script(tmp_path, dag("p", parallel("p", branches)))
    script.tell(p__one__a="hang", p__two__c="await:65")
    process = script.start("R1")
    assert script.hanging() == "p.one.a"
    script.go()
    assert process.wait(60) == 65
    process.communicate()


def test_platform_failures_do_not_spend_attempts(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    script.tell(a="75 75 0")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "a", "a", "a", "b"]


def test_a_platform_that_stays_down_breaks_off(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    script.tell(a="75")
    assert script.run("R1").returncode == 75
    assert script.steps() == ["start_run", "a", "a", "a"]


def test_a_run_that_cannot_start(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    script.told("start_run", "65")
    assert script.run("R1").returncode == 65
    assert script.steps() == ["start_run"]


HANDLERS = dag(
    "a",
    task("a", "b", on_failure="h"),
    task("b", "c", on_failure="h"),
    task("c", "d"),
    task("h", "c", on_failure="h2"),
    task("h2", "d"),
    task("d"),
)


@pytest.mark.parametrize(
    ("failing", "called", "status"),
    [
        ("", "a b c d", 0),
        ("a", "a h c d", 0),
        ("b", "a b h c d", 0),
        ("a h", "a h h2 d", 0),
        ("b h h2", "a b h h2 fail", 1),
        ("c", "a b c fail", 1),
        ("a c", "a h c fail", 1),
    ],
)
def test_handlers_rejoin(tmp_path: Path, failing: str, called: str, status: int) -> None:
    script = Script(tmp_path, HANDLERS)
    script.tell(**dict.fromkeys(failing.split(), "1"))
    assert script.run("R1").returncode == status
    assert script.steps() == ["start_run", *called.split()]


def test_after_names_the_step_that_handed_over(tmp_path: Path) -> None:
    script = Script(tmp_path, HANDLERS)
    script.tell(a="1")
    script.run("R1")
    after = {call[2]: call[call.index("--after") + 1] for call in script.calls() if "--after" in call}
    assert after == {"h": "a", "c": "h", "d": "c"}


def test_a_map_counts_by_the_step_before_it(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", task("a", "m"), each("m", graph("b", task("b", "c"), task("c")))))
    script.told("a.count", "4\n")
    assert script.run("R1").returncode == 0
    steps = script.steps()
    assert steps[:2] == ["start_run", "a"]
    assert sorted(steps[2:]) == [f"m.{i}.{name}" for i in range(4) for name in "bc"]
    assert all(steps.index(f"m.{i}.b") < steps.index(f"m.{i}.c") for i in range(4))


@pytest.mark.parametrize(
    ("count", "status"),
    [("0", 0), ("", 1), ("01", 1), ("-1", 1), ("2 3", 1), ("$(id)", 1), ("9999999999", 1), ("a[$(id)]", 1)],
)
def test_only_a_number_counts(tmp_path: Path, count: str, status: int) -> None:
    script = Script(tmp_path, dag("a", task("a", "m"), each("m", graph("b", task("b")), "z"), task("z")))
    script.told("a.count", count)
    assert script.run("R1").returncode == status
    assert script.steps()[2:] == (["z"] if status == 0 else ["fail"])


def test_a_map_that_no_step_counts(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("m", each("m", graph("b", task("b")))))
    script.told("m.count", "2")
    assert script.run("R1").returncode == 0
    assert sorted(script.steps()) == ["m.0.b", "m.1.b", "map_count m", "start_run"]


def test_a_map_whose_count_fails_goes_to_its_handler(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("m", each("m", graph("b", task("b")), on_failure="h"), task("h")))
    script.told("map_count", "1")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "map_count m", "h"]


TWO = "{yes: " + graph("t", task("t")) + ", 'no': " + graph("u", task("u")) + "}"


def choose(name: str, then: str = "success", **fields: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in fields.items())
    return f"{name}: {{type: conditional, parameter: p, branches: {TWO}, next: {then}{extra}}}"


@pytest.mark.parametrize(
    ("choice", "called", "status"),
    [
        ("yes", ["c.yes.t", "b"], 0),
        ("no", ["c.no.u", "b"], 0),
        ("", ["fail"], 1),
        ("ye", ["fail"], 1),
        ("no branch was chosen", ["fail"], 1),
        ("*", ["fail"], 1),
    ],
)
def test_a_branch_that_the_step_before_chooses(
    tmp_path: Path, choice: str, called: list[str], status: int
) -> None:
    script = Script(tmp_path, dag("a", task("a", "c"), choose("c", "b"), task("b")))
    script.told("a.count", f"{choice}\n")
    assert script.run("R1").returncode == status
    assert script.steps() == ["start_run", "a", *called]


def test_a_branch_that_no_step_chooses(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("c", choose("c", "d"), choose("d", on_failure="h"), task("h")))
    script.told("c.count", "no")
    script.told("d.count", "yes")
    script.told("d.yes.t", "1")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "choose c", "c.no.u", "choose d", "d.yes.t", "h"]


def test_a_conditional_that_cannot_choose_goes_to_its_handler(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("c", choose("c", on_failure="h"), task("h")))
    script.told("choose", "1")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "choose c", "h"]


WHEN = "{parameter: p, is: v}"


@pytest.mark.parametrize(
    ("told", "called", "status"),
    [
        ("run", ["w", "b"], 0),
        ("skip", ["b"], 0),
        ("", ["fail"], 1),
        ("ru", ["fail"], 1),
        ("skipped", ["fail"], 1),
        ("*", ["fail"], 1),
    ],
)
def test_a_condition_that_the_step_before_decides(
    tmp_path: Path, told: str, called: list[str], status: int
) -> None:
    script = Script(tmp_path, dag("a", task("a", "w"), task("w", "b", when=WHEN), task("b")))
    script.told("a.count", f"{told}\n")
    done = script.run("R1")
    assert done.returncode == status
    assert script.steps() == ["start_run", "a", *called]
    assert ("w: skipped" in done.stderr) == (told == "skip")


def test_a_condition_that_no_step_decides(tmp_path: Path) -> None:
    steps = (task("w", "v", when=WHEN), task("v", "b", when=WHEN, on_failure="h"), task("b"), task("h", "b"))
    script = Script(tmp_path, dag("w", *steps))
    script.told("w.count", "skip")
    script.told("v.count", "run")
    script.told("v.1", "1")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "choose w", "choose v", "v", "h", "b"]


def test_a_condition_that_cannot_be_decided_goes_to_the_handler(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("w", task("w", when=WHEN, on_failure="h"), task("h")))
    script.told("choose", "1")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "choose w", "h"]


def test_what_stands_behind_a_task_that_may_be_skipped_decides_by_itself(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("w", task("w", "c", when=WHEN), choose("c", "b"), task("b")))
    script.told("w.count", "skip")
    script.told("c.count", "no")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "choose w", "choose c", "c.no.u", "b"]


def test_a_task_that_runs_on_its_condition_is_tried_again(tmp_path: Path) -> None:
    retry = "{attempts: 2, delay: 0}"
    script = Script(tmp_path, dag("w", task("w", when=WHEN, retry=retry)))
    script.told("w.count", "run")
    script.told("w.1", "1")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "choose w", "w", "w#2"]


def test_siblings_of_a_failed_branch_finish(tmp_path: Path) -> None:
    script = Script(
        tmp_path, dag("m", each("m", graph("b", task("b", "c"), task("c")), on_failure="h"), task("h"))
    )
    script.told("m.count", "5")
    script.tell(m__1__b="1", m__3__b="1")
    assert script.run("R1").returncode == 0
    items = [f"m.{i}.b" for i in range(5)]
    assert sorted(script.steps()[2:]) == sorted(["h", *items, "m.0.c", "m.2.c", "m.4.c"])


@pytest.mark.parametrize("limit", [1, 2, 7])
def test_max_concurrency(tmp_path: Path, limit: int) -> None:
    """As many branches as allowed hang at once, no more."""
    step = task("b")
    script = Script(tmp_path, dag("m", each("m", graph("b", step), max_concurrency=str(limit))))
    script.told("m.count", "7")
    script.told("execute_single_node", "hang")
    process = script.start("R1")
    assert len({script.hanging() for _ in range(limit)}) == limit
    assert script.stop(process, signal.SIGTERM) == 143
    assert len([call for call in script.calls() if call[0] == "execute_single_node"]) == limit


def test_the_default_bound_is_not_that_of_an_enclosing_map(tmp_path: Path) -> None:
    inner = each("n", graph("b", task("b")))
    script = Script(tmp_path, dag("m", each("m", graph("n", inner), max_concurrency="1")))
    script.told("m.count", "1")
    script.told("m.0.n.count", "3")
    script.told("execute_single_node", "hang")
    process = script.start("R1")
    assert {script.hanging() for _ in range(3)} == {f"m.0.n.{i}.b" for i in range(3)}
    assert script.stop(process, signal.SIGTERM) == 143


def test_nested_composites(tmp_path: Path) -> None:
    script = Script(tmp_path, DEEP)
    script.told("p.right.r1.count", "2")
    done = script.run("R1")
    assert done.returncode == 0, done.stderr
    assert sorted(script.steps()) == sorted(
        ["start_run", "p.left.l1", "p.right.r1", "p.right.m.0.q.x.x1", "p.right.m.1.q.x.x1", "z"]
    )


def test_fan_in_comes_before_the_branches(tmp_path: Path) -> None:
    one = {"x": graph("a", task("a"))}
    script = Script(tmp_path, dag("p", parallel("p", one, "q"), parallel("q", one)))
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "p.x.a", "fan_in q", "q.x.a"]
    (tmp_path / "stub" / "log").unlink()
    script.told("fan_in", "1")
    assert script.run("R2").returncode == 1
    assert script.steps() == ["start_run", "p.x.a", "fan_in q", "fail"]


def test_a_dag_is_walked_inline(tmp_path: Path) -> None:
    inner = graph("a", task("a", "b", on_failure="fail"), task("b"))
    script = Script(
        tmp_path, dag("d", f"d: {{type: dag, branch: {inner}, next: z, on_failure: h}}", task("z"), task("h"))
    )
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "d.branch.a", "d.branch.b", "z"]
    (tmp_path / "stub" / "log").unlink()
    script.tell(d__branch__a="1")
    assert script.run("R2").returncode == 0
    assert script.steps() == ["start_run", "d.branch.a", "h"]
    last = script.calls()[-1]
    assert last[last.index("--after") + 1] == "d"


def test_fail_fast_stops_the_others(tmp_path: Path) -> None:
    branches = {"one": graph("a", task("a", "b"), task("b")), "two": graph("c", task("c"))}
    script = Script(tmp_path, dag("p", parallel("p", branches, on_failure="h", fail_fast="true"), task("h")))
    script.tell(p__one__a="hang", p__two__c="await:1")
    process = script.start("R1")
    assert script.hanging() == "p.one.a"
    script.go()
    assert process.wait(60) == 0
    process.communicate()
    assert ["stopped", "p.one.a"] in script.calls()
    assert script.steps()[-1] == "h"
    assert "p.one.b" not in script.steps()


def test_fail_fast_starts_no_further_items(tmp_path: Path) -> None:
    script = Script(
        tmp_path, dag("m", each("m", graph("b", task("b")), fail_fast="true", max_concurrency="1"))
    )
    script.told("m.count", "50")
    script.tell(m__2__b="1")
    assert script.run("R1").returncode == 1
    assert script.steps() == ["start_run", "map_count m", "m.0.b", "m.1.b", "m.2.b", "fail"]


def test_fail_fast_of_an_outer_composite_reaches_inner_steps_only(tmp_path: Path) -> None:
    """An inner composite without fail_fast goes on after a failure, and its own failure stops the outer's branches."""
    inner = each("n", graph("b", task("b")), max_concurrency="1")
    branches = {"one": graph("n", inner), "two": graph("c", task("c"))}
    script = Script(tmp_path, dag("p", parallel("p", branches, fail_fast="true")))
    script.told("p.one.n.count", "3")
    script.tell(p__one__n__0__b="await:1", p__two__c="hang")
    process = script.start("R1")
    assert script.hanging() == "p.two.c"
    script.go()
    assert process.wait(60) == 1
    process.communicate()
    assert {f"p.one.n.{i}.b" for i in range(3)} <= set(script.steps())
    assert ["stopped", "p.two.c"] in script.calls()


def within(name: str, branch: str, then: str = "success", **fields: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in fields.items())
    return f"{name}: {{type: dag, branch: {branch}, next: {then}{extra}}}"


QUIET = "q: {type: as-is, next: r}, r: {type: as-is, next: success}"
INNER = graph("t", task("t"))


@pytest.mark.parametrize(
    ("definition", "failing", "called"),
    [
        (dag("a", task("a", "b", on_failure="success"), task("b")), "a", "a confirm a"),
        (dag("a", task("a", on_failure="success")), "a", "a confirm a"),
        (dag("a", task("a", "q", on_failure="q"), QUIET), "a", "a confirm a"),
        (dag("a", task("a", "b", on_failure="q"), task("b"), QUIET), "a", "a confirm a"),
        (dag("a", task("a", "b", on_failure="q"), task("b", on_failure="q"), QUIET), "b", "a b confirm b"),
        (dag("p", parallel("p", {"x": INNER}, "b", on_failure="q"), task("b"), QUIET), "p.x.t", "p.x.t confirm p"),
        (dag("p", parallel("p", {"x": INNER}, on_failure="success", fail_fast="true")), "p.x.t", "p.x.t confirm p"),
        (dag("d", within("d", INNER, "fail", on_failure="success")), "d.branch.t", "d.branch.t confirm d"),
        (dag("m", each("m", INNER, "b", on_failure="success"), task("b")), "m.0.t", "map_count_m m.0.t confirm m"),
        (dag("m", each("m", INNER, on_failure="q"), QUIET), "map_count", "map_count_m confirm m"),
        (dag("c", choose("c", "b", on_failure="success"), task("b")), "c.yes.t", "choose_c c.yes.t confirm c"),
        (dag("a", "a: {type: as-is, render_string: exit 3, next: b, on_failure: success}", task("b")), "", "a confirm a"),
        (dag("d", within("d", graph("a", task("a", on_failure="q"), QUIET))), "d.branch.a", "d.branch.a confirm d.branch.a"),
    ],
)  # fmt: skip
def test_a_failure_that_leads_to_success_is_confirmed(
    tmp_path: Path, definition: str, failing: str, called: str
) -> None:
    expected = called.replace("map_count_m", "map_count m").replace("choose_c", "choose c")
    confirmed = expected.split()[-1]
    for status, end in (("0", []), ("1", ["fail"]), ("137", ["fail"])):
        script = Script(tmp_path / status, definition)
        script.told("m.count", "1")
        script.told("c.count", "yes")
        if failing:
            script.told(failing, "1")
        script.told(f"{confirmed}.confirm", status)
        assert script.run("R1").returncode == len(end)
        assert " ".join(script.steps()[1:]) == " ".join([expected, *end])


def test_a_confirmation_that_is_refused_breaks_off(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", task("a", on_failure="success")))
    script.tell(a="1")
    script.told("a.confirm", "75 65")
    assert script.run("R1").returncode == 65
    assert script.steps() == ["start_run", "a", "confirm a", "confirm a"]


def test_a_failure_with_a_handler_needs_no_confirmation(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", task("a", on_failure="q"), "q: {type: as-is, next: h}", task("h")))
    script.tell(a="1")
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "a", "h"]


def test_a_map_behind_a_counter_that_failed_counts_by_itself(tmp_path: Path) -> None:
    steps = (
        task("a", "m", on_failure="h"),
        each("m", INNER),
        task("h", "n", on_failure="n"),
        each("n", INNER),
    )
    script = Script(tmp_path, dag("a", *steps))
    script.tell(a="1")
    script.told("n.count", "2")
    assert script.run("R1").returncode == 0
    assert sorted(script.steps()) == ["a", "h", "map_count n", "n.0.t", "n.1.t", "start_run"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("where", ["start_run", "p.left.l1", "p.right.r1", "p.right.m.1.q.x.x1", "z"])
def test_a_signal_reaches_the_step_that_runs(tmp_path: Path, where: str, number: signal.Signals) -> None:
    script = Script(tmp_path, DEEP)
    script.told("p.right.r1.count", "2")
    script.told(where, "hang")
    process = script.start("R1")
    script.hanging()
    assert script.stop(process, number) == 128 + number
    assert [call[0] for call in script.calls()].count("stopped") == 1
    assert "fail" not in script.steps()
    assert where == "z" or "z" not in script.steps()
    assert script.left() == []


def test_a_signal_reaches_all_branches(tmp_path: Path) -> None:
    script = Script(tmp_path, DEEP)
    script.told("p.right.r1.count", "2")
    script.tell(p__left__l1="hang", p__right__m__0__q__x__x1="hang", p__right__m__1__q__x__x1="hang")
    process = script.start("R1")
    assert len({script.hanging() for _ in range(3)}) == 3
    assert script.stop(process, signal.SIGTERM) == 143
    assert [call[0] for call in script.calls()].count("stopped") == 3


def test_a_signal_ends_a_pause_between_attempts(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", task("a", retry="{attempts: 2, delay: 600}")))
    text = script.path.read_text().replace("sleep 0 &", 'echo pause >"$STUB/hanging"; sleep 600 &')
    script.path.write_text(text)
    script.tell(a="1")
    process = script.start("R1")
    assert script.hanging() == "pause"
    assert script.stop(process, signal.SIGTERM) == 143
    assert script.steps() == ["start_run", "a"]


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    stubborn = script.folder / "bin" / "magnus"
    stubborn.write_text(
        '#!/bin/sh\ntrap \'echo told >"$STUB/hanging"; sleep 600\' TERM\necho up >"$STUB/hanging"\nsleep 600 &\nwait\nwait\n'
    )
    process = script.start("R1")
    assert script.hanging() == "up"
    process.send_signal(signal.SIGTERM)
    assert script.hanging() == "told"
    assert script.stop(process, signal.SIGTERM) == 143


AS_IS = dag(
    "a",
    'a: {type: as-is, render_string: "echo $MAGNUS_RUN_ID; cat; exit 3", next: b, on_failure: h}',
    task("b"),
    task("h"),
)


def test_as_is_runs_by_itself_and_is_recorded(tmp_path: Path) -> None:
    script = Script(tmp_path, AS_IS)
    done = script.run("R1")
    assert (done.returncode, done.stdout) == (0, "R1\n")
    assert script.steps() == ["start_run", "a", "h"]
    assert script.calls()[1][3:5] == ["--exit-status", "3"]


def test_set_e_works_in_as_is(tmp_path: Path) -> None:
    text = 'a: {type: as-is, render_string: "set -e\\nfalse\\necho went on", next: success}'
    script = Script(tmp_path, dag("a", text))
    done = script.run("R1")
    assert (done.returncode, done.stdout) == (1, "")
    assert script.calls()[1][3:5] == ["--exit-status", "1"]


def test_a_signal_ends_as_is_lines(tmp_path: Path) -> None:
    text = 'a: {type: as-is, render_string: "echo as-is >$STUB/hanging; exec sleep 600", next: success}'
    script = Script(tmp_path, dag("a", text))
    process = script.start("R1")
    assert script.hanging() == "as-is"
    assert script.stop(process, signal.SIGINT) == 130
    assert script.steps() == ["start_run"]


def test_as_is_without_text_is_passed(tmp_path: Path) -> None:
    script = Script(tmp_path, dag("a", "a: {type: as-is, render_string: {argo: x}, next: b}", task("b")))
    assert script.run("R1").returncode == 0
    assert script.steps() == ["start_run", "b"]
    last = script.calls()[-1]
    assert last[last.index("--after") + 1] == "a"


def test_odd_names_and_folders(tmp_path: Path) -> None:
    names = [
        "a;id>PWNED",
        "it's",
        "$(touch PWNED)",
        "`touch PWNED`",
        '"',
        "\\",
        "-rf",
        "~",
        "日本 $(touch PWNED) ✓",
        "x",
    ]
    steps = [
        f"{name!r}: {{type: task, command: m.f, next: {then!r}}}".replace('"it\'s"', "'it''s'").replace(
            "'\\\\'", "'\\'"
        )
        for name, then in zip(names, [*names[1:], "success"], strict=True)
    ]
    folder = tmp_path / "a blank\nand a 'line' $(touch PWNED)"
    script = Script(folder, dag(repr(names[0]), *steps))
    done = script.run("R1")
    assert done.returncode == 0, done.stderr
    assert len(script.calls()) == 1 + len(names)
    assert all(name in done.stderr for name in names)
    assert not list(tmp_path.rglob("PWNED"))


def test_a_script_that_is_replaced_while_it_runs(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    script.tell(a="hang")
    process = script.start("R1")
    script.hanging()
    text = script.path.read_text()
    # In place, as an editor or `cp` does it: bash reads on where it was.
    with open(script.path, "r+", encoding="utf-8") as file:
        file.write("#" * (len(text) - 1) + "\n" + "touch PWNED\n" * 1000)
    assert script.stop(process, signal.SIGTERM) == 143
    assert not (tmp_path / "PWNED").exists()


def test_sourcing_is_refused_and_leaves_the_shell(tmp_path: Path) -> None:
    script = Script(tmp_path, LINEAR)
    done = subprocess.run(
        [script.bash, "-c", ". ./run.sh; echo still here $?"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "still here 64\n"
    assert script.calls() == []


def test_another_shell_is_refused(tmp_path: Path) -> None:
    Script(tmp_path, LINEAR)
    done = subprocess.run(
        [require("dash"), "run.sh"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (64, "run this file with bash, do not source it\n")


def test_a_launcher_stands_before_steps_alone(tmp_path: Path) -> None:
    step = "a: {type: task, command: m.a, next: m, executor_config: {bash: {launcher: [env, W=own]}}}"
    config = "executor: {type: bash, config: {launcher: [env, W=all]}}"
    script = Script(tmp_path, dag("a", step, each("m", graph("b", task("b")), "z"), task("z")), config)
    stub = script.folder / "bin" / "magnus"
    stub.write_text(stub.read_text().replace("printf '%s|' \"$@\"", 'printf \'%s|\' "$@" "W=${W-}"'))
    script.told("a.count", "1")
    script.tell(z="1")
    assert script.run("R1").returncode == 1
    assert {call[2] if call[0] != "start_run" else "": call[-1] for call in script.calls()} == {
        "": "W=",
        "a": "W=own",
        "m.0.b": "W=all",
        "z": "W=all",
        "fail": "W=",
    }


def test_what_a_launcher_sees_is_inert(tmp_path: Path) -> None:
    """An ssh-like launcher splits its arguments again: nothing in them may mean anything to a shell."""
    config = "executor: {type: bash, config: {launcher: [again]}}"
    folder = tmp_path / "a b $(touch PWNED)"
    script = Script(
        folder,
        dag("'$(id)'", "'$(id)': {type: task, command: m.a, next: m}", each("m", graph("b", task("b")))),
        config,
    )
    again = script.folder / "bin" / "again"
    again.write_text('#!/bin/sh\nexec sh -c "$*"\n')
    again.chmod(0o755)
    script.told(f"{slug('$(id)')}.count", "1")
    assert script.run("R1", "--param", "k=$(touch PWNED)").returncode == 0
    assert not list(tmp_path.rglob("PWNED"))
