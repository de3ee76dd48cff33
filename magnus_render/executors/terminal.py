"""Text for terminals: how wide it is, how a line of a step's output is shown, how long something took."""

from __future__ import annotations

import re
import unicodedata

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_ESCAPE = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[PX^_][^\x1b]*(?:\x1b\\)?|[ -/]*[0-~])"
)
_RESET = "\x1b[0m"


def shown_line(data: bytes, *, colours: bool = True) -> str:
    """Return a line of a step's output as it can stand above a live display: its last state, colours kept if wanted.

    Of a progress bar that draws over itself with carriage returns, only the last state is shown. Sequences that move the
    cursor, and other controls, are left out.
    """
    parts = [part for part in data.decode("utf-8", "replace").split("\r") if part]
    line = parts[-1] if parts else ""
    if line.isprintable():
        return line
    kept: list[str] = []
    at = 0
    for match in _ESCAPE.finditer(line):
        kept.append(_printable(line[at : match.start()]))
        if colours and _COLOUR.fullmatch(match.group()):
            kept.append(match.group())
        at = match.end()
    kept.append(_printable(line[at:]))
    text = "".join(kept)
    return text + _RESET if "\x1b" in text else text


def _printable(text: str) -> str:
    return "".join(c for c in text if c == "\t" or unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp"))


def width(text: str) -> int:
    """Return how many columns a text without controls takes."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def _columns(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def fit(text: str, columns: int) -> str:
    """Return a text of at most `columns` columns; a longer one is cut, and ends in `…`."""
    if width(text) <= columns:
        return text
    if columns <= 0:
        return ""
    kept: list[str] = []
    left = columns - 1
    for character in text:
        left -= _columns(character)
        if left < 0:
            break
        kept.append(character)
    return "".join(kept) + "…"


def duration(seconds: float) -> str:
    """Return a time span for people: `0.04 s`, `1.2 s`, `12 s`, `3 min 05 s`, `2 h 00 min`."""
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
