"""Where rendered text goes: a file that is never half-written, or a comparison with one."""

from __future__ import annotations

import difflib
import os
import shlex
import stat
import tempfile
from typing import TYPE_CHECKING

from magnus_render.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Sequence


def write(path: str, text: str, *, executable: bool = False) -> None:
    """Replace a file as a whole, or leave it as it is; raise `PlatformError` if it cannot be written.

    An existing file keeps its mode; a link is followed. A new file gets the mode that the umask gives, and may be
    run if `executable`.
    """
    target = os.path.realpath(path)
    temporary = ""
    try:
        if os.path.exists(target) and not os.path.isfile(target):
            _write_through(target, text)
            return
        descriptor, temporary = tempfile.mkstemp(prefix=".magnus-", dir=os.path.dirname(target))
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(target, executable))
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            _forget(temporary)
        raise PlatformError(f"cannot write {path}: {error.strerror or error}") from error


def drift(golden: str, text: str, update: Sequence[str]) -> str:
    """Return '' if a file holds exactly this text, else a unified diff and the command that updates the file."""
    try:
        with open(golden, "rb") as file:
            old = file.read().decode(errors="surrogateescape")
    except FileNotFoundError:
        old = ""
    except OSError as error:
        raise PlatformError(f"cannot read {golden}: {error.strerror or error}") from error
    if old == text:
        return ""
    lines = difflib.unified_diff(_lines(old), _lines(text), golden, "rendered", lineterm="")
    return "\n".join(
        [*lines, f"# {golden} differs from what is rendered; to update it: {shlex.join(update)}", ""]
    )


def _lines(text: str) -> list[str]:
    """Split at line feeds only, and show a last line that has none."""
    if not text:
        return []
    whole = text.split("\n")
    return whole[:-1] if not whole[-1] else [*whole[:-1], whole[-1] + "\n\\ No newline at end of file"]


def _mode(target: str, executable: bool) -> int:
    try:
        mode = stat.S_IMODE(os.stat(target).st_mode)
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    # Whoever may read a program may run it.
    return mode | ((mode & 0o444) >> 2) if executable else mode


def _write_through(target: str, text: str) -> None:
    """Write to a terminal, pipe or device, which cannot be replaced."""
    with open(target, "wb") as file:
        file.write(text.encode())


def _forget(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass
