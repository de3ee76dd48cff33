"""Forked processes for contract tests: what they did comes back through a pipe, and none outlives the test."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


class Forked:
    """A child that runs `work(report)` and exits 0; `report` sends bytes to the parent."""

    def __init__(self, work: Callable[[Callable[[bytes], None]], None], ready: int | None = None) -> None:
        self.reader, writer = os.pipe()
        self.pid = os.fork()
        if self.pid:
            os.close(writer)
            return
        status = 1
        try:
            os.close(self.reader)
            if ready is not None:
                os.read(ready, 1)

            def report(data: bytes) -> None:
                os.write(writer, data)

            work(report)
            status = 0
        finally:
            os._exit(status)

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes of what the child reports, waiting for the first; b'' once it is gone."""
        return os.read(self.reader, size)

    def kill(self) -> None:
        """Kill -9."""
        os.kill(self.pid, signal.SIGKILL)

    def finish(self) -> tuple[int, bytes]:
        """Return the exit status (negative: the signal that killed it) and the rest of the report."""
        chunks = []
        while chunk := os.read(self.reader, 1 << 16):
            chunks.append(chunk)
        os.close(self.reader)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), b"".join(chunks)


def at_once(count: int, work: Callable[[int, Callable[[bytes], None]], None]) -> list[bytes]:
    """Run `work(number, report)` in `count` processes that start together; return what each reported."""
    ready, go = os.pipe()
    children = [Forked(lambda report, n=n: work(n, report), ready) for n in range(count)]  # type: ignore[misc]
    os.write(go, b"x" * count)
    results = [child.finish() for child in children]
    os.close(ready)
    os.close(go)
    assert [status for status, _ in results] == [0] * count
    return [report for _, report in results]
