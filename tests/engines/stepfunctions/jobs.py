"""Jobs as real processes: what Batch and ECS start, watch and end.

A job runs in the folder that MAGNUS_TEST_FOLDER in its environment names, with that environment and a little more
(`environment`), nothing of the developer's. Its command is an argv; `magnus` is the one beside the running Python.
"""

from __future__ import annotations

import math
import os
import select
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.engines.stepfunctions.faults import HOST_LOST, HostLoss

FOLDER = "MAGNUS_TEST_FOLDER"
GRACE = 3.0
"""Seconds from SIGTERM to SIGKILL of a process (of a container: 30, as on AWS)."""
AT_ONCE = 16
"""Jobs that run at once; more wait, as they do for a compute environment's capacity."""
TIMED_OUT = "Job attempt duration exceeded timeout"
ESSENTIAL_EXITED = "Essential container in task exited"


@dataclass(frozen=True)
class Command:
    """What a container is to run."""

    argv: list[str]
    environment: dict[str, str]
    image: str
    log: Path
    """File that standard output and standard error go to."""
    container: Mapping[str, Any] = field(default_factory=dict)
    """What a job definition says of its container besides (Batch API reference, ContainerProperties)."""

    @property
    def folder(self) -> Path:
        """The working folder."""
        return Path(self.environment.get(FOLDER) or self.log.parent)


class Running(Protocol):
    """A process that has been started."""

    grace: float = GRACE
    """Seconds from SIGTERM to SIGKILL."""

    def fileno(self) -> int:
        """A descriptor that can be read from when the process has ended."""

    def signal(self, number: int) -> None:
        """Send a signal to all of the job's processes."""

    def exit_code(self) -> int | None:
        """Return the exit code of the ended process as a container's: 128 + n for signal n; release what it held.

        None: it has none, for it has not been started.
        """

    def reason(self) -> str:
        """Return what AWS would tell of the container that ended, '' for nothing."""
        return ""


Starter = Callable[[Command], Running]


@dataclass(frozen=True)
class Ending:
    """How an attempt ended: its exit code, if it lived to have one, and the engine's reason."""

    exit_code: int | None
    reason: str = ESSENTIAL_EXITED
    of_container: str = ""
    """The reason that is told of the container itself."""

    @property
    def succeeded(self) -> bool:
        """Whether it came to a good end of itself."""
        return self.exit_code == 0 and self.reason == ESSENTIAL_EXITED


@dataclass
class Watch:
    """What may end an attempt before it ends itself."""

    seconds: float | None = None
    """Time limit."""
    stopped: Callable[[], str | None] = lambda: None
    """Gives the reason when the job has been told to end."""
    host: HostLoss = field(default_factory=HostLoss)
    """Tells whether the host is gone: then the processes are killed at once, and there is no exit code."""


_slots = threading.Semaphore(AT_ONCE)
_started: set[Running] = set()


def run(start: Starter, command: Command, watch: Watch) -> Ending:
    """Run a job to its end, whatever brings it about."""
    with _slots:
        if (reason := watch.stopped()) is not None:
            return Ending(None, reason)
        if watch.host.lost():
            return Ending(None, HOST_LOST)
        try:
            running = start(command)
        except OSError as error:
            return Ending(127, f"CannotStartContainerError: {error}")
        _started.add(running)
        try:
            return _watch(running, watch)
        finally:
            _started.discard(running)


def kill_all() -> None:
    """Kill all jobs, as the engine ends."""
    for running in list(_started):
        running.signal(signal.SIGKILL)


def _watch(running: Running, watch: Watch) -> Ending:
    deadline = None if watch.seconds is None else time.monotonic() + watch.seconds
    reason: str | None = None
    kill_at: float | None = None
    while not _ended(running, 0.05):
        now = time.monotonic()
        if watch.host.lost():
            running.signal(signal.SIGKILL)
            _ended(running, None)
            running.exit_code()
            return Ending(None, HOST_LOST)
        if kill_at is not None:
            if now >= kill_at:
                running.signal(signal.SIGKILL)
            continue
        reason = watch.stopped()
        if reason is None and deadline is not None and now >= deadline:
            reason = TIMED_OUT
        if reason is not None:
            running.signal(signal.SIGTERM)
            kill_at = now + running.grace
    code = running.exit_code()
    if watch.host.lost_at_end():
        return Ending(None, HOST_LOST)
    return Ending(code, reason or ESSENTIAL_EXITED, running.reason())


def _ended(running: Running, seconds: float | None) -> bool:
    poll = select.poll()
    poll.register(running.fileno(), select.POLLIN)
    return bool(poll.poll(None if seconds is None else math.ceil(seconds * 1000)))


def environment(endpoint: str, home: Path) -> dict[str, str]:
    """Return the environment that every job has: how to find programs and the engine's S3."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "CI": "1",
        **credentials(endpoint),
    }


def credentials(endpoint: str) -> dict[str, str]:
    """Return the variables that lead an AWS client to this engine."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Process(Running):
    """A job that is a process of this machine, started anew."""

    def __init__(self, command: Command) -> None:
        with open(command.log, "ab") as log:
            self._process = subprocess.Popen(
                command.argv,
                cwd=command.folder,
                env=command.environment,
                executable=program(command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._descriptor = os.pidfd_open(self._process.pid)

    def fileno(self) -> int:
        return self._descriptor

    def signal(self, number: int) -> None:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def exit_code(self) -> int:
        os.close(self._descriptor)
        code = self._process.wait()
        self.signal(signal.SIGKILL)  # a container's other processes end with its first
        return code if code >= 0 else 128 - code


def program(command: Command) -> str | None:
    """Return the path of the program, looked for on the job's PATH, not the engine's."""
    return shutil.which(command.argv[0], path=command.environment.get("PATH", os.defpath))
