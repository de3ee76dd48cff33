"""Runs a task in a process of its own, under the eyes of the callback.

The child gets a process group, an empty standard input and pipes for output and error. What it prints is masked, kept in
the attempt's log and passed on as it comes. A timeout, the run's deadline or a signal to the callback ends the whole
group: TERM, and KILL after a grace. What a task leaves running behind it is ended with it, as it would be in a container.
What has left the group lives on, but its output is read no further: only what stands in the pipes as the task ends.
"""

from __future__ import annotations

import os
import select
import sys
import time
from fcntl import ioctl
from termios import FIONREAD

from magnus_render.runtime.echo import Echo
from magnus_render.runtime.masking import Masker
from magnus_render.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Protocol

    class Log(Protocol):
        """Where output is kept."""

        def write(self, data: bytes, /) -> object:
            """Add bytes; raise `PlatformError` if that is impossible."""


GRACE = 10.0
"""Seconds between TERM and KILL."""
LINGER = 1.0
"""Seconds that a slow reader has to take the rest of a step's output, once the step has ended."""
AT_ONCE = 0.5
"""Seconds after which all processes of a job have been told to end that are told at once."""
_DYING = 0.25
"""Seconds that killed processes have to let go of the pipes."""
_CHUNK = 65536
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Ended:
    """How a supervised process ended: `status` (0 to 255) or `signal` (else 0), and why it was stopped, if it was."""

    __slots__ = ("left_behind", "over", "signal", "status", "stopped_by", "timed_out")

    def __init__(self) -> None:
        self.status = 0
        self.signal = 0
        self.left_behind = False
        """A process outside of the group still has the pipes for output."""
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


class Started:
    """What a child needs: descriptors, then the child. If one of them cannot be had, none is left behind."""

    def __init__(self) -> None:
        self._descriptors: list[int] = []

    def __enter__(self) -> Started:
        return self

    def __exit__(self, kind: object, *error: object) -> None:
        if kind is not None:
            for descriptor in self._descriptors:
                os.close(descriptor)

    def pipe(self) -> tuple[int, int]:
        """Return a pipe's ends."""
        ends = os.pipe()
        self._descriptors += ends
        return ends

    def null(self) -> int:
        """Return an input that is empty."""
        self._descriptors.append(os.open(os.devnull, os.O_RDONLY))
        return self._descriptors[-1]

    def fork(self) -> int:
        """Return the child's process id, 0 in the child itself."""
        return os.fork()


def supervise(
    work: Callable[[], int],
    *,
    environment: dict[str, str],
    workdir: str,
    log: Log,
    secrets: Callable[[Masker], None],
    signals: Signals,
    timeout: float | None,
    deadline: float | None,
) -> Ended:
    """Run `work` in a child process and return how it ended.

    `environment` is the whole environment of the child; `timeout` is in seconds, `deadline` in seconds since the epoch.
    `secrets` is called before output is shown, to add what must be masked. Raises `PlatformError` if the log cannot be
    written (the child is ended first), and `OSError` if no child can be started.
    """
    _flush()
    with Started() as started:
        out_r, out_w = started.pipe()
        err_r, err_w = started.pipe()
        null = started.null()
        pid = started.fork()
    if pid == 0:
        _child(work, environment, workdir, null, out_w, err_w)
    for descriptor in (null, out_w, err_w):
        os.close(descriptor)
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
    work: Callable[[], int], environment: dict[str, str], workdir: str, null: int, out: int, err: int
) -> None:  # pragma: no cover - another process
    status = 255
    try:
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in (*_SIGNALS, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
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
        self, pid: int, log: Log, secrets: Callable[[Masker], None], streams: dict[int, int]
    ) -> None:
        self.pid = pid
        self.log = log
        self.secrets = secrets
        self.streams = streams
        self.masker = Masker()
        self.echoes = {1: Echo(1), 2: Echo(2)}
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
            echoes = self._waiting(poll)
            for descriptor, _ in poll.poll(pause):
                if descriptor == signals.pipe:
                    _drain(signals.pipe)
                elif descriptor in echoes:
                    echoes[descriptor].pass_on()
                elif not self._pump(descriptor):
                    poll.unregister(descriptor)
            for descriptor in echoes:
                poll.unregister(descriptor)
            self._reap()
        ended.over = ended.over and ended.timed_out
        if not stopping:
            ended.stopped_by = self._stopped_too(signals)
        self._kill(signal.SIGKILL)  # what the task left running
        ended.left_behind = self._finish()
        assert self.wait_status is not None
        if os.WIFSIGNALED(self.wait_status):
            ended.signal = os.WTERMSIG(self.wait_status)
        else:
            ended.status = os.WEXITSTATUS(self.wait_status)
        return ended

    def _stopped_too(self, signals: Signals) -> int:
        """Return the signal by which this process is told to stop as its task has ended, 0 if there is none.

        Slurm tells all processes of a job to end, so that the task may be gone before this process hears of it.
        """
        code = os.waitstatus_to_exitcode(self.wait_status or 0)
        until = time.monotonic() + (AT_ONCE if {-code, code - 128} & set(_SIGNALS) else 0.0)
        while not signals.received and (left := until - time.monotonic()) > 0:
            select.select([signals.pipe], [], [], left)
            _drain(signals.pipe)
        return signals.received if code else 0

    def _waiting(self, poll: select.poll) -> dict[int, Echo]:
        """Have the poll tell when the readers of our own output take more; return whose descriptors those are."""
        echoes = {echo.descriptor: echo for echo in self.echoes.values() if echo.waiting}
        for descriptor in echoes:
            poll.register(descriptor, select.POLLOUT)
        return echoes

    def _finish(self) -> bool:
        """Show what stands in the pipes and was held back; tell whether a process still has the pipes."""
        for descriptor in list(self.streams):
            left = available(descriptor)
            while left > 0:
                left -= self._pump(descriptor, min(left, _CHUNK))
        for stream in (1, 2):
            self._show(stream, self.masker.flush(stream))
        held = _held(self.streams)
        for echo in self.echoes.values():
            echo.end(LINGER)
        return held

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

    def _pump(self, descriptor: int, size: int = _CHUNK) -> int:
        """Read once from a pipe and show it; return how many bytes there were, 0 at its end."""
        data = os.read(descriptor, size)
        stream = self.streams[descriptor]
        if not data:
            del self.streams[descriptor]
            os.close(descriptor)
            return 0
        self.secrets(self.masker)
        self._show(stream, self.masker.feed(stream, data))
        return len(data)

    def _show(self, stream: int, data: bytes) -> None:
        if data:
            self.log.write(data)
            self.echoes[stream].give(data)


def available(descriptor: int) -> int:
    """Return how many bytes stand in a pipe."""
    return int.from_bytes(ioctl(descriptor, FIONREAD, bytes(4)), sys.byteorder)


def _held(descriptors: Iterable[int]) -> bool:
    """Tell whether one of the pipes still has a writer after all that was killed has had the time to go."""
    until = time.monotonic() + _DYING
    poll = select.poll()
    for descriptor in descriptors:
        poll.register(descriptor, 0)  # only the end of the writers is told
        if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
            return True
        poll.unregister(descriptor)
    return False


def _drain(descriptor: int) -> None:
    try:
        while os.read(descriptor, 512):
            pass
    except BlockingIOError:
        pass
