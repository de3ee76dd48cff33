"""Jobs of one run at once, interleaved at every request and killed anywhere: all nodes succeed once, and no run is lost."""

from __future__ import annotations

import difflib
import json
import os
from typing import Any

import pytest

from tests.conformance.jobs_chaos import without_kills
from tests.unit import jobs_in_memory
from tests.unit.interleaving import Store, begin
from tests.unit.jobs_in_memory import Jobs
from tests.unit.view_graphs import FAST, each, graph, parallel, task

RETRY = {"retry": {"attempts": 9}}
TEXT = {"type": "as-is", "render": {"memory": "true"}}
ITEMS = {"items": list(range(5))}


@pytest.fixture(autouse=True)
def memory(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs_in_memory.prepare(monkeypatch)


def branches(count: int = 5, **fields: Any) -> dict[str, Any]:
    return {f"b{n}": graph(t=task(**RETRY, **fields)) for n in range(count)}


STEP = task(**RETRY)
FAILS = {"bad": graph(t=task("exit 1"))}
SHAPES: dict[str, dict[str, Any]] = {
    "parallel": graph(a=STEP, p=parallel({}, **branches()), c=STEP),
    "bounded": graph(p=parallel({"max_concurrency": 2}, **branches()), c=STEP),
    "map": graph(a=STEP, m=each({}, graph(t=STEP, u=STEP)), c=STEP),
    "bounded map": graph(m=each({"max_concurrency": 2}, graph(t=STEP)), n=each({}, graph(t=STEP)), c=STEP),
    "flaky": graph(p=parallel({}, **branches(command="flaky1")), c=STEP),
    "handled": graph(p=parallel({"on_failure": "h", "next": "success"}, **branches(3), **FAILS), h=STEP),
    "fails": graph(p=parallel({}, **branches(3), **FAILS), c=STEP),
    "nested": graph(
        p=parallel({}, x=graph(q=parallel({}, **branches(3))), y=graph(m=each({}, graph(t=STEP)))), c=STEP
    ),
    "text": graph(p=parallel({}, **branches(3)), w=TEXT, c=STEP),
}
HASTY: dict[str, dict[str, Any]] = {
    "one fails": graph(
        p=parallel({**FAST, "on_failure": "h", "next": "success"}, **branches(4), **FAILS), h=STEP
    ),
    "all fail": graph(
        p=parallel({**FAST, "on_failure": "h", "next": "success"}, **branches(4, command="flaky9")), h=STEP
    ),
    "bounded": graph(
        p=parallel(
            {**FAST, "max_concurrency": 2, "on_failure": "h", "next": "success"},
            **branches(4, command="flaky9"),
        ),
        h=STEP,
    ),
}
TEXTS = {"w": "true"}
SEEDS = int(os.environ.get("MAGNUS_SEEDS", "6"))


def started(dag: dict[str, Any]) -> Store:
    return begin(dag, "--param", f"items={json.dumps(ITEMS['items'])}")


def calm(base: Store) -> tuple[int | None, dict[str, Any]]:
    """Return how an undisturbed run ends, and its log."""
    jobs = Jobs(base, texts=TEXTS)
    jobs.walk().begin()
    status = jobs.go()
    return status, without_kills(jobs.log())


class Disturbed:
    """A run in which jobs are killed, and submissions go wrong."""

    def __init__(self, base: Store, seed: int, kills: int, faults: int, guards: bool = True) -> None:
        self.jobs = Jobs(base, seed, guards, TEXTS)
        self.kills, self.faults = kills, faults
        self.resumed = 0
        self.trace: list[str] = []
        self.jobs.walk().begin()
        while self.jobs.step() is not None:
            self._disturb()
        self.status = self.jobs.records.status()
        assert not self.jobs.processes and not self.jobs.waiting()
        if self.status is None:
            self.resumed = 1
            self.jobs.faults.clear()
            self.status = self.jobs.resume()

    def _disturb(self) -> None:
        jobs, chance = self.jobs, self.jobs.random.random()
        if chance < 0.02 and self.kills and jobs.processes:
            process = jobs.random.choice(list(jobs.processes.values()))
            self.kills -= 1
            self.trace.append(f"kill {' '.join(process.line.argv[2:])} at {process.at}")
            jobs.kill(process)
        elif chance > 0.99 and self.faults:
            self.faults -= 1
            fault = jobs.random.choice(("refuse", "late"))
            self.trace.append(fault)
            jobs.faults[fault] += jobs.random.choice((1, 4))


def check(shape: str, base: Store, seed: int, *numbers: int) -> Disturbed:
    status, log = calm(base)
    run = Disturbed(base, seed, *numbers)
    told = "\n".join([shape, f"seed {seed}", *run.trace, *run.jobs.said])
    if run.jobs.killed["w"]:  # what has begun of a text is not begun again, unless somebody resumes the run
        assert run.jobs.worked["w"] <= 1 + run.resumed + run.jobs.doubled, told
        return run
    assert run.status == status, told
    found = without_kills(run.jobs.log())
    lines = difflib.unified_diff(
        *(json.dumps(one, indent=1).splitlines() for one in (log, found)), n=9, lineterm=""
    )
    assert found == log, "\n".join([told, *lines])
    for address, count in run.jobs.worked.items():
        allowed = run.jobs.killed[address] + run.jobs.doubled
        assert count <= 1 + allowed + 8 * (shape == "flaky"), f"{address} {count}\n{told}"
    return run


@pytest.mark.parametrize("shape", SHAPES)
def test_nothing_is_disturbed(shape: str) -> None:
    base = started(SHAPES[shape])
    for seed in range(SEEDS):
        assert not check(shape, base, seed, 0, 0).resumed


@pytest.mark.parametrize("shape", SHAPES)
def test_jobs_are_killed(shape: str) -> None:
    base = started(SHAPES[shape])
    for seed in range(SEEDS):
        check(shape, base, seed, 3, 0)


@pytest.mark.parametrize("shape", SHAPES)
def test_submissions_go_wrong(shape: str) -> None:
    base = started(SHAPES[shape])
    for seed in range(SEEDS):
        check(shape, base, seed, 2, 2)


@pytest.mark.parametrize("shape", HASTY)
def test_a_composite_that_fails_fast(shape: str) -> None:
    """Which of its branches are stopped is left to chance, but it fails once, and its handler runs once."""
    base = started(HASTY[shape])
    for seed in range(SEEDS):
        for kills, faults in ((0, 0), (3, 2)):
            run = Disturbed(base, seed, kills, faults)
            told = "\n".join([shape, f"seed {seed}", *run.trace, *run.jobs.said])
            log = run.jobs.log()
            assert run.status == 0, told
            assert (log["steps"]["p"]["status"], log["steps"]["h"]["status"]) == ("FAIL", "SUCCESS"), told
            assert kills or (not run.resumed and run.jobs.worked["h"] == 1), told
