"""Catalogs: `do-nothing`, and `file-system`, a folder of blobs named by their content."""

from __future__ import annotations

import os

from magnus_render.errors import PlatformError
from magnus_render.services.base import BaseCatalog
from magnus_render.services.options import (
    check_keys,
    platform_error,
    remove_quietly,
    temporary_name,
    text,
    write_all,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

_CHUNK = 1 << 20
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_ALL = "all"
"""A name among the users of a catalog which tells that it was empty when the first one registered."""
_HEX = frozenset("0123456789abcdef")


class DoNothingCatalog(BaseCatalog):
    """Keeps nothing: `get` and `put` of a step have no effect."""

    summary = "no file is kept"
    keeps = False

    keys: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys("catalog 'do-nothing'", config, self.keys)

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that makes this catalog again."""
        return {}

    def put(self, path: str) -> tuple[str, int]:
        source = open_source(path)
        try:
            return pump(source, path, None)
        finally:
            os.close(source)

    def get(self, sha256: str, path: str) -> None:
        raise PlatformError(f"cannot get {path}: the catalog is of type do-nothing and keeps no files")

    def blobs(self) -> Iterator[str]:
        return iter(())

    def remove(self, sha256: str) -> None:
        pass


class FileSystemCatalog(BaseCatalog):
    """A blob is the read-only file `<path>/<first two digits>/<sha256>`.

    `path` (default `.catalog`) is relative to the working folder. Users of the machine can read a blob if they could
    read one of the files that were put with that content.
    """

    summary = "files in a folder"
    keys: ClassVar[Mapping[str, str]] = {"path": "text"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "path": ("The folder that files are kept in, relative to the working folder.", "/shared/catalog"),
    }
    defaults: ClassVar[Mapping[str, Any]] = {"path": ".catalog"}
    older_keys: ClassVar[Mapping[str, str]] = {"catalog_location": "path"}

    def __init__(self, config: Mapping[str, Any]) -> None:
        service = "catalog 'file-system'"
        check_keys(service, config, self.keys)
        self.path = os.path.abspath(text(service, config, "path", self.defaults["path"]))

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that finds this catalog from any working folder."""
        return {"path": self.path}

    def put(self, path: str) -> tuple[str, int]:
        source = open_source(path)
        try:
            temporary = temporary_name(self.path)
            try:
                sha256, size = _copy(source, path, temporary, 0o600)
                blob = self._blob(sha256)
                try:
                    os.chmod(temporary, 0o400 | ((os.fstat(source).st_mode | _mode(blob)) & 0o044))
                    os.makedirs(os.path.dirname(blob), exist_ok=True)
                    # Replacing a blob by the same content does no harm, and repairs a damaged one.
                    os.replace(temporary, blob)
                except OSError as error:
                    raise platform_error("write", blob, error) from error
            except BaseException:
                remove_quietly(temporary)
                raise
        finally:
            os.close(source)
        return sha256, size

    def get(self, sha256: str, path: str) -> None:
        blob = self._blob(sha256)
        try:
            source = open_source(blob)
        except PlatformError as error:
            raise PlatformError(f"catalog: no content for {path}: {error}") from error
        try:
            folder = os.path.dirname(os.path.abspath(path))
            temporary = temporary_name(folder)
            try:
                found, _ = _copy(source, blob, temporary)
                if found != sha256:
                    raise PlatformError(f"catalog: {blob} is damaged: its content has the SHA-256 {found}")
                try:
                    os.replace(temporary, path)
                except OSError as error:
                    raise platform_error("write", path, error) from error
            except BaseException:
                remove_quietly(temporary)
                raise
        finally:
            os.close(source)

    def blobs(self) -> Iterator[str]:
        for folder in self._names(self.path):
            if len(folder) == 2 and _HEX.issuperset(folder):
                for name in self._names(f"{self.path}/{folder}"):
                    if len(name) == 64 and name.startswith(folder) and _HEX.issuperset(name):
                        yield name

    def remove(self, sha256: str) -> None:
        blob = self._blob(sha256)
        try:
            os.unlink(blob)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise platform_error("remove", blob, error) from error

    def register(self, user: str) -> None:
        folder = f"{self.path}/users"
        path = f"{folder}/{user}"
        if os.path.lexists(path):
            return
        try:
            if not os.path.lexists(folder) and next(self.blobs(), None) is None:
                os.makedirs(folder, exist_ok=True)
                os.close(os.open(f"{folder}/{_ALL}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
            os.makedirs(folder, exist_ok=True)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))
        except OSError as error:
            raise platform_error("write", path, error) from error

    def users(self) -> set[str] | None:
        names = set(self._names(f"{self.path}/users"))
        return names - {_ALL} if _ALL in names else None

    def _blob(self, sha256: str) -> str:
        return f"{self.path}/{sha256[:2]}/{sha256}"

    @staticmethod
    def _names(folder: str) -> list[str]:
        try:
            return sorted(os.listdir(folder))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise platform_error("list", folder, error) from error


def open_source(path: str) -> int:
    """Open a file to read; refuse all but regular files, because a pipe would block and a folder has no content."""
    from stat import S_ISREG

    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    except OSError as error:
        raise platform_error("read", path, error) from error
    raise PlatformError(f"cannot read {path}: not a regular file")


def _mode(path: str) -> int:
    try:
        return os.stat(path).st_mode
    except FileNotFoundError:
        return 0


def _copy(source: int, source_path: str, target: str, mode: int = 0o666) -> tuple[str, int]:
    """Copy an open file to a new one, making its folder if need be; return its SHA-256 and size."""
    try:
        try:
            descriptor = os.open(target, _CREATE, mode)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(target), exist_ok=True)
            descriptor = os.open(target, _CREATE, mode)
    except OSError as error:
        raise platform_error("write", target, error) from error
    try:
        return pump(source, source_path, descriptor)
    except OSError as error:
        raise platform_error("write", target, error) from error
    finally:
        os.close(descriptor)


def pump(source: int, source_path: str, target: int | None) -> tuple[str, int]:
    """Read a file to its end, writing it to `target` if there is one; return its SHA-256 and size."""
    from hashlib import sha256

    digest, size = sha256(), 0
    while True:
        try:
            chunk = os.read(source, _CHUNK)
        except OSError as error:
            raise platform_error("read", source_path, error) from error
        if not chunk:
            return digest.hexdigest(), size
        digest.update(chunk)
        size += len(chunk)
        if target is not None:
            write_all(target, chunk)
