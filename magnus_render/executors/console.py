"""The output of a run for people: the output of steps, a line when a step ends, and on a terminal the steps at work.

The output of a step goes to the stream that it came from, and lines of magnus to standard error. The live display is
drawn below them. It is erased before anything is printed, and then drawn again. The rest of the screen is not touched.
"""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magnus_render.executors.terminal import duration, fit, shown_line, width
from magnus_render.runtime.echo import Echo
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from magnus_render.plan import Json

    class Running(Protocol):
        """A step at work."""

        path: str
        began: float


_MOST_ROWS = 10
MOST_MAPS = 3
"""How many maps are shown, the outermost ones."""
_MOST_LINES = 1000
_PERIOD = 0.1
"""Seconds between drawings, at least."""
_RED, _GREEN, _YELLOW, _DIM, _RESET = "\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[2m", "\x1b[0m"
_COLOURS = {"success": _GREEN, "failed": _RED, "refused": _RED, "stopped": _YELLOW}
DETAIL = "  "
"""The beginning of a line that continues the one before."""
REMARK = "remark"
"""The outcome of a line that a callback of magnus itself has printed, mostly the reason of a refusal."""
_WRONG = ("failed", "refused", "stopped", REMARK)
_STREAMS = {1: "stdout", 2: "stderr"}


@dataclass(frozen=True)
class Items:
    """How far a map has come."""

    path: str
    count: int
    """How many items it has."""
    ended: int
    failed: int
    """How many of the ended items failed."""


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    running: Sequence[Running] = ()
    waiting: int = 0
    """Steps that have failed and are tried again after a pause."""
    succeeded: int = 0
    failed: int = 0
    """Steps that are not tried again."""
    maps: Sequence[Items] = ()
    """Maps that are at work, in the order they were entered."""
    usual: float | None = None
    """Seconds that earlier runs took; None if there are none to compare with."""


class Console:
    """The plain form: lines, as they come. It is also used if there is no terminal, or if `CI` is set."""

    live = False

    def __init__(self) -> None:
        self.outlets = {1: Echo(1), 2: Echo(2)}
        """The streams that it writes to. Lines that a slow reader has not read yet wait there."""

    def output(self, path: str, stream: int, line: bytes) -> None:
        """Show a line that a step wrote to standard output (1) or error (2)."""
        self._write(stream, f"[{safe(path)}] ".encode("utf-8", "backslashreplace") + line + b"\n")

    def say(self, text: str, outcome: str = "") -> None:
        """Show a line of magnus; `outcome` is a word in it that may be coloured."""
        self._write(2, f"magnus: {text}\n".encode("utf-8", "backslashreplace"))

    def tell(self, event: str, **details: Json) -> None:
        """Report an event to a program; `say` is for people."""

    def refresh(self, progress: Progress) -> float | None:
        """Bring the display up to date; return after how many seconds it should be done again, or None."""
        return None

    def resized(self) -> None:
        """Note that the terminal has another size."""

    def close(self) -> None:
        """Take the live display away."""

    def end(self) -> None:
        """Wait until all is written, as the run is over."""
        self.close()
        for outlet in self.outlets.values():
            outlet.end(None)

    def _write(self, stream: int, data: bytes) -> None:
        self.outlets[stream].give(data)


class QuietConsole(Console):
    """The form of `--quiet`: failures and their reasons. A run that succeeds prints nothing."""

    def output(self, path: str, stream: int, line: bytes) -> None:
        pass

    def say(self, text: str, outcome: str = "") -> None:
        if outcome in _WRONG or text.startswith(DETAIL):
            super().say(text)


class JsonConsole(Console):
    """The form of `--json-lines`: one JSON object a line on standard output, for programs (docs/executors/local.md)."""

    def output(self, path: str, stream: int, line: bytes) -> None:
        self.tell("output", step=path, stream=_STREAMS[stream], text=line.decode("utf-8", "replace"))

    def say(self, text: str, outcome: str = "") -> None:
        if outcome == REMARK or text.startswith(DETAIL):
            self.tell("message", text=text.strip())

    def tell(self, event: str, **details: Json) -> None:
        told = {"event": event, "time": round(time.time(), 3), **details}
        self._write(1, json.dumps(told).encode() + b"\n")


class LiveConsole(Console):
    """The form for a terminal."""

    live = True

    def __init__(self, title: str, environment: Mapping[str, str] = os.environ) -> None:
        """`title` stands at the left of the display's first row."""
        super().__init__()
        self._title = safe(title)
        self._colour = not environment.get("NO_COLOR")
        self._stdout_shows = _same_terminal(1, 2)
        self._drawn: list[int] = []
        """Columns of the rows that are on the screen."""
        self._pending: list[str] = []
        self._began = time.monotonic()
        self._last = 0.0
        self._columns, self._rows = self._size()

    def output(self, path: str, stream: int, line: bytes) -> None:
        if stream == 1 and not self._stdout_shows:
            super().output(path, stream, line)
            return
        self._pending.append(f"{self._paint(f'[{safe(path)}]', _DIM)} {shown_line(line)}")

    def say(self, text: str, outcome: str = "") -> None:
        if outcome in _COLOURS:
            text = text.replace(outcome, self._paint(outcome, _COLOURS[outcome]), 1)
        self._pending.append(f"magnus: {text}")

    def refresh(self, progress: Progress) -> float | None:
        now = time.monotonic()
        if now - self._last < _PERIOD:
            return self._last + _PERIOD - now
        self._last = now
        if self.outlets[2].waiting and len(self._pending) < _MOST_LINES:
            return 1.0  # the terminal takes no output now, so there is nothing to draw
        self._draw(self._block(progress, now))
        return 1.0

    def resized(self) -> None:
        self._columns, self._rows = self._size()
        self._last = 0.0

    def close(self) -> None:
        self._draw([])

    def _block(self, progress: Progress, now: float) -> list[str]:
        """Return the rows of the display: the run, the maps at work, the steps at work."""
        columns = max(1, self._columns - 1)  # some terminals wrap a line that fills the last column
        left = max(0, self._rows - 2)
        rows = [_row(self._title, f": {_told(progress, now - self._began)}", columns)]
        maps = progress.maps[: min(MOST_MAPS, left // 2)]
        rows += [_row(f"  {safe(one.path)}", f": {_counted(one)}", columns) for one in maps]
        running, most = progress.running, min(_MOST_ROWS, left - len(maps))
        shown = running if len(running) <= most else running[: max(0, most - 1)]
        rows += [_row(f"  {safe(step.path)}", f" {duration(now - step.began)}", columns) for step in shown]
        if len(shown) < len(running) and most:
            rows.append(fit(f"  and {len(running) - len(shown)} more", columns))
        return rows

    def _draw(self, block: list[str]) -> None:
        """Print the lines that came since the last drawing, with `block` below them in place of the old display."""
        if not (block or self._pending or self._drawn):
            return
        above = "".join(f"{line}\n" for line in self._pending)
        below = "\n".join(self._paint(row, _DIM) for row in block)
        data = self._erase() + above + below
        self._pending.clear()
        self._drawn = [width(row) for row in block]
        self._write(2, data.encode("utf-8", "backslashreplace"))

    def _erase(self) -> str:
        """Return the text that erases the drawn rows. A row takes several lines if the terminal became narrower."""
        if not self._drawn:
            return ""
        lines = sum(max(1, -(-columns // max(1, self._columns))) for columns in self._drawn)
        up = f"\x1b[{lines - 1}A" if lines > 1 else ""
        return f"\r{up}\x1b[J"

    def _paint(self, text: str, colour: str) -> str:
        return f"{colour}{text}{_RESET}" if self._colour else text

    def _size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(2)
        except OSError:
            return 80, 24
        return size.columns or 80, size.lines or 24


def _told(progress: Progress, seconds: float) -> str:
    """Return how far a run has come after some seconds: its steps, its time, the time left."""
    counts = [
        (len(progress.running), "running"),
        (progress.waiting, "waiting"),
        (progress.succeeded, "done"),
        (progress.failed, "failed"),
    ]
    told = [f"{count} {word}" for count, word in counts if count or word in ("running", "done")]
    told.append(duration(seconds))
    if progress.usual is not None:
        left = progress.usual - seconds
        told.append(f"about {duration(left)} left" if left >= 1 else f"usually {duration(progress.usual)}")
    return ", ".join(told)


def _counted(items: Items) -> str:
    failed = f", {items.failed} failed" if items.failed else ""
    return f"{items.ended} of {items.count} items{failed}"


def _row(name: str, told: str, columns: int) -> str:
    """Return a row of at most `columns` columns. If there is no room for all, the name is cut first."""
    return fit(fit(name, max(0, columns - width(told))) + told, columns)


def console(title: str, environment: Mapping[str, str] = os.environ, form: str = "") -> Console:
    """Return the console of a form, `quiet` or `json`. Without a form, it depends on standard error."""
    if form:
        return QuietConsole() if form == "quiet" else JsonConsole()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    if not terminal or environment.get("CI") or environment.get("TERM", "dumb") == "dumb":
        return Console()
    return LiveConsole(title, environment)


def _same_terminal(first: int, second: int) -> bool:
    try:
        return os.isatty(first) and os.ttyname(first) == os.ttyname(second)
    except OSError:
        return False
