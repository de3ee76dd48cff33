"""How long earlier runs of the same pipeline took, in the same run log store."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnus_render.errors import MagnusError
from magnus_render.executors.terminal import duration
from magnus_render.report.listing import Listing
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.report.told import Told

MOST = 15
"""Earlier runs on a page, the newest ones."""


class Ended(NamedTuple):
    """A run that came to its end."""

    run_id: str
    status: str
    created: float
    seconds: float


class History(NamedTuple):
    """Earlier runs, the oldest first."""

    runs: list[Ended]
    told: str
    longest: float
    """Seconds of the longest run, this one included."""
    unread: int
    """How many runs of the store cannot be read, and may be earlier runs of this pipeline."""


def history(told: Told, seconds: float | None) -> History:
    """Return the runs of this pipeline that were created before this one, and have ended. This one took `seconds`.

    Raises `PlatformError`.
    """
    record = told.run.record
    listed = Listing.of(told.run.store)
    runs: list[Ended] = []
    unread = len(listed.unread)
    for run in listed.runs:
        older = (run.record["created"], run.run_id) < (record["created"], record["run_id"])
        if run.record["name"] != record["name"] or not older or len(runs) == MOST:
            continue
        try:
            end = run.of("", "end")
        except MagnusError:
            unread += 1
            continue
        if end is not None:
            created = run.record["created"]
            runs.append(Ended(safe(run.run_id), end["status"], created, max(0.0, end["time"] - created)))
    longest = max([*(run.seconds for run in runs), seconds or 0.0])
    return History(runs[::-1], _comparison(runs, seconds), longest, unread)


def _comparison(runs: list[Ended], seconds: float | None) -> str:
    from statistics import median

    good = [run.seconds for run in runs if run.status == "SUCCESS"]
    if not good:
        return "No earlier run that succeeded is listed."
    usual = median(good)
    many = f"The median of the {len(good)} earlier runs that succeeded is"
    what = "The earlier run that succeeded took" if len(good) == 1 else many
    line = f"{what} {duration(usual)}."
    if seconds is None or not usual:
        return line
    share = round((seconds / usual - 1) * 100)
    change = f"{abs(share)} % {'longer' if share > 0 else 'shorter'}" if share else "as long"
    return f"{line} This one took {duration(seconds)}: {change}."
