"""How long earlier runs of a pipeline took, in the same run log store. The time left of a run is estimated by it.

Only records of the newest runs are read, so that it is quick in a large store too.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING

from magnus_render.errors import MagnusError
from magnus_render.runtime import lease
from magnus_render.runtime.reading import read_folded, steps_of
from magnus_render.runtime.records import Run

if TYPE_CHECKING:
    from magnus_render.plan import GraphEnd
    from magnus_render.services.base import BaseRunLogStore

_LOOKED_AT = 20
"""Runs of the store that are looked at, the newest ones."""
_ENOUGH = 3
"""Earlier runs of the pipeline that are taken."""


def usual(run: Run) -> float | None:
    """Return the median of the seconds that earlier runs of a run's pipeline took; None if there is none.

    A run counts if the same executor walked it, it succeeded, it took over no steps of another run, and it was not
    resumed. A run whose records cannot be read does not count. Raises `PlatformError` if the store cannot list its runs.
    """
    took: list[float] = []
    for run_id in newest(run.store):
        with suppress(MagnusError):
            seconds = _took(run, run_id)
            took += [] if seconds is None else [seconds]
        if len(took) == _ENOUGH:
            break
    if not took:
        return None
    from statistics import median

    return median(took)


def newest(store: BaseRunLogStore, prefix: str = "", most: int = _LOOKED_AT) -> list[str]:
    """Return the ids of the newest runs of a store that begin with a prefix, the newest first, without reading a record.

    Ids that magnus gives begin with the date. Other ids come after them, in reverse alphabetical order.
    """
    known = [run_id for run_id in store.runs() if run_id.startswith(prefix)]
    return sorted(known, key=lambda run_id: (run_id[:1].isdigit(), run_id), reverse=True)[:most]


def _took(run: Run, run_id: str) -> float | None:
    """Return how long an earlier run took; None if it does not count."""
    earlier = Run.open(run.store, run_id) if run_id != run.run_id else None
    if earlier is None or earlier.record["original_run_id"]:
        return None
    if any(earlier.record[key] != run.record[key] for key in ("name", "target")):
        return None
    if lease.last(earlier)[0] > 1:
        return None
    end = _succeeded(earlier)
    return None if end is None else max(0.0, end - earlier.record["created"])


def _succeeded(run: Run) -> float | None:
    """Return when a run came to its success node, in seconds since the epoch; None if it did not.

    The record of the root graph's end has the time. If the last node is a composite there is none: then it is computed from
    all records, but only if the store keeps files.
    """
    end: GraphEnd | None = run.of("", "end")
    if end is not None:
        return end["time"] if end["status"] == "SUCCESS" else None
    if not isinstance(getattr(run.store, "path", None), str):
        return None
    *_, log = read_folded(run.store, run.run_id)
    if log["status"] != "SUCCESS":
        return None
    attempts = (attempt for _, step in steps_of(log) for attempt in step["attempts"])
    ends = (datetime.fromisoformat(one["end_time"]).timestamp() for one in attempts if one["end_time"])
    return max(ends, default=None)
