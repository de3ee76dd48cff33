"""`magnus runs resume` and `cancel`, and the places where a run stands still, for runs that go on from job to job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.errors import MagnusError, PlatformError
from magnus_render.executors import decentral
from magnus_render.executors.job_records import JobRecords
from magnus_render.texts import safe, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.runtime.records import Run


def resume(run: Run) -> str:
    """Submit the jobs of a run that are missing; return what was done, in words. Raises `MagnusError`."""
    submitted = decentral.resume(run, decentral.scheduler_of(run))
    if not submitted:
        return f"run {run.run_id}: no job is missing"
    return f"run {run.run_id}: goes on: {submitted} job{'s' * (submitted != 1)} submitted"


def cancel(run: Run) -> str:
    """End all jobs of a run; return what was done, in words. Raises `MagnusError`."""
    scheduler = decentral.scheduler_of(run)
    if JobRecords(run).status() is not None:
        return f"run {run.run_id}: is over"
    ended = decentral.cancel(run, scheduler)
    if left := decentral.at_work(run, scheduler):
        raise PlatformError(
            f"run {run.run_id}: jobs are still at work: {', '.join(sorted(left)[:decentral.NAMED])}: try again"
        )
    return f"run {run.run_id}: cancelled: {ended} job{'s' * (ended != 1)} ended"


def is_standing(run: Run) -> bool | None:
    """Tell whether a run from job to job stands still; None if that cannot be known, and then print the reason."""
    try:
        if JobRecords(run).walk() is None or JobRecords(run).status() is not None:
            return False
        return bool(decentral.standing(run, decentral.scheduler_of(run)))
    except MagnusError as error:
        say(f"run {run.run_id}: whether it stands still cannot be known: {error}")
        return None


def where_it_stands(run: Run) -> Iterator[str]:
    """Yield lines about the places where a run stands still; none if it goes on, is over, or has no jobs."""
    records = JobRecords(run)
    if records.walk() is None or records.status() is not None:
        return
    try:
        scheduler = decentral.scheduler_of(run)
        places = decentral.standing(run, scheduler)
        lines = list(decentral.described(places, scheduler))
    except MagnusError as error:
        say(f"whether the run goes on cannot be known: {error}")
        return
    if places:
        how = "it was cancelled" if records.is_cancelled() else "no job of it waits or runs"
        yield f"stands still: {how}. To go on: magnus runs resume {safe(run.run_id)}"
        yield from (f"  {line}" for line in lines)
