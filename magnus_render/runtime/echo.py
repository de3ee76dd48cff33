"""Passing a step's output on to whoever reads it, without ever waiting for them.

A reader may be slow (a pager, a terminal that was stopped), or gone. What it does not take in time is kept up to a bound
and then left out, with a line that says so: the log on record is whole.
"""

from __future__ import annotations

import os
import select
import stat
import time

PENDING = 1 << 18
"""Bytes that wait for a slow reader."""


class Echo:
    """One stream that output is passed on to, by its descriptor."""

    def __init__(self, stream: int) -> None:
        self.descriptor = stream
        self.gone = False
        """Nobody reads it any more."""
        self._stream = stream
        self._opened = self._patient = False
        self._pending = b""
        self._dropped = 0

    @property
    def waiting(self) -> bool:
        """Whether something is left for when `descriptor` can be written to: see `pass_on`."""
        return bool(self._pending)

    def give(self, data: bytes) -> None:
        """Pass data on, now or, if the reader is slow, later or never."""
        if self.gone or not data:
            return
        if not self._opened:
            self._open()
        rest = data if self._pending else self._write(data)
        if self._dropped or len(self._pending) + len(rest) > PENDING:
            self._dropped += len(rest)
        else:
            self._pending += rest

    def pass_on(self) -> None:
        """Pass on what waits, as much as the reader takes."""
        self._pending = self._write(self._pending)
        if self._dropped and not self._pending:
            told = f"\nmagnus: {self._dropped} bytes of output are left out here: nobody read them in time\n"
            self._dropped = 0
            self._pending = self._write(told.encode())

    def end(self, patience: float | None) -> None:
        """Pass the rest on, for at most so many seconds; None waits for as long as the reader takes."""
        until = None if patience is None else time.monotonic() + patience
        while self._pending and not self.gone:
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                break
            _writable(self.descriptor, left)
            self.pass_on()
        if self.descriptor != self._stream:
            os.close(self.descriptor)
            self.descriptor, self._opened = self._stream, False

    def _open(self) -> None:
        """Find out how to write without waiting.

        A pipe or a terminal is opened a second time, for that one must not wait: the mode of the stream itself is shared
        with all who have it. A file never waits.
        """
        self._opened = True
        try:
            mode = os.fstat(self._stream).st_mode
            self._patient = stat.S_ISREG(mode)
            if stat.S_ISFIFO(mode) or (stat.S_ISCHR(mode) and os.isatty(self._stream)):
                flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
                self.descriptor = os.open(f"/proc/self/fd/{self._stream}", flags)
                self._patient = True
        except OSError:
            pass

    def _write(self, data: bytes) -> bytes:
        """Write what can be written at once, and return the rest."""
        try:
            while data and (self._patient or _writable(self.descriptor, 0)):
                size = len(data) if self._patient else select.PIPE_BUF
                data = data[os.write(self.descriptor, data[:size]) :]
        except BlockingIOError:
            pass
        except OSError:
            self.gone, data = True, b""
        return data


def _writable(descriptor: int, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(None if seconds is None else max(0, int(seconds * 1000) + (seconds > 0))))
