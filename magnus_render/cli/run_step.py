"""One step of a run, its logs, and the files that a run left: `magnus runs show --step`, `log`, `files` and `get`."""

from __future__ import annotations

import os
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from magnus_render.cli.run_text import log_path, painted, values_of
from magnus_render.errors import MagnusError, PlatformError, Refused
from magnus_render.executors.summary import of_item
from magnus_render.executors.terminal import duration, fit
from magnus_render.report.told import Told, size
from magnus_render.runtime import lease
from magnus_render.runtime.exchange import restore
from magnus_render.runtime.names import matches
from magnus_render.runtime.reading import steps_of
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.texts import condition, safe, why_skipped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from magnus_render.report.told import Files
    from magnus_render.services.base import BaseCatalog

_COLUMNS = 100
_POLL = 1.0
"""Seconds between two looks at a run that is followed, at least."""
_SHORT = 12
"""How many hexadecimal digits of a hash are shown to people."""
_OVER = ("SUCCESS", "FAIL", "SKIPPED")


# ---- magnus runs show --step ----


def as_json(told: Told, name: str) -> dict[str, Any]:
    """Return a folded step with the parameters that it saw and set. `saw` is null if that is not recorded."""
    path, step = told.step(name)
    state = told.saw(step)
    saw = None
    if state is not None:
        files = {name: entry["sha256"] for name, entry in state["files"].items()}
        saw = {"parameters": told.records.unpack(state["parameters"]), "files": files}
    return {"path": path, **step, "saw": saw, "set": told.set(step)}


def show_step(told: Told, name: str, colour: bool) -> Iterator[str]:
    """Yield the lines about a step: its status, the values that it saw, set and put, its attempts, and their logs."""
    path, step = told.step(name)
    node = told.run.find(step["internal_name"])
    try:
        item = of_item(told.run, step["internal_name"])
    except MagnusError:  # the node has no record
        item = ""
    yield f"step {safe(path)}{item}: {painted(step['status'], colour)}"
    yield from (f"  {safe(line)}" for line in step["message"].splitlines())
    what = step["step_type"]
    if node is not None and "when" in node and step["status"] == "SKIPPED":
        yield f"  {fit('skipped: ' + safe(why_skipped(node['when'])), _COLUMNS)}"
    if node is not None and "command" in node:
        what += f" ({node['command_type']}): {safe(node['command'])}"
    elif node is not None and "parameter" in node:
        chosen = "".join(f": {safe(branch.rpartition('.')[2])}" for branch in step["branches"])
        what += f", by {safe(node['parameter'])}{chosen}"
    yield f"  {fit(what, _COLUMNS)}"
    if node is not None and "when" in node and step["status"] != "SKIPPED":
        yield f"  {fit('if ' + safe(condition(node['when'])), _COLUMNS)}"
    if step["mock"] and step["status"] != "SKIPPED":
        yield f"  not run again: taken over from run {told.run.record['original_run_id']}"
    state = told.saw(step)
    if state is not None:
        yield from values_of("saw", told.records.unpack(state["parameters"]))
        yield from _titled("saw the files", state["files"].items())
    yield from values_of("set", told.set(step))
    for stage in ("get", "put"):
        entries = [(one["name"], one) for one in step["data_catalog"] if one["stage"] == stage]
        yield from _titled(stage, entries)
    yield from values_of("metrics", step["user_defined_metrics"])
    if step["attempts"]:
        yield "  attempts:"
    for attempt in step["attempts"]:
        yield from _attempt(told, attempt, colour)


def _attempt(told: Told, attempt: dict[str, Any], colour: bool) -> Iterator[str]:
    began = ""
    if attempt["start_time"]:
        local = datetime.fromisoformat(attempt["start_time"]).astimezone()
        began = f"  {local.strftime('%Y-%m-%d %H:%M:%S')}"
    took = "" if attempt["duration"] is None else f", took {duration(attempt['duration'])}"
    whose = ", ended by the platform" if attempt.get("platform") else ""
    status = painted(attempt["status"], colour, 10)
    yield f"    {attempt['attempt_number']}  {status}{began}{took}{whose}"
    yield from (f"       {safe(line)}" for line in attempt["message"].splitlines())
    if where := log_path(told.run.store, attempt["log"]):
        yield f"       log: {safe(where)}"


def _titled(title: str, files: Any) -> Iterator[str]:
    lines = [
        f"    {safe(name)}  {size(entry['size'])}" for name, entry in sorted(files, key=lambda one: one[0])
    ]
    yield from ([f"  {title}:", *lines] if lines else ())


# ---- magnus runs log ----


def write_log(told: Told, name: str, attempt: int | None) -> None:
    """Write the log of one attempt of a step to standard output, unchanged; by default of the last attempt."""
    path, step = told.step(name)
    tried = {one["attempt_number"]: one for one in step["attempts"]}
    number = attempt if attempt is not None else max(tried, default=0)
    if number not in tried:
        has = f"its attempts: {', '.join(map(str, tried))}" if tried else "it has no attempts"
        which = "" if attempt is None else f" attempt {attempt} of"
        raise Refused(f"there is no log of{which} '{safe(path)}': {has}")
    data = told.run.store.read(tried[number]["log"])
    if data is None:
        raise Refused(f"there is no log of attempt {number} of '{safe(path)}' in the run log store")
    _write(data)


class Logs:
    """The logs of a run, or of one step and the steps in it, written while they grow, each below a line with its name."""

    def __init__(self, name: str = "") -> None:
        self._name = name
        """The dot path or the address of the one step; '' for all."""
        self._written: dict[str, int] = {}
        self._last = ""

    def write(self, told: Told) -> None:
        """Write the new parts of a run's logs to standard output, in the order of the walk."""
        own = self._step(told)
        for path, step in steps_of(told.log):
            if own and not f"{step['internal_name']}.".startswith(f"{own}."):
                continue
            for attempt in step["attempts"]:
                key = attempt["log"]
                done = self._written.get(key, 0)
                if done < 0:
                    continue
                data = told.run.store.read(key)
                running = attempt["status"] == "PROCESSING"
                title = f"{safe(path)}, attempt {attempt['attempt_number']}"
                if data is None and not running:
                    self._head(key, f"{title}: there is no log in the run log store")
                elif data is not None and len(data) > done:
                    self._head(key, title)
                    _write(data[done:])
                self._written[key] = len(data or b"") if running else -1

    def more(self, told: Told) -> bool:
        """Tell whether more may come, because neither the run nor the one step has ended."""
        own = self._step(told)
        over = (step["status"] in _OVER for _, step in steps_of(told.log) if step["internal_name"] == own)
        return told.running and not any(over)

    def _step(self, told: Told) -> str:
        """Return the address of the one step, or its name as given while the walk has not come to it."""
        if not self._name:
            return ""
        try:
            return str(told.step(self._name)[1]["internal_name"])
        except Refused:
            if not told.may_come_to(self._name):
                raise
            return self._name

    def _head(self, key: str, title: str) -> None:
        if key != self._last:
            print(f"{'' if not self._last else os.linesep}==> {title} <==", flush=True)
        self._last = key


def follow(told: Told, name: str, pause: Callable[[float], None]) -> None:
    """Write the logs of a run, or of one step, until it has ended. `pause` waits for some seconds before another look.

    Raises `PlatformError` if the process that walked the run is known to have ended without ending the run.
    """
    logs, store, run_id, took = Logs(name), told.run.store, told.run.run_id, 0.0
    logs.write(told)
    while logs.more(told):
        _, walker = lease.last(told.run)
        lost = walker is not None and lease.alive(walker) is False
        if not lost:
            # A look at a large run, or into a slow store, takes longer, so it is made less often.
            pause(max(_POLL, took))
        began = time.monotonic()
        told = Told.read(store, run_id)
        logs.write(told)
        took = time.monotonic() - began
        if walker is not None and lost and logs.more(told) and lease.last(told.run)[1] == walker:
            raise PlatformError(
                f"run '{run_id}' has not ended, and nothing walks it: process {walker['pid']}, which did, is gone. "
                "`--resume` goes on with it"
            )


def _write(data: bytes) -> None:
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


# ---- magnus runs files, magnus runs get ----


def table(files: Files) -> Iterator[str]:
    """Yield a table of the files of a run: name, size, the beginning of the SHA-256, the step that put it."""
    rows = [("FILE", "SIZE", "SHA-256", "PUT BY")]
    rows += [
        (safe(name), size(entry["size"]), entry["sha256"][:_SHORT], safe(path))
        for name, (entry, path) in sorted(files.items())
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def bring(told: Told, catalog: BaseCatalog, wanted: list[str], folder: str, force: bool) -> Iterator[str]:
    """Bring files of a run from the catalog into a folder, with their names and modes; yield their paths.

    `wanted` are names or globs. No file is brought if a glob matches none, if a file exists already (unless `force`), or
    if a file can have no place there: then it raises `Refused`. It also raises the `PlatformError` of the catalog.
    """
    files = told.files()
    chosen: dict[str, None] = {}
    for pattern in wanted:
        found = [name for name in sorted(files) if name == pattern or matches(pattern, name)]
        if not found:
            from difflib import get_close_matches

            near = get_close_matches(pattern, files, n=3)
            hint = (
                f"did you mean {' or '.join(map(safe, near))}?"
                if near
                else "`magnus runs files` lists its files"
            )
            raise Refused(f"run '{told.run.run_id}' left no file '{safe(pattern)}': {hint}")
        chosen.update(dict.fromkeys(found))
    there = [name for name in chosen if os.path.lexists(os.path.join(folder, name))]
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        path = os.path.join(folder, there[0])
        raise Refused(f"{safe(path)} is there already{more}: -o FOLDER writes elsewhere, --force replaces")
    for name in chosen:
        _check_place(folder, name)
    for name in chosen:
        try:
            restore(catalog, files[name][0], folder, name)
        except TaskFailure as error:
            raise Refused(str(error)) from None
        yield os.path.join(folder, name)


def _check_place(folder: str, name: str) -> None:
    """Raise `Refused` if a name leads out of a folder, or if a folder or file is in the way."""
    if (
        "\0" in name
        or os.path.isabs(name)
        or os.path.normpath(name) != name
        or name.split("/")[0] in (".", "..")
    ):
        raise Refused(f"the run's record names the file '{safe(name)}', which is no path below a folder")
    parts = name.split("/")
    for number in range(len(parts)):
        above = os.path.join(folder, *parts[:number])
        if os.path.lexists(above) and not os.path.isdir(above):
            raise Refused(f"there is no place for '{safe(name)}': '{safe(above)}' is no folder")
    path = os.path.join(folder, name)
    if os.path.isdir(path) and not os.path.islink(path):
        raise Refused(f"there is no place for '{safe(name)}': '{safe(path)}' is a folder")
