"""The runs of a store for `magnus runs list` and `prune`. A run that cannot be read does not hide the others."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magnus_render.errors import MagnusError
from magnus_render.report.told import RUNNING, spans
from magnus_render.runtime import lease
from magnus_render.runtime.reading import read_folded
from magnus_render.runtime.records import OtherFormat, Run

if TYPE_CHECKING:
    from magnus_render.plan import GraphEnd
    from magnus_render.report.told import Span
    from magnus_render.services.base import BaseRunLogStore


@dataclass
class Listing:
    """The runs of a store, the newest first, without those whose creation was not finished."""

    runs: list[Run] = field(default_factory=list)
    unread: dict[str, MagnusError] = field(default_factory=dict)
    """The error for each run whose record cannot be read, by run id."""

    @classmethod
    def of(cls, store: BaseRunLogStore) -> Listing:
        """Return the runs of a store."""
        found = cls()
        for run_id in store.runs():
            try:
                run = Run.open(store, run_id)
            except MagnusError as error:
                found.unread[run_id] = error
            else:
                found.runs += [run] if run is not None else []
        found.runs.sort(key=lambda run: (-run.record["created"], run.run_id))
        return found


def status_of(unread: MagnusError) -> str:
    """Return the word in place of the status for a run that cannot be read."""
    return f"FORMAT {unread.version}" if isinstance(unread, OtherFormat) else "DAMAGED"


def status_and_span(run: Run) -> tuple[str, Span]:
    """Return a run's status, and when it began and ended.

    The record of the root graph's end has both. Only if there is none, all records are read. Raises `MagnusError`.
    """
    end: GraphEnd | None = run.of("", "end")
    if end is not None:
        created = run.record["created"]
        return end["status"], (created, max(created, end["time"]))
    now = time.time()
    *_, log = read_folded(run.store, run.run_id)
    return log["status"], spans(log, now)[""]


def in_progress(run: Run) -> bool:
    """Tell whether a run may be at work: its walker is, or its end is not on record. Raises `MagnusError`."""
    if run.of("", "end") is not None:
        return False
    _, walker = lease.last(run)
    if walker is not None and lease.alive(walker):
        return True
    return status_and_span(run)[0] in RUNNING
