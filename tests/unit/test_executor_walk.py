"""The walker with scripted outcomes and a clock of its own: no processes, no waiting."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from magnus_render.executors.frames import Call
from magnus_render.executors.walk import Walk
from magnus_render.graph.view import pause_after

from .executor_tools import Definition, chain, graph, plan_of, play, retry, task


def good(call: Call) -> int:
    return 0


def failing(*addresses: str) -> Callable[[Call], int]:
    """Attempts at these addresses fail, as does the root's fail node."""
    return lambda call: 1 if call.address in addresses or call.node["type"] == "fail" else 0


def counting(**counts: Any) -> Callable[[Call], tuple[int, str]]:
    return lambda call: (0, str(counts.get(call.address.replace(".", "_"), "")))


def map_of(branch: Definition, next: str = "success", **fields: Any) -> Definition:
    return {
        "type": "map",
        "iterate_on": "items",
        "iterate_as": "item",
        "branch": branch,
        "next": next,
        **fields,
    }


def parallel_of(next: str = "success", **branches: Any) -> Definition:
    extra = {
        name: branches.pop(name)
        for name in ("fail_fast", "max_concurrency", "on_failure")
        if name in branches
    }
    return {"type": "parallel", "branches": branches, "next": next, **extra}


def test_chain_of_10000_needs_no_stack_and_little_time() -> None:
    began = time.process_time()
    played = play(chain(10_000), good)
    assert played.walk.status == 0 and played.walk.succeeded == 10_000
    assert played.log[:2] == ["step s0#1<", "step s1#1<s0"] and len(played.log) == 10_000
    assert time.process_time() - began < 60  # ten times and more of what it takes


def test_chain_of_10000_silent_nodes_is_walked_at_once() -> None:
    steps = {
        f"s{i}": {"type": "as-is", "next": f"s{i + 1}" if i < 9_999 else "success"} for i in range(10_000)
    }
    played = play(graph(**steps), good)
    assert played.walk.status == 0 and played.log == []


@pytest.mark.parametrize("kind", ["dag", "parallel", "map"])
def test_nesting_of_50(kind: str) -> None:
    inner = graph(leaf=task())
    for _ in range(50):
        if kind == "dag":
            inner = graph(d={"type": "dag", "branch": inner, "next": "success"})
        elif kind == "parallel":
            inner = graph(d=parallel_of(only=inner, fail_fast=True))
        else:
            inner = graph(d=map_of(inner))
    ok = play(inner, lambda call: (0, "1"))
    assert ok.walk.status == 0 and ok.walk.succeeded == 1
    branch = {"dag": "branch", "parallel": "only", "map": "0"}[kind]
    assert ok.log[-1] == f"step {f'd.{branch}.' * 50}leaf#1<"
    bad = play(inner, lambda call: (1 if call.kind == "step" else 0, "1"))
    assert bad.walk.status == 1 and bad.log[-1] == "step fail#1<d"


def test_failure_goes_to_the_handler_and_may_rejoin() -> None:
    definition = graph(
        a=task("b", on_failure="mend"),
        b=task("c"),
        c=task(),
        mend=task("c"),
        other=task(),
        unused=task("other"),
    )
    assert play(definition, good).log == ["step a#1<", "step b#1<a", "step c#1<b"]
    played = play(definition, failing("a"))
    assert played.log == ["step a#1<", "step mend#1<a", "step c#1<mend"]
    assert played.walk.status == 0 and played.walk.failures == [("a", "a")]


def test_failure_without_handler_reaches_the_root_fail_node() -> None:
    played = play(graph(a=task("b"), b=task()), failing("a"))
    assert played.log == ["step a#1<", "step fail#1<a"] and played.walk.status == 1


def test_next_fail_is_a_failed_graph_of_successful_steps() -> None:
    played = play(graph(a=task("fail")), failing())
    assert played.log == ["step a#1<", "step fail#1<a"] and played.walk.status == 1
    assert played.walk.failures == [] and played.walk.succeeded == 1


def test_a_failed_handler_fails_the_graph() -> None:
    played = play(graph(a=task(on_failure="h"), h=task()), failing("a", "h"))
    assert played.log == ["step a#1<", "step h#1<a", "step fail#1<h"] and played.walk.status == 1


def test_retry_pauses_and_attempt_numbers() -> None:
    played = play(
        graph(a=task(retry=retry(4, delay=2, backoff=3, max_delay=10))),
        lambda call: 0 if call.attempt == 4 else 1,
        seconds=1,
    )
    assert played.log == ["step a#1<", "step a#2<", "step a#3<", "step a#4<"]
    # 1 s of work, then 2, 6 and min(18, 10) s of pause
    assert played.times == [0, 3, 10, 21] and played.walk.status == 0


def test_no_pause_lasts_beyond_the_deadline() -> None:
    played = play(graph(a=task(retry=retry(3, delay=1000))), failing("a"), deadline=50.0)
    assert played.times == [0, 50, 51, 52]


def test_a_final_failure_spends_no_attempts() -> None:
    played = play(graph(a=task(retry=retry(3, delay=9), on_failure="h"), h=task()), failing("a"), final=True)
    assert played.log == ["step a#1<", "step h#1<a"] and played.times == [0, 1]


@pytest.mark.parametrize(
    ("policy", "attempt", "seconds"),
    [
        (retry(9), 5, 0),
        (retry(9, delay=0, backoff=10.0**300), 5, 0),
        (retry(9, delay=1.5), 5, 1.5),
        (retry(9, delay=2, backoff=2), 3, 8),
        (retry(9, delay=2, backoff=2, max_delay=0), 3, 0),
        (retry(9999, delay=1, backoff=10.0**9, max_delay=60), 5000, 60),
    ],
)
def test_pause_after(policy: Any, attempt: int, seconds: float) -> None:
    assert pause_after(policy, attempt) == seconds


def test_platform_failures_are_repeated_twice_and_spend_no_attempt() -> None:
    statuses = iter([75, 75, 1, 75, 75, 0])
    played = play(graph(a=task(retry=retry(2))), lambda call: next(statuses))
    assert played.walk.status == 0
    assert [line.split("<")[0] for line in played.log] == ["step a#1"] * 3 + ["step a#2"] * 3
    assert played.times == [0, 2, 8, 9, 11, 17]


@pytest.mark.parametrize(("status", "calls"), [(64, 1), (65, 1), (75, 3)])
def test_what_cannot_be_recorded_breaks_the_walk_off(status: int, calls: int) -> None:
    definition = graph(a=task("b", on_failure="b", retry=retry(5)), b=task())
    played = play(definition, lambda call: status)
    assert len(played.log) == calls and played.walk.status == status
    assert played.walk.broken is not None and played.walk.broken.address == "a"


def test_breaking_off_stops_the_siblings_and_starts_nothing() -> None:
    definition = graph(p=parallel_of(l=graph(a=task("b"), b=task()), r=graph(c=task("d"), d=task())))
    played = play(definition, lambda call: 65 if call.address == "p.l.a" else 0, workers=2)
    assert played.walk.status == 65 and played.stopped == ["p.r.c"]
    assert [line.split("#")[0] for line in played.log] == ["step p.l.a", "step p.r.c"]


def test_killed_outright_counts_as_an_attempt() -> None:
    statuses = iter([-9, 0])
    played = play(graph(a=task(retry=retry(2))), lambda call: next(statuses))
    assert played.log == ["step a#1<", "step a#2<"] and played.walk.status == 0


def test_map_counted_by_the_task_before() -> None:
    definition = graph(fetch=task("m"), m=map_of(graph(x=task("y"), y=task()), next="end"), end=task())
    played = play(definition, lambda call: (0, "2" if call.fan_out else ""))
    assert played.log == [
        "step fetch#1<", "step m.0.x#1<", "step m.0.y#1<x", "step m.1.x#1<", "step m.1.y#1<x", "step end#1<m",
    ]  # fmt: skip
    empty = play(definition, lambda call: (0, "0" if call.fan_out else ""))
    assert empty.log == ["step fetch#1<", "step end#1<m"] and empty.walk.status == 0


def test_map_counted_by_a_callback_of_its_own() -> None:
    definition = graph(
        m=map_of(graph(x=task()), next="n"), n=map_of(graph(x=task()), on_failure="h"), h=task("fail")
    )
    played = play(definition, lambda call: (0, "1" if call.address == "m" else "2"), workers=4)
    assert played.log == [
        "map_count m#1<", "step m.0.x#1<", "map_count n#1<m", "step n.0.x#1<", "step n.1.x#1<",
    ]  # fmt: skip


@pytest.mark.parametrize("said", ["", "-1", "1.5", "x", "²"])
def test_a_map_without_a_count_has_failed(said: str) -> None:
    definition = graph(fetch=task("m"), m=map_of(graph(x=task()), on_failure="h"), h=task())
    played = play(definition, lambda call: (0, said if call.fan_out else ""))
    assert played.log == ["step fetch#1<", "step h#1<m"] and played.walk.failures == [("m", "m")]
    alone = play(graph(m=map_of(graph(x=task()))), lambda call: (1, "3"))
    assert alone.log == ["map_count m#1<", "step fail#1<m"]


def choice_of(next: str = "success", **fields: Any) -> Definition:
    branches = {"yes": graph(x=task()), "no": graph(y=task())}
    return {"type": "conditional", "parameter": "p", "branches": branches, "next": next, **fields}


def test_a_branch_is_chosen_by_the_task_before() -> None:
    definition = graph(a=task("c"), c=choice_of("b"), b=task())
    played = play(definition, lambda call: (0, "no" if call.fan_out else ""))
    assert played.log == ["step a#1<", "step c.no.y#1<", "step b#1<c"] and played.walk.status == 0


def test_a_branch_is_chosen_by_a_callback_of_its_own() -> None:
    definition = graph(c=choice_of("d"), d=choice_of(on_failure="h"), h=task("fail"))
    played = play(
        definition, lambda call: (int(call.path == "d.yes.x"), "yes" if call.kind == "choose" else "")
    )
    assert played.log == [
        "choose c#1<", "step c.yes.x#1<", "choose d#1<c", "step d.yes.x#1<", "step h#1<d", "step fail#1<h",
    ]  # fmt: skip


@pytest.mark.parametrize("said", ["", "other", "1", "ye"])
def test_a_conditional_without_a_branch_has_failed(said: str) -> None:
    definition = graph(a=task("c"), c=choice_of(on_failure="h"), h=task())
    played = play(definition, lambda call: (0, said if call.fan_out else ""))
    assert played.log == ["step a#1<", "step h#1<c"] and played.walk.failures == [("c", "c")]


WHEN = {"parameter": "p", "values": ["v"], "among": True}


@pytest.mark.parametrize(
    ("said", "log", "skipped"),
    [("run", ["step w#1<a", "step b#1<w"], []), ("skip", ["step b#1<w"], ["w"])],
)
def test_a_condition_is_decided_by_the_task_before(said: str, log: list[str], skipped: list[str]) -> None:
    definition = graph(a=task("w"), w=task("b", when=WHEN), b=task())
    played = play(definition, lambda call: (0, said if call.fan_out else ""))
    assert [line.partition("<")[0] for line in played.log] == [
        line.partition("<")[0] for line in ["step a#1<", *log]
    ]
    assert (played.walk.status, played.walk.skipped) == (0, skipped)
    assert played.walk.succeeded == len(log) + 1


def test_a_condition_is_decided_by_a_callback_of_its_own() -> None:
    definition = graph(w=task("v", when=WHEN), v=task(when=WHEN, on_failure="h"), h=task())
    said = {"w": "skip", "v": "run"}
    played = play(
        definition, lambda call: (int(call.kind == "step" and call.path == "v"), said.get(call.path, ""))
    )
    assert [line.partition("#")[0] for line in played.log] == ["choose w", "choose v", "step v", "step h"]
    assert (played.walk.status, played.walk.skipped, played.walk.failures) == (0, ["w"], [("v", "v")])


@pytest.mark.parametrize("said", ["", "other", "1", "skipp"])
def test_a_condition_of_which_nothing_was_decided_has_failed(said: str) -> None:
    definition = graph(a=task("w"), w=task(when=WHEN, on_failure="h"), h=task())
    played = play(definition, lambda call: (0, said if call.fan_out else ""))
    assert [line.partition("#")[0] for line in played.log] == ["step a", "step h"]
    assert played.walk.failures == [("w", "w")] and not played.walk.skipped


@pytest.mark.parametrize("limit", [1, 2, 3, None])
def test_max_concurrency_bounds_the_branches(limit: int | None) -> None:
    inner = graph(x=task("y"), y=task())
    played = play(
        graph(m=map_of(inner, max_concurrency=limit)),
        lambda call: (0, "20" if call.kind == "map_count" else ""),
        workers=8,
    )
    assert played.peak == (limit or 8) and len(played.log) == 41
    branches = {f"b{i}": inner for i in range(6)}
    played = play(graph(p=parallel_of(max_concurrency=limit, **branches)), good, workers=8)
    assert played.peak == (limit or 6) and len(played.log) == 12


def test_a_large_map_finishes_items_before_it_opens_all() -> None:
    definition = graph(m=map_of(graph(x=task("y"), y=task())))
    played = play(definition, lambda call: (0, "1000" if call.kind == "map_count" else ""), workers=2)
    assert played.log.index("step m.0.y#1<x") < 6 and played.walk.status == 0


def test_branches_run_to_their_own_end_before_the_composite_fails() -> None:
    definition = graph(
        p=parallel_of(l=graph(a=task()), r=graph(b=task("c"), c=task()), on_failure="h"), h=task()
    )
    played = play(definition, failing("p.l.a"))
    assert played.log[-2:] == ["step p.r.c#1<b", "step h#1<p"] and played.walk.status == 0


def test_fail_fast_stops_the_siblings() -> None:
    slow = graph(x=task("y"), y=task())
    inner = graph(deep=parallel_of(u=slow, v=slow))
    definition = graph(
        p=parallel_of(l=graph(a=task()), m=inner, r=graph(d=map_of(slow)), fail_fast=True, on_failure="h"),
        h=task(),
    )
    played = play(definition, failing("p.l.a"), workers=9)
    assert sorted(played.stopped) == ["p.m.deep.u.x", "p.m.deep.v.x", "p.r.d"]
    assert played.log[-1] == "step h#1<p" and played.walk.status == 0 and len(played.log) == 5


def test_fail_fast_forgets_pauses_and_branches_not_begun() -> None:
    definition = graph(
        p=parallel_of(
            l=graph(a=task(retry=retry(2, delay=100))), r=graph(b=task()), s=graph(c=task()),
            fail_fast=True, max_concurrency=2,
        )
    )  # fmt: skip
    played = play(definition, failing("p.l.a", "p.r.b"))
    assert played.log == ["step p.l.a#1<", "step p.r.b#1<", "step fail#1<p"] and played.times[-1] < 100


def test_fail_fast_when_a_branch_fails_without_a_call() -> None:
    dead = graph(a={"type": "as-is", "next": "fail"})
    definition = graph(p=parallel_of(l=graph(x=task()), r=dead, fail_fast=True))
    played = play(definition, failing(), workers=2)
    assert played.walk.status == 1 and played.log[-1] == "step fail#1<p"


def test_nested_fail_fast() -> None:
    inner = parallel_of(a=graph(x=task()), b=graph(y=task("z"), z=task()), fail_fast=True)
    definition = graph(p=parallel_of(l=graph(i=inner), r=graph(w=task("v"), v=task()), fail_fast=True))
    played = play(definition, failing("p.l.i.a.x"), workers=5)
    assert sorted(played.stopped) == ["p.l.i.b.y", "p.r.w"]
    assert played.walk.status == 1 and played.log[-1] == "step fail#1<p"


def test_fan_in_comes_first_where_the_plan_says_so() -> None:
    two = {"l": graph(a=task()), "r": graph(b=task())}
    definition = graph(p=parallel_of(next="q", **two), q=parallel_of(**two))
    played = play(definition, good)
    assert played.log[2:] == ["fan_in q#1<p", "step q.l.a#1<", "step q.r.b#1<"]


@pytest.mark.parametrize(
    ("render", "log"),
    [
        (None, ["step b#1<a"]),
        ("echo", ["text a#1<", "record a#1<", "step b#1<a"]),
        ({"local": "echo"}, ["text a#1<", "record a#1<", "step b#1<a"]),
        ({"bash": "echo"}, ["step b#1<a"]),
    ],
)
def test_as_is(render: Any, log: list[str]) -> None:
    definition = graph(a={"type": "as-is", "render": render, "next": "b"}, b=task())
    assert play(definition, good).log == log


def test_as_is_outcome_is_recorded_and_routed() -> None:
    definition = graph(a={"type": "as-is", "render": "x", "next": "b", "on_failure": "h"}, b=task(), h=task())
    seen: list[int] = []

    def outcome(call: Call) -> int:
        if call.kind == "record":
            seen.append(call.exit_status)
            return 1
        return -15 if call.kind == "text" else 0

    played = play(definition, outcome)
    assert seen == [143] and played.log[-1] == "step h#1<a" and played.walk.status == 0
    # 65 and 75 of a user's own lines mean nothing to the walk
    for status in (64, 65, 75):
        played = play(definition, lambda call, status=status: status if call.kind == "text" else 0)
        assert played.log == ["text a#1<", "record a#1<", "step b#1<a"]


# ---- failures that a callback must confirm

QUIET: Definition = {"type": "as-is", "next": "success"}
HANDLED = {"on_failure": "success"}


def confirming(status: int, *addresses: str) -> Callable[[Call], int | tuple[int, str]]:
    """Attempts at these addresses fail, a callback that is to confirm a failure ends with `status`; maps have one item."""

    def outcome(call: Call) -> int | tuple[int, str]:
        if call.kind == "confirm":
            return status
        failed = call.address in addresses or call.node["type"] == "fail"
        return int(failed), "1" if call.kind == "map_count" and not failed else ""

    return outcome


@pytest.mark.parametrize(
    ("definition", "failing", "log"),
    [
        (graph(a=task("b", **HANDLED), b=task()), "a", ["step a#1<", "confirm a#1<"]),
        (
            graph(a=task("q", on_failure="q"), q={**QUIET, "next": "r"}, r=QUIET),
            "a",
            ["step a#1<", "confirm a#1<"],
        ),
        (
            graph(a={"type": "as-is", "render": "x", "next": "success", **HANDLED}),
            "a",
            ["text a#1<", "record a#1<", "confirm a#1<"],
        ),
        (
            graph(p=parallel_of(l=graph(a=task()), r=graph(b=task()), **HANDLED)),
            "p.l.a",
            ["step p.l.a#1<", "step p.r.b#1<", "confirm p#1<"],
        ),
        (
            graph(
                d={"type": "dag", "branch": graph(a=task()), "next": "success", "on_failure": "q"}, q=QUIET
            ),
            "d.branch.a",
            ["step d.branch.a#1<", "confirm d#1<"],
        ),
        (graph(m=map_of(graph(a=task()), **HANDLED)), "m", ["map_count m#1<", "confirm m#1<"]),
        (
            graph(m=map_of(graph(a=task()), **HANDLED)),
            "m.0.a",
            ["map_count m#1<", "step m.0.a#1<", "confirm m#1<"],
        ),
        (
            graph(p=parallel_of("q", l=graph(a=task())), q=parallel_of(l=graph(a=task()), **HANDLED)),
            "q",
            ["step p.l.a#1<", "fan_in q#1<p", "confirm q#1<p"],
        ),
    ],
)
def test_a_failure_that_leads_to_success_is_confirmed(
    definition: Definition, failing: str, log: list[str]
) -> None:
    handled = play(definition, confirming(0, failing))
    assert (handled.log, handled.walk.status) == (log, 0)
    refused = play(definition, confirming(1, failing))
    last = log[-1].split()[1].partition("#")[0]
    assert (refused.log, refused.walk.status) == ([*log, f"step fail#1<{last}"], 1)
    killed = play(definition, confirming(-9, failing))
    assert (killed.log, killed.walk.status) == (refused.log, 1)
    for played in (handled, refused):
        assert played.walk.failures == [(failing, failing)]
        assert played.walk.succeeded == sum(line.startswith("step") and failing not in line for line in log)


@pytest.mark.parametrize(
    "definition",
    [
        graph(a=task(on_failure="h"), h=task()),
        graph(a=task(on_failure="h"), h={"type": "as-is", "render": "x", "next": "success"}),
        graph(a=task(on_failure="fail")),
        graph(a=task()),
        graph(a=task(on_failure="q"), q={**QUIET, "next": "h"}, h=map_of(graph(x=task()))),
        graph(a={**QUIET, **HANDLED}),
    ],
)
def test_nothing_is_confirmed_where_a_callback_follows_or_nothing_can_fail(definition: Definition) -> None:
    assert not [line for line in play(definition, confirming(1, "a")).log if line.startswith("confirm")]


def test_the_walk_goes_on_from_what_is_confirmed() -> None:
    """A branch of which the failure is not on record fails, and so does what is around it, if that is confirmed."""
    inner = graph(a=task("b", retry=retry(2), **HANDLED), b=task())
    definition = graph(d={"type": "dag", "branch": inner, "next": "c", "on_failure": "h"}, c=task(), h=task())
    attempts = ["step d.branch.a#1<", "step d.branch.a#2<", "confirm d.branch.a#1<"]
    assert play(definition, confirming(0, "d.branch.a")).log == [*attempts, "step c#1<d"]
    assert play(definition, confirming(1, "d.branch.a")).log == [*attempts, "step h#1<d"]


def test_a_platform_failure_of_a_confirmation() -> None:
    definition = graph(a=task(**HANDLED))
    statuses = iter([1, 75, 75, 0])
    played = play(definition, lambda call: next(statuses))
    assert played.log == ["step a#1<", *["confirm a#1<"] * 3] and played.walk.status == 0
    assert played.times == [0, 1, 3, 9]
    played = play(definition, confirming(75, "a"))
    assert played.walk.status == 75 and played.walk.broken is not None
    assert played.walk.broken.kind == "confirm"


def test_fail_fast_stops_a_confirmation_and_is_confirmed_itself() -> None:
    branches = {"l": graph(a=task(**HANDLED)), "r": graph(b=task("c"), c=task())}
    definition = graph(p=parallel_of(fail_fast=True, **HANDLED, **branches))
    played = play(definition, confirming(0, "p.l.a", "p.r.b"), workers=2)
    assert played.log == ["step p.l.a#1<", "step p.r.b#1<", "confirm p.l.a#1<", "confirm p#1<"]
    assert played.stopped == ["p.l.a"] and played.walk.status == 0


def test_cancel_ends_when_all_calls_have_ended() -> None:
    walk = Walk(plan_of(graph(p=parallel_of(l=graph(a=task("b"), b=task()), r=graph(c=task())))))
    calls = [walk.take(0), walk.take(0)]
    assert all(calls) and walk.take(0) is None
    walk.cancel()
    assert walk.stops() == calls and walk.stops() == [] and walk.take(0) is None and walk.status is None
    for call in calls:
        assert call is not None
        walk.finish(call, 75, 0)
    assert walk.status == 1 and walk.take(0) is None


def test_names_and_slugs() -> None:
    definition = graph(**{"Get it": task("per Land")}, **{"per Land": map_of(graph(**{"Ä b": task()}))})
    paths: list[tuple[str, str]] = []

    def outcome(call: Call) -> tuple[int, str]:
        paths.append((call.path, call.address))
        return 0, "1"

    play(definition, outcome)
    assert paths[0][0] == "Get it" and paths[1][0] == "per Land.0.Ä b"
    assert paths[1][1].isascii() and paths[1][1].count(".") == 2
