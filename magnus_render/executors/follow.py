"""Shows a run that goes on by itself: from its records, each step that ends, until the run has ended.

The process that follows a run does nothing for it. So it may be stopped without harm.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from magnus_render.errors import PLATFORM
from magnus_render.executors import summary
from magnus_render.executors.console import DETAIL, Progress, console
from magnus_render.executors.decentral import described, standing
from magnus_render.executors.job_records import JobRecords
from magnus_render.executors.terminal import duration
from magnus_render.plan import COMPOSITES, FAIL_NODE, SUCCESS_NODE
from magnus_render.runtime.reading import read_folded, steps_of
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.executors.base import Order
    from magnus_render.executors.console import Console
    from magnus_render.executors.submitter import Submitter
    from magnus_render.runtime.records import Run

_PERIOD = 1.0
"""Seconds between two looks at the records, at least."""
_ASKED = 10
"""After so many looks in which no step has ended, the scheduler is asked whether the run stands still."""
_ENDED = ("SUCCESS", "FAIL", "CRASHED", "SKIPPED")


def follow(order: Order, run: Run, scheduler: Submitter, *, detached: bool) -> int:
    """Show a run to its end and return its exit status: 75 if it stands still. If `detached`, return 0 at once."""
    if detached:
        print(run.run_id, flush=True)
        return 0
    shown = console(f"{order.plan['name']} {run.run_id}", form=order.form)
    try:
        return _Follower(order, run, scheduler, shown).follow()
    except KeyboardInterrupt:
        shown.close()
        shown.say(
            f"run {run.run_id}: goes on without this terminal. To end it: magnus runs cancel {run.run_id}"
        )
        return 128 + 2
    finally:
        shown.end()


class _Follower:
    def __init__(self, order: Order, run: Run, scheduler: Submitter, shown: Console) -> None:
        self.order = order
        self.run = run
        self.scheduler = scheduler
        self.shown = shown
        self.records = JobRecords(run)
        self.told: set[str] = set()
        self.failed: list[tuple[str, str]] = []
        self.succeeded = self.skipped = self.taken = 0

    def follow(self) -> int:
        run_id = self.run.run_id
        self.shown.say(f"run {run_id}")
        self.shown.tell("run_started", run_id=run_id, pipeline=self.order.plan["name"])
        idle = 0
        while True:
            began = time.monotonic()
            # Read first, so that all steps that ended before the run did are shown below.
            status = self.records.status()
            idle = 0 if self._look() else idle + 1
            if status is not None:
                return self._over(status)
            if idle and idle % _ASKED == 0 and (where := standing(self.run, self.scheduler)):
                return self._stands(where)
            time.sleep(max(_PERIOD, time.monotonic() - began))

    def _look(self) -> bool:
        """Show the steps that have ended since the last look; return whether there were any."""
        *_, log = read_folded(self.run.store, self.run.run_id)
        new = False
        at_work = []
        for path, step in steps_of(log):
            if step["step_type"] in (*COMPOSITES, SUCCESS_NODE, FAIL_NODE):
                continue
            if step["status"] not in _ENDED:
                at_work.append(_AtWork(path))
            elif path not in self.told:
                self.told.add(path)
                self._tell(path, step)
                new = True
        self.shown.refresh(Progress(at_work, 0, self.succeeded, len(self.failed)))
        return new

    def _tell(self, path: str, step: dict[str, Any]) -> None:
        status, where = step["status"], safe(path)
        told = {"step": path, "address": step["internal_name"]}
        if status == "SKIPPED":
            self.skipped += 1
            self.shown.say(f"{where}: skipped")
        elif status == "SUCCESS" and step.get("mock"):
            self.succeeded, self.taken = self.succeeded + 1, self.taken + 1
            self.shown.say(f"{where}: taken over from run {self.run.record['original_run_id']}")
        elif status == "SUCCESS":
            self.succeeded += 1
            self.shown.say(f"{where}: success after {_took(step)}", "success")
        else:
            self.failed.append((step["internal_name"], path))
            self.shown.say(f"{where}: failed after {_took(step)}", "failed")
        self.shown.tell("step_ended", **told, status=status.lower())

    def _over(self, status: int) -> int:
        counts = (self.succeeded, len(self.failed), self.taken, self.skipped)
        seconds = time.time() - self.run.record["created"]
        line, word = summary.outcome(self.order, status, seconds, counts)
        self.shown.close()
        self.shown.say(line, word)
        if status:
            for text in summary.failures(self.run.store, self.order, self.failed):
                self.shown.say(f"{DETAIL}{text}")
            if again := summary.going_on(self.order, status):
                self.shown.say(f"{DETAIL}{again}")
        self.shown.tell("run_ended", run_id=self.run.run_id, exit_status=status)
        return status

    def _stands(self, where: dict[str, str]) -> int:
        self.shown.close()
        self.shown.say(f"run {self.run.run_id}: stands still: no job of it waits or runs", "stopped")
        for line in described(where, self.scheduler):
            self.shown.say(f"{DETAIL}{line}")
        self.shown.say(f"{DETAIL}to go on with it: magnus runs resume {self.run.run_id}")
        self.shown.tell("run_ended", run_id=self.run.run_id, exit_status=PLATFORM)
        return PLATFORM


class _AtWork:
    """A step at work, for the display."""

    __slots__ = ("began", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.began = time.monotonic()


def _took(step: dict[str, Any]) -> str:
    """Return how long the last attempt of a step took, in words."""
    took = step["attempts"][-1]["duration"] if step["attempts"] else None
    return duration(took or 0.0)
