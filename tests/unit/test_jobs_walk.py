"""Jobs of a decentralised walk in the corners: two that are about the same thing at once, and those that are lost."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from magnus_render.errors import PLATFORM, Refused
from magnus_render.executors import decentral, job_walk
from magnus_render.executors.job_records import Submission
from magnus_render.executors.submitter import Submitter
from magnus_render.runtime import handover
from tests.unit import jobs_in_memory
from tests.unit.interleaving import begin
from tests.unit.jobs_in_memory import Jobs
from tests.unit.view_graphs import FAST, each, graph, parallel, task

TEXT = {"type": "as-is", "render": {"memory": "true"}}
SILENT = {"type": "as-is"}


@pytest.fixture(autouse=True)
def memory(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs_in_memory.prepare(monkeypatch)


def begun(dag: dict[str, Any], *words: str, **options: Any) -> Jobs:
    """Return the jobs of a run that was begun."""
    jobs = Jobs(begin(dag, *words), texts={"w": "true"}, **options)
    jobs.walk().begin()
    return jobs


def submitted(jobs: Jobs) -> list[str]:
    """Return the steps of all jobs that were submitted, those that stand guard apart."""
    return [line.address for line in jobs.lines.values() if not line.after_loss]


# ---- the scheduler is away ----


@pytest.fixture
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long jobs wait for a scheduler; the clock of `max_time` goes on by that, and nobody waits."""
    seconds: list[float] = []
    now = time.time
    monkeypatch.setattr(jobs_in_memory.MemorySubmitter, "pauses", Submitter.pauses)
    monkeypatch.setattr(job_walk.time, "sleep", seconds.append)
    monkeypatch.setattr(handover, "time", SimpleNamespace(time=lambda: now() + sum(seconds)))
    return seconds


def test_a_job_waits_for_a_scheduler_that_is_started_anew(waited: list[float]) -> None:
    jobs = begun(graph(a=task(), b=task()))
    jobs.faults["refuse"] = 4
    assert jobs.go() == 0
    assert waited == [1, 5, 15, 60]
    assert jobs.worked == {"a": 1, "b": 1}


def test_a_job_gives_up_in_the_end_and_its_guard_goes_on(waited: list[float]) -> None:
    jobs = begun(graph(a=task(), b=task()))
    jobs.faults["refuse"] = 5
    job = jobs.of("a")
    assert jobs.end(job) == PLATFORM
    assert waited == [1, 5, 15, 60]
    assert jobs.go() == 0
    assert jobs.worked == {"a": 1, "b": 1}


def test_max_time_is_over_while_a_job_waits(waited: list[float]) -> None:
    """To give up at once would leave a run that stands still: what follows finds that its time is over, and the run ends."""
    jobs = begun({**graph(a=task(), b={**task(), "on_failure": "h"}, h=task()), "max_time": 1000})
    jobs.faults["refuse"] = 4
    waited.append(950)
    assert jobs.go() == 1
    assert waited == [950, 1, 5, 15, 60]
    assert jobs.worked == {"a": 1}


# ---- two at once ----


def test_two_branches_fail_at_once() -> None:
    """The one that failed first closes the composite: were the other to, each would end what the other has begun."""
    fails = graph(t=task("exit 1"))
    jobs = begun(
        graph(p=parallel({**FAST, "on_failure": "h", "next": "success"}, x=fails, y=fails), h=task())
    )
    x, y = jobs.of("p.x.t"), jobs.of("p.y.t")
    for process in (x, y):
        jobs.until(process, "create r/jobs/over/p/_failed.json")
    jobs.until(x, "submit h")
    jobs.end(y)
    assert x.id in jobs.processes, "y has not ended x"
    jobs.end(x)
    assert jobs.go() == 0
    assert jobs.worked["h"] == 1


@pytest.mark.parametrize("follows, step", [("w", TEXT), ("c", task())])
def test_two_branches_end_at_once(follows: str, step: dict[str, Any]) -> None:
    """Both see that all have ended: what follows is submitted once, a text too."""
    jobs = begun(graph(p=parallel({}, x=graph(t=task()), y=graph(t=task())), **{follows: step}))
    both = [jobs.of("p.x.t"), jobs.of("p.y.t")]
    for process in both:
        jobs.until(process, "names r/jobs/over/p")
    for process in both:
        jobs.until(process, f"create r/jobs/calls/{follows}/")
    assert jobs.go() == 0
    assert submitted(jobs) == ["p.x.t", "p.y.t", follows]
    assert jobs.worked[follows] == 1


def test_two_jobs_of_a_call_end_a_branch_at_once() -> None:
    """A branch has one turn, whichever of them passes it on."""
    jobs = begun(graph(m=each({"max_concurrency": 1}, graph(t=task()))), "--param", "items=[1, 2, 3, 4]")
    jobs.submit(jobs.lines["j0"])
    both = [jobs.begin("j0"), jobs.begin("j2")]
    for process in both:
        jobs.until(process, "names r/jobs/over/m")
    for process in both:
        jobs.until(process, "create r/jobs/turns/m/0.json")
    for process in both:
        jobs.until(process, "create r/jobs/calls/m/1/t/1.0.claim.json")
    assert jobs.go() == 0
    assert {key for key in jobs.store.records if "/turns/" in key} == {
        f"r/jobs/turns/m/{n}.json" for n in range(3)
    }, "the last to end lets none begin"


def test_two_jobs_of_a_text() -> None:
    jobs = begun(graph(a=task(), w=TEXT))
    jobs.until(jobs.of("a"), "submit w")
    jobs.faults["late"] = 1
    assert jobs.go() == 0
    assert submitted(jobs) == ["a", "w", "w"]
    assert jobs.worked["w"] == 1


def test_what_ends_a_composite_ends_what_has_not_begun() -> None:
    """A branch that fails as it begins keeps those from beginning that were to begin after it."""
    fails = graph(s={**SILENT, "next": "fail"})
    dag = graph(
        p=parallel({**FAST, "on_failure": "h", "next": "success"}, x=fails, y=graph(t=task())), h=task()
    )
    jobs = begun(dag)
    assert submitted(jobs) == ["h"]
    assert jobs.go() == 0


# ---- lost ----


@pytest.mark.parametrize(
    "dag",
    [
        graph(a=task(retry={"attempts": 2}), w=TEXT, c=task(retry={"attempts": 2})),
        graph(p=parallel({"max_concurrency": 1}, **{n: graph(t=task(retry={"attempts": 2})) for n in "xy"})),
    ],
)
def test_one_job_is_killed_anywhere(dag: dict[str, Any]) -> None:
    """The run ends all the same, and nobody need resume it."""
    base = begin(dag)
    number = 0
    while True:
        jobs = Jobs(base, texts={"w": "true"})
        jobs.walk().begin()
        made = 0
        while (process := jobs.step()) is not None:
            made += 1
            if made == number and not process.over:
                jobs.kill(process)
        expected = (0, 1) if jobs.killed["w"] else (0,)  # a text that has begun is lost with its job
        assert jobs.records.status() in expected, f"killed at request {number}"
        number += 1
        if number > made:
            break
    assert number > 30


def test_a_text_that_did_not_begin_is_no_failure() -> None:
    jobs = begun(graph(w=TEXT))
    jobs.kill(jobs.until(jobs.of("w"), "create r/jobs/calls/w/1.0.begun.json"))
    assert jobs.go() == 0
    assert jobs.worked["w"] == 1


def test_a_text_that_had_begun_has_failed() -> None:
    jobs = begun(graph(w=TEXT))
    jobs.kill(jobs.until(jobs.of("w"), "text"))
    assert jobs.go() == 1
    assert jobs.worked["w"] == 0


def test_the_guard_of_a_job_could_not_be_submitted() -> None:
    """Who stands guard for the job before submits it; then a crash of the job is met."""
    jobs = begun(graph(a=task(), c=task(retry={"attempts": 2})))
    a = jobs.of("a")
    jobs.until(a, "submit c")
    jobs.until(jobs.past(a), "submit c")
    jobs.faults["refuse"] = 2
    assert jobs.end(a) == PLATFORM
    c = jobs.until(jobs.of("c"), "work")
    jobs.end(jobs.of("a", guard=True))
    jobs.kill(c)
    assert jobs.go() == 0
    assert submitted(jobs) == ["a", "c", "c"]


def test_the_scheduler_is_away_for_a_while() -> None:
    jobs = begun(graph(a=task(), c=task()))
    jobs.faults["refuse"] = 1
    a = jobs.of("a")
    assert jobs.end(a) == 0, "it has asked again"
    assert jobs.go() == 0


def test_another_job_of_a_call_that_has_crashed_for_good_counts_for_nothing() -> None:
    """Two jobs of one call: one is killed, what stands guard goes on from the crash; the other then comes to an end."""
    jobs = begun(graph(a=task(on_failure="h", next="success"), h=task()))
    orphan = jobs.begin(jobs.submit(jobs.lines["j0"]))
    a = jobs.until(jobs.of("a"), "work")
    jobs.until(orphan, "work")
    jobs.kill(a)
    jobs.end(jobs.of("a", guard=True))
    jobs.end(orphan)
    assert jobs.go() == 0
    assert list(jobs.log()["steps"]) == ["a", "h", "success"]
    assert (jobs.worked["h"], submitted(jobs).count("h")) == (1, 1)


# ---- a scheduler that runs jobs again ----


@pytest.mark.parametrize(
    "told, at, expected",
    [
        ("crashed", "work", ["a", "a", "c"]),  # spends an attempt: the job submits the next
        ("platform", "work", ["a", "c"]),
        ("crashed", "create r/jobs/calls/c/1.0.claim.json", ["a", "c"]),
        ("platform", "create r/steps/a/1.start.json", ["a", "c"]),
    ],
)
def test_a_job_is_run_again(told: str, at: str, expected: list[str]) -> None:
    jobs = begun(graph(a=task(retry={"attempts": 2}), c=task()), guards=False)
    jobs.kill(jobs.until(jobs.of("a"), at))
    del jobs.statuses["j0"]
    type(jobs.submitter).told = told
    again = jobs.of("a")
    jobs.end(again)
    type(jobs.submitter).told = ""
    assert jobs.go() == 0
    assert submitted(jobs) == expected
    assert jobs.worked["a"] == 1


def test_a_text_whose_host_was_lost_is_run_again() -> None:
    jobs = begun(graph(w=TEXT), guards=False)
    jobs.kill(jobs.until(jobs.of("w"), "text"))
    del jobs.statuses["j0"]
    type(jobs.submitter).told = "platform"
    assert jobs.go() == 0
    assert jobs.worked["w"] == 1


# ---- resumed ----


def test_what_was_claimed_and_never_submitted_is_submitted_once() -> None:
    jobs = begun(graph(a=task(), c=task()), guards=False)
    jobs.kill(jobs.until(jobs.of("a"), "submit c"))
    assert jobs.go() is None
    assert jobs.resume() == 0
    assert submitted(jobs) == ["a", "c"]
    with pytest.raises(Refused, match="is over"):
        jobs.resume()
    assert submitted(jobs) == ["a", "c"]


def test_the_later_attempt_goes_on() -> None:
    """What stood guard is killed as it submits the second attempt: the first is not made again."""
    jobs = begun(graph(a=task(retry={"attempts": 3})))
    jobs.kill(jobs.until(jobs.of("a"), "work"))
    jobs.kill(jobs.until(jobs.of("a", guard=True), "submit a"))
    assert jobs.go() is None
    assert jobs.resume() == 0
    assert [line.attempt for line in jobs.lines.values() if not line.after_loss] == [1, 2]


def test_what_others_are_about_to_submit_is_left_to_them() -> None:
    """A run is resumed of which one branch stands still and another is at work."""
    jobs = begun(graph(p=parallel({}, x=graph(t=task(), u=task()), y=graph(t=task()))), guards=False)
    jobs.kill(jobs.until(jobs.of("p.y.t"), "work"))
    x = jobs.until(jobs.of("p.x.t"), "submit p.x.u")
    decentral.resume(jobs.run, jobs.submitter)
    assert submitted(jobs) == ["p.x.t", "p.y.t", "p.y.t"]
    jobs.end(x)
    assert jobs.go() == 0
    assert submitted(jobs)[3:] == ["p.x.u"]


def test_what_a_composite_has_stopped_is_not_submitted_again() -> None:
    fails = graph(t=task("exit 1"))
    dag = graph(
        p=parallel({**FAST, "on_failure": "h", "next": "success"}, x=fails, y=graph(t=task())), h=task()
    )
    jobs = begun(dag)
    jobs.until(jobs.of("p.y.t"), "work")
    jobs.end(jobs.of("p.x.t"))
    jobs.kill(jobs.of("h"))
    jobs.kill(jobs.of("h", guard=True))
    assert jobs.go() is None
    assert jobs.resume() == 0
    assert submitted(jobs) == ["p.x.t", "p.y.t", "h", "h"]


def test_a_text_is_not_run_again_as_a_run_is_resumed() -> None:
    jobs = begun(graph(a=task(), w=TEXT, c=task()), guards=False)
    jobs.end(jobs.of("a"))
    jobs.kill(jobs.until(jobs.of("w"), "submit c"))
    assert jobs.resume() == 0
    assert jobs.worked["w"] == 1


# ---- is it at work? ----


def test_a_run_whose_next_job_was_just_submitted_does_not_stand_still(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The job that was at work ends, and submits the next, between the question which jobs there are and how they stand."""
    jobs = begun(graph(a=task(), c=task()))
    a, states = jobs.of("a"), jobs.submitter.states

    def late(ids: Any) -> Any:
        if not a.over:
            jobs.end(a)
        return states(ids)

    monkeypatch.setattr(jobs.submitter, "states", late)
    assert decentral.standing(jobs.run, jobs.submitter) == {}
    jobs.kill(jobs.of("c"))
    jobs.kill(jobs.of("c", guard=True))
    assert list(decentral.standing(jobs.run, jobs.submitter)) == ["c"]


def test_a_run_that_was_cancelled_submits_nothing_until_it_is_resumed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decentral.time, "sleep", lambda seconds: None)
    jobs = begun(graph(a=task(), c=task()))
    jobs.until(jobs.of("a"), "work")
    assert decentral.cancel(jobs.run, jobs.submitter) == 1
    assert jobs.go() is None
    assert list(decentral.standing(jobs.run, jobs.submitter)) == ["a"]
    assert jobs.resume() == 0


def test_names_of_claims_are_those_of_their_jobs() -> None:
    assert Submission("p.x.t", 2, 1).by == "p.x.t 2"
