"""The folded log as text for people: `magnus runs show`."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.errors import MagnusError
from magnus_render.executors.led_to_fail import led_to_fail
from magnus_render.executors.summary import of_item
from magnus_render.executors.terminal import fit
from magnus_render.plan import CONDITIONAL, DAG, FAIL_NODE, MAP, SUCCESS_NODE, TASK
from magnus_render.report.told import RUNNING, attempts, failed_steps, spans, took
from magnus_render.runtime.records import Run
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import Plan, RunRecord
    from magnus_render.report.told import Log, Span, Step
    from magnus_render.services.base import BaseRunLogStore

_COLOURS = {
    "SUCCESS": "32",
    "FAIL": "31",
    "CRASHED": "31",
    "PROCESSING": "33",
    "TRIGGERED": "36",
    "SKIPPED": "36",
}
_FAILED = ("FAIL", "CRASHED")
_VALUE_COLUMNS = 100
_ITEMS_SHOWN = 10
_FAILURES_SHOWN = 20


def colours() -> bool:
    """Tell whether standard output takes colours: a terminal, and NO_COLOR is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def painted(status: str, colour: bool, columns: int = 0) -> str:
    """Return a status, padded to some columns, in its colour if wanted."""
    text = status.ljust(columns)
    return f"\x1b[{_COLOURS[status]}m{text}\x1b[0m" if colour and status in _COLOURS else text


def log_path(store: BaseRunLogStore, key: str) -> str:
    """Return the place of a log, for people: its file if the store has files, else its key; '' if there is no log."""
    if key.rpartition("/")[2] not in store.names(key.rpartition("/")[0]):
        return ""
    folder = getattr(store, "path", None)
    if not isinstance(folder, str):
        return key
    path = os.path.join(folder, key)
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative


def show(
    plan: Plan, log: Log, run: RunRecord, store: BaseRunLogStore, *, colour: bool, everything: bool
) -> Iterator[str]:
    """Yield the lines about a run: its facts, its tree of steps, its failures and where their logs are."""
    times = spans(log, time.time())
    yield f"run {run['run_id']}: {painted(log['status'], colour)}"
    yield "  " + ", ".join(_about(run, times[""]))
    yield from values_of("parameters", log["parameters"])
    yield ""
    yield from _Tree(plan, times, colour, everything).lines(log)
    yield from _failures(log, Run(store, run["run_id"], run), colour)


def _about(run: RunRecord, span: Span) -> Iterator[str]:
    yield f"pipeline {safe(run['name'])} ({run['dag_hash']})"
    if run["target"]:
        yield f"walked by {safe(run['target'])}"
    yield f"started {datetime.fromtimestamp(run['created']).strftime('%Y-%m-%d %H:%M:%S')}"
    if span is not None:
        yield f"took {took(span)}"
    if run["tag"]:
        yield f"tag {safe(run['tag'])}"
    if run["original_run_id"]:
        yield f"using what succeeded in {run['original_run_id']}"
    if run["code"]["commit"]:
        yield f"commit {run['code']['commit'][:12]}{' with changes' if run['code']['dirty'] else ''}"


def values_of(title: str, values: dict[str, Any]) -> Iterator[str]:
    """Yield lines of named values under a title, sorted by name; none if there are none."""
    if values:
        yield f"  {title}:"
    for name, value in sorted(values.items()):
        yield "    " + fit(f"{safe(name)} = {safe(json.dumps(value, ensure_ascii=False))}", _VALUE_COLUMNS)


class _Tree:
    """The steps of a run as an indented tree, without recursion."""

    def __init__(self, plan: Plan, times: dict[str, Span], colour: bool, everything: bool) -> None:
        self._plan = plan
        self._times = times
        self._colour = colour
        self._everything = everything

    def lines(self, log: Log) -> Iterator[str]:
        """Yield the lines of a folded log."""
        stack = [self._graph("", log["steps"], 1)]
        while stack:
            for line in stack[-1]:
                if isinstance(line, str):
                    yield line
                else:
                    stack.append(line)
                    break
            else:
                stack.pop()

    def _graph(self, graph: str, steps: dict[str, Step], depth: int) -> Iterator[Any]:
        """Yield the lines of a graph and, in their place, iterators of the lines of graphs inside.

        `graph` is its address in the plan.
        """
        indent = "  " * depth
        for path, step in steps.items():
            kind = step["step_type"]
            if kind in (SUCCESS_NODE, FAIL_NODE):
                continue
            address = naming.join(graph, naming.last(step["internal_name"]))
            about = ", ".join(self._about(address, path, step))
            yield f"{indent}{self._status(step, 10)} {safe(step['name'])}  {about}".rstrip()
            for line in step["message"].splitlines():
                yield f"{indent}           {safe(line)}"
            many = kind == MAP and len(step["branches"]) > _ITEMS_SHOWN and not self._everything
            hidden = 0
            for name, branch in step["branches"].items():
                if many and branch["status"] == "SUCCESS":
                    hidden += 1
                    continue
                title = name[len(path) + 1 :]
                alone = kind in (DAG, CONDITIONAL)  # one graph, which needs no line of its own
                if not alone:
                    yield f"{indent}  {self._status(branch, 10)} [{safe(title)}]"
                inner = naming.join(address, "_" if kind == MAP else naming.slug(title))
                yield self._graph(inner, branch["steps"], depth + (1 if alone else 2))
            if hidden:
                yield f"{indent}  {painted('SUCCESS', self._colour, 10)} {hidden} items (--all shows them)"

    def _about(self, address: str, path: str, step: Step) -> Iterator[str]:
        kind, branches = step["step_type"], step["branches"]
        if kind != TASK:
            yield kind
        if kind == MAP and (branches or step["status"] not in RUNNING):
            yield _items(step)
        if kind == CONDITIONAL:
            chosen = "".join(f": {safe(name[len(path) + 1 :])}" for name in branches)
            yield f"by {safe(self._plan['nodes'][address]['parameter'])}{chosen}"
        yield from attempts(step)
        if step["mock"] and step["status"] != "SKIPPED":
            yield "not run again"
        if took(self._times[path]):
            yield took(self._times[path])

    def _status(self, of: Step, columns: int) -> str:
        return painted(of["status"], self._colour, columns)


def _items(step: Step) -> str:
    """Return the number of a map's items, how many have failed and, while it is at work, how many have ended."""
    statuses = [branch["status"] for branch in step["branches"].values()]
    told = f"{len(statuses)} item{'s' * (len(statuses) != 1)}"
    if step["status"] in RUNNING:
        told = f"{sum(status not in RUNNING for status in statuses)} of {told}"
    failed = sum(status in _FAILED for status in statuses)
    return f"{told}, {failed} failed" if failed else told


def _failures(log: Log, run: Run, colour: bool) -> Iterator[str]:
    failed = list(failed_steps(log))
    led = [f"  {line}" for line in led_to_fail(log, run, _FAILURES_SHOWN, unstarted=True)]
    if failed or led:
        yield ""
        yield "What failed:"
    yield from led
    for path, step in failed[:_FAILURES_SHOWN]:
        lines = step["message"].splitlines() or ["ended without a message (was it killed?)"]
        try:
            item = of_item(run, step["internal_name"])
        except MagnusError:  # its records cannot be read; the line has no items then
            item = ""
        yield f"  {painted(step['status'], colour)} {safe(path)}{item}: {safe(lines[0])}"
        for line in lines[1:]:
            yield f"    {safe(line)}"
        where = log_path(run.store, step["attempts"][-1]["log"]) if step["attempts"] else ""
        if where:
            yield f"    log: {safe(where)}"
    if len(failed) > _FAILURES_SHOWN:
        yield f"  and {len(failed) - _FAILURES_SHOWN} more"
