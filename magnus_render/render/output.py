"""Where rendered text goes: a file that is never half-written, or a comparison with one."""

from __future__ import annotations

import difflib
import errno
import os
import shlex
import stat
import tempfile
from typing import TYPE_CHECKING

from magnus_render.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


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
        temporary = _beside(target, text, executable)
        os.replace(temporary, target)
    except OSError as error:
        if temporary:
            _forget(temporary)
        raise PlatformError(f"cannot write {path}: {error.strerror or error}") from error


def write_all(folder: str, texts: Mapping[str, str]) -> None:
    """Write files below a folder, all of them or none: each is replaced as a whole, what else is there is left alone.

    `texts` has them by their paths from there. All are written beside their places first, and take those only when every
    one is on the disk. If that fails on the way, what was replaced comes back. A text that begins with `#!` may be run.
    Raise `PlatformError` if they cannot be written.
    """
    made: list[str] = []
    moves: list[_Move] = []
    try:
        _make_folders(folder, texts, made)
        for name, text in texts.items():
            moves.append(_prepared(os.path.realpath(os.path.join(folder, name)), text))
        for move in moves:
            move.take_place()
    except OSError as error:
        for move in reversed(moves):
            move.undo()
        for path in reversed(made):
            os.rmdir(path)
        raise PlatformError(
            f"cannot write {error.filename or folder}: {error.strerror or error}; nothing was changed"
        ) from error
    for move in moves:
        move.forget()


class _Move:
    """A new file on its way to its place, and what was there before."""

    def __init__(self, target: str, temporary: str) -> None:
        self._target = target
        self._temporary = temporary
        self._before = ""
        self._done = False

    def take_place(self) -> None:
        if os.path.exists(self._target):
            before = f"{self._temporary}.before"
            os.link(self._target, before)
            self._before = before
        os.replace(self._temporary, self._target)
        self._done = True

    def undo(self) -> None:
        if self._before:
            os.replace(self._before, self._target)
        elif self._done:
            _forget(self._target)
        _forget(self._temporary)

    def forget(self) -> None:
        if self._before:
            _forget(self._before)


def _make_folders(folder: str, names: Iterable[str], made: list[str]) -> None:
    """Make the folders of some files; put those that were not there into `made`, outermost first."""
    for wanted in sorted({os.path.dirname(os.path.join(folder, name)) for name in names}):
        missing = []
        path = wanted
        while path and not os.path.isdir(path):
            missing.append(path)
            path = os.path.dirname(path)
        for path in reversed(missing):
            os.mkdir(path)
            made.append(path)


def _prepared(target: str, text: str) -> _Move:
    """Write a text beside the place that it is to take."""
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EEXIST, "is no file", target)
    temporary = _beside(target, text, executable=text.startswith("#!"))
    return _Move(target, temporary)


def _beside(target: str, text: str, executable: bool) -> str:
    """Write a text to a new file in the folder of another, with the mode that that one is to have; return its path."""
    descriptor, temporary = tempfile.mkstemp(prefix=".magnus-", dir=os.path.dirname(target))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(target, executable))
    except OSError:
        _forget(temporary)
        raise
    return temporary


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
