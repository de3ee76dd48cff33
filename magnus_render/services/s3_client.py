"""The client of the worker, which is the process that speaks to S3.

obstore works with threads, and a forked process has no threads of its parent: it would wait for them forever. Callbacks
and executors fork, and a step's own code may fork too. So none of them loads obstore. A worker process does (`s3_worker`),
one for each process that uses S3. It reads requests from one pipe, and writes answers to another. It ends when the
process that started it ends.
"""

from __future__ import annotations

import atexit
import os
import select
import sys
import time
from _thread import allocate_lock

from magnus_render import jsontext
from magnus_render.errors import PlatformError, Refused
from magnus_render.services.options import write_all
from magnus_render.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, NoReturn

RECORD = 120.0
"""Seconds to wait for the answer about a small record. The worker itself gives up earlier."""
END: dict[str, Any] = {"op": "end"}
_CHUNK = 1 << 20
_GONE = "the process that speaks to S3 has ended"


class Client:
    """The worker of this process: started at the first request, and again if it was lost."""

    def __init__(self) -> None:
        self._lock = allocate_lock()
        self._pid = 0
        self._requests = self._answers = -1
        self._posted = False
        """True if the answer to a request of `post` has not come yet."""

    def call(
        self, request: Mapping[str, Any], data: bytes = b"", limit: float | None = RECORD
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request and return the answer and its data.

        `limit` is in seconds; None is for files, which may be large. Raises `Refused` if obstore is not installed, and
        `PlatformError`, with the reason alone, if the request failed.
        """
        with self._lock:
            try:
                self._settle()
                self._send(request, data)
                answer = self._receive(limit)
            except OSError as error:
                self._drop()
                raise PlatformError(_GONE if isinstance(error, BrokenPipeError) else str(error)) from error
            except BaseException:
                self._drop()  # after an interruption, so that a late answer is not taken for that of the next request
                raise
        if "failed" in answer[0]:
            raise PlatformError(answer[0]["failed"])
        if "refused" in answer[0]:
            raise Refused(answer[0]["refused"])
        return answer

    def post(self, request: Mapping[str, Any]) -> bool:
        """Send a request and ignore its answer. Send nothing, and return False, if the last such one is not answered yet."""
        with self._lock:
            try:
                if self._posted and not _readable(self._answers, 0.0):
                    return False
                self._settle()
                self._send(request, b"")
                self._posted = True
            except BaseException as error:
                self._drop()
                if not isinstance(error, OSError):
                    raise
        return True

    def start(self) -> None:
        """Start the worker, if there is none: it loads obstore while the caller goes on."""
        with self._lock:
            if not self._pid:
                self._start()

    def close(self) -> None:
        """End the worker and wait for it. The first process of a container may not wait for orphans, so none may be left."""
        with self._lock:
            if not self._pid:
                return
            if not self._posted:
                try:
                    send(self._requests, END, b"")
                    os.waitpid(self._pid, 0)
                except OSError:
                    pass
            self._drop()

    def forget(self) -> None:
        """Leave the worker to the process that this one was forked from."""
        self._lock = allocate_lock()  # another thread may have held it
        if self._pid:
            self._pid = 0
            os.close(self._requests)
            os.close(self._answers)

    # ---- the pipe ----

    def _send(self, request: Mapping[str, Any], data: bytes) -> None:
        if not self._pid:
            self._start()
        send(self._requests, request, data)

    def _receive(self, limit: float | None) -> tuple[dict[str, Any], bytes]:
        answer = receive(self._answers, None if limit is None else time.monotonic() + limit)
        if answer is None:
            raise BrokenPipeError
        return answer

    def _settle(self) -> None:
        if self._posted:
            self._posted = False
            self._receive(None)

    # ---- the process ----

    def _start(self) -> None:
        requests, self_requests = _pipe()
        self_answers, answers = _pipe()
        if _has_one_thread():
            pid = os.fork()
            if pid == 0:
                _forked(requests, answers)
        else:
            pid = _spawned(requests, answers)
        os.close(requests)
        os.close(answers)
        self._pid, self._requests, self._answers, self._posted = pid, self_requests, self_answers, False
        atexit.register(self.close)

    def _drop(self) -> None:
        if not self._pid:
            return
        pid, self._pid = self._pid, 0
        os.close(self._requests)
        os.close(self._answers)
        try:
            if os.waitpid(pid, os.WNOHANG) == (0, 0):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        except ChildProcessError:
            pass  # other code has waited for it, so its number may belong to another process now


_client = Client()


def client() -> Client:
    """Return the client of this process."""
    return _client


def _after_fork() -> None:
    global _client
    _client.forget()
    _client = Client()


os.register_at_fork(after_in_child=_after_fork)


def send(descriptor: int, head: Mapping[str, Any], data: bytes) -> None:
    """Write a message: the lengths of its two parts, JSON, data."""
    text = jsontext.dumps(head).encode()
    write_all(descriptor, b"%016x%016x" % (len(text), len(data)) + text)
    write_all(descriptor, data)


def receive(descriptor: int, until: float | None = None) -> tuple[dict[str, Any], bytes] | None:
    """Read a message; None at the end of the pipe. Raises OSError if it has not come by `until` (monotonic seconds)."""
    lengths = _exactly(descriptor, 32, until)
    if lengths is None:
        return None
    head = _exactly(descriptor, int(lengths[:16], 16), until)
    data = _exactly(descriptor, int(lengths[16:], 16), until)
    return None if head is None or data is None else (jsontext.loads(head.decode()), data)


def _exactly(descriptor: int, size: int, until: float | None) -> bytes | None:
    chunks = []
    while size:
        if until is not None and not _readable(descriptor, until - time.monotonic()):
            raise TimeoutError("no answer from S3 in time")
        chunk = os.read(descriptor, min(size, _CHUNK))
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _pipe() -> tuple[int, int]:
    """Return a pipe above the standard streams, which may be closed."""
    read, write = os.pipe()
    if read > 2 and write > 2:
        return read, write
    above = _pipe()
    os.close(read)
    os.close(write)
    return above


def _has_one_thread() -> bool:
    """Tell whether this process has one thread. A forked child would also get the locks that other threads hold."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def _forked(requests: int, answers: int) -> NoReturn:  # pragma: no cover - another process
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        # A request may go on after its sender has ended. Pipes and locks of other code must not stay open as long.
        for descriptor in map(int, os.listdir("/proc/self/fd")):
            if descriptor > 2 and descriptor not in (requests, answers):
                _close_quietly(descriptor)
        from magnus_render.services.s3_worker import serve

        serve(requests, answers)
    finally:
        os._exit(0)


def _close_quietly(descriptor: int) -> None:
    try:
        os.close(descriptor)
    except OSError:
        pass  # the descriptor with which the list was read


def _spawned(requests: int, answers: int) -> int:
    program = f"import sys\nsys.path[:] = {sys.path!r}\nfrom magnus_render.services.s3_worker import serve\nserve(0, 1)\n"
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-S", "-c", program],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, requests, 0),
            (os.POSIX_SPAWN_DUP2, answers, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
