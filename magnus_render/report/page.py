"""The report of a run: one page of HTML that needs no other file. The same records give the same bytes."""

from __future__ import annotations

import base64
import hashlib
import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

from markupsafe import Markup

from magnus_render.errors import MagnusError
from magnus_render.executors.led_to_fail import led_to_fail
from magnus_render.executors.summary import of_item
from magnus_render.executors.terminal import duration
from magnus_render.plan import FAIL_NODE, SUCCESS_NODE
from magnus_render.render.pictures import FORMATS, picture, statuses
from magnus_render.render.templates import from_folders
from magnus_render.report import logs, values
from magnus_render.report.body import body, message
from magnus_render.report.history import history
from magnus_render.report.rows import Row, Rows
from magnus_render.report.timeline import Axis
from magnus_render.report.told import failed_steps, spans
from magnus_render.runtime.reading import steps_of
from magnus_render.targets.base import BaseTarget
from magnus_render.texts import safe, safe_lines

if TYPE_CHECKING:
    from magnus_render.report.told import Log, Told

GENERATOR = "magnus runs report"
"""The name of the page's generator, by which a file is known to be a report."""
BOXES = 3000
"""A pipeline with more nodes is not drawn."""
FEW_BOXES = 60
"""The graph of a pipeline with more nodes is closed until a reader opens it."""
FAILURES = 20
"""How many failures the top of the page shows."""
_LOGS = 3
"""How many of these have the end of their log."""
_LOG_LINES = 12
_BEGINNING = 200
"""The width of a picture is within so many characters from its beginning."""
_HEADLINES = {
    "SUCCESS": "succeeded",
    "FAIL": "failed",
    "CRASHED": "was broken off",
    "PROCESSING": "has not ended",
    "TRIGGERED": "has not begun",
}
_MARKS = {"SUCCESS": "✓", "FAIL": "✕", "CRASHED": "!", "PROCESSING": "…", "TRIGGERED": "○", "SKIPPED": "–"}


class Failure(NamedTuple):
    """A failed step at the top of the page."""

    path: str
    item: str
    status: str
    message: str
    log: str
    """The last lines of its log."""


def page(told: Told) -> str:
    """Return the report of a run. Raises `MagnusError` if its records cannot be read."""
    from magnus_render import __version__

    environment = from_folders(os.path.join(BaseTarget.templates(), "report"), autoescape=True)
    environment.filters.update(stamp=_stamp, iso=_iso, duration=duration, safe_text=safe)
    script, style = (_inlined(environment, name) for name in ("page.js", "page.css"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    context = {
        "generator": GENERATOR,
        "version": __version__,
        "script": script,
        "style": style,
        "digest": digest,
    }
    return environment.get_template("page.html.j2").render(**context, **_context(told))


def _context(told: Told) -> dict[str, Any]:
    record, log = told.run.record, told.log
    end = told.records.of("", "end")
    ended = max(end["time"], record["created"]) if end else None
    axis = Axis(log, record["created"], ended, told.running)
    times = spans(log, axis.last)
    maker = Rows(told, axis, times)
    rows = maker.all()
    seconds = axis.last - axis.began if axis.last > axis.began or end else None
    failed = list(failed_steps(log))
    bad = {path for path, _ in failed}
    shown = [row.step for row in rows if row.step is not None and row.path not in bad]
    told_logs = logs.read(told.run.store, [step for _, step in failed[:FAILURES]], shown)
    seen = values.Values(told)
    graph = _graph(told, rows)
    return {
        "run": record,
        "log": log,
        "headline": _HEADLINES[log["status"]],
        "marks": _MARKS,
        "running": told.running,
        "began": axis.began,
        "last": axis.last,
        "seconds": seconds,
        "counts": _counts(log),
        "failures": [
            _failure(told, path, step, told_logs if number < _LOGS else {})
            for number, (path, step) in enumerate(failed[:FAILURES])
        ],
        "more_failures": max(0, len(failed) - FAILURES),
        "led": list(led_to_fail(log, told.run, FAILURES, unstarted=True)),
        "now": [row for row in rows if row.status == "PROCESSING" and row.step and not row.step["branches"]],
        "anchors": {row.path: row.anchor for row in rows if row.step is not None},
        "graph": graph,
        "graph_width": _width(graph),
        "boxes": len(told.plan["nodes"]),
        "few_boxes": FEW_BOXES,
        "rows": [(row, body(told, row, seen, told_logs) if row.step is not None else None) for row in rows],
        "left_out": maker.left_out,
        "ticks": axis.ticks(),
        "parameters": _read(values.parameters, told),
        "files": _read(values.files, told),
        "history": history(told, seconds if end else None),
        "walkers": _walkers(told),
        "limits": _limits(),
    }


def _counts(log: Log) -> list[tuple[str, int]]:
    """Return how many steps have each status, without status nodes."""
    kinds = (SUCCESS_NODE, FAIL_NODE)
    found = Counter(step["status"] for _, step in steps_of(log) if step["step_type"] not in kinds)
    return [(status, found[status]) for status in _MARKS if found[status]]


def _failure(told: Told, path: str, step: dict[str, Any], told_logs: dict[str, logs.Log]) -> Failure:
    try:
        item = of_item(told.run, step["internal_name"])
    except MagnusError:  # the failure is shown without its item
        item = ""
    log = told_logs.get(step["attempts"][-1]["log"]) if step["attempts"] else None
    tail = logs.last_lines(log, _LOG_LINES) if log else ""
    return Failure(
        path, item, step["status"], message(step) or "ended without a message (was it killed?)", tail
    )


def _graph(told: Told, rows: list[Row]) -> Markup:
    """Return the picture of the run's pipeline; '' if it is too large, or if some records are missing."""
    if len(told.plan["nodes"]) > BOXES:
        return Markup("")
    links: dict[str, str] = {}
    for row in sorted((row for row in rows if row.step is not None), key=lambda row: row.status == "SUCCESS"):
        links.setdefault(row.address, f"#{row.anchor}")
    try:
        return Markup(FORMATS["svg"](picture(told.plan, statuses(told.plan, told.log), links)))
    except (
        KeyError
    ):  # each record of the definition is sound, but one names what none has: a page of it is gone
        return Markup("")


def _width(graph: str) -> str:
    """Return the width of a picture in pixels: a page makes a wide one smaller, but not too small to read."""
    return graph[:_BEGINNING].partition(' width="')[2].partition('"')[0] or "0"


def _read(read: Any, told: Told) -> dict[str, Any]:
    """Return the data that a function reads from a run, or why they cannot be read."""
    try:
        rows, more = read(told)
    except MagnusError as error:
        return {"rows": [], "more": 0, "unread": safe_lines(str(error))}
    return {"rows": rows, "more": more, "unread": ""}


def _walkers(told: Told) -> list[str]:
    """Return the hosts of the processes that walked the run, the earliest first."""
    numbers = [name.partition(".")[0] for name in told.records.direct.get("walks", ())]
    found = []
    for number in sorted(int(number) for number in numbers if number.isdecimal()):
        try:
            found.append(safe(told.records.get(f"walks/{number}.json")["host"]))
        except MagnusError:
            found.append("(this record cannot be read)")
    return found


def _limits() -> dict[str, int]:
    return {
        "failures": FAILURES,
        "log_lines": _LOG_LINES,
        "log_failed": logs.OF_FAILED >> 10,
        "log_all": logs.WHOLE >> 10,
        "names": values.NAMES,
        "columns": values.COLUMNS,
        "changes": values.CHANGES,
        "boxes": BOXES,
    }


def _inlined(environment: Any, name: str) -> Markup:
    """Return the content of a file of the templates, which stands in the page unchanged."""
    return Markup(environment.loader.get_source(environment, name)[0])


def _iso(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _stamp(seconds: float) -> str:
    """Return a moment for people, in UTC, so that a page does not depend on the place where it is made."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
