"""Texts that users made, as they may be printed: a name or a message must not command a terminal, nor forge output."""

from __future__ import annotations

import sys


def safe(text: str) -> str:
    """Return a text with everything that does not show as itself (controls, direction marks, ...) as an escape."""
    if text.isprintable():
        return text
    import unicodedata

    return "".join(
        (
            c
            if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
            else c.encode("unicode_escape").decode()
        )
        for c in text
    )


def safe_lines(text: str) -> str:
    """Return a text of several lines with each of them as `safe` has it."""
    return "\n".join(map(safe, text.split("\n")))


def say(text: str) -> None:
    """Print lines of our own to standard error, `magnus:` before them."""
    print(f"magnus: {safe_lines(text)}", file=sys.stderr)
