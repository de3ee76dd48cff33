"""Jobs that call `magnus` as forks of a process that has imported it before.

A job is a process like any other, with its own folder, environment, session and output; it only skips the start-up.
The server has one thread, so forking is safe.

    python -m tests.engines.stepfunctions.warm SOCKET       the server: it ends when its standard input does
"""

from __future__ import annotations

import gc
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.conformance.warm import _child
from tests.engines.stepfunctions.jobs import Command, Process, Running, program

ROOT = Path(__file__).resolve().parents[3]
_MAGNUS = str(Path(sys.executable).parent / "magnus")
_NUMBER = struct.Struct("!i")  # replies: the job's process id, then its exit code


class WarmStarter:
    """Starts jobs: those whose program is the `magnus` beside this Python as forks, others as new processes."""

    def __init__(self, folder: Path) -> None:
        self._address = str(folder / "warm.socket")
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.stepfunctions.warm", self._address],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._server.stdout
        self._server.stdout.read(1)  # it listens

    def __call__(self, command: Command) -> Running:
        if program(command) == _MAGNUS:
            return Fork(command, self._address)
        return Process(command)

    def close(self) -> None:
        """End the server."""
        self._server.communicate()


class Fork:
    """A job that is a fork of the warm process."""

    def __init__(self, command: Command, address: str) -> None:
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(address)
        self._command = command
        request = {
            "argv": command.argv[1:],
            "cwd": str(command.folder),
            "env": command.environment,
            "stdout": f"{command.log}.stdout",
            "stderr": f"{command.log}.stderr",
        }
        self._connection.sendall(json.dumps(request).encode() + b"\n")
        self._pid = self._number()

    def fileno(self) -> int:
        return self._connection.fileno()

    def signal(self, number: int) -> None:
        try:
            os.killpg(self._pid, number)
        except ProcessLookupError:
            pass

    def exit_code(self) -> int:
        code = self._number()
        self._connection.close()
        with open(self._command.log, "ab") as log:
            for part in ("stdout", "stderr"):
                path = Path(f"{self._command.log}.{part}")
                log.write(path.read_bytes())
                path.unlink()
        return code if code >= 0 else 128 - code

    def _number(self) -> int:
        reply = self._connection.recv(_NUMBER.size, socket.MSG_WAITALL)
        if len(reply) < _NUMBER.size:
            raise OSError("the warm process has ended")
        number: int = _NUMBER.unpack(reply)[0]
        return number


def serve(address: str, become: Callable[[socket.socket], None] | None = None) -> None:
    """Serve jobs until standard input ends; `become` is the job in the forked child, told of by the connection."""
    _preload()
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
                (become or _become)(connection)
            jobs[pid] = connection
        if sys.stdin.buffer in ready:
            for pid in jobs:
                os.killpg(pid, signal.SIGKILL)
            return


def _preload() -> None:
    import magnus_render

    for module in pkgutil.walk_packages(magnus_render.__path__, "magnus_render."):
        _import(module.name)
    for name in ("jinja2", "networkx", "obstore", "obstore.store", "pydantic", "typer", "yaml"):
        _import(name)
    gc.collect()
    gc.freeze()


def _import(name: str) -> None:
    try:
        import_module(name)
    except ImportError:  # an extra that is not installed
        pass


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


def _become(connection: socket.socket) -> None:
    """Be the job, in the forked child."""
    status = 70
    try:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with connection.makefile() as requests:
            request: dict[str, Any] = json.loads(requests.readline())
        connection.sendall(_NUMBER.pack(os.getpid()))
        os.closerange(3, 1024)
        status = _child(request)
    finally:
        os._exit(status)


if __name__ == "__main__":
    serve(sys.argv[1])
