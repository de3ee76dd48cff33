"""Run log stores on a disk: `file-system`, and `buffered` for a walk that keeps nothing."""

from __future__ import annotations

import os
from stat import S_ISDIR, S_ISREG

from magnus_render.errors import Refused
from magnus_render.services.base import BaseRunLogStore
from magnus_render.services.options import (
    LOG_LIMIT_MEANS,
    check_keys,
    log_limit,
    platform_error,
    read_whole,
    remove_quietly,
    temporary_name,
    text,
    write_all,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, BinaryIO, ClassVar

_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
_LOG = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_TRASH = ".removed-"


class FileSystemRunLogStore(BaseRunLogStore):
    """A record is a file, a run a folder of `path` (default `.run_log_store`, relative to the working
    folder).

    A record is written under a hidden name and then linked to its own. So a reader sees all of it or nothing, even if
    the writer is killed, and only one of several writers succeeds. The file system must support hard links.
    """

    summary = "files in a folder"
    aliases: ClassVar[tuple[str, ...]] = ("chunked-fs",)
    keys: ClassVar[Mapping[str, str]] = {"path": "text", "log_limit": "count"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "path": ("The folder that runs are recorded in, relative to the working folder.", "/shared/runs"),
        "log_limit": LOG_LIMIT_MEANS,
    }
    defaults: ClassVar[Mapping[str, Any]] = {"path": ".run_log_store"}
    older_keys: ClassVar[Mapping[str, str]] = {"log_folder": "path"}

    def __init__(self, config: Mapping[str, Any]) -> None:
        service = "run_log_store 'file-system'"
        check_keys(service, config, FileSystemRunLogStore.keys)
        self.log_limit = log_limit(service, config)
        default = FileSystemRunLogStore.defaults["path"]
        self.path = os.path.abspath(text(service, config, "path", default))

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that finds this store from any working folder."""
        return self._limited({"path": self.path})

    def create(self, key: str, data: bytes) -> bool:
        path = f"{self.path}/{key}"
        if os.path.lexists(path):
            return False
        folder = os.path.dirname(path)
        temporary = temporary_name(folder)
        try:
            try:
                descriptor = os.open(temporary, _CREATE, 0o666)
            except FileNotFoundError:
                os.makedirs(folder, exist_ok=True)
                descriptor = os.open(temporary, _CREATE, 0o666)
            try:
                try:
                    write_all(descriptor, data)
                    if _is_flushed(key):
                        os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                return _link(temporary, path)
            finally:
                remove_quietly(temporary)
        except OSError as error:
            raise platform_error("write", path, error) from error

    def read(self, key: str) -> bytes | None:
        path = f"{self.path}/{key}"
        try:
            # Without blocking, because in place of the file there may be a pipe without a writer.
            descriptor = os.open(path, _READ)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise platform_error("read", path, error) from error
        try:
            found = os.fstat(descriptor)
            if not S_ISREG(found.st_mode):
                if S_ISDIR(found.st_mode) and not key.endswith(".json"):
                    return None
                raise Refused(f"{path} is damaged: it is not a file, and no record")
            return read_whole(descriptor, found.st_size)
        except OSError as error:
            raise platform_error("read", path, error) from error
        finally:
            os.close(descriptor)

    def names(self, folder: str) -> list[str]:
        path = f"{self.path}/{folder}"
        try:
            return sorted(name for name in os.listdir(path) if name[0] != ".")
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise platform_error("list", path, error) from error

    def read_all(self, folder: str) -> Iterator[tuple[str, bytes]]:
        folders = [folder]
        while folders:
            below = folders.pop()
            for name, is_folder in self._entries(below):
                key = f"{below}/{name}"
                if is_folder:
                    folders.append(key)
                elif not name.endswith(".log"):
                    data = self.read(key)
                    if data is not None:
                        yield key, data

    def runs(self) -> list[str]:
        return sorted(name for name, is_folder in self._entries("") if is_folder)

    def remove_run(self, run_id: str) -> None:
        if not run_id or run_id[0] == "." or "/" in run_id:
            raise Refused(f"not a run id: '{run_id}'")
        path = f"{self.path}/{run_id}"
        # One rename hides the whole run. If the removal is killed after it, the next removal deletes the rest.
        try:
            os.rename(path, f"{self.path}/{_TRASH}{os.getpid()}-{os.urandom(8).hex()}")
        except FileNotFoundError:
            pass
        except OSError as error:
            raise platform_error("remove", path, error) from error
        self._empty_trash()

    def open_log(self, key: str) -> BinaryIO:
        path = f"{self.path}/{key}"
        try:
            try:
                descriptor = os.open(path, _LOG, 0o666)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                descriptor = os.open(path, _LOG, 0o666)
            return os.fdopen(descriptor, "wb", buffering=0)
        except OSError as error:
            raise platform_error("write", path, error) from error

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """Return the names directly in a folder that are not hidden, each with whether it is a folder; a link is none."""
        path = f"{self.path}/{folder}"
        try:
            with os.scandir(path) as entries:
                return [
                    (entry.name, entry.is_dir(follow_symlinks=not folder))
                    for entry in entries
                    if entry.name[0] != "."
                ]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise platform_error("list", path, error) from error

    def _empty_trash(self) -> None:
        from shutil import rmtree

        try:
            trash = [f"{self.path}/{name}" for name in os.listdir(self.path) if name.startswith(_TRASH)]
        except FileNotFoundError:
            return
        for path in trash:
            try:
                if os.path.islink(path) or not os.path.isdir(path):
                    os.unlink(path)
                else:
                    rmtree(path)
            except FileNotFoundError:
                continue  # another removal was quicker
            except OSError as error:
                raise platform_error("remove", path, error) from error


class BufferedRunLogStore(FileSystemRunLogStore):
    """A store in a private temporary folder. Forked children use it too, and it is deleted when its maker ends."""

    summary = "a private folder, which is gone when the process ends"
    aliases = ()
    keys: ClassVar[Mapping[str, str]] = {"log_limit": "count"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {"log_limit": LOG_LIMIT_MEANS}
    defaults: ClassVar[Mapping[str, Any]] = {}
    older_keys: ClassVar[Mapping[str, str]] = {}
    local_only = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        import atexit
        from tempfile import mkdtemp

        check_keys("run_log_store 'buffered'", config, self.keys)
        try:
            folder = mkdtemp(prefix="magnus-run-log-")
        except OSError as error:
            raise platform_error("make", "a temporary folder", error) from error
        super().__init__({**config, "path": folder})
        self._owner = os.getpid()
        atexit.register(self.close)

    @property
    def config(self) -> dict[str, Any]:
        return self._limited({})

    def close(self) -> None:
        """Delete the store, if this is the process that made it."""
        if os.getpid() == self._owner:
            from shutil import rmtree

            rmtree(self.path, ignore_errors=True)


def _is_flushed(key: str) -> bool:
    """Tell whether a record must be flushed to the disk before it counts.

    These are the records of the run and of its plan, which are written once, and without which no other record can be
    read. Records of steps are not flushed: it would cost each callback too much time (docs/semantics.md, Choices).
    """
    folder, _, name = key.partition("/")[2].rpartition("/")
    return name == "run.json" if not folder else folder.startswith("plan/")


def _link(temporary: str, path: str) -> bool:
    """Give a file its final name unless that is taken; tell whether it got it."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        # A network file system may say "exists" about the link that this call made. The number of links tells.
        return os.stat(temporary).st_nlink > 1
    except PermissionError as error:
        # The folder itself can be written to, for the temporary file is there. So it must be the link.
        raise OSError(error.errno, f"{error.strerror} (does this file system support hard links?)") from error
    return True
