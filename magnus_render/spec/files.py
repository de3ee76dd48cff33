"""Where the files of a definition come from: this machine's disk, unless somebody hands over another source of them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magnus_render.spec.tree import Value


class Files:
    """The files of this machine, of which those that were read are known: no file may change while this is in use.

    A source of others overrides all methods, so that a definition is read from one place.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], tuple[Value, int]] = {}
        """Trees of files that were read without a complaint, and how many values each has.

        They are found by the file, and its path as given.
        """

    def has_read(self, path: str) -> bool:
        """Tell whether a file is one of those that were read without a complaint, by this path or another."""
        return self.identity(path) in {key for key, _ in self.known}

    def read(self, path: str, limit: int) -> tuple[int, bytes]:
        """Return the size of a file in bytes and its content, which may be empty if the size is above the limit.

        Raises OSError or ValueError if the file cannot be read.
        """
        status = os.stat(path)
        size = status.st_size if stat.S_ISREG(status.st_mode) else 0
        if size > limit:
            return size, b""
        with open(path, "rb") as file:
            data = file.read(limit + 1)
        return max(size, len(data)), data

    def beside(self, path: str, named: str) -> str:
        """Return the path of a file that the file at `path` names."""
        return os.path.join(os.path.dirname(path), named)

    def identity(self, path: str) -> str:
        """Return what two paths of one file have in common."""
        return os.path.realpath(path)
