"""Where rendered text goes: a file that is never half-written, or a comparison with one."""

from __future__ import annotations

import difflib
import errno
import os
import shlex
import shutil
import stat
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from magnus_render.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


def write(path: str, text: str, *, executable: bool = False) -> None:
    """Replace a file as a whole, or leave it as it is; raise `PlatformError` if it cannot be written.

    An existing file keeps its mode; a link is followed. A new file gets the mode that the umask gives, and may be
    run if `executable`.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        with _told(path):
            _write_through(target, text)
    else:
        write_all([File(path, text, executable)])


class File(NamedTuple):
    """A file that is to be written."""

    path: str
    text: str
    executable: bool = False


def write_all(files: Iterable[File], *, make_folders: bool = False) -> None:
    """Replace files as `write` does, all of them or none; make their folders where they are missing, if `make_folders`.

    All are written beside their places first, and take those only when every one is on the disk. If that fails on the
    way, what was replaced comes back. Raises `PlatformError` then.
    """
    made: list[str] = []
    moves: list[_Move] = []
    try:
        for file in files:
            with _told(file.path):
                target = os.path.realpath(file.path)
                if make_folders:
                    _make_folders(os.path.dirname(target), made)
                if os.path.exists(target) and not os.path.isfile(target):
                    raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
                moves.append(_Move(file.path, target, _beside(target, file.text, file.executable)))
        for move in moves:
            with _told(move.path):
                move.take_place()
    except PlatformError:
        for move in reversed(moves):
            move.undo()
        for folder in reversed(made):
            os.rmdir(folder)
        raise
    for move in moves:
        move.forget()


class _Move:
    """A new file on its way to its place, and what was there before."""

    def __init__(self, path: str, target: str, temporary: str) -> None:
        self.path = path
        self._target = target
        self._temporary = temporary
        self._before = ""
        self._done = False

    def take_place(self) -> None:
        if os.path.exists(self._target):
            before = f"{self._temporary}.before"
            try:
                os.link(self._target, before)
            except OSError:  # not all file systems have links
                shutil.copy2(self._target, before)
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


def _make_folders(wanted: str, made: list[str]) -> None:
    """Make a folder and those around it; put those that were not there into `made`, outermost first."""
    missing = []
    while wanted and not os.path.isdir(wanted):
        missing.append(wanted)
        wanted = os.path.dirname(wanted)
    for path in reversed(missing):
        os.mkdir(path)
        made.append(path)


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


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Raise what a system says against writing a file as `PlatformError`."""
    try:
        yield
    except OSError as error:
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


def beside(path: str, name: str) -> str:
    """Return the file of a separate output: `pipeline.asl.json` and `billing` make `pipeline.billing.asl.json`."""
    folder, file = os.path.split(path)
    stem, dot, suffixes = file.partition(".")
    return os.path.join(folder, f"{stem}.{name}{dot}{suffixes}")


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
