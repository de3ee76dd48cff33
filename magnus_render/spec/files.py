"""Where the files of a definition come from: this machine's disk, or another source, such as a revision of git."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magnus_render.spec.tree import Value


class Files:
    """Reads files of this machine's disk, and remembers each one. So no file may change while this object is in use.

    Another source of files overrides all methods, so that all files of a definition come from it.
    """

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], tuple[Value, int]] = {}
        """Trees of the files that were read without an error or a warning, and the number of values in each.

        The key is the identity of the file and its path as given.
        """

    def has_read(self, path: str) -> bool:
        """Tell whether a file was read without an error or a warning, by this path or another."""
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
        """Return a text that is the same for all paths to one file."""
        return os.path.realpath(path)
