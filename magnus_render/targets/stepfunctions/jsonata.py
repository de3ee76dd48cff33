"""How names and values stand in a definition: as JSON, and in JSONata expressions within JSON strings."""

from __future__ import annotations

import json
from typing import Any

_SHORT = 100
"""Characters of a line that holds a whole object or list."""
_ESCAPES = {"\\": "\\\\", "'": "\\u0027", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def compact(value: Any) -> str:
    """Return a value as JSON without blanks."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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
    """Return a user's text as a field's value: what looks like an expression becomes the literal of one.

    A string that begins with `{%` is evaluated (Amazon States Language specification, "JSONata").
    """
    return expression(string(text)) if text.startswith("{%") or text.endswith("%}") else text


def pretty(value: Any) -> str:
    """Return a value as JSON laid out for reading: what is short stands on one line."""
    return _layout(value) + "\n"


def _layout(value: Any) -> str:
    """Lay a value out without recursion: a machine nests as deep as its pipeline does."""
    lines: list[str] = []
    # Work still to do, last first: finished text, or (value, indentation, text before it, text behind it).
    waiting: list[tuple[Any, int, str, str]] = [(value, 0, "", "")]
    while waiting:
        item, depth, before, behind = waiting.pop()
        indent = "  " * depth
        if item is _TEXT:
            lines.append(indent + before)
            continue
        if not isinstance(item, dict | list) or not item:
            lines.append(indent + before + _dumps(item) + behind)
            continue
        if _fits(item, _SHORT - len(indent) - len(before) - len(behind)):
            lines.append(indent + before + _dumps(item) + behind)
            continue
        open_, close = ("{", "}") if isinstance(item, dict) else ("[", "]")
        lines.append(indent + before + open_)
        waiting.append((_TEXT, depth, close + behind, ""))
        pairs = item.items() if isinstance(item, dict) else [("", inner) for inner in item]
        inner = [
            (part, depth + 1, f"{json.dumps(key, ensure_ascii=False)}: " if open_ == "{" else "", ",")
            for key, part in pairs
        ]
        last = inner[-1]
        inner[-1] = (last[0], last[1], last[2], "")
        waiting.extend(reversed(inner))
    return "\n".join(lines)


class _Text:
    pass


_TEXT = _Text()


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _is_short(value: Any, room: int) -> bool:
    """Tell whether a value fits on a line: few characters, and no object within an object."""
    waiting = [(value, False)]
    while waiting:
        item, inside = waiting.pop()
        if isinstance(item, dict):
            if inside:
                return False
            waiting.extend((part, True) for part in item.values())
        elif isinstance(item, list):
            waiting.extend((part, inside) for part in item)
        room -= len(item) if isinstance(item, str) else 1
        if room < 0:
            return False
    return True


def _fits(value: Any, room: int) -> bool:
    return _is_short(value, room) and len(_dumps(value)) <= room
