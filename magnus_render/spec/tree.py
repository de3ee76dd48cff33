"""The light tree that a YAML document becomes: plain values, and containers that know where their parts stand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeAlias

from magnus_render.spec.report import Place

if TYPE_CHECKING:
    from magnus_render.spec.report import Source

Value: TypeAlias = Any
"""None, bool, int, float, str, `Map` or `Seq`."""


class Map(dict[str, Value]):
    """A mapping. `marks` holds two indices into the source for each key, in order: of the key and of its value."""

    __slots__ = ("marks", "offset", "source")

    source: Source
    offset: int
    marks: list[int]

    @classmethod
    def at(cls, place: Place) -> Map:
        """Return an empty mapping that stands at a place."""
        empty = cls()
        empty.source, empty.offset, empty.marks = place.source, place.offset, []
        return empty

    def place(self) -> Place:
        """Return where the mapping begins."""
        return Place(self.source, self.offset, 1)

    def key_place(self, key: str) -> Place:
        """Return where a key stands; where the mapping begins if it has no such key."""
        return self._place(key, 0)

    def value_place(self, key: str) -> Place:
        """Return where the value of a key begins."""
        return self._place(key, 1)

    def _place(self, key: str, which: int) -> Place:
        for number, name in enumerate(self):
            if name == key:
                return Place(self.source, self.marks[2 * number + which])
        return self.place()

    def replaced(self, content: dict[str, Value]) -> Map:
        """Return a copy with other content, under the same keys in the same order, in the same place."""
        copy = Map(content)
        copy.source, copy.offset, copy.marks = self.source, self.offset, self.marks
        return copy

    def without(self, *keys: str) -> Map:
        """Return a copy without some keys."""
        gone = frozenset(keys)
        kept = [(number, key) for number, key in enumerate(self) if key not in gone]
        copy = Map((key, self[key]) for _, key in kept)
        copy.source, copy.offset = self.source, self.offset
        copy.marks = [mark for number, _ in kept for mark in self.marks[2 * number : 2 * number + 2]]
        return copy

    def renamed(self, old: str, new: str) -> Map:
        """Return a copy in which one key has another name."""
        return self.replaced({new if key == old else key: value for key, value in self.items()})

    def over(self, other: Map) -> Map:
        """Return a copy with the entries of another mapping of the same source that are missing here."""
        copy = self.replaced(dict(self))
        for key, value in other.items():
            if key not in copy:
                copy.put(key, value, other.value_place(key))
        return copy

    def put(self, key: str, value: Value, place: Place) -> None:
        """Set a key that is not there, as if it stood at a place of the same source."""
        self[key] = value
        self.marks = [*self.marks, place.offset, place.offset]


class Seq(list[Value]):
    """A sequence. `marks` holds the index into the source of each item."""

    __slots__ = ("marks", "offset", "source")

    source: Source
    offset: int
    marks: list[int]

    def place(self) -> Place:
        """Return where the sequence begins."""
        return Place(self.source, self.offset, 1)

    def item_place(self, number: int) -> Place:
        """Return where an item begins."""
        return Place(self.source, self.marks[number])

    def replaced(self, content: list[Value]) -> Seq:
        """Return a copy with other content of the same length, in the same place."""
        copy = Seq(content)
        copy.source, copy.offset, copy.marks = self.source, self.offset, self.marks
        return copy


_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INT = re.compile(r"[-+]?[0-9]+\Z")
_BASED = re.compile(r"0(?:o[0-7]+|x[0-9a-fA-F]+)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_JSON = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")
_MAX_DIGITS = 1000
MAYBE_NOT_TEXT = frozenset("-+.0123456789tTfFnN~")
"""First characters of the plain scalars that may be no strings."""


def resolve(text: str) -> Value:
    """Return what a plain scalar means by the core schema of YAML 1.2.

    So `no`, `on`, `1_000`, `12:30` and `2024-01-01` are strings. Raises `ValueError` for a number that JSON cannot hold.
    """
    if text in _WORDS:
        return _WORDS[text]
    decimal = _INT.match(text)
    if decimal or _BASED.match(text):
        if len(text) > _MAX_DIGITS:
            raise ValueError(f"a number of more than {_MAX_DIGITS} digits")
        return int(text, 10 if decimal else 0)
    if _FLOAT.match(text):
        number = float(text)
        if number in (float("inf"), float("-inf")):
            raise ValueError("a number too large for JSON")
        return number
    if _NOT_JSON.match(text):
        raise ValueError("not a number that JSON can hold")
    return text


def kind(value: Value) -> str:
    """Return the words for a value in a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return f"the number {clipped(str(value))}"
    if isinstance(value, str):
        return f"'{clipped(value)}'"
    return "a mapping" if isinstance(value, dict) else "a list"


def clipped(text: str) -> str:
    """Return the first characters of a text, at most 40."""
    return text if len(text) <= 40 else text[:37] + "..."


def plain(value: Value) -> Any:
    """Return a tree as plain dictionaries and lists, without recursion."""
    if not isinstance(value, (dict, list)):
        return value
    result: Any = dict(value) if isinstance(value, dict) else list(value)
    todo: list[Any] = [result]
    while todo:
        box = todo.pop()
        for key, part in list(box.items()) if isinstance(box, dict) else list(enumerate(box)):
            if isinstance(part, (Map, Seq, dict, list)):
                box[key] = copy = dict(part) if isinstance(part, dict) else list(part)
                todo.append(copy)
    return result
