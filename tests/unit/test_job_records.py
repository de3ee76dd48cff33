"""What jobs of a decentralised walk record, and how they understand their command line."""

from __future__ import annotations

import random

import pytest

from magnus_render.errors import PLATFORM, REFUSED, SUCCESS, USAGE, PlatformError, UsageError
from magnus_render.executors import job
from magnus_render.executors.job_records import CANCELLED, RESUMED, JobRecords, Submission
from magnus_render.runtime.records import Run
from tests.unit.interleaving import Store

A = Submission("p.x.t", 1, 0)


@pytest.fixture
def records() -> JobRecords:
    return none_yet()


def none_yet() -> JobRecords:
    return JobRecords(Run(Store({}), "r", {}))  # type: ignore[typeddict-item]


def nobody(by: str) -> bool:
    return False


def anybody(by: str) -> bool:
    return True


# ---- claims ----


def test_a_call_is_claimed_once(records: JobRecords) -> None:
    assert records.claim(A, "a 1", "a", nobody) == ""
    assert records.claim(A, "b 1", "b", nobody) is None
    assert records.after(A) == "a", "the first counts"


def test_who_claimed_a_call_does_what_is_left(records: JobRecords) -> None:
    mine = "a 1".__eq__
    assert records.claim(A, "a 1", "a", mine) == ""
    assert records.claim(A, "a 1", "a", mine) == "", "nothing was submitted"
    records.submitted(A, "job", "17")
    assert records.claim(A, "a 1", "a", mine) == "17", "it has no guard"
    records.submitted(A, "guard", "18")
    assert records.claim(A, "a 1", "a", mine) is None
    assert records.claim(A, "a 1", "a", anybody) is None


def test_attempts_and_repeats_are_claimed_apart(records: JobRecords) -> None:
    for what in (A, A._replace(attempt=2), A._replace(repeat=1), A._replace(address="p.x.u")):
        assert records.claim(what, "a 1", "a", nobody) == ""
    records.submitted(A._replace(repeat=1), "job", "17")
    assert [records.has_job(what) for what in (A, A._replace(repeat=1), A._replace(attempt=2))] == [
        False,
        True,
        False,
    ]


def test_all_that_was_submitted_below_an_address(records: JobRecords) -> None:
    for address in ("p.x.t", "p.y.t", "q.x.t", "px"):
        what = Submission(address, 1, 0)
        records.claim(what, "", "", nobody)
        records.submitted(what, "job", f"job-{address.replace('.', '_')}")
    assert set(records.all("p")) == {Submission("p.x.t", 1, 0), Submission("p.y.t", 1, 0)}
    assert records.all()[Submission("px", 1, 0)] == {"job": ["job-px"], "guard": []}


def test_a_text_begins_once(records: JobRecords) -> None:
    assert not records.text_began(A)
    assert records.begin_text(A)
    assert records.text_began(A)
    assert not records.begin_text(A)
    assert records.begin_text(A._replace(repeat=1))


# ---- branches ----


def test_branches_that_are_over(records: JobRecords) -> None:
    assert records.branches_over("p") == (0, False)
    assert records.branch_over("p", "x", True, "p.x.t 1")
    assert not records.branch_over("p", "x", True, "p.x.t 1")
    assert records.branches_over("p") == (1, False)
    records.branch_over("p", "y", False, "p.y.t 1")
    records.branch_over("p", "z", False, "p.z.t 1")
    records.branch_over("p.x.q", "x", True, "p.x.q.x.t 1")
    assert records.branches_over("p") == (3, True)
    assert records.failed_branch("p") == "y"
    assert records.failed_branch("q") == ""


def test_a_branch_has_one_turn(records: JobRecords) -> None:
    assert [records.turn("p", branch, True, n + 1) for n, branch in enumerate("xyz")] == [0, 1, 2]
    assert [records.turn("p", branch, False, 3) for branch in "zxy"] == [2, 0, 1]
    assert records.turn("p.x.q", "x", False, 1) == 0
    assert JobRecords(records.run).turn("p", "w", False, 4) == 3


@pytest.mark.parametrize("seed", range(200))
def test_no_turn_is_left_out(seed: int) -> None:
    """However many ends each branch has seen besides those before its own, and in which order they ask."""
    chance = random.Random(seed)
    count = chance.randint(1, 12)
    records = none_yet()
    ends = [(f"b{rank}", chance.randint(rank + 1, count)) for rank in range(count)]
    chance.shuffle(ends)
    turns = [records.turn("p", branch, chance.random() < 0.5, ended) for branch, ended in ends]
    assert sorted(turns) == list(range(count))


# ---- the run ----


def test_the_first_end_of_a_run_counts(records: JobRecords) -> None:
    assert records.status() is None
    records.over(1)
    records.over(0)
    assert records.status() == 1


def test_a_walk_is_cancelled_until_it_is_resumed(records: JobRecords) -> None:
    for what in (CANCELLED, RESUMED) * 6:
        records.tell(what)
        assert records.is_cancelled() == (what == CANCELLED)


# ---- the command line ----


def test_the_command_line_of_a_job() -> None:
    line = job.JobLine(
        ["r", "p.x.t", "--attempt", "2", "--repeat", "1", "--after", "s", "--text", "--guard", "17"]
    )
    assert (line.run_id, line.address, line.attempt, line.repeat) == ("r", "p.x.t", 2, 1)
    assert (line.after, line.text, line.guarded) == ("s", True, "17")
    line = job.JobLine(["r", "a"])
    assert (line.attempt, line.repeat, line.after, line.text, line.guarded) == (1, 0, "", False, "")


@pytest.mark.parametrize(
    "argv",
    [["r"], ["r", "a", "b"], ["r", "a", "--attempt", "x"], ["r", "a", "--attempt"], ["r", "a", "--wrong"]],
)
def test_a_command_line_that_is_none(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError):
        job.JobLine(argv)
    assert job.main(["run_job", *argv]) == USAGE
    assert "run_job" in capsys.readouterr().err


def test_a_job_that_cannot_run(
    project: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert job.main(["run_job", "--help"]) == SUCCESS
    monkeypatch.delenv("MAGNUS_CONFIG", raising=False)
    assert job.main(["run_job", "r", "a"]) == USAGE
    nothing = '{"type": "do-nothing", "config": {}}'
    store = '{"type": "file-system", "config": {"path": "log"}}'
    monkeypatch.setenv(
        "MAGNUS_CONFIG", f'{{"run_log_store": {store}, "catalog": {nothing}, "secrets": {nothing}}}'
    )
    assert job.main(["run_job", "r", "a"]) == REFUSED
    assert "the run log must lie where every host" in capsys.readouterr().err

    def away(line: object) -> int:
        raise PlatformError("no scheduler")

    monkeypatch.setattr(job, "_run", away)
    assert job.main(["run_job", "r", "a"]) == PLATFORM
