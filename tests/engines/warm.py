"""Jobs as forks of a process that has imported `magnus` before.

A job is a process like any other, with its own folder, environment, session and output; it only skips the start-up. The
process that forks has one thread, so forking is safe. An engine's module gives `serve` what its job is, and is started by
`Server`, which it outlives by nothing: it ends when its standard input does.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.conformance.warm import ROOT, preload

MAGNUS = str(Path(sys.executable).parent / "magnus")
_NUMBER = struct.Struct("!i")  # replies: the job's process id, then its exit code


class Server:
    """The process that forks, as a module that takes the address of its socket."""

    def __init__(self, module: str, folder: Path) -> None:
        self.address = str(folder / "warm.socket")
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, self.address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout
        self._process.stdout.read(1)  # it listens

    def close(self) -> None:
        """End the server and all jobs."""
        self._process.communicate()


class Fork:
    """A job that has been started with a request."""

    def __init__(self, address: str, request: dict[str, Any]) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(address)
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self._pid = self._number()

    def fileno(self) -> int:
        """A descriptor that can be read from when the job has ended."""
        return self._connection.fileno()

    def signal(self, number: int) -> None:
        """Send a signal to its processes."""
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            pass

    def exit_code(self) -> int:
        """Wait for its end; return its exit code, negative for a signal."""
        code = self._number()
        self._connection.close()
        return code

    def _number(self) -> int:
        reply = self._connection.recv(_NUMBER.size, socket.MSG_WAITALL)
        if len(reply) < _NUMBER.size:
            raise OSError("the process that starts jobs has ended")
        number: int = _NUMBER.unpack(reply)[0]
        return number


def serve(address: str, job: Callable[[dict[str, Any]], int]) -> None:
    """Serve requests until standard input ends: `job` is called in the forked child and returns its exit status."""
    preload()
    wake, woken = socket.socketpair()
    for end in (wake, woken):
        end.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken.fileno())
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(128)
    os.write(1, b"+")
    selector = selectors.DefaultSelector()
    for source in (listener, wake, sys.stdin.buffer):
        selector.register(source, selectors.EVENT_READ)
    jobs: dict[int, socket.socket] = {}
    while True:
        ready = [key.fileobj for key, _ in selector.select()]
        if wake in ready:
            wake.recv(4096)
            _reap(jobs)
        if listener in ready:
            connection = listener.accept()[0]
            pid = os.fork()
            if pid == 0:
                _become(connection, job)
            jobs[pid] = connection
        if sys.stdin.buffer in ready:
            for pid in jobs:
                os.killpg(pid, signal.SIGKILL)
            return


def _reap(jobs: dict[int, socket.socket]) -> None:
    while jobs:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        connection = jobs.pop(pid)
        try:
            os.killpg(pid, signal.SIGKILL)  # a container's other processes end with its first
        except ProcessLookupError:
            pass
        try:
            connection.sendall(_NUMBER.pack(os.waitstatus_to_exitcode(status)))
        except OSError:  # the engine has ended
            pass
        connection.close()


def _become(connection: socket.socket, job: Callable[[dict[str, Any]], int]) -> None:
    status = 70
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with connection.makefile() as requests:
            request: dict[str, Any] = json.loads(requests.readline())
        connection.sendall(_NUMBER.pack(os.getpid()))
        os.closerange(3, 1024)
        status = job(request)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status)
