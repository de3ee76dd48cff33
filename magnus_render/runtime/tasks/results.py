"""What a task has said in its folder, read when its process has ended."""

from __future__ import annotations

import os

from magnus_render import jsontext
from magnus_render.plan import file_entry
from magnus_render.runtime.tasks import folder as files
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.runtime.tasks.values import check, is_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from magnus_render.plan import CatalogRecord
    from magnus_render.runtime.tasks.base import Context


class Results:
    """What one attempt set, measured and catalogued through its folder."""

    __slots__ = ("catalog", "metrics", "set")

    def __init__(self) -> None:
        self.set: dict[str, Any] = {}
        self.metrics: dict[str, Any] = {}
        self.catalog: list[CatalogRecord] = []
        """In the order of the calls; a path may stand in it twice."""


def read_results(context: Context, *, lenient: bool = False) -> Results:
    """Read the files of an attempt.

    Raises `TaskFailure` for a line that is none and a value that no step may set. With `lenient`, for an attempt that
    has failed anyway and may have been cut off, those are left out instead.
    """
    results = Results()
    output = files.read(context.folder, files.OUTPUT)
    for values in output_lines(output, lenient=lenient):
        try:
            check(values, context.map_variables)
        except TaskFailure:
            if not lenient:
                raise
            values = {
                name: value
                for name, value in values.items()
                if name and name not in context.map_variables and is_json(value)
            }
        results.set.update(values)
    for number, line in enumerate(_lines(files.read(context.folder, files.METRICS)), 1):
        if line:
            metrics = _object(line)
            if metrics is not None:
                merge_metrics(results.metrics, metrics)
            elif not lenient:
                raise TaskFailure(f"metrics line {number} is not a JSON object")
    for line in _lines(files.read(context.folder, files.CATALOG)):
        entry = _object(line) if line else None
        if entry is not None:
            results.catalog.append({"path": entry["path"], "stage": entry["stage"], **file_entry(entry)})
    return results


def message(context: Context) -> str:
    """Return the reason that the task itself gave for its failure, or the empty string."""
    return files.read(context.folder, files.MESSAGE).decode("utf-8", "replace")


def output_lines(data: bytes, *, lenient: bool = False) -> Iterator[dict[str, Any]]:
    """Yield what the lines of `$MAGNUS_OUTPUT` set, in their order.

    A line is `name=value`, which sets a string, or a JSON object, which may go on over several lines as tools print it.
    Raises `TaskFailure` naming the first line that is neither, unless `lenient`.
    """
    text = data.decode("utf-8", "surrogateescape")
    position = number = 0
    while position < len(text):
        number += 1
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end]
        start = position + len(line) - len(line.lstrip())
        following = end + 1
        if line.isspace() or not line:
            pass
        elif text[start] == "{":
            value, stop = _value_at(text, start)
            end = text.find("\n", stop)
            end = len(text) if end < 0 else end
            if value is not None and not text[stop:end].strip():
                yield value
                number += text.count("\n", position, end)
                following = end + 1
            elif not lenient:
                raise _bad_line(number)
        else:
            name, equals, content = line.partition("=")
            if equals:
                yield {name: content}
            elif not lenient:
                raise _bad_line(number)
        position = following


def _value_at(text: str, start: int) -> tuple[Any, int]:
    """Return the JSON value that begins at a place of a text, and where it ends; None if there is none."""
    from json import JSONDecoder

    try:
        return JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, start


def _bad_line(number: int) -> TaskFailure:
    return TaskFailure(f"output line {number} is neither name=value nor a JSON object")


def merge_metrics(into: dict[str, Any], new: Mapping[str, Any]) -> None:
    """Add metrics: a later value replaces an earlier one; where both are objects, their members are put together."""
    for name, value in new.items():
        old = into.get(name)
        into[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value


def _lines(data: bytes) -> list[str]:
    return [line.strip() for line in data.decode("utf-8", "surrogateescape").split("\n")]


def _object(line: str) -> dict[str, Any] | None:
    try:
        value = jsontext.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) and is_json(value) else None


def shims() -> str:
    """Return the folder that makes `import magnus` work inside a step."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "shims")


def python_path(environment: Mapping[str, str]) -> str:
    """Return `PYTHONPATH` for a step's children: the user's own, then our `magnus`, ahead of installed packages."""
    own = environment.get("PYTHONPATH", "")
    return f"{own}{os.pathsep}{shims()}" if own else shims()
