"""The logs of a run for its report: the beginning and the end of each. Logs of failed steps come first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnus_render.errors import MagnusError
from magnus_render.executors.terminal import fit, shown_line
from magnus_render.texts import safe, safe_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_render.report.told import Step
    from magnus_render.services.base import BaseRunLogStore

WHOLE = 1 << 20
"""Bytes of all logs on a page of steps that did not fail."""
OF_FAILED = 16 << 10
"""Bytes that are shown of the log of a failed step's attempt."""
LEAST = 1 << 10
"""Bytes that are shown of the log of any other attempt, at least."""
READ = 3000
"""Logs that are read at most: each is a request to a store."""
_HEAD = 4
"""One of so many bytes is for the beginning of a log, the others are for its end."""
_COLUMNS = 500


class Log(NamedTuple):
    """What a page shows of the log of an attempt."""

    head: str
    left_out: int
    """Bytes between `head` and `tail`; 0 if `head` is all."""
    tail: str
    size: int
    unread: str = ""
    """Why the log cannot be read."""


def read(store: BaseRunLogStore, failed: Sequence[Step], others: Sequence[Step]) -> dict[str, Log]:
    """Return logs by key, without those that do not exist, or that the page has no room for."""
    keys = [attempt["log"] for step in others for attempt in step["attempts"]]
    limit = min(OF_FAILED, max(LEAST, WHOLE // max(1, len(keys))))
    wanted = [(attempt["log"], OF_FAILED) for step in failed for attempt in reversed(step["attempts"])]
    wanted += [(key, limit) for key in keys]
    found = {}
    for key, most in wanted[:READ]:
        try:
            data = store.read(key)
        except MagnusError as error:
            found[key] = Log("", 0, "", 0, safe_lines(str(error)))
            continue
        if data is not None:
            found[key] = shown(data, most)
    return found


def shown(data: bytes, most: int) -> Log:
    """Return the beginning and the end of a log, `most` bytes in all, in whole lines if possible."""
    if len(data) <= most:
        return Log(plain(data), 0, "", len(data))
    head, tail = data[: most // _HEAD], data[len(data) - (most - most // _HEAD) :]
    head = head[: head.rfind(b"\n") + 1] or head
    tail = tail[tail.find(b"\n", 0, len(tail) - 1) + 1 :]
    return Log(plain(head), len(data) - len(head) - len(tail), plain(tail), len(data))


def last_lines(log: Log, count: int) -> str:
    """Return the last lines of a log."""
    return "\n".join((log.tail or log.head).split("\n")[-count:])


def plain(data: bytes) -> str:
    """Return the text of a log: each line in its last state on a terminal, without colours, controls as escapes."""
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    return "\n".join(map(_line, lines))


def _line(data: bytes) -> str:
    text = shown_line(data, colours=False).replace("\t", "    ")
    return fit(safe(text), _COLUMNS)
