"""Reads a file of initial parameters (`-p`), YAML or JSON."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from magnus_render.spec import codes
from magnus_render.spec.reader import MAX_DEPTH, Reader
from magnus_render.spec.report import Report
from magnus_render.spec.tree import Map, plain

if TYPE_CHECKING:
    from magnus_render.plan import Json


def load_parameters(file: str) -> dict[str, Json]:
    """Return the initial parameters of a YAML or JSON file: names as written, values as JSON.

    Raises `DefinitionError` with everything that is wrong.
    """
    report = Report()
    reader = Reader(report, beginning="begin with a parameter: 'NAME: VALUE'")
    data = reader.content(file)
    report.check()
    assert data is not None
    parameters: Any = None
    try:
        parameters = _from_json(data)
    except _NotANumber as error:
        report.error_without_line(codes.NOT_JSON, file, f"{error} is not a number that JSON can hold")
        report.check()
    if parameters is None:
        # Python's JSON reader tells no places. The YAML reader finds the same mistakes again, and their places.
        tree = reader.parse(file, data)
        if not isinstance(tree, Map) and not report.failed:
            what = "the file must be a mapping of names to values"
            report.error_without_line(codes.BAD_PARAMETERS, file, what, "such as 'threshold: 0.5'")
        elif isinstance(tree, Map) and "" in tree:
            report.error(codes.BAD_PARAMETERS, tree.key_place(""), "a parameter's name is empty")
        report.check()
        parameters = plain(tree)
    return dict(parameters)


def _from_json(data: bytes) -> Any:
    """Return the object that a JSON text holds; None if it is no JSON object, or cannot be parameters."""
    if not data.lstrip().startswith(b"{"):
        return None
    try:
        found = json.loads(
            data, object_pairs_hook=_without_duplicates, parse_constant=_constant, parse_float=_finite
        )
    except (ValueError, RecursionError):
        return None
    level, depth = [found], 0
    while level and depth <= MAX_DEPTH:
        boxes = [
            box.values() if isinstance(box, dict) else box for box in level if isinstance(box, (dict, list))
        ]
        level, depth = [part for box in boxes for part in box], depth + 1
    return None if "" in found or depth > MAX_DEPTH else found


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise ValueError("a name stands twice")
    return result


class _NotANumber(Exception):
    """The file has `NaN` or the like, which Python's JSON reader accepts although JSON has no such number."""


def _constant(name: str) -> Any:
    raise _NotANumber(name)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
