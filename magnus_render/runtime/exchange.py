"""The files a step exchanges with the catalog: content stands in the catalog, names and modes in records.

Nothing is read or written outside the data folder, through symbolic links neither. What a step puts is what this attempt
got or wrote. Other files may lie in the data folder; on an engine that gives each step a disk they would not be there.
"""

from __future__ import annotations

import os
import time

from magnus_render.errors import PlatformError
from magnus_render.runtime import workspace
from magnus_render.runtime.names import is_literal, matches, name_of
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services.options import did_you_mean, platform_error, remove_quietly, temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from magnus_render.plan import Catalog, CatalogRecord, FileEntry
    from magnus_render.services.base import BaseCatalog

    State = tuple[int, ...]

TICK = 10_000_000
"""Nanoseconds in which a file may change twice with the same time: the slowest clock that Linux gives files (HZ=100)."""
_MOST_COMPARED = 1000
"""Files whose names are compared with one that is not there: more would take longer than a message is worth."""
_CHANGED = 3
"""Where `_state` has the time of the last change (`st_ctime_ns`), which no program can set."""


class Present:
    """The files of a data folder at one time, by name. Links to folders are not followed."""

    def __init__(self, folder: str) -> None:
        self.files: dict[str, State] = {}
        """With what tells whether a file has changed since."""
        self.outside: set[str] = set()
        """Those that are links which lead out of the folder."""
        self._folder, self._root = folder, os.path.realpath(folder)
        waiting = [""]
        while waiting:
            below = waiting.pop()
            try:
                with os.scandir(os.path.join(folder, below)) as entries:
                    for entry in entries:
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(f"{below}{entry.name}/")
                        else:
                            self._add(f"{below}{entry.name}", entry)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise platform_error("list", os.path.join(folder, below), error) from error

    def _add(self, name: str, entry: os.DirEntry[str]) -> None:
        from stat import S_ISREG

        try:
            status = entry.stat()
            if not S_ISREG(status.st_mode):
                return
            state = _state(status)
            if entry.is_symlink():
                state += _state(entry.stat(follow_symlinks=False))
                if not _below(os.path.realpath(entry.path), self._root) and not workspace.is_link(
                    os.getcwd(), self._folder, name
                ):
                    self.outside.add(name)
        except OSError:
            return  # a link to nothing, or a file that has gone meanwhile
        self.files[name] = state


def before_work(folder: str, got: Collection[str]) -> Present:
    """Return what is in a data folder as the task begins, in a moment from which on any change can be seen."""
    present = Present(folder)
    newest = max((state[_CHANGED] for name, state in present.files.items() if name not in got), default=0)
    pause = newest + TICK - time.time_ns()
    if 0 < pause <= TICK:
        time.sleep(pause / 1e9)
    return present


def get_files(
    catalog: BaseCatalog, wanted: Catalog, files: dict[str, FileEntry], folder: str
) -> tuple[list[CatalogRecord], list[str]]:
    """Bring the visible files that match into the data folder; return what was read and the warnings.

    Raises `TaskFailure` if a literal matches nothing.
    """
    found: set[str] = set()
    warnings = []
    for pattern in map(name_of, wanted["get"]):
        matching = [name for name in files if matches(pattern, name)]
        if not matching:
            if is_literal(pattern):
                raise TaskFailure(f"catalog: nothing to get for '{pattern}'")
            warnings.append(f"catalog: '{pattern}' matches nothing to get")
        found.update(matching)
    records: list[CatalogRecord] = []
    for name in sorted(found):
        restore(catalog, files[name], folder, name)
        records.append({"path": name, "stage": "get", **files[name]})
    _tell_apart(folder, found)
    return records, warnings


def put_files(
    catalog: BaseCatalog, wanted: Catalog, folder: str, got: Collection[str], before: Present
) -> tuple[list[CatalogRecord], list[str]]:
    """Catalogue the files of the data folder that match, of those that this attempt got or wrote.

    Return what was stored and the warnings. Raises `TaskFailure` if a literal matches nothing.
    """
    now = Present(folder)
    own = sorted(name for name, state in now.files.items() if name in got or before.files.get(name) != state)
    found: set[str] = set()
    warnings = []
    for pattern in map(name_of, wanted["put"]):
        matching = [name for name in own if matches(pattern, name)]
        outside = [
            f"catalog: '{name}' is a link out of the data folder" for name in matching if name in now.outside
        ]
        if not matching:
            if is_literal(pattern):
                # The same message on every engine, whether an older file lies there or none.
                raise TaskFailure(_nothing_to_put(pattern, wanted["compute_data_folder"], own))
            warnings.append(f"catalog: '{pattern}' matches nothing to put")
        elif outside and is_literal(pattern):
            raise TaskFailure(outside[0])
        warnings += [f"{text}: it is not put" for text in outside]
        found.update(matching)
    records: list[CatalogRecord] = []
    for name in sorted(found - now.outside):
        records.append({"path": name, "stage": "put", **store(catalog, os.path.join(folder, name))})
    return records, warnings


def _nothing_to_put(name: str, folder: str, own: list[str]) -> str:
    """Return the message for a name that is not among an attempt's own files, and the likely name if there is one.

    That is the name without the data folder in front, else the one that is most like it.
    """
    what = f"catalog: nothing to put for '{name}': this attempt has not written it in '{folder}'"
    within = name.removeprefix(f"{folder}/")
    near = f" (did you mean '{within}'?)" if within in own else did_you_mean(name, own[:_MOST_COMPARED])
    return what + near


def store(catalog: BaseCatalog, path: str) -> FileEntry:
    """Put a file into the catalog; return what its record says of it."""
    try:
        mode = os.stat(path).st_mode & 0o777
    except OSError as error:
        raise platform_error("read", path, error) from error
    if not os.access(path, os.R_OK):
        raise TaskFailure(f"catalog: '{os.path.basename(path)}' cannot be read: its mode is {mode:03o}")
    sha256, size = catalog.put(path)
    return {"sha256": sha256, "size": size, "mode": mode}


def restore(catalog: BaseCatalog, entry: FileEntry, folder: str, name: str) -> None:
    """Bring a file from the catalog into a folder, in the place of one that is there, with the mode it had.

    It appears at once and as a whole, and is never readable by more than its mode and this process's umask let it.
    Raises `TaskFailure` if its place is outside the folder, or taken by a folder.
    """
    target = make_room(folder, name)
    private = temporary_name(os.path.dirname(target) or ".")
    try:
        os.mkdir(private, 0o700)
    except OSError as error:
        raise platform_error("write", target, error) from error
    content = f"{private}/content"
    try:
        catalog.get(entry["sha256"], content)
        if "mode" in entry:
            os.chmod(content, entry["mode"] & _allowed(private))
        os.replace(content, target)
    except IsADirectoryError:
        raise TaskFailure(f"catalog: no place for '{name}': a folder has that name") from None
    except OSError as error:
        raise platform_error("write", target, error) from error
    except PlatformError as error:
        raise PlatformError(str(error).replace(content, target)) from error
    finally:
        remove_quietly(content)
        os.rmdir(private)


def make_room(folder: str, name: str) -> str:
    """Return the path of a name in a folder, after making the folders above it.

    Raises `TaskFailure` if the path is outside the folder, or a file is in the place of a folder above it.
    """
    target = os.path.join(folder, name)
    parent = os.path.dirname(target)
    if parent != folder and not _stays_inside(folder, name):
        raise TaskFailure(f"catalog: no place for '{name}': a link in its path leads out of the folder")
    try:
        os.makedirs(parent or ".", exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise TaskFailure(f"catalog: no place for '{name}': a file is in the place of its folder") from None
    except OSError as error:
        raise platform_error("write", target, error) from error
    return target


def _allowed(folder: str) -> int:
    """Return the permissions that a new file of this process may have."""
    path = f"{folder}/mode"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o777)
    try:
        return os.fstat(descriptor).st_mode & 0o777
    finally:
        os.close(descriptor)
        os.unlink(path)


def _stays_inside(folder: str, name: str) -> bool:
    """Tell whether no link on the way to a name leads out of the folder."""
    if _below(os.path.realpath(os.path.join(folder, os.path.dirname(name))), os.path.realpath(folder)):
        return True
    return workspace.is_link(os.getcwd(), folder, name.partition("/")[0])


def _below(path: str, root: str) -> bool:
    return path == root or path.startswith(root.rstrip("/") + "/")


def _tell_apart(folder: str, names: Collection[str]) -> None:
    """Raise `TaskFailure` if this file system takes two names for one that differ in case alone."""
    known: dict[str, str] = {}
    for name in sorted(names):
        other = known.setdefault(name.casefold(), name)
        if other != name and os.path.samefile(os.path.join(folder, other), os.path.join(folder, name)):
            raise TaskFailure(f"catalog: '{other}' and '{name}' are one file here: this disk ignores case")


def _state(status: os.stat_result) -> State:
    return (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
