"""Quoting of names and values for a bash script. All of them reach the script through these filters."""

from __future__ import annotations

import json
import re
import string
from typing import TYPE_CHECKING, Any

from magnus_render import texts
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from magnus_render.plan import When

COMMENT_COLUMN = 50
COMMENT_LENGTH = 60
_DELIMITER = "END_OF_LINES"
_BARE = frozenset(string.ascii_letters + string.digits + "@%+=:,./-_")
_SPECIAL = frozenset("'$`\\")
_ESCAPES = str.maketrans({c: f"\\{c}" for c in '"$`\\'})


def word(text: str) -> str:
    """Return a text as one shell word: bare where that is safe, else quoted.

    A `$` or a backquote is escaped within double quotes, because linters take it for a mistake within single quotes. Text
    that is not ASCII stands in single quotes: in an East Asian encoding its last byte and a backslash behind it could be
    read as one character.
    """
    if text and _BARE.issuperset(text):
        return text
    if _SPECIAL.isdisjoint(text):
        return f"'{text}'"
    if text.isascii():
        return f'"{text.translate(_ESCAPES)}"'
    parts = re.split(f"([{re.escape(''.join(sorted(_SPECIAL)))}]+)", text)
    return "".join(
        f'"{part.translate(_ESCAPES)}"' if number % 2 else f"'{part}'"
        for number, part in enumerate(parts)
        if part
    )


def words(texts: Iterable[str]) -> str:
    """Return texts as shell words with blanks between."""
    return " ".join(map(word, texts))


def node_word(slug: str, name: str) -> str:
    """Return how a node stands in a line: its slug, and its name for people where that is another."""
    return slug if slug == name else word(f"{slug}={safe(name)}")


def comment(text: str) -> str:
    """Return a text as it may stand behind `# `: one line, no control characters, no directive for a linter."""
    shown = safe(text)
    return f"({shown})" if shown.lstrip().startswith("shellcheck") else shown


def brief(text: str) -> str:
    """Return the first line of a text, cut to `COMMENT_LENGTH` characters."""
    lines = text.strip().splitlines() or [""]
    first = safe(lines[0].rstrip())
    if len(first) > COMMENT_LENGTH:
        return first[: COMMENT_LENGTH - 3].rstrip() + "..."
    return first + " ..." if len(lines) > 1 else first


def column(text: str, remark: str) -> str:
    """Return code with a remark behind it, in a column of its own where the code is short enough."""
    return f"{text.ljust(COMMENT_COLUMN)}  # {remark}" if remark else text


def canonical(value: Any) -> str:
    """Return a value as JSON whose bytes depend on nothing but the value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def delimiter(text: str) -> str:
    """Return the delimiter of a here-document that holds a text: no line of it."""
    lines = set(text.splitlines())
    number, found = 1, _DELIMITER
    while found in lines:
        number += 1
        found = f"{_DELIMITER}_{number}"
    return found


def seconds(value: float) -> str:
    """Return a duration as `sleep` takes it: no exponent, no more than three decimals."""
    return f"{value:.3f}".rstrip("0").rstrip(".")


def condition(when: When) -> str:
    """Return a task's condition for a remark, such as `quality is good or 3`."""
    return brief(texts.condition(when))


FILTERS: Mapping[str, Callable[..., str]] = {
    "brief": brief,
    "canonical": canonical,
    "column": column,
    "comment": comment,
    "condition": condition,
    "delimiter": delimiter,
    "node_word": node_word,
    "seconds": seconds,
    "word": word,
    "words": words,
}
