"""Two callbacks of one run at once, interleaved at every request to the store: one outcome, one way, one log."""

from __future__ import annotations

import json
from typing import Any

import pytest

from magnus_render.errors import FAILED, REFUSED, SUCCESS
from tests.unit.interleaving import Callback, Made, Store, begin, each, prepare
from tests.unit.view_graphs import graph, parallel, task

CONFIRM = "--confirm-failure"


@pytest.fixture(autouse=True)
def scheduler(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch)


def tried(check: Any, base: Store, first: Made, second: Made) -> int:
    """Check all interleavings of two callbacks; return how many there are, and print it."""
    count = each(check, base, first, second)
    print(f"{count} interleavings")
    return count


def begin_only(store: Store, address: str) -> None:
    """Begin an attempt that leaves no end."""
    kill = 0
    while f"r/steps/{address.replace('.', '/')}/1.start.json" not in store.records:
        attempt = Made(address, kill=kill).on(store)
        while not attempt.over:
            attempt.advance()
        kill += 1


def handled(**fields: Any) -> Store:
    """Return a run at `a`, whose success leads to `b` and whose failure to `h`."""
    return begin(graph(a=task(on_failure="h", **fields), b=task(next="success"), h=task()))


def one_way(store: Store, succeeded: bool) -> None:
    """Check that of the two that may follow `a` one runs and the other is refused, whichever is called first."""
    for order in (("b", "h"), ("h", "b")):
        there = Store(store.records)
        taken = "b" if succeeded else "h"
        assert [there.step(name) for name in order] == [SUCCESS if n == taken else REFUSED for n in order]
        log = there.log()
        assert list(log["steps"]) == ["a", taken, "success"]
        assert log["status"] == "SUCCESS"


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_two_deliveries_of_an_attempt(first: bool, second: bool) -> None:
    def check(store: Store, one: Callback, other: Callback) -> None:
        assert one.status == other.status
        one_way(store, one.status == SUCCESS)

    assert tried(check, handled(), Made("a", fails=first), Made("a", fails=second)) > 0


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("first", [False, True])
def test_an_attempt_and_the_last_one_behind_it(first: bool, second: bool) -> None:
    def check(store: Store, one: Callback, other: Callback) -> None:
        ended = {one.status, other.status} - {76}
        assert ended in (set(), {SUCCESS}, {FAILED})
        if ended:
            one_way(store, SUCCESS in ended)

    attempts = (
        Made("a", "--attempt", str(n), "--again", "76", fails=f) for n, f in ((1, first), (2, second))
    )
    assert tried(check, handled(retry=2), *attempts) > 0


@pytest.mark.parametrize("fails", [False, True])
def test_an_attempt_and_the_confirmation_that_it_failed(fails: bool) -> None:
    base = begin(graph(a=task(on_failure="success"), b=task()))

    def check(store: Store, one: Callback, other: Callback) -> None:
        if one.status == SUCCESS:
            assert other.status == FAILED
            assert store.step("b") == SUCCESS
            assert list(store.log()["steps"]) == ["a", "b", "success"]
        else:
            assert one.status == FAILED
            assert store.step("a", CONFIRM) == SUCCESS
            assert store.step("b") == REFUSED
            assert list(store.log()["steps"]) == ["a", "success"]

    assert tried(check, base, Made("a", fails=fails), Made("a", CONFIRM)) > 0


@pytest.mark.parametrize("fails", [False, True])
def test_an_attempt_and_the_confirmation_where_failures_lead_to(fails: bool) -> None:
    base = begin(graph(a=task(on_failure="q"), b=task(next="success"), q={"type": "as-is"}))

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert one.status in (SUCCESS, FAILED)
        if other.status == SUCCESS:
            assert one.status == FAILED
        there = store.step("b")
        assert there == (SUCCESS if one.status == SUCCESS else REFUSED)

    assert tried(check, base, Made("a", fails=fails), Made("q", CONFIRM)) > 0


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("began", [False, True])
def test_an_attempt_and_the_handler_of_its_failure(began: bool, fails: bool) -> None:
    """The handler begins while the attempt is at work, or before it has begun."""
    base = handled()

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) in ((SUCCESS, REFUSED), (FAILED, SUCCESS))
        one_way(store, one.status == SUCCESS)

    if began:
        begin_only(base, "a")
    assert tried(check, base, Made("a", fails=fails), Made("h")) > 0


@pytest.mark.parametrize("fails", [False, True])
def test_an_attempt_and_a_handler_behind_what_leaves_no_record(fails: bool) -> None:
    base = begin(
        graph(a=task(on_failure="q"), b=task(next="success"), q={"type": "as-is", "next": "h"}, h=task())
    )

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) in ((SUCCESS, REFUSED), (FAILED, SUCCESS))
        one_way_behind = {SUCCESS: "b", FAILED: "h"}[one.status or 0]
        refused = {"b": "h", "h": "b"}[one_way_behind]
        assert (store.step(one_way_behind), store.step(refused)) == (SUCCESS, REFUSED)

    assert tried(check, base, Made("a", fails=fails), Made("h")) > 0


def test_the_record_that_an_as_is_failed_and_its_successor() -> None:
    """The engine has gone on from the success of what it ran itself, and a late word says otherwise."""
    native = {"type": "as-is", "render_string": "true", "on_failure": "h"}
    base = begin(graph(n=native, b=task(next="success"), h=task()))

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) in ((SUCCESS, SUCCESS), (FAILED, REFUSED))
        taken, refused = ("b", "h") if one.status == SUCCESS else ("h", "b")
        assert (store.step(taken), store.step(refused)) == (SUCCESS, REFUSED)
        assert list(store.log()["steps"]) == ["n", taken, "success"]

    assert tried(check, base, Made("n", "--exit-status", "1"), Made("b")) > 0


def two_branches(**fields: Any) -> dict[str, Any]:
    return parallel(fields, x=graph(t=task()), y=graph(t=task()))


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_of_a_branch_and_the_confirmation_that_its_composite_failed(fails: bool) -> None:
    base = begin(graph(p=two_branches(on_failure="success"), b=task()))
    assert base.step("p.y.t") == SUCCESS

    def check(store: Store, one: Callback, other: Callback) -> None:
        if one.status == SUCCESS:
            assert other.status == FAILED
            assert store.step("b") == SUCCESS
        else:
            assert store.step("p", CONFIRM) == SUCCESS
            assert store.step("b") not in (SUCCESS, FAILED)
            assert list(store.log()["steps"]) == ["p", "success"]

    assert tried(check, base, Made("p.x.t", fails=fails), Made("p", CONFIRM)) > 0


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("began", [False, True])
def test_a_step_of_a_branch_and_the_handler_of_its_composite(began: bool, fails: bool) -> None:
    base = begin(graph(p=two_branches(on_failure="h"), b=task(next="success"), h=task()))
    assert base.step("p.y.t") == SUCCESS
    if began:
        begin_only(base, "p.x.t")

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) in ((SUCCESS, REFUSED), (FAILED, SUCCESS))
        assert (store.step("b") == SUCCESS) == (one.status == SUCCESS)

    assert tried(check, base, Made("p.x.t", fails=fails), Made("h")) > 0


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_the_last_steps_of_two_branches(fast: bool, first: bool, second: bool) -> None:
    base = begin(graph(p=two_branches(on_failure="h", fail_fast=fast), b=task(next="success"), h=task()))

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status == FAILED) == first or (fast and second)
        assert (other.status == FAILED) == second or (fast and first)
        succeeded = SUCCESS == one.status == other.status
        assert store.step("b" if succeeded else "h") == SUCCESS
        assert store.step("h" if succeeded else "b") not in (SUCCESS, FAILED)
        assert list(store.log()["steps"]) == ["p", "b" if succeeded else "h", "success"]

    assert tried(check, base, Made("p.x.t", fails=first), Made("p.y.t", fails=second)) > 0


@pytest.mark.parametrize("kill", range(5))
def test_the_step_that_closes_a_branch_killed_at_a_write_and_the_successor(kill: int) -> None:
    base = begin(graph(p=two_branches(), b=task()))
    assert base.step("p.y.t") == SUCCESS

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert one.killed == (kill < 4)
        assert store.step("p.x.t") == SUCCESS
        assert store.step("b") == SUCCESS
        log = store.log()
        assert log["status"] == "SUCCESS"
        assert log["parameters"] == {"by_p_x_t": 1, "by_p_y_t": 1, "by_b": 1}

    assert tried(check, base, Made("p.x.t", kill=kill), Made("b")) > 0


@pytest.mark.parametrize("kill", range(4))
def test_the_step_that_fails_a_branch_killed_at_a_write_and_the_handler(kill: int) -> None:
    """Delivered again, also where it was killed before it began, it comes too late for the handler."""
    base = begin(graph(p=two_branches(on_failure="h"), b=task(next="success"), h=task()))
    assert base.step("p.y.t") == SUCCESS

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert other.status == SUCCESS
        assert store.step("p.x.t") == FAILED
        assert store.step("b") not in (SUCCESS, FAILED)
        assert list(store.log()["steps"]) == ["p", "h", "success"]

    assert tried(check, base, Made("p.x.t", fails=True, kill=kill), Made("h")) > 0


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_of_a_branch_and_the_fail_node_of_the_branch(fails: bool) -> None:
    base = begin(graph(p=two_branches(on_failure="h"), b=task(next="success"), h=task()))
    assert base.step("p.y.t") == SUCCESS
    begin_only(base, "p.x.t")

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert other.status == FAILED
        taken, refused = ("b", "h") if one.status == SUCCESS else ("h", "b")
        assert store.step(taken) == SUCCESS
        assert store.step(refused) not in (SUCCESS, FAILED)
        assert list(store.log()["steps"]) == ["p", taken, "success"]

    assert tried(check, base, Made("p.x.t", fails=fails), Made("p.x.fail")) > 0


def choice(**fields: Any) -> dict[str, Any]:
    branches = {"1": graph(t=task()), "2": graph(u=task())}
    return {"type": "conditional", "parameter": "by_a", "branches": branches, **fields}


def chosen(store: Store) -> None:
    """Check that the one branch runs and the other is refused, and that one log is left."""
    assert store.step("c.2.u") == REFUSED
    assert [store.step("c.1.t"), store.step("b")] == [SUCCESS, SUCCESS]
    log = store.log()
    assert log["status"] == "SUCCESS" and list(log["steps"]["c"]["branches"]) == ["c.1"]


def test_two_deliveries_of_the_step_that_chooses_a_branch() -> None:
    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) == (SUCCESS, SUCCESS)
        chosen(store)

    assert tried(check, begin(graph(a=task(), c=choice(), b=task())), Made("a"), Made("a")) > 0


@pytest.mark.parametrize("kill", range(5))
def test_the_step_that_chooses_killed_at_a_write_and_a_step_of_the_branch(kill: int) -> None:
    base = begin(graph(a=task(), c=choice(), b=task()))

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert store.step("a") == SUCCESS
        chosen(store)

    assert tried(check, base, Made("a", kill=kill), Made("c.1.t")) > 0


@pytest.mark.parametrize("fails", [False, True])
def test_a_step_of_a_branch_and_the_handler_of_its_conditional(fails: bool) -> None:
    base = begin(graph(a=task(), c=choice(on_failure="h"), b=task(next="success"), h=task()))
    assert base.step("a") == SUCCESS

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) in ((SUCCESS, REFUSED), (FAILED, SUCCESS))
        assert (store.step("b") == SUCCESS) == (one.status == SUCCESS)

    assert tried(check, base, Made("c.1.t", fails=fails), Made("h")) > 0


WHEN = {"parameter": "by_a", "is": 1}


def guarded(when: dict[str, Any]) -> Store:
    """Return a run at `a`, which decides whether `w` runs."""
    return begin(graph(a=task(), w=task(when=when), b=task()))


@pytest.mark.parametrize("when", [WHEN, {"parameter": "by_a", "is_not": 1}])
@pytest.mark.parametrize("kill", [-1, *range(6)])
def test_the_step_that_decides_and_another_delivery_of_it(when: dict[str, Any], kill: int) -> None:
    """The first delivery may be killed before one of its writes."""
    skips = "is_not" in when

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert other.status == SUCCESS and one.status == (None if one.killed else SUCCESS)
        assert (store.step("b") == SUCCESS) == skips
        assert [store.step("w"), store.step("b")] == [SUCCESS, SUCCESS]
        log = store.log()
        assert log["steps"]["w"]["status"] == ("SKIPPED" if skips else "SUCCESS")
        assert len(log["steps"]["w"]["attempts"]) == (not skips)
        assert ("by_w" in log["parameters"]) != skips and log["status"] == "SUCCESS"

    assert tried(check, guarded(when), Made("a", kill=kill), Made("a")) > 0


def may_skip() -> Store:
    """Return a run at `w`, which is skipped; its success leads to `b` and its failure to `h`."""
    skipped = task(when={"parameter": "p", "is": 1}, on_failure="h")
    return begin(graph(w=skipped, b=task(next="success"), h=task()), "--param", "p=2")


def test_two_calls_of_a_task_that_is_skipped() -> None:
    base = may_skip()

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) == (SUCCESS, SUCCESS)
        assert [store.step("h"), store.step("b")] == [REFUSED, SUCCESS]
        assert store.log()["steps"]["w"]["status"] == "SKIPPED"

    assert tried(check, base, Made("w"), Made("w")) > 0


def test_a_task_that_is_skipped_and_its_handler() -> None:
    """Whichever records the outcome first, the other goes by it."""
    base = may_skip()

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) in ((SUCCESS, REFUSED), (FAILED, SUCCESS))
        assert (store.step("b") == SUCCESS) == (one.status == SUCCESS)

    assert tried(check, base, Made("w"), Made("h")) > 0


def test_two_deliveries_of_the_successor_of_branches() -> None:
    base = begin(graph(p=two_branches(), b=task()))
    assert [base.step("p.x.t"), base.step("p.y.t")] == [SUCCESS, SUCCESS]

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) == (SUCCESS, SUCCESS)
        assert store.log()["parameters"] == {"by_p_x_t": 1, "by_p_y_t": 1, "by_b": 1}

    assert tried(check, base, Made("b"), Made("b")) > 0


@pytest.mark.parametrize("fails", [False, True])
def test_two_that_follow_branches_learn_their_outcome_once(fails: bool) -> None:
    """Whoever begins behind the branches records how they ended: two deliveries, and the way that is not taken."""
    base = begin(graph(p=two_branches(on_failure="h"), b=task(next="success"), h=task()))
    assert base.step("p.x.t", fails=fails) == (FAILED if fails else SUCCESS)
    assert base.step("p.y.t") == SUCCESS
    taken, refused = ("h", "b") if fails else ("b", "h")

    def check(store: Store, one: Callback, other: Callback) -> None:
        assert (one.status, other.status) == (SUCCESS, SUCCESS)
        outcome = json.loads(store.records["r/steps/p/outcome.json"])
        assert (outcome["status"], outcome["handed_to"]) == ("FAIL" if fails else "SUCCESS", taken)
        assert store.step(refused) == REFUSED

    assert tried(check, base, Made(taken), Made(taken)) > 0
