"""Where rendered text goes: a file that is never half-written, or a comparison with one."""

from __future__ import annotations

import difflib
import errno
import os
import shlex
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NamedTuple

from magnus_render.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_TEMPORARY = ".magnus-"
"""Prefix of the names of temporary files: of new files before they take their place, and of the old ones kept."""
_BEGINNING = 65536
"""Bytes of a file that are looked through for a mark (`BaseTarget.marks`)."""


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

    All files are first written beside their places. They take their places only when every one is on the disk. If that
    fails half-way, or is stopped, the old files are put back. Raises `PlatformError` for a file that cannot be written;
    it names the old files that could not be put back.
    """
    made: list[str] = []
    moves: list[_Move] = []
    try:
        for file in files:
            with _told(file.path):
                moves.append(_prepared(file, made if make_folders else None))
        for move in moves:
            with _told(move.path):
                move.take_place()
    except BaseException as error:  # also if somebody stops the command
        lost = _undo(moves, made)
        if lost:
            raise PlatformError("\n".join([str(error) or "the command was stopped", *lost])) from error
        raise
    for move in moves:
        move.forget()


def _prepared(file: File, made: list[str] | None) -> _Move:
    """Write a file beside its place; make its folder if it is missing and `made` is a list, which gets it."""
    target = os.path.realpath(file.path)
    if made is not None:
        _make_folders(os.path.dirname(target), made)
    if os.path.isdir(target):
        raise OSError(errno.EISDIR, "it is a folder")
    if os.path.exists(target) and not os.path.isfile(target):
        raise OSError(errno.EINVAL, "it is no regular file, so it cannot be replaced")
    return _Move(file.path, target, _beside(target, file.text, file.executable))


def _undo(moves: list[_Move], made: list[str]) -> list[str]:
    """Put back the files that were replaced; return a sentence for each one that cannot be put back."""
    lost = []
    for move in reversed(moves):
        try:
            move.undo()
        except OSError as error:
            lost.append(
                f"{move.path} is the new file already, and the old one is kept in {move.before}: {error.strerror}"
            )
    for folder in reversed(made):
        with suppress(OSError):  # somebody may have put something in
            os.rmdir(folder)
    return lost


class _Move:
    """The move of a new file to its place, and the old file that was there."""

    def __init__(self, path: str, target: str, temporary: str) -> None:
        self.path = path
        self.before = ""
        """The file that keeps the old content, '' if there was no file."""
        self._target = target
        self._temporary = temporary

    def take_place(self) -> None:
        if os.path.exists(self._target):
            self.before = f"{self._temporary}.before"
            try:
                os.link(self._target, self.before)
            except OSError:  # not all file systems have links
                shutil.copy2(self._target, self.before)
        os.replace(self._temporary, self._target)

    def undo(self) -> None:
        """Put back the old file; raise OSError if that is not possible."""
        if not os.path.lexists(self._temporary):  # the new file has taken its place
            if self.before:
                os.replace(self.before, self._target)
            else:
                _forget(self._target)
        _forget(self._temporary)
        self.forget()

    def forget(self) -> None:
        if self.before:
            _forget(self.before)


def _make_folders(wanted: str, made: list[str]) -> None:
    """Make a folder and those around it; put those that were not there into `made`, outermost first."""
    missing = []
    while wanted and not os.path.isdir(wanted):
        missing.append(wanted)
        wanted = os.path.dirname(wanted)
    for path in reversed(missing):
        if os.path.lexists(path):
            raise OSError(errno.ENOTDIR, f"{os.path.relpath(path)} is no folder")
        os.mkdir(path)
        made.append(path)


def _beside(target: str, text: str, executable: bool) -> str:
    """Write a text to a temporary file beside its target, with the mode that the target will have; return its path."""
    descriptor, temporary = tempfile.mkstemp(prefix=_TEMPORARY, dir=os.path.dirname(target))
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(target, executable))
    except BaseException:
        _forget(temporary)
        raise
    return temporary


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn an `OSError` of writing a file into a `PlatformError` with the reason."""
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


def check_place(path: str) -> None:
    """Raise `PlatformError` for a pipe or a device in the place of an artefact: to read it might never end."""
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise PlatformError(f"cannot read {path}: it is a pipe or a device, and no file: delete it")


def content(path: str, size: int = -1) -> bytes | None:
    """Return what a file holds, or its first `size` bytes; None if there is no file.

    Raises `PlatformError` if it cannot be read.
    """
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError as error:
        raise PlatformError(f"cannot read {path}: {error.strerror or error}") from error


def has_mark(path: str, marks: Iterable[str]) -> bool:
    """Tell whether a file has one of some marks near its beginning; one that cannot be read has none."""
    try:
        beginning = content(path, _BEGINNING) or b""
    except PlatformError:
        return False
    return any(mark.encode() in beginning for mark in marks)


def is_temporary(name: str) -> bool:
    """Tell, by its name alone, whether a file is temporary: of a command at work, or of one that was killed.

    The two cannot be told apart while another command may be at work. So no such file is ever removed.
    """
    return name.startswith(_TEMPORARY)


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
