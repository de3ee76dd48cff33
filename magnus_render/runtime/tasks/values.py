"""What may be a parameter: JSON values under non-empty names, the same in every task type."""

from __future__ import annotations

from magnus_render import jsontext
from magnus_render.runtime.tasks.base import TaskFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

MAX_DEPTH = 200
"""Lists and objects may be nested this deep: any JSON reader can take it."""
MAX_BITS = 14_000
"""Size of a whole number: Python reads no more than 4300 digits."""


def is_json(value: Any) -> bool:
    """Tell whether a value can be written as JSON and be read back as it was (tuples as lists).

    NaN and infinity, keys that are not strings, lone surrogates, cycles and nesting beyond `MAX_DEPTH` are not JSON.
    """
    stack: list[tuple[Any, int]] = [(value, 0)]
    while stack:
        item, depth = stack.pop()
        if item is None or item is True or item is False:
            continue
        if isinstance(item, str):
            if not _is_text(item):
                return False
        elif isinstance(item, int):
            if item.bit_length() > MAX_BITS:
                return False
        elif isinstance(item, float):
            if item - item != 0:  # NaN or infinite
                return False
        elif isinstance(item, list | tuple | dict):
            if depth == MAX_DEPTH:
                return False
            members: Iterable[Any] = item
            if isinstance(item, dict):
                if not all(isinstance(key, str) and _is_text(key) for key in item):
                    return False
                members = item.values()
            stack.extend((member, depth + 1) for member in members)
        else:
            return False
    return True


def _is_text(text: str) -> bool:
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            return False
    return True


def check(values: Mapping[Any, Any], map_variables: Mapping[str, Any]) -> None:
    """Raise `TaskFailure` for the first of the values that a step may not set as a parameter."""
    for name, value in values.items():
        if not isinstance(name, str) or not name or not _is_text(name):
            raise TaskFailure("a parameter name must be a non-empty string")
        if name in map_variables:
            raise TaskFailure(f"'{name}' is the map's variable and cannot be set")
        if not is_json(value):
            raise TaskFailure(f"parameter '{name}' is not JSON: {misfit(name, value)}")


def misfit(name: str, value: Any) -> str:
    """Return where in a value something is not JSON, and what: `n.rows[3] is of type set`."""
    waiting: list[tuple[str, Any, int]] = [(name, value, 0)]
    while waiting:
        place, item, depth = waiting.pop()
        if is_json(item):
            continue
        if isinstance(item, list | tuple | dict):
            if depth == MAX_DEPTH:
                return f"{name} is nested deeper than {MAX_DEPTH} levels"
            if isinstance(item, dict):
                odd = next((key for key in item if not isinstance(key, str) or not _is_text(key)), None)
                if odd is not None:
                    return f"{place} has the key {odd!r}, which is no text"
                inner = [(f"{place}.{key}", member, depth + 1) for key, member in item.items()]
            else:
                inner = [(f"{place}[{number}]", member, depth + 1) for number, member in enumerate(item)]
            waiting.extend(reversed(inner))
        elif isinstance(item, float):
            return f"{place} is {item}"
        elif isinstance(item, str):
            return f"{place} is text with half of a surrogate pair"
        elif isinstance(item, int):
            return f"{place} has more than {MAX_BITS:,} bits"
        else:
            return f"{place} is of type {_kind(item)}"
    return f"{name} is nested deeper than {MAX_DEPTH} levels"


def _kind(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def plain(value: Any, depth: int = 0) -> Any:
    """Return a value with what plainly stands for JSON made that; anything else as it is.

    Numbers of numpy are numbers; dates, times, paths and UUIDs are texts; the member of an enum is its value; a dataclass
    and a pydantic model are objects of their fields.
    """
    if value is None or type(value) in (bool, int, float, str) or depth > MAX_DEPTH:
        return value
    if isinstance(value, dict):
        return {key: plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
        return [plain(item, depth + 1) for item in value]
    bases = {f"{base.__module__}.{base.__name__}" for base in type(value).__mro__}
    if "enum.Enum" in bases:
        return plain(value.value, depth + 1)
    if "numpy.generic" in bases:
        return value.item()
    if "pydantic.main.BaseModel" in bases:
        return value.model_dump(mode="json")
    if bases & {"datetime.date", "datetime.time"}:
        return value.isoformat()
    if (
        any(base.startswith("pathlib.") and base.endswith(".PurePath") for base in bases)
        or "uuid.UUID" in bases
    ):
        return str(value)
    fields = getattr(type(value), "__dataclass_fields__", None)
    if fields is not None:
        return {name: plain(getattr(value, name), depth + 1) for name in fields}
    return value


def exact(text: str) -> Any:
    """Return the JSON value that a text is if writing it gives the same text back, else the text itself.

    So `1.10`, `12345e7` and `007` stay the texts that somebody typed. Lists and objects are what they are in JSON: nobody
    writes one and means its text.
    """
    value = loose(text)
    if isinstance(value, str | list | dict) or jsontext.dumps(value) == text:
        return value
    return text


def loose(text: str) -> Any:
    """Return the JSON value that a text is, else the text itself."""
    try:
        value = jsontext.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if is_json(value) else text
