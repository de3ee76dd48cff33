"""Checks of every field against a table: is it known, is its value of the right kind, is what must be there given?

A table is a text, one type a line: the type's name, then its fields as `name=kind`. A line that begins with a blank
continues the line before, and one that begins with `#` is a comment. A kind is written in this order:

- `s` a string, `i` a whole number, `n` a number, `b` true or false, `x` a whole number or a string, `q` a quantity, `a` text
  that may be written as a number, `*` anything, or the name of a type;
- in `[...]` a list of them, in `[[...]]` a list of lists, in `{...}` a mapping from strings;
- then a limit, if there is one: `(0..100)` the least and the most of a number, or of the entries of a list; `(A|B)` the
  strings that are known; `(:word)` the name of a format;
- then `%` if an expression may stand instead, and `~MR235` for another code than the table's;
- then `!` if the field must be given, and again `~MR235` for another code if it is missing.

Example: `retries=i(0..10)%!` is a whole number from 0 to 10, or an expression, and it must be given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.targets.lint.report import dotted, near, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus_render.targets.lint.report import Report

_WORDS = {
    "s": "a string",
    "i": "a whole number",
    "n": "a number",
    "b": "true or false",
    "x": "a whole number or a string",
    "q": "an amount such as 512Mi",
    "a": "a string",
}
_KIND = re.compile(
    r"(?P<shape>\[\[|\[|\{|)(?P<base>\w+|\*)[\]}]*(?:\((?P<limits>[^)]*)\))?(?P<open>%?)(?:~(?P<code>\w+))?"
    r"(?P<required>!?)(?:~(?P<missing>\w+))?"
)
_FITTING: dict[str, tuple[type, ...]] = {
    "s": (str,),
    "i": (int,),
    "n": (int, float),
    "b": (bool,),
    "x": (int, str),
    "q": (int, str),
    "a": (str,),
}
_UNQUOTED: dict[str, tuple[type, ...]] = {
    **dict.fromkeys("sinbx", ()),
    "q": (float,),
    "a": (int, float, bool),
}
"""Types of values that the engine turns into text by itself."""
_STRINGS = {str}


class Format(NamedTuple):
    """A form that a value must have."""

    fits: Callable[[Any], bool]
    fix: str


class Kind(NamedTuple):
    """The type of a field's value, with its limits."""

    shape: str
    """The container of the values: '' for none, '[' a list, '{' a mapping, '[[' a list of lists."""
    base: str
    """One letter, or the name of a type."""
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    format: str = ""
    open: bool = False
    """An expression may stand there."""
    code: str = ""
    missing: str = ""

    @property
    def limited(self) -> bool:
        """Whether there is more to check than the type of the value."""
        return bool(self.choices or self.format) or self.least is not None or self.most is not None


class Type(NamedTuple):
    """The fields of one kind of mapping."""

    fields: dict[str, Kind]
    required: frozenset[str]
    texts: frozenset[str]
    """Fields that are strings of any form."""


@dataclass
class Table:
    """The types of a document, and the codes of messages about them."""

    types: dict[str, Type]
    unknown: str
    """Code of a field that is not known."""
    value: str
    """Code of a value of the wrong kind."""
    required: str
    """Code of a field that is missing."""
    formats: Mapping[str, Format] = field(default_factory=dict)
    is_expression: Callable[[str], bool] = lambda text: False
    """Tells whether a string is an expression, which may stand where the table has a `%`."""
    is_tagged: Callable[[str], bool] = lambda text: False
    """Tells whether the engine completes a string at run time. Such a string may stand everywhere; its form is not known."""
    nullable: bool = False
    """A field without a value counts as one that is not given."""
    renamed: Callable[[str, str], str] = lambda type_, name: ""
    """Returns what to write instead of a field of older versions; '' if that is not known."""


def read_types(*texts: str) -> dict[str, Type]:
    """Return the types of a table; what a later text says of a field replaces what an earlier one says."""
    kinds: dict[str, dict[str, tuple[Kind, bool]]] = {}
    for source in texts:
        lines = "".join(line for line in source.splitlines(True) if not line.startswith("#"))
        for line in lines.strip("\n").replace("\n ", " ").split("\n"):
            name, _, rest = line.partition(":")
            fields = kinds.setdefault(name, {})
            for one in rest.split():
                key, _, written = one.partition("=")
                fields[key] = _read_kind(written)
    return {
        name: Type(
            {key: kind for key, (kind, _) in fields.items()},
            frozenset(key for key, (_, required) in fields.items() if required),
            frozenset(
                key for key, (k, _) in fields.items() if k.base in "sax" and not k.shape and not k.limited
            ),
        )
        for name, fields in kinds.items()
    }


def _read_kind(written: str) -> tuple[Kind, bool]:
    match = _KIND.fullmatch(written)
    if match is None:
        raise ValueError(f"'{written}' is no kind")
    limits = match["limits"] or ""
    least = most = None
    choices: tuple[str, ...] = ()
    if ".." in limits:
        least, most = (float(end) if end else None for end in limits.split(".."))
    elif limits and not limits.startswith(":"):
        choices = tuple(limits.split("|"))
    named = limits[1:] if limits.startswith(":") else ""
    kind = Kind(
        *(match["shape"], match["base"], least, most, choices, named),
        *(bool(match["open"]), match["code"] or "", match["missing"] or ""),
    )
    return kind, bool(match["required"])


class Walk:
    """One check of a mapping and of all that is in it. It does not recurse, because documents nest as deep as users like."""

    def __init__(self, table: Table, report: Report[Any], owners: Mapping[int, Any] | None = None) -> None:
        """`owners` has, by the identity of a mapping, the owner of findings in it."""
        self._table = table
        self._report = report
        self._owners = owners or {}
        self._label = "it"

    def check(
        self,
        body: dict[Any, Any],
        name: str,
        owner: Any,
        place: Any = None,
        *,
        label: str = "it",
        patch: bool = False,
    ) -> None:
        """Check a mapping of a type; `place` is where it stands, `label` its name in messages if it has no place.

        A `patch` may leave out what it does not change, and has directives (`$patch`).
        """
        waiting: list[tuple[dict[Any, Any], str, Any, Any]] = [(body, name, owner, place)]
        self._label = label
        while waiting:
            body, name, owner, place = waiting.pop()
            if id(body) in self._owners:
                owner, place = self._owners[id(body)], None
            inner: list[tuple[dict[Any, Any], str, Any, Any]] = []
            fields, required, _ = self._table.types[name]
            for key, value in body.items():
                kind = fields.get(key)
                if kind is None:
                    if not (patch and str(key).startswith("$")):
                        self._unknown(name, key, owner, place, patch)
                elif not (value is None and self._table.nullable) and not (
                    type(value) is str and kind.base == "s" and not kind.shape and not kind.limited
                ):
                    self._field(value, kind, owner, (place, key), inner)
            if not patch:
                for key in sorted(key for key in required if self._is_missing(body, key)):
                    code = fields[key].missing or self._table.required
                    self._report.error(code, owner, f"{self._where(place)} has no {key}", f"add {key}")
            waiting.extend(reversed(inner))

    def _is_missing(self, body: dict[Any, Any], key: str) -> bool:
        return key not in body or (body[key] is None and self._table.nullable)

    def _where(self, place: Any) -> str:
        return dotted(place) if place else self._label

    def _field(self, value: Any, kind: Kind, owner: Any, place: Any, inner: list[Any]) -> None:
        """Check the value of a field: what is around its values, then each of them."""
        if kind.open and isinstance(value, str) and self._table.is_expression(value):
            return
        if not kind.shape:
            self._value(value, kind, owner, place, inner)
        elif kind.shape == "{":
            if not isinstance(value, dict):
                self._wrong(value, "a mapping", kind, owner, place)
                return
            for word, item in value.items():
                if not isinstance(word, str):
                    self._wrong(word, "a string as key", kind, owner, place)
                self._value(item, kind, owner, (place, word), inner)
        elif not isinstance(value, list):
            self._wrong(value, "a list", kind, owner, place)
        else:
            if kind.least is not None and len(value) < kind.least:
                what = (
                    f"{dotted(place)} has no entries" if not value else f"{dotted(place)} has too few entries"
                )
                self._report.error(
                    kind.code or self._table.value, owner, what, f"write at least {kind.least:g}"
                )
            for number, item in enumerate(value):
                at = (place, number)
                if kind.shape == "[":
                    self._value(item, kind, owner, at, inner)
                elif not isinstance(item, list):
                    self._wrong(item, "a list", kind, owner, at)
                else:
                    for position, element in enumerate(item):
                        self._value(element, kind, owner, (at, position), inner)

    def _value(self, value: Any, kind: Kind, owner: Any, place: Any, inner: list[Any]) -> None:
        base = kind.base
        if base == "*":
            if kind.format:
                self._limits(value, kind, owner, place)
            return
        if len(base) > 1:
            if isinstance(value, dict):
                if id(value) in self._owners or not _is_plain(value, self._table.types[base]):
                    inner.append((value, base, owner, place))
            elif value is not None or isinstance(place[1], int) or not self._table.nullable:
                self._wrong(value, "a mapping", kind, owner, place)
            return
        found = type(value)
        if found in _FITTING[base]:
            if kind.limited and not kind.shape:
                self._limits(value, kind, owner, place)
        elif found in _UNQUOTED[base]:
            self._unquoted(value, owner, place)
        else:
            self._wrong(value, _WORDS[base], kind, owner, place)

    def _limits(self, value: Any, kind: Kind, owner: Any, place: Any) -> None:
        if isinstance(value, str) and self._table.is_tagged(value):
            return
        what, fix, code = f"{dotted(place)} is {shown(value)}", "", kind.code or self._table.value
        if kind.choices:
            if value not in kind.choices and (value != "" or not self._table.nullable):
                fix = near(value, kind.choices) or f"one of {', '.join(kind.choices)}"
        elif kind.format:
            form = self._table.formats[kind.format]
            fix = "" if form.fits(value) else form.fix
        elif not (value - value == 0 and self._is_within(value, kind)):
            fix = f"write {_WORDS[kind.base]} {_span(kind)}"
        if fix:
            self._report.error(code, owner, what, fix)

    @staticmethod
    def _is_within(value: float, kind: Kind) -> bool:
        return (kind.least is None or value >= kind.least) and (kind.most is None or value <= kind.most)

    def _wrong(self, value: Any, wanted: str, kind: Kind, owner: Any, place: Any) -> None:
        fix = ""
        if wanted == "a string" and not isinstance(value, dict | list) and value is not None:
            fix = "put it into quotes: YAML reads it as something else than text"
        elif isinstance(value, str) and wanted in ("a whole number", "true or false"):
            fix = "write it without quotes"
        if kind.limited and kind.base in "in":
            wanted += f" {_span(kind)}"
        self._report.error(
            kind.code or self._table.value, owner, f"{dotted(place)} is {shown(value)}, not {wanted}", fix
        )

    def _unquoted(self, value: Any, owner: Any, place: Any) -> None:
        """Report a number or truth value where text is wanted: the engine's text for it may not be what was meant."""
        what = f"{dotted(place)} is {shown(value)} to YAML, not a string"
        self._report.house(self._table.value, owner, what, "put it into quotes")

    def _unknown(self, name: str, key: Any, owner: Any, place: Any, patch: bool) -> None:
        table = self._table
        fix = table.renamed(name, str(key)) or near(key, table.types[name].fields) or "take it out"
        add = self._report.house if patch else self._report.error  # what a patch has besides is left out
        add(
            table.unknown,
            owner,
            f"{self._where(place)} has no field {shown(key) if isinstance(key, str) else key}",
            fix,
        )


def _is_plain(body: dict[Any, Any], kind: Type) -> bool:
    """Return whether a mapping has nothing but strings, all of them known and none missing: most have."""
    keys = body.keys()
    return keys <= kind.texts and kind.required <= keys and set(map(type, body.values())) <= _STRINGS


def _span(kind: Kind) -> str:
    if kind.most is None:
        return f"of at least {kind.least:g}"
    return f"from {kind.least or 0:.0f} to {kind.most:.0f}"
