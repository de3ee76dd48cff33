"""How names and values stand in a definition: as JSON, and in JSONata expressions within JSON strings."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 100
"""Characters of a line that holds a whole object or list."""
_FEW = 12
"""Members of an object or list that may stand on one line."""
_text = json.encoder.encode_basestring
_encode = json.JSONEncoder(ensure_ascii=False).encode
_compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_ESCAPES = {"\\": "\\\\", "'": "\\u0027", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def compact(value: Any) -> str:
    """Return a value as JSON without blanks."""
    return _text(value) if type(value) is str else _compact(value)


def string(text: str) -> str:
    """Return a text as a JSONata string literal in single quotes, with JSON's escapes: JSONata knows no other.

    `%` is escaped at a brace: `%}` would end the expression for readers that look for it by text.
    """
    out = "".join(_ESCAPES.get(c) or (c if c >= " " else f"\\u{ord(c):04x}") for c in text)
    return "'" + out.replace("%}", "\\u0025}").replace("{%", "{\\u0025") + "'"


def literal(value: Any) -> str:
    """Return a JSON value as a JSONata expression."""
    if isinstance(value, str):
        return string(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{string(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return json.dumps(value)


def expression(code: str) -> str:
    """Return an expression as it stands in a field of a state; literals that are joined become one."""
    return "{% " + code.replace("' & '", "") + " %}"


def plain(text: str) -> str:
    """Return a user's text as a field's value. A text that looks like an expression becomes an expression with a literal.

    A string that begins with `{%` is evaluated (Amazon States Language specification, "JSONata").
    """
    return expression(string(text)) if text.startswith("{%") or text.endswith("%}") else text


def pretty(value: Any) -> str:
    """Return a value as JSON laid out for reading: what is short stands on one line."""
    return _layout(value) + "\n"


def _layout(value: Any) -> str:
    """Lay a value out without recursion: a machine nests as deep as its pipeline does."""
    lines: list[str] = []
    known: dict[tuple[str, str, str], list[str]] = {}
    """Values that were laid out already, with their lines: many states have the same parts."""
    # The objects and lists that are open, innermost last. Of each: its members that are still to come, its indentation, its
    # closing bracket, its key in `known` if it may come again, and the number of its first line.
    opened: list[tuple[Iterator[tuple[str, Any]], str, str, tuple[str, str, str] | None, int]] = []
    rest: Iterator[tuple[str, Any]] = iter([("", value)])
    indent = end = ""
    key: tuple[str, str, str] | None = None
    began = 0
    first = True
    while True:
        for before, item in rest:
            if not first:
                lines[-1] += ","
            first = False
            kind = type(item)
            if (kind is not dict and kind is not list) or not item:
                lines.append(f"{indent}{before}{_text(item) if kind is str else _encode(item)}")
                continue
            again = None
            if len(item) <= _FEW and not (kind is dict and _holds_object(item)):
                text = _encode(item)
                if len(indent) + len(before) + len(text) < _WIDTH and (
                    text.count("{") <= 1 or _is_plain(item)
                ):
                    lines.append(f"{indent}{before}{text}")
                    continue
                again = (indent, before, text)
                if again in known:
                    lines += known[again]
                    continue
            opened.append((rest, indent, end, key, began))
            key, began = again, len(lines)
            if kind is dict:
                lines.append(f"{indent}{before}{{")
                rest, end = iter([(f"{_text(name)}: ", part) for name, part in item.items()]), "}"
            else:
                lines.append(f"{indent}{before}[")
                rest, end = iter([("", part) for part in item]), "]"
            indent += "  "
            first = True
            break
        else:
            if not opened:
                return "\n".join(lines)
            closing, done, start = end, key, began
            rest, indent, end, key, began = opened.pop()
            lines.append(indent + closing)
            if done is not None:
                known[done] = lines[start:]
            first = False


def _holds_object(value: dict[str, Any]) -> bool:
    return any(type(part) is dict for part in value.values())


def _is_plain(value: Any) -> bool:
    """Tell whether no object stands within an object."""
    waiting = [(value, False)]
    while waiting:
        item, inside = waiting.pop()
        if isinstance(item, dict):
            if inside:
                return False
            waiting += [(part, True) for part in item.values() if isinstance(part, dict | list)]
        else:
            waiting += [(part, inside) for part in item if isinstance(part, dict | list)]
    return True
