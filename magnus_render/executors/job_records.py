"""The records of a decentralised walk, besides those of callbacks: submitted jobs, and branches that are over.

All records are created if absent. So any number of processes may go on from one outcome: each submission has one claim,
each branch one end. These records are for the walk alone; the run log is not computed from them.

| key below `RUN/` | written by | content |
|---|---|---|
| `jobs/walk.json` | whoever starts the walk | `WalkRecord`: the executor, the stores, what nodes have for it |
| `jobs/calls/<a>/<n>.<r>.claim.json` | who is about to submit repeat r of attempt n | who that is, and what came before |
| `jobs/calls/<a>/<n>.<r>.job.<id>.json` | the same, once it is submitted | when |
| `jobs/calls/<a>/<n>.<r>.guard.<id>.json` | the same, of the job that stands guard | when |
| `jobs/calls/<a>/<n>.<r>.begun.json` | the job that runs the text of an as-is, before it does | when |
| `jobs/over/<composite>/<branch>.json` | the job in which a branch ends | who that is |
| `jobs/over/<composite>/_failed.json` | the same, before it, of a branch that failed | which branch |
| `jobs/turns/<composite>/<k>.json` | the same, where branches wait for their turn | which branch lets the k-th one begin |
| `jobs/end.json` | the job that comes to the end of the root graph | the exit status of the run |
| `jobs/told/<k>.<what>.json` | `runs cancel`, `runs resume` | when |
"""

from __future__ import annotations

import os
import time
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

from magnus_render.runtime import shapes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magnus_render.plan import Services
    from magnus_render.runtime.records import Run

CANCELLED, RESUMED = "cancelled", "resumed"


class Submission(NamedTuple):
    """One call that was, or is to be, submitted as a job."""

    address: str
    attempt: int
    """The user's attempt, from 1."""
    repeat: int
    """How often the platform has failed this attempt."""

    @property
    def by(self) -> str:
        """The name of its job, and of the job's guard, in claims."""
        return f"{self.address} {self.attempt}"


class WalkRecord(TypedDict):
    """The settings of a walk from job to job, the same for all of its jobs."""

    executor: str
    config: dict[str, Any]
    """`executor.config`."""
    services: Services
    """Where jobs find the stores."""
    nodes: dict[str, Any]
    """The parts of nodes for the executor, by definition address: `text` of an as-is, `config` of a task."""


class JobRecords:
    """The records of one run's jobs."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self._turns: dict[str, dict[str, int]] = {}

    # ---- how the run is walked ----

    def begin(self, walk: WalkRecord) -> None:
        """Create the record of the walk."""
        self.run.create("jobs/walk.json", walk)

    def walk(self) -> WalkRecord | None:
        """Return the record of the walk; None if the run is not walked from job to job."""
        found: WalkRecord | None = self.run.read("jobs/walk.json")
        return found

    def node(self, address: str) -> dict[str, Any]:
        """Return the parts of a node for the executor, by its definition address: `text`, `config`, or nothing."""
        walk = self.walk()
        found: dict[str, Any] = walk["nodes"].get(address, {}) if walk else {}
        return found

    # ---- submissions ----

    def claim(self, what: Submission, by: str, after: str, takes_over: Callable[[str], bool]) -> str | None:
        """Return '' if the caller must submit a call, because no other process has or will. None if it must not.

        If the caller has submitted it already, but not its guard, the job's id is returned. `after` is the step that hands
        over to it. `by` is the caller's name, which stays the same if the caller is run again. `takes_over` tells, by name,
        whose unfinished work the caller does: its own, and that of callers that it knows to be gone.
        """
        key = _claim(what)
        if self.run.create(key, {"by": by, "after": after, "time": time.time()}):
            return ""
        found = {kind: job for _, kind, job in self._of(what)}
        if "guard" in found or not takes_over(self.run.read(key)["by"]):
            return None
        return found.get("job", "")

    def has_job(self, what: Submission) -> bool:
        """Tell whether a job of a call is known."""
        return any(kind == "job" for _, kind, _ in self._of(what))

    def after(self, what: Submission) -> str:
        """Return the slug of the step that handed over to a call that was claimed."""
        return str(self.run.read(_claim(what))["after"])

    def claimed_by(self, what: Submission) -> str:
        """Return who has claimed to submit a call (`Submission.by`)."""
        return str(self.run.read(_claim(what))["by"])

    def begin_text(self, what: Submission) -> bool:
        """Record that the text of an as-is begins; tell whether no other job has begun it."""
        key, mine = f"{_folder(what)}/{_stem(what)}.begun.json", {"time": time.time(), "pid": os.getpid()}
        # A store that tried to write twice may find its own record the second time.
        return self.run.create(key, mine) or self.run.read(key) == mine

    def text_began(self, what: Submission) -> bool:
        """Tell whether the text of an as-is has begun."""
        return any(kind == "begun" for _, kind, _ in self._of(what))

    def submitted(self, what: Submission, kind: str, job: str) -> None:
        """Record the id of the job of a call, or of its guard; `kind` is `job` or `guard`."""
        self.run.create(f"{_folder(what)}/{_stem(what)}.{kind}.{job}.json", {"time": time.time()})

    def _of(self, what: Submission) -> Iterator[tuple[Submission, str, str]]:
        names = self.run.store.names(f"{self.run.run_id}/{_folder(what)}")
        return (found for found in map(_parsed(what.address), names) if found and found[0] == what)

    def all(self, below: str = "") -> dict[Submission, dict[str, list[str]]]:
        """Return all calls below an address that were claimed, each with the ids of its `job` and `guard`."""
        prefix = f"{self.run.run_id}/jobs/calls"
        found: dict[Submission, dict[str, list[str]]] = {}
        folder = f"{prefix}/{below.replace('.', '/')}" if below else prefix
        for key, _ in self.run.store.read_all(folder):
            place, _, name = key[len(prefix) + 1 :].rpartition("/")
            if entry := _parsed(place.replace("/", "."))(name):
                what, kind, job = entry
                ids = found.setdefault(what, {"job": [], "guard": []})
                if kind in ids:
                    ids[kind].append(job)
        return found

    # ---- branches ----

    def branch_over(self, composite: str, branch: str, success: bool, by: str) -> bool:
        """Record that a branch has ended; tell whether that was not on record yet."""
        folder = f"jobs/over/{composite.replace('.', '/')}"
        if not success:
            self.run.create(f"{folder}/_failed.json", {"branch": branch})
        return self.run.create(f"{folder}/{branch}.json", {"by": by})

    def branches_over(self, composite: str) -> tuple[int, bool]:
        """Return how many branches of a composite have ended, and whether one has failed."""
        names = self.run.store.names(f"{self.run.run_id}/jobs/over/{composite.replace('.', '/')}")
        ended = [name for name in names if name.endswith(".json")]
        failed = "_failed.json" in ended
        return len(ended) - failed, failed

    def failed_branch(self, composite: str) -> str:
        """Return the branch that was recorded first as failed, '' if none has failed."""
        found = self.run.read(f"jobs/over/{composite.replace('.', '/')}/_failed.json")
        return str(found["branch"]) if found else ""

    def turn(self, composite: str, branch: str, anew: bool, ended: int) -> int:
        """Return the number, from 0, of the waiting branch that the end of `branch` lets begin: each end lets one begin.

        Example: of a map with 10 items and a bound of 3, the first end lets waiting branch 0 begin, which is item 3.
        `anew` tells that this branch has no number yet, so that the turns of others need not be read. `ended` is how many
        branches had ended at the last look, this one included: the number `ended - 1` is mostly free, so it is tried first.
        """
        folder = f"jobs/turns/{composite.replace('.', '/')}"
        if not anew and composite not in self._turns:
            known = self.run.store.read_all(f"{self.run.run_id}/{folder}")
            self._turns[composite] = dict(_turn(self.run.run_id, key, data) for key, data in known)
        if branch in self._turns.get(composite, {}):
            return self._turns[composite][branch]
        number, taken = max(ended - 1, 0), set[int]()
        while not self.run.create(f"{folder}/{number}.json", {"branch": branch}):
            if self.run.read(f"{folder}/{number}.json")["branch"] == branch:
                break  # another job that ends this branch was quicker
            names = self.run.store.names(f"{self.run.run_id}/{folder}")
            taken |= {number, *(int(name.removesuffix(".json")) for name in names if name.endswith(".json"))}
            number = _free(taken, ended, branch)
        return number

    # ---- the run ----

    def over(self, status: int) -> None:
        """Record that the run has ended."""
        self.run.create("jobs/end.json", {"status": status, "time": time.time()})

    def status(self) -> int | None:
        """Return the exit status of a run that has ended, else None."""
        end = self.run.read("jobs/end.json")
        return None if end is None else int(end["status"])

    def tell(self, what: str) -> None:
        """Record that somebody cancelled the walk, or resumed it."""
        number = len(self._told())
        while not self.run.create(f"jobs/told/{number}.{what}.json", {"time": time.time()}):
            number += 1

    def is_cancelled(self) -> bool:
        """Tell whether the walk was cancelled and not resumed after that."""
        told = self._told()
        return bool(told) and max(told)[1] == CANCELLED

    def _told(self) -> list[tuple[int, str]]:
        names = self.run.store.names(f"{self.run.run_id}/jobs/told")
        parts = [name.split(".") for name in names]
        return [(int(number), what) for number, what, _ in parts]


def _turn(run_id: str, key: str, data: bytes) -> tuple[str, int]:
    """Return the branch and the number of a turn."""
    record = shapes.record(run_id, key.partition("/")[2], data)
    return record["branch"], int(key.rpartition("/")[2].removesuffix(".json"))


def _free(taken: set[int], ended: int, branch: str) -> int:
    """Return a free number: one of the first `ended` ones if there is any, else the lowest free one.

    So when n branches have ended, they have the numbers 0 to n - 1, and no waiting branch is left out. Which free number
    is taken depends on the branch's name, so that branches that end at the same time seldom choose the same.
    """
    if free := sorted(set(range(ended)) - taken):
        return free[int.from_bytes(branch.encode(), "big") % len(free)]
    return next(number for number in count(ended) if number not in taken)


def _folder(what: Submission) -> str:
    return f"jobs/calls/{what.address.replace('.', '/')}"


def _claim(what: Submission) -> str:
    return f"{_folder(what)}/{_stem(what)}.claim.json"


def _stem(what: Submission) -> str:
    return f"{what.attempt}.{what.repeat}"


def _parsed(address: str) -> Any:
    """Return a function that parses a name in the folder of an address into the submission, the kind and the id."""

    def parse(name: str) -> tuple[Submission, str, str] | None:
        parts = name.removesuffix(".json").split(".", 3)
        if len(parts) < 3 or not (parts[0].isdecimal() and parts[1].isdecimal()):
            return None
        what = Submission(address, int(parts[0]), int(parts[1]))
        return what, parts[2], parts[3] if len(parts) > 3 else ""

    return parse
