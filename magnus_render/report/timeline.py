"""The times at which steps waited and ran, as parts of a bar whose width is the duration of the run."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from magnus_render.executors.terminal import duration
from magnus_render.runtime.reading import steps_of

if TYPE_CHECKING:
    from magnus_render.report.told import Log, Span, Step

_TICKS = 6
_ROUND = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000)
"""Round numbers of seconds for people."""
_SHORTEST = 0.1
"""Seconds of the shortest axis, because times for people have two decimals."""
_OPEN_SHARE = 0.03
"""Share of the axis behind the last record of a run at work, so that running steps can be seen."""


class Piece(NamedTuple):
    """A part of a bar."""

    kind: str
    """`wait`, `run`, or `span` of a composite."""
    status: str
    """For a `run`: the status of its attempt; PROCESSING if it has no end."""
    left: str
    """Per cent of the axis."""
    width: str
    told: str
    """The text that is shown for a pointer above it."""


class Tick(NamedTuple):
    """A moment that the axis names."""

    left: str
    label: str


class Turn(NamedTuple):
    """One attempt: the seconds of waiting before it, and the seconds that it ran; None if not on record."""

    waited: float | None
    began: float | None
    ran: float | None


class Axis:
    """The time from the beginning of a run to its end, or to its last record; all times are seconds since the epoch."""

    def __init__(self, log: Log, created: float, ended: float | None, running: bool) -> None:
        known = [moment for attempt in _attempts(log) for moment in times(attempt) if moment is not None]
        last = max([created, *known, *([ended] if ended is not None else [])])
        self.began = min([created, *known])
        self.last = last
        """The last moment on record. The page shows no later time."""
        self._length = max(last - self.began, _SHORTEST) * (1 + _OPEN_SHARE * running)

    @property
    def end(self) -> float:
        """Where the axis ends."""
        return self.began + self._length

    def piece(self, kind: str, status: str, start: float, end: float, told: str) -> Piece:
        """Return the part of a bar between two moments."""
        left, right = self._per_cent(start), self._per_cent(end)
        return Piece(kind, status, _number(left), _number(max(right - left, 0)), told)

    def ticks(self) -> list[Tick]:
        """Return moments at round distances from the beginning."""
        step = _round_up(self._length / _TICKS)
        count = int(self._length / step)
        return [
            Tick(_number(self._per_cent(self.began + n * step)), _label(n * step)) for n in range(count + 1)
        ]

    def _per_cent(self, moment: float) -> float:
        return min(max((moment - self.began) / self._length * 100, 0), 100)


def times(attempt: dict[str, object]) -> tuple[float | None, float | None]:
    """Return when a folded attempt began and ended."""
    return _moment(attempt["start_time"]), _moment(attempt["end_time"])


def turns(step: Step, ready: float) -> list[Turn]:
    """Return the attempts of a step that could begin at `ready`."""
    found, at = [], ready
    for attempt in step["attempts"]:
        began, ended = times(attempt)
        waited = None if began is None else max(began - at, 0)
        found.append(Turn(waited, began, None if began is None or ended is None else max(ended - began, 0)))
        at = max(moment for moment in (at, began, ended) if moment is not None)
    return found


def pieces(axis: Axis, step: Step, ready: float, span: Span) -> list[Piece]:
    """Return the bar of a step: one part for each attempt, and one for each wait before it."""
    if step["branches"]:
        return (
            [axis.piece("span", step["status"], *span, f"took {duration(span[1] - span[0])}")] if span else []
        )
    bar = []
    for attempt, turn in zip(step["attempts"], turns(step, ready), strict=True):
        if turn.began is None:
            continue
        number, status = attempt["attempt_number"], attempt["status"]
        if turn.waited:
            what = "before the first attempt" if number == 1 else f"before attempt {number}"
            told = f"waited {duration(turn.waited)} {what}"
            bar.append(axis.piece("wait", "", turn.began - turn.waited, turn.began, told))
        end = turn.began if turn.ran is None else turn.began + turn.ran
        told = f"attempt {number}: {status}" + ("" if turn.ran is None else f", ran {duration(turn.ran)}")
        if status == "PROCESSING":
            end, told = axis.end, f"attempt {number} is running"
        bar.append(axis.piece("run", status, turn.began, end, told))
    if step["status"] == "TRIGGERED":
        bar.append(axis.piece("wait", "", ready, axis.end, "has not begun"))
    return bar


def _attempts(log: Log) -> list[dict[str, object]]:
    return [attempt for _, step in steps_of(log) for attempt in step["attempts"]]


def _moment(text: object) -> float | None:
    return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None


def _round_up(seconds: float) -> float:
    """Return the least round span that is not shorter; below a second and above hours 1, 2 or 5 times a power of ten."""
    if 1 < seconds <= _ROUND[-1]:
        return next(span for span in _ROUND if span >= seconds)
    unit = 1 if seconds <= 1 else 86400
    power = 10.0 ** math.floor(math.log10(seconds / unit))
    return next(number * power * unit for number in (1, 2, 5, 10) if number * power * unit >= seconds)


def _label(seconds: float) -> str:
    return duration(seconds).removesuffix(" 00 s").removesuffix(" 00 min") if seconds else "0"


def _number(value: float) -> str:
    """Return a number for CSS, in as few characters as a screen can show."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
