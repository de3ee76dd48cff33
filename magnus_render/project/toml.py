"""`[tool.magnus]` of a pyproject.toml as a tree with the places of its parts.

Python's reader of TOML gives no places. So the text is searched once more for the keys. If a key is not found, for example
because it is written with an escape, it gets the place of the table around it.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

from magnus_render.spec import codes
from magnus_render.spec.report import Place, Source
from magnus_render.spec.tree import Map, Seq

if sys.version_info >= (3, 11):
    import tomllib

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.spec.report import Report

TABLE = ("tool", "magnus")
_WRITTEN = re.compile(r"^[ \t]*\[?[ \t]*tool[ \t]*(?:\.[ \t]*magnus\b|\][^\n]*\n\s*magnus\b)", re.MULTILINE)
_PART = r"(?:[A-Za-z0-9_-]+|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*')"
_KEY = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_TOKEN = re.compile(
    r"(?P<skip>#[^\n]*|\"\"\"[\s\S]*?\"\"\"|'''[\s\S]*?''')"
    rf"|^[ \t]*\[(?P<table>{_KEY})\][ \t]*(?=#|\r?$)"
    rf"|(?P<key>{_KEY})[ \t]*=[ \t]*"
    r"|(?P<text>\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*')"
    r"|(?P<brace>[{}])",
    re.MULTILINE,
)
_ERROR_AT = re.compile(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)")
_Path = tuple[str, ...]


def may_hold(text: str) -> bool:
    """Tell whether the text of a pyproject.toml may have the table, without parsing it."""
    return _WRITTEN.search(text) is not None


def tree(path: str, text: str, report: Report) -> Map | None:
    """Return the table of a file's text, None if it has none; mistakes in the file are reported."""
    source = Source(path, text)
    if sys.version_info >= (3, 11):
        try:
            found: Any = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            match = _ERROR_AT.fullmatch(str(error))
            what, line, column = match.groups() if match else (str(error), None, None)
            lines = text.splitlines(keepends=True)
            at = sum(map(len, lines[: int(line) - 1])) + int(column) - 1 if line and column else len(text)
            report.error(codes.SYNTAX, Place(source, at, 1), f"not TOML: {what}")
            return None
        for name in TABLE:
            found = found.get(name) if isinstance(found, dict) else None
        return _map(found, TABLE, source, dict(_marks(text))) if isinstance(found, dict) else None
    what = "it takes Python 3.11 to read this file"
    report.error(codes.BAD_PROJECT, Place(source, 0, 1), what, "write the project into magnus.yaml")
    return None


def _map(value: dict[str, Any], path: _Path, source: Source, marks: dict[_Path, tuple[int, int]]) -> Map:
    result = Map()
    result.source, result.marks = source, []
    result.offset = marks.get(path, marks.get(path[:-1], (0, 0)))[1]
    for key, part in value.items():
        here = (*path, key)
        at = marks.get(here, (result.offset, result.offset))
        result[key] = _value(part, here, source, marks, at[1])
        result.marks += at
    return result


def _value(value: Any, path: _Path, source: Source, marks: dict[_Path, tuple[int, int]], offset: int) -> Any:
    if isinstance(value, dict):
        return _map(value, path, source, marks)
    if isinstance(value, list):
        items = Seq(_value(one, path, source, marks, offset) for one in value)
        items.source, items.offset, items.marks = source, offset, [offset] * len(value)
        return items
    return value if isinstance(value, bool | int | float | str) else str(value)


def _marks(text: str) -> Iterator[tuple[_Path, tuple[int, int]]]:
    """Yield the path of each key, from the last to the first, with where it and its value begin."""
    found = []
    holders: list[_Path] = [()]
    last: _Path = ()
    for match in _TOKEN.finditer(text):
        if match["table"]:
            last = _parts(match["table"])
            holders = [last]
            found += [(last[:n], (match.start("table"),) * 2) for n in range(1, len(last) + 1)]
        elif match["key"]:
            last = (*holders[-1], *_parts(match["key"]))
            places = match.start("key"), match.end()
            found += [(last[:n], places) for n in range(len(holders[-1]) + 1, len(last) + 1)]
        elif match["brace"] == "{":
            holders.append(last)
        elif match["brace"] and len(holders) > 1:
            holders.pop()
    yield from reversed(found)


def _parts(key: str) -> _Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, key))
