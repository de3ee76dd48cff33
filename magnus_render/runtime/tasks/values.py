"""What may be a parameter: JSON values under non-empty names, the same in every task type."""

from __future__ import annotations

import json

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
            raise TaskFailure(f"parameter '{name}' is not JSON")


def loose(text: str) -> Any:
    """Return the JSON value that a text is, else the text itself."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if is_json(value) else text
