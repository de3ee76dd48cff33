"""Runs a task in a process of its own, under the eyes of the callback.

The child gets a process group, an empty standard input and pipes for output and error. What it prints is masked, kept in
the attempt's log and passed on as it comes. A timeout, the run's deadline or a signal to the callback ends the whole
group: TERM, and KILL after a grace. What a task leaves running behind it is ended with it, as it would be in a container.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from magnus_render.errors import PlatformError
from magnus_render.runtime.masking import Masker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

GRACE = 10.0
"""Seconds between TERM and KILL."""
_CHUNK = 65536
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended:
    """How a supervised process ended: `status` (0 to 255) or `signal` (else 0), and why it was stopped, if it was."""

    __slots__ = ("over", "signal", "status", "stopped_by", "timed_out")

    def __init__(self) -> None:
        self.status = 0
        self.signal = 0
        self.timed_out = False
        self.over = False
        """The run's deadline came."""
        self.stopped_by = 0
        """The signal that told the callback to stop, or 0."""


class Signals:
    """While entered, notes the signals that tell the callback to stop, and wakes up whoever waits on `pipe`."""

    def __init__(self) -> None:
        self.received = 0
        self.count = 0
        self.pipe, self._write = os.pipe()

    def __enter__(self) -> Signals:
        os.set_blocking(self.pipe, False)
        os.set_blocking(self._write, False)
        self._old_fd = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, self._note) for number in _SIGNALS}
        self._old[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda number, frame: None)
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_fd)
        os.close(self.pipe)
        os.close(self._write)

    def _note(self, number: int, frame: object) -> None:
        self.received = self.received or number
        self.count += 1


def supervise(
    work: Callable[[], int],
    *,
    environment: dict[str, str],
    workdir: str,
    log: BinaryIO,
    secrets: Callable[[Masker], None],
    signals: Signals,
    timeout: float | None,
    deadline: float | None,
) -> Ended:
    """Run `work` in a child process and return how it ended.

    `environment` is the whole environment of the child; `timeout` is in seconds, `deadline` in seconds since the epoch.
    `secrets` is called before output is shown, to add what must be masked. Raises `PlatformError` if the log cannot be
    written: the child is ended first.
    """
    _flush()
    out_r, out_w = os.pipe()
    err_r, err_w = os.pipe()
    pid = os.fork()
    if pid == 0:
        _child(work, environment, workdir, out_w, err_w)
    os.close(out_w)
    os.close(err_w)
    try:
        os.setpgid(pid, pid)
    except OSError:
        pass  # the child has done it, or is gone
    watch = _Watch(pid, log, secrets, {out_r: 1, err_r: 2})
    try:
        return watch.run(signals, timeout, deadline)
    finally:
        watch.close()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass


def _child(
    work: Callable[[], int], environment: dict[str, str], workdir: str, out: int, err: int
) -> None:  # pragma: no cover - another process
    status = 255
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (*_SIGNALS, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (out, 1), (err, 2)):
            os.dup2(source, target)
        for descriptor in (null, out, err):
            if descriptor > 2:
                os.close(descriptor)
        os.chdir(workdir)
        os.environ.clear()
        os.environ.update(environment)
        status = work()
    except BaseException as error:
        os.write(2, f"magnus: {type(error).__name__}: {error}\n".encode("utf-8", "replace"))
    finally:
        os._exit(status & 255)


class _Watch:
    """The parent's side of one supervised process."""

    def __init__(
        self, pid: int, log: BinaryIO, secrets: Callable[[Masker], None], streams: dict[int, int]
    ) -> None:
        self.pid = pid
        self.log = log
        self.secrets = secrets
        self.streams = streams
        self.masker = Masker()
        self.echo = {1: True, 2: True}
        self.wait_status: int | None = None

    def run(self, signals: Signals, timeout: float | None, deadline: float | None) -> Ended:
        ended = Ended()
        until = time.monotonic() + timeout if timeout else None
        if deadline is not None:
            left = time.monotonic() + deadline - time.time()
            if until is None or left < until:
                until, ended.over = left, True
        kill_at: float | None = None
        forced = 0
        poll = select.poll()
        poll.register(signals.pipe, select.POLLIN)
        for descriptor in self.streams:
            poll.register(descriptor, select.POLLIN | select.POLLHUP)
        stopping = False
        while self.wait_status is None:
            now = time.monotonic()
            if not stopping:
                if signals.received:
                    ended.stopped_by, stopping = signals.received, True
                elif until is not None and now >= until:
                    ended.timed_out, stopping = True, True
                if stopping:
                    self._kill(signal.SIGTERM)
                    forced = min(signals.count, 1)
                    kill_at = now + GRACE if signals.count <= forced else now  # a second one came at once
            elif kill_at is not None and (now >= kill_at or signals.count > forced):
                self._kill(signal.SIGKILL)
                kill_at, forced = None, signals.count
            wake = kill_at if stopping else until
            pause = None if wake is None else max(0, int((wake - now) * 1000) + 1)
            for descriptor, _ in poll.poll(pause):
                if descriptor == signals.pipe:
                    _drain(signals.pipe)
                elif not self._pump(descriptor):
                    poll.unregister(descriptor)
            self._reap()
        ended.over = ended.over and ended.timed_out
        self._kill(signal.SIGKILL)  # what the task left running
        for descriptor in list(self.streams):
            os.set_blocking(descriptor, False)
            while self._pump(descriptor):
                pass
        for stream in (1, 2):
            self._show(stream, self.masker.flush(stream))
        assert self.wait_status is not None
        if os.WIFSIGNALED(self.wait_status):
            ended.signal = os.WTERMSIG(self.wait_status)
        else:
            ended.status = os.WEXITSTATUS(self.wait_status)
        return ended

    def close(self) -> None:
        for descriptor in list(self.streams):
            os.close(descriptor)
        self.streams.clear()
        if self.wait_status is None:  # an error of ours: leave nothing behind
            self._kill(signal.SIGKILL)
            _, self.wait_status = os.waitpid(self.pid, 0)

    def _reap(self) -> None:
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if pid:
            self.wait_status = status

    def _kill(self, number: int) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):
            pass

    def _pump(self, descriptor: int) -> bool:
        """Read once from a pipe and show it; tell whether there may be more."""
        try:
            data = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            return False
        stream = self.streams[descriptor]
        if not data:
            del self.streams[descriptor]
            os.close(descriptor)
            return False
        self.secrets(self.masker)
        self._show(stream, self.masker.feed(stream, data))
        return True

    def _show(self, stream: int, data: bytes) -> None:
        if not data:
            return
        try:
            self.log.write(data)
            self.log.flush()
        except OSError as error:
            raise PlatformError(f"the log of the step cannot be written: {error.strerror}") from None
        while data and self.echo[stream]:
            try:
                data = data[os.write(stream, data) :]
            except BlockingIOError:
                select.select([], [stream], [])
            except OSError:
                self.echo[stream] = False  # nobody reads it any more: the log goes on


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        pass
