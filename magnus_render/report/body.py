"""The details of one step, which the report shows when a reader opens it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnus_render.errors import MagnusError
from magnus_render.executors.terminal import duration, fit
from magnus_render.plan import COMPOSITES
from magnus_render.report.timeline import turns
from magnus_render.report.told import size
from magnus_render.report.values import NAMES, Named, Some, text
from magnus_render.runtime.fold_attempts import Tried
from magnus_render.texts import condition, safe, safe_lines, why_skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.plan import Node
    from magnus_render.report.logs import Log
    from magnus_render.report.rows import Row
    from magnus_render.report.told import Step, Told
    from magnus_render.report.values import Values

COMMAND = 2000
"""Characters of a command that are shown."""
_LINES = 40
_COLUMNS = 400


class Attempt(NamedTuple):
    """An attempt of a step."""

    number: int
    status: str
    platform: bool
    """True if it was not one of the user's attempts."""
    began: float | None
    waited: str
    ran: str
    message: str
    log: Log | None


class Body(NamedTuple):
    """The details of a step; fields without data are empty."""

    message: str
    facts: list[Named]
    command: str
    attempts: list[Attempt]
    lists: list[tuple[str, Some]]
    """Titles, such as `Saw`, and named values."""
    unread: str
    """Why some of the details cannot be read."""


def body(told: Told, row: Row, values: Values, logs: Mapping[str, Log]) -> Body:
    """Return the details of the step of a row."""
    assert row.step is not None
    step, lists, unread = row.step, [], ""
    try:
        lists = [(title, some) for title, some in _lists(told, step, values) if some.shown or some.more]
    except MagnusError as error:
        unread = safe_lines(str(error))
    node = row.node
    command = node["command"] if node is not None and "command" in node else ""
    cut = command[:COMMAND] + ("…" if len(command) > COMMAND else "")
    facts = list(_facts(told, row, node))
    return Body(message(step), facts, safe_lines(cut), _attempts(row, step, logs), lists, unread)


def message(step: Step) -> str:
    """Return the message of a step or an attempt, with a bounded number of lines."""
    lines = step["message"].splitlines()
    more = [f"… and {len(lines) - _LINES} more lines"] if len(lines) > _LINES else []
    return "\n".join([*(fit(safe(line), _COLUMNS) for line in lines[:_LINES]), *more])


def _facts(told: Told, row: Row, node: Node | None) -> Iterator[Named]:
    """Yield facts about a step from its definition, in a few words each."""
    yield Named("Dot path", safe(row.path))
    if row.step is not None and row.step["mock"] and row.status != "SKIPPED":
        yield Named("Taken over from", told.run.record["original_run_id"])
    if node is None:
        return
    if "command_type" in node:
        yield Named("Runs", f"{safe(node['command_type'])} command")
    if node.get("description"):
        yield Named("Description", fit(safe(node["description"].strip()), _COLUMNS))
    if "iterate_on" in node:
        yield Named("One branch for each", f"{safe(node['iterate_as'])} of {safe(node['iterate_on'])}")
    if "parameter" in node:
        yield Named("Branch chosen by", safe(node["parameter"]))
    if "when" in node:
        skipped = row.status == "SKIPPED"
        told_of = why_skipped(node["when"]) if skipped else condition(node["when"])
        yield Named("Skipped, since" if skipped else "Runs if", fit(safe(told_of), _COLUMNS))
    if (retry := node.get("retry")) and retry["attempts"] > 1:
        yield Named("Attempts at most", str(retry["attempts"]))
    if node.get("timeout"):
        yield Named("Timeout", duration(node["timeout"] or 0))
    if node.get("secrets"):
        names = ", ".join(sorted(node["secrets"])[:NAMES])
        yield Named("Gets secrets as", f"{fit(safe(names), _COLUMNS)} (no record holds a value)")
    if "on_failure" in node:
        yield Named("A failure leads to", safe(node["on_failure"]["slug"]))


def _attempts(row: Row, step: Step, logs: Mapping[str, Log]) -> list[Attempt]:
    found = []
    for attempt, turn in zip(step["attempts"], turns(step, row.ready), strict=True):
        waited = "" if turn.waited is None else duration(turn.waited)
        ran = "" if turn.ran is None else duration(turn.ran)
        log = logs.get(attempt["log"])
        number, status, platform = (
            attempt["attempt_number"],
            attempt["status"],
            attempt.get("platform", False),
        )
        found.append(Attempt(number, status, platform, turn.began, waited, ran, message(attempt), log))
    return found


def _lists(told: Told, step: Step, values: Values) -> Iterator[tuple[str, Some]]:
    """Yield the values that a step saw and set, and the files that it got and put. Raises `shapes.Damaged`."""
    address = step["internal_name"]
    if step["step_type"] in COMPOSITES:
        start, end = told.records.of(address, "start"), told.records.of(address, "outcome")
        sees = start["sees"] if start else ""
    else:
        tried = Tried(told.records, address)
        end = tried.last_end
        sees = end["sees"] if end else tried.starts[tried.last]["sees"] if tried.starts else ""
    if sees:
        parameters, files = values.saw(sees)
        yield "Saw parameters", parameters
        yield "Saw files", files
    if end:
        yield (
            "Set" if step["status"] in ("SUCCESS", "PROCESSING") else "Set (no other step saw it)"
        ), values.packed(end["set"])
    for stage, title in (("get", "Got files"), ("put", "Put files")):
        named = [
            Named(safe(one["name"]), size(one["size"]))
            for one in step["data_catalog"]
            if one["stage"] == stage
        ]
        yield title, Some(named[:NAMES], max(0, len(named) - NAMES))
    metrics = step["user_defined_metrics"]
    named = [Named(safe(name), text(metrics[name])) for name in sorted(metrics)[:NAMES]]
    yield "Metrics", Some(named, len(metrics) - len(named))
