"""Where things stand in the files read, and the collection of what is wrong with them."""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, NamedTuple

from magnus_render.diagnostics import DefinitionError, Diagnostic, has_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus_render.diagnostics import Severity

_BLOCK = 65536
_TOKEN = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|'(?:''|[^'\n])*'|(?:[^\s:,\[\]{}#]|:(?!\s)|[ ](?=[^\s#]))+")
_MANY_CANDIDATES = 1000
_MANY_SUGGESTIONS = 100


class Source:
    """One file that was read: its path as the user gave it, its text, and the way from an index to a line."""

    __slots__ = ("_broken", "_counts", "order", "path", "text", "uses_variables")

    def __init__(self, path: str, text: str, order: int = 0) -> None:
        self.path = path
        self.text = text
        self.order = order
        """Position among the files read, for sorting."""
        self.uses_variables = "${" in text
        self._broken = ""
        self._counts: list[int] = []

    def position(self, index: int) -> tuple[int, int, str]:
        """Return line and column, both from 1 and in characters, and the text of that line."""
        if not self._counts:
            # `_broken` is the text with a line feed for every kind of line break, `_counts` the number of line feeds before
            # each block. A list of all beginnings of lines would need much memory for a hostile file, and to count from the
            # start each time would need much time.
            self._broken = self.text.replace("\r\n", " \n").replace("\r", "\n")
            self._counts = [0]
            for start in range(0, len(self.text), _BLOCK):
                self._counts.append(self._counts[-1] + self._broken.count("\n", start, start + _BLOCK))
        index = min(index, len(self.text))
        block = index // _BLOCK
        line = 1 + self._counts[block] + self._broken.count("\n", block * _BLOCK, index)
        start = self._broken.rfind("\n", 0, index) + 1
        end = self._broken.find("\n", index)
        return line, index - start + 1, self.text[start : end if end >= 0 else None].rstrip("\r")

    def width(self, index: int) -> int:
        """Return the length of the scalar that begins at an index, at least 1, within its line."""
        match = _TOKEN.match(self.text, index, index + 200)
        return max(1, match.end() - index) if match else 1


class Place(NamedTuple):
    """A character of a source; `width` of 0 means the whole scalar there."""

    source: Source
    offset: int
    width: int = 0


class Report:
    """Collects diagnostics, each once, in the order of their places."""

    def __init__(self) -> None:
        self._found: dict[Diagnostic, tuple[int, int]] = {}
        self._suggestions = 0
        self._muted: set[tuple[int, int]] = set()
        self.broken = False
        """True if an error hides other facts, such as the successor of a step."""

    def error(
        self, code: str, place: Place | None, message: str, fix: str = "", *, breaks: bool = True
    ) -> None:
        """Add an error; `place` is None where no file is involved, `breaks` False if the error hides no other facts."""
        self._add(code, "error", place, message, fix)
        self.broken |= breaks

    def warning(self, code: str, place: Place | None, message: str, fix: str = "") -> None:
        """Add a warning."""
        self._add(code, "warning", place, message, fix)

    def _add(self, code: str, severity: Severity, place: Place | None, message: str, fix: str) -> None:
        key = (place.source.order, place.offset) if place else (-1, 0)
        if key in self._muted:
            return
        item = diagnostic(code, severity, place, message, fix)
        self._found.setdefault(item, key)

    def mute(self, place: Place) -> None:
        """Leave out all further findings about a value that is not known: they follow from an error that was reported."""
        self._muted.add((place.source.order, place.offset))

    def error_without_line(self, code: str, file: str, message: str, fix: str = "") -> None:
        """Add an error about a whole file, such as one that cannot be read."""
        self._found.setdefault(Diagnostic(code, "error", message, file, fix=fix), (-1, 0))
        self.broken = True

    @property
    def diagnostics(self) -> list[Diagnostic]:
        """All found so far, file by file in the order of reading, from top to bottom."""
        return sorted(self._found, key=lambda item: self._found[item])

    @property
    def failed(self) -> bool:
        """Tell whether there is an error among them."""
        return has_errors(self._found)

    def check(self) -> None:
        """Raise `DefinitionError` if there is an error."""
        if self.failed:
            raise DefinitionError(self.diagnostics)

    def did_you_mean(self, word: str, candidates: Iterable[str]) -> str:
        """Return `did you mean 'x'?`, or '' if nothing is close.

        Comparing with thousands of names takes long, so that in long lists only another case is found, and nothing
        more after the hundredth call.
        """
        self._suggestions += 1
        if self._suggestions > _MANY_SUGGESTIONS:
            return ""
        names = list(candidates)
        folded = word.casefold()
        close = [name for name in names if name.casefold() == folded]
        if not close and len(names) <= _MANY_CANDIDATES:
            close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
        return f"did you mean '{close[0]}'?" if close else ""


def diagnostic(code: str, severity: Severity, place: Place | None, message: str, fix: str = "") -> Diagnostic:
    """Return a diagnostic for a place in a source."""
    if place is None:
        return Diagnostic(code, severity, message, "", fix=fix)
    line, column, text = place.source.position(place.offset)
    width = place.width or place.source.width(place.offset)
    return Diagnostic(code, severity, message, place.source.path, line, column, fix, text, width)
