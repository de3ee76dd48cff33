"""Makes users' texts safe to print: a name or a message must not control a terminal, nor imitate other output."""

from __future__ import annotations

import os
import sys

from magnus_render.errors import FAILED, PLATFORM, MagnusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import When


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


def scalar(value: object) -> str:
    """Return a value of a configuration as the text that an environment holds: numbers in full, `true` and `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def say(text: str) -> None:
    """Print lines of magnus to standard error, `magnus:` before them."""
    print(f"magnus: {safe_lines(text)}", file=sys.stderr)


def ended_by(error: MagnusError | OSError) -> int:
    """Print the error that ends a command to standard error; return its exit status."""
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        say(f"{where}{error.strerror or error}")
        return PLATFORM
    print(error.shown(), file=sys.stderr)
    return error.status


def flushed(status: int) -> int:
    """Write out the standard streams before the process ends; return the exit status, which tells if that failed."""
    try:
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and not stream.closed:
                stream.flush()
    except BrokenPipeError:
        return status or FAILED
    except OSError as error:
        os.write(2, f"magnus: cannot write: {error.strerror}\n".encode())
        return status or PLATFORM
    return status


def _shown(value: str) -> str:
    """Return a value of a condition for people, in quotes if it is empty or has blanks at an end."""
    return value if value and value == value.strip() else f"'{value}'"


def condition(when: When) -> str:
    """Return a task's condition for people, such as `quality is good or 3`. It is not made safe for a terminal."""
    test = "is" if when["among"] else "is not"
    return f"{when['parameter']} {test} {' or '.join(map(_shown, when['values']))}"


def why_skipped(when: When) -> str:
    """Return for people that a task's condition did not hold, such as `quality is not good`, or `is neither good nor 3`."""
    values = [_shown(value) for value in when["values"]]
    if not when["among"]:
        return f"{when['parameter']} is {values[0]}"
    test = f"is not {values[0]}" if len(values) == 1 else f"is neither {' nor '.join(values)}"
    return f"{when['parameter']} {test}"
