"""Forked children of an executor: their output line by line, their end, and the signals that stop them.

The executor stays single-threaded and waits in one place only, `Pool.wait`: for output, the end of a child, a signal
to itself or the passing of time. Every child is a process group of its own, so that Ctrl-C on a terminal reaches the
executor alone, which ends its children in its own order. On Linux, children are also told to stop if the executor
itself is killed.
"""

from __future__ import annotations

import gc
import os
import selectors
import signal
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus_render.errors import PLATFORM
from magnus_render.runtime.echo import Echo
from magnus_render.runtime.process import Started, available

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that tell the executor to stop."""
GRACE = 15.0
"""Seconds between TERM and KILL: more than a callback gives its step, so that it can still record the end."""
_HANDLED = (*STOPPING, signal.SIGCHLD, signal.SIGWINCH)
_CHUNK = 65536
_LONGEST_LINE = 65536
HINTS = (b"Run '", b"See '", b"Usage:")
"""Beginnings of the last lines of a program's error message that only say how to call it, or where its help is."""
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of linux/prctl.h


@dataclass(eq=False, slots=True)
class Child:
    """One forked process."""

    pid: int
    key: Any
    """The executor's key for it."""
    began: float
    """`time.monotonic()` when it was forked."""
    capture: bool
    """Keep standard output in `output` instead of passing it on."""
    output: bytes = b""
    said: str = ""
    """The last line it wrote to standard error, hints aside."""
    streams: dict[int, int] = field(default_factory=dict)
    """Read ends of its pipes -> 1 or 2."""
    partial: dict[int, bytes] = field(default_factory=dict)
    """Lines not ended yet, by stream."""
    status: int | None = None
    """Exit status, negative if it was killed by a signal."""
    stopped: bool = False
    kill_at: float | None = None

    def signal(self, number: int) -> None:
        """Send a signal to the child's process group, if it has not ended."""
        if self.status is None:
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):
                pass

    def stop(self, grace: float = GRACE, number: int | None = None) -> None:
        """Tell the child to stop; it is killed `grace` seconds later if it has not."""
        self.signal(number or signal.SIGTERM)
        until = time.monotonic() + grace
        self.kill_at = until if self.kill_at is None else min(self.kill_at, until)
        self.stopped = True


class Pool:
    """The children of this process; a context manager that owns its signals while entered."""

    def __init__(self, line: Callable[[Child, int, bytes], None], outlets: Iterable[Echo] = ()) -> None:
        """`line` is called with every line of output (without its end) and the stream, 1 or 2.

        `outlets` are streams whose readers may be slow. They get the remaining lines while the pool waits.
        """
        self._outlets = tuple(outlets)
        self.children: dict[int, Child] = {}
        self.signals: list[int] = []
        """Signals of `STOPPING` that came, in order; the executor takes them out."""
        self.resized = False
        self._line = line
        self._selector = selectors.DefaultSelector()
        self._libc = _libc()

    def __enter__(self) -> Pool:
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass  # opened only to occupy the number of a closed standard stream, so that no pipe gets it
        os.close(descriptor)
        self._wake, self._wake_write = os.pipe()
        for descriptor in (self._wake, self._wake_write):
            os.set_blocking(descriptor, False)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self._old_wakeup = signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        self._old = {}
        for number in _HANDLED:
            # A signal that was ignored at the start stays ignored: nohup and job control rely on that.
            if number in STOPPING and signal.getsignal(number) is signal.SIG_IGN:
                continue
            self._old[number] = signal.signal(number, _noted)
        gc.collect()
        gc.freeze()  # a collection does not write to objects of before then, so children share their pages
        return self

    def __exit__(self, *error: object) -> None:
        for child in self.children.values():  # only if the executor itself failed
            child.signal(signal.SIGKILL)
            os.waitpid(child.pid, 0)
        for child in self.children.values():
            for descriptor in list(child.streams):
                self._close(child, descriptor)
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_wakeup)
        self._selector.close()
        os.close(self._wake)
        os.close(self._wake_write)
        gc.unfreeze()

    def start(self, work: Callable[[], int], key: Any, capture: bool = False) -> Child:
        """Fork a child that runs `work` and exits with what it returns; it may `os.exec*`.

        Raises `OSError` if the system gives no more processes, memory or descriptors.
        """
        _flush()
        parent = os.getpid()
        with Started() as started:
            out, out_write = started.pipe()
            err, err_write = started.pipe()
            null = started.null()
            signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)
            try:
                pid = started.fork()
                if pid == 0:
                    self._in_child(work, parent, null, out_write, err_write, (out, err))
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        for descriptor in (null, out_write, err_write):
            os.close(descriptor)
        try:
            os.setpgid(pid, pid)
        except OSError:
            pass  # the child has done it, or is gone
        child = Child(pid, key, time.monotonic(), capture)
        child.streams = {out: 1, err: 2}
        for descriptor in child.streams:
            os.set_blocking(descriptor, False)
            self._selector.register(descriptor, selectors.EVENT_READ, child)
        self.children[pid] = child
        return child

    def wait(self, timeout: float | None) -> list[Child]:
        """Wait for something to happen, at most `timeout` seconds, and return the children that have ended."""
        now = time.monotonic()
        kills = [child.kill_at for child in self.children.values() if child.kill_at is not None]
        if kills:
            timeout = min(timeout if timeout is not None else 3600.0, max(0.0, min(kills) - now))
        check = False
        waiting = [outlet for outlet in self._outlets if outlet.waiting]
        for outlet in waiting:
            self._selector.register(outlet.descriptor, selectors.EVENT_WRITE, outlet)
        for entry, _ in self._selector.select(timeout):
            if entry.data is None:
                check = self._woken() or check
            elif isinstance(entry.data, Echo):
                entry.data.pass_on()
            else:
                self._read(entry.data, entry.fd)
        for outlet in waiting:
            self._selector.unregister(outlet.descriptor)
        if kills:
            self._kill_overdue()
        return self._reap() if check else []

    # ---- the parent's side ----

    def _woken(self) -> bool:
        """Read which signals came; tell whether a child may have ended."""
        check = False
        try:
            while data := os.read(self._wake, 512):
                for number in data:
                    if number == signal.SIGCHLD:
                        check = True
                    elif number == signal.SIGWINCH:
                        self.resized = True
                    elif number in STOPPING:
                        self.signals.append(number)
        except BlockingIOError:
            pass
        return check

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for child in self.children.values():
            if child.kill_at is not None and child.kill_at <= now:
                child.signal(signal.SIGKILL)
                child.kill_at = None

    def _reap(self) -> list[Child]:
        ended = []
        for child in list(self.children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid:
                child.status = os.waitstatus_to_exitcode(status)
                del self.children[pid]
                self._drain(child)
                ended.append(child)
        return ended

    def _drain(self, child: Child) -> None:
        """Read the rest from the pipes of a child that has ended, and no further if other processes hold them."""
        for descriptor in list(child.streams):
            left = available(descriptor)
            while left > 0:
                left -= self._read(child, descriptor, min(left, _CHUNK))
        for stream, rest in child.partial.items():
            if rest:
                self._emit(child, stream, rest)
        child.partial.clear()
        for descriptor in list(child.streams):
            self._close(child, descriptor)

    def _read(self, child: Child, descriptor: int, size: int = _CHUNK) -> int:
        """Read once from a pipe and pass on whole lines; return how many bytes there were."""
        try:
            data = os.read(descriptor, size)
        except BlockingIOError:
            return 0
        stream = child.streams[descriptor]
        if not data:
            if child.partial.get(stream):
                self._emit(child, stream, child.partial.pop(stream))
            self._close(child, descriptor)
            return 0
        if child.capture and stream == 1:
            child.output += data
            return len(data)
        *lines, rest = (child.partial.get(stream, b"") + data).split(b"\n")
        for line in lines:
            self._emit(child, stream, line)
        if len(rest) > _LONGEST_LINE:
            self._emit(child, stream, rest)
            rest = b""
        child.partial[stream] = rest
        return len(data)

    def _emit(self, child: Child, stream: int, line: bytes) -> None:
        if stream == 2 and line.strip() and not line.startswith(HINTS):
            child.said = line.decode("utf-8", "replace")
        self._line(child, stream, line)

    def _close(self, child: Child, descriptor: int) -> None:
        self._selector.unregister(descriptor)
        os.close(descriptor)
        del child.streams[descriptor]

    # ---- the child's side ----

    def _in_child(
        self, work: Callable[[], int], parent: int, null: int, out: int, err: int, unused: Iterable[int]
    ) -> None:  # pragma: no cover - another process
        status = 1
        try:
            os.setpgid(0, 0)
            if self._libc is not None:
                self._libc.prctl(_DIE_WITH_PARENT, int(signal.SIGTERM), 0, 0, 0)
                if os.getppid() != parent:
                    os._exit(1)
            signal.set_wakeup_fd(-1)
            for number in self._old:
                default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
                signal.signal(number, default)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            for source, target in ((null, 0), (out, 1), (err, 2)):
                os.dup2(source, target)
            self._selector.close()
            others = (fd for child in self.children.values() for fd in child.streams)
            outlets = (outlet.descriptor for outlet in self._outlets)
            for descriptor in {null, out, err, self._wake, self._wake_write, *unused, *others, *outlets}:
                if descriptor > 2:
                    os.close(descriptor)
            status = work()
            _flush()
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except OSError as error:
            status = PLATFORM
            os.write(2, f"magnus: {error.strerror or error}\n".encode("utf-8", "replace"))
        except BaseException:  # a bug of magnus: the child must not return into the parent's stack
            import traceback

            os.write(2, traceback.format_exc().encode("utf-8", "replace"))
        finally:
            os._exit(status & 255)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads it any more


def _noted(number: int, frame: object) -> None:
    """Do nothing: the wake-up pipe has the number already."""


def _libc() -> Any:
    """Return the C library where it has `prctl`, else None."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    try:
        libc = ctypes.CDLL(None)
        libc.prctl  # noqa: B018 - is it there?
    except (OSError, AttributeError):
        return None
    return libc
