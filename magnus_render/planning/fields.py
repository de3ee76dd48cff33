"""The differences of two JSON values, field by field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.runtime.records import dumps
from magnus_render.texts import condition

if TYPE_CHECKING:
    from collections.abc import Iterator


class _Absent:
    """The value of a field that does not exist: it is no JSON value."""

    def __repr__(self) -> str:
        return "none"


ABSENT = _Absent()


class Change(NamedTuple):
    """One field that differs: its name, with dots if it is inside a mapping, and both values (`ABSENT` for none)."""

    field: str
    old: Any
    new: Any
    why: str = ""
    """The reason of the difference, if the node's own lines do not show it; else ''."""


def of_node(field: str, old: Any, new: Any) -> Iterator[Change]:
    """Yield the differences of one field of two nodes. A condition is compared as a whole, in words."""
    if field == "when":
        old, new = (value if value is ABSENT else condition(value) for value in (old, new))
    yield from differences(field, old, new)


def differences(field: str, old: Any, new: Any) -> Iterator[Change]:
    """Yield the differences of two values. Mappings are compared by entry, other values as a whole."""
    boxes = [value for value in (old, new) if isinstance(value, dict)]
    if any(boxes) and all(isinstance(value, dict) or value is ABSENT for value in (old, new)):
        left, right = ({} if value is ABSENT else value for value in (old, new))
        for key in dict.fromkeys((*left, *right)):
            yield from differences(f"{field}.{key}", left.get(key, ABSENT), right.get(key, ABSENT))
    elif old is ABSENT or new is ABSENT:
        if old is not new:
            yield Change(field, old, new)
    elif dumps(old) != dumps(new):
        yield Change(field, old, new)
