"""Branches that wait for their turn: a job is killed before each of its requests, and delivered again, and none is lost.

At no time are more branches at work than may be, and at the end each has been at work.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance.jobs_chaos import without_kills
from tests.unit import jobs_in_memory
from tests.unit.interleaving import Store, begin
from tests.unit.jobs_in_memory import Jobs, Process
from tests.unit.view_graphs import each, graph, parallel, task

COUNT, LIMIT = 5, 2
STEP = task(retry={"attempts": 9})
SHAPES: dict[str, dict[str, Any]] = {
    "map": graph(p=each({"max_concurrency": LIMIT}, graph(t=STEP)), c=STEP),
    "parallel": graph(
        p=parallel({"max_concurrency": LIMIT}, **{str(n): graph(t=STEP) for n in range(COUNT)}), c=STEP
    ),
}
WAYS = ["guard", "crashed", "platform", "resume"]
"""What goes on from a job that was killed: the one that stands guard; the scheduler, which runs it again; a person."""


@pytest.fixture(autouse=True)
def memory(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs_in_memory.prepare(monkeypatch)


def started(shape: str) -> Store:
    return begin(SHAPES[shape], "--param", f"items={list(range(COUNT))}")


def begun(base: Store, seed: int, way: str = "guard") -> Jobs:
    jobs = Jobs(base, seed, guards=way == "guard")
    jobs.walk().begin()
    return jobs


def step(jobs: Jobs) -> Process | None:
    """Let some job go on by a request; check that no more branches are at work than may be."""
    process = jobs.step()
    begun_ = _branches(jobs, "r/jobs/calls/p/")
    assert len(begun_ - _branches(jobs, "r/jobs/over/p/")) <= LIMIT
    return process


def _branches(jobs: Jobs, folder: str) -> set[str]:
    keys = (key for key in jobs.store.records if key.startswith(folder))
    return {key[len(folder) :].partition("/")[0].removesuffix(".json") for key in keys}


def finish(jobs: Jobs) -> None:
    while step(jobs) is not None:
        pass


def kill(jobs: Jobs, address: str, number: int) -> tuple[str, str]:
    """Let all jobs go on, and kill the first one of a step before its request of a number; return its id and the request."""
    made = 0
    while (process := step(jobs)) is not None:
        if process.line.address == address and not process.line.after_loss:
            made += 1
            if made == number and not process.over:
                jobs.kill(process)
                return process.id, process.at
    return "", ""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_a_job_is_killed_between_any_two_of_its_requests(shape: str, way: str) -> None:
    base = started(shape)
    calm = begun(base, 0)
    finish(calm)
    expected = without_kills(calm.log())
    requests: list[str] = []
    for number in range(1, 99):
        jobs = begun(base, WAYS.index(way), way)
        id_, at = kill(jobs, "p.1.t", number)
        if not id_:
            break
        requests.append(at)
        if way in ("crashed", "platform"):
            del jobs.statuses[id_]
            type(jobs.submitter).told = way
            jobs.end(jobs.begin(id_))
            type(jobs.submitter).told = ""
        finish(jobs)
        assert jobs.records.status() is not None or way == "resume", f"killed before {at}"
        if jobs.records.status() is None:
            jobs.resume()
        assert jobs.records.status() == 0, f"killed before {at}"
        assert without_kills(jobs.log()) == expected, f"killed before {at}"
        others = [jobs.worked[name] for name in ("p.0.t", "p.2.t", "p.3.t", "p.4.t", "c")]
        # a job of which no record tells is submitted once more, and of the two outcomes one counts
        assert min(others) == 1 and sum(others) <= len(others) + jobs.doubled, f"killed before {at}"
    for request in ("create r/jobs/over/p/1", "names r/jobs/over/p", "create r/jobs/turns/p/", "submit p."):
        # one seed for all numbers, so that no request is passed over
        assert any(at.startswith(request) for at in requests), request


@pytest.mark.parametrize("shape", SHAPES)
def test_branches_that_end_at_once_begin_one_each(shape: str) -> None:
    """Both have seen that two have ended, and come to the same turn."""
    jobs = begun(started(shape), 0)
    both = [jobs.of("p.0.t"), jobs.of("p.1.t")]
    for at in ("names r/jobs/over/p", "create r/jobs/turns/p/1.json"):
        for process in both:
            jobs.until(process, at)
    for process in both:
        jobs.until(process, "create r/jobs/calls/p/")
    assert {process.at.split("/")[4] for process in both} == {"2", "3"}
    finish(jobs)
    assert jobs.records.status() == 0
    assert set(jobs.worked.values()) == {1}


def test_a_branch_whose_turn_another_has_taken_takes_the_next() -> None:
    """It was slow to ask: the one that ended after it has passed a turn on already, which counts for it."""
    jobs = begun(started("map"), 0)
    slow = jobs.until(jobs.of("p.0.t"), "create r/jobs/turns/p/0.json")
    jobs.store.records["r/jobs/turns/p/0.json"] = b'{"branch":"1"}'
    jobs.until(slow, "create r/jobs/calls/p/3/t/1.0.claim.json")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_job_is_delivered_again_after_it_has_gone_on(shape: str) -> None:
    jobs = begun(started(shape), 0, "platform")
    first = jobs.of("p.0.t")
    jobs.end(first)
    type(jobs.submitter).told = "platform"
    jobs.end(jobs.begin(first.id))
    type(jobs.submitter).told = ""
    assert [line.address for line in jobs.lines.values()] == ["p.0.t", "p.1.t", "p.2.t"]
    finish(jobs)
    assert jobs.records.status() == 0
    assert set(jobs.worked.values()) == {1}
