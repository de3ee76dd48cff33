"""The table of `magnus runs list`, for people and for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from magnus_render.cli import stores
from magnus_render.cli.run_text import colours, painted
from magnus_render.errors import MagnusError
from magnus_render.report.listing import Listing, status_and_span, status_of
from magnus_render.report.told import took
from magnus_render.runtime.records import OtherFormat
from magnus_render.texts import safe, say

if TYPE_CHECKING:
    from magnus_render.runtime.records import Run
    from magnus_render.services.base import BaseRunLogStore

    Row = dict[str, str]


def write(store: BaseRunLogStore, *, limit: int, standing: bool, as_json: bool) -> None:
    """Print the newest runs of a store (all if `limit` is 0), and to standard error which runs cannot be read, and why.

    `standing` lists only the runs that are known to stand still.
    """
    found = Listing.of(store)
    none = f"no runs in {stores.place(store)}"
    if standing:
        from magnus_render.cli import run_jobs

        told = [(run, run_jobs.is_standing(run)) for run in found.runs]
        found.runs = [run for run, stands in told if stands]
        none = "" if any(stands is None for _, stands in told) else "no run stands still"
    shown = found.runs[: limit or len(found.runs)]
    unread = dict(found.unread)
    rows = [_row(run, unread) for run in shown]
    rows += [_unread_row(run_id, why) for run_id, why in found.unread.items()]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        for line in _table(rows):
            print(line)
        if len(found.runs) > len(shown):
            print(f"and {len(found.runs) - len(shown)} older (--limit 0 lists all)")
        if not rows and none:
            print(none)
    for run_id, why in unread.items():
        other = isinstance(why, OtherFormat)
        say(str(why) if other else f"{why}\n`magnus runs prune {run_id}` deletes that run")


def _row(run: Run, unread: dict[str, MagnusError]) -> Row:
    """Return the row of a run; add the error to `unread` if its records cannot be read."""
    record, span = run.record, None
    try:
        status, span = status_and_span(run)
    except MagnusError as error:
        status, unread[run.run_id] = status_of(error), error
    return {
        "run_id": run.run_id,
        "status": status,
        "started": datetime.fromtimestamp(record["created"]).strftime("%Y-%m-%d %H:%M:%S"),
        "took": took(span),
        "pipeline": record["name"],
        "target": record["target"],
        "tag": record["tag"],
    }


def _unread_row(run_id: str, why: MagnusError) -> Row:
    blank = dict.fromkeys(("started", "took", "pipeline", "target", "tag"), "")
    return {"run_id": run_id, "status": status_of(why), **blank}


def _table(rows: list[Row]) -> list[str]:
    if not rows:
        return []
    texts = [{key: safe(value) for key, value in row.items()} for row in rows]
    used = [key for key in rows[0] if any(text[key] for text in texts)]
    widths = {key: max(len(key), *(len(text[key]) for text in texts)) for key in used}
    colour = colours()
    lines = ["  ".join(key.replace("_", " ").upper().ljust(widths[key]) for key in used).rstrip()]
    for text in texts:
        cells = [
            painted(text[key], colour, widths[key]) if key == "status" else text[key].ljust(widths[key])
            for key in used
        ]
        lines.append("  ".join(cells).rstrip())
    return lines
