"""The log of an attempt, bounded: a step that prints without end must fill neither a disk nor a bucket."""

from __future__ import annotations

import os

from magnus_render.errors import PlatformError
from magnus_render.services.options import temporary_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_CHUNK = 1 << 20


class BoundedLog:
    """Writes to a log until half of `limit` (bytes) is there; of all that follows it keeps the last half.

    That stands in a file without a name in `folder` until the log is closed. Between the two halves a line says what is
    left out. Errors are `PlatformError`.
    """

    def __init__(self, log: BinaryIO, limit: int, folder: str) -> None:
        self._log = log
        self._room = limit - limit // 2
        self._last = limit // 2
        self._folder = folder
        self._ring = -1
        self._past = 0
        """Bytes that came after the first half."""

    def write(self, data: bytes) -> None:
        """Add bytes to the log."""
        try:
            first, rest = data[: self._room], data[self._room :]
            self._put(first)
            self._room -= len(first)
            if rest:
                self._keep(rest)
        except OSError as error:
            raise _unwritten(error) from None

    def __enter__(self) -> BoundedLog:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Complete the log."""
        try:
            with self._log:
                if self._ring >= 0:
                    self._put_last()
        except OSError as error:
            raise _unwritten(error) from None

    def _put(self, data: bytes) -> None:
        while data:
            data = data[self._log.write(data) :]
        self._log.flush()

    def _keep(self, data: bytes) -> None:
        """Write bytes into the ring, over the oldest that are there."""
        if self._ring < 0:
            path = temporary_name(self._folder)
            self._ring = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            os.unlink(path)
        if len(data) > self._last:
            self._past += len(data) - self._last
            data = data[-self._last :]
        while data:
            at = self._past % self._last
            size = os.pwrite(self._ring, data[: self._last - at], at)
            self._past += size
            data = data[size:]

    def _put_last(self) -> None:
        left_out = self._past - self._last
        if left_out > 0:
            self._put(f"\nmagnus: {left_out} bytes of output are left out here: see log_limit\n".encode())
        at, size = max(0, left_out), min(self._past, self._last)
        while size:
            place = at % self._last
            data = os.pread(self._ring, min(_CHUNK, size, self._last - place), place)
            self._put(data)
            at, size = at + len(data), size - len(data)
        os.close(self._ring)


def _unwritten(error: OSError) -> PlatformError:
    return PlatformError(f"the log of the step cannot be written: {error.strerror or error}")
