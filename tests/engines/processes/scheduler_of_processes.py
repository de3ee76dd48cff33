"""The executor `processes`: each job is a process of this machine, and its state is what stands in a folder.

A job is a folder `JOBS/ID`: `job` is the id of the process that it runs, `status` how that has ended. `runner.py` waits for
the delay or for the job it guards, runs `magnus run_job`, and writes the status.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from magnus_render.errors import PlatformError
from magnus_render.executors.decentral import DecentralExecutor
from magnus_render.executors.submitter import Job, State, Submitter

_RUNNER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "runner.py")


class ProcessSubmitter(Submitter):
    """Starts a runner for each job."""

    delays = True
    guards = True
    pauses = (0.1, 0.5)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.folder = os.path.abspath(config.get("folder", ".jobs"))

    def submit(self, job: Job) -> str:
        refused = _fault(self.folder, "refuse") or (job.after_loss and _fault(self.folder, "refuse-guard"))
        if refused or os.path.exists(os.path.join(self.folder, "away")):
            raise PlatformError("the scheduler has no room")
        id_ = os.urandom(6).hex()
        folder = os.path.join(self.folder, id_)
        os.makedirs(folder)
        environment = {**os.environ, **job.environment}
        argv = [
            sys.executable,
            "-I",
            "-S",
            _RUNNER,
            folder,
            str(job.delay),
            self._of(job.after_loss),
            *job.argv,
        ]
        with open(os.path.join(folder, "output"), "wb") as output:
            subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
            )
        if _fault(self.folder, "late"):
            raise PlatformError("the scheduler has taken the job, and did not say so in time")
        return id_

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        return {id_: self._state(id_) for id_ in ids}

    def cancel(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            if self._state(id_) not in ("waiting", "running"):
                continue
            open(os.path.join(self._of(id_), "cancelled"), "w").close()
            pid = _number(os.path.join(self._of(id_), "job"))
            if pid:
                try:
                    os.kill(pid, signal.SIGTERM)
                except ProcessLookupError:
                    pass

    def _state(self, id_: str) -> State:
        folder = self._of(id_)
        if os.path.exists(os.path.join(folder, "cancelled")):
            running = os.path.exists(os.path.join(folder, "job")) and not os.path.exists(
                os.path.join(folder, "status")
            )
            return "running" if running else "cancelled"
        if not os.path.isdir(folder) or os.path.exists(os.path.join(folder, "status")):
            return "ended"
        return "running" if os.path.exists(os.path.join(folder, "job")) else "waiting"

    def _of(self, id_: str) -> str:
        return os.path.join(self.folder, id_) if id_ else ""


class ProcessesExecutor(DecentralExecutor):
    """Jobs as processes."""

    name = "processes"
    summary = "jobs as processes of this machine, for tests"
    submitter = ProcessSubmitter
    workspaces = "step"
    keys: ClassVar[Mapping[str, str]] = {"folder": "text"}

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.given = {"folder": os.path.abspath(config.get("folder", ".jobs"))}


def _fault(folder: str, kind: str) -> bool:
    """Tell whether a fault was ordered: a file of its kind, which is used up."""
    try:
        os.unlink(os.path.join(folder, kind))
    except OSError:
        return False
    return True


def _number(path: str) -> int:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read() or 0)
    except FileNotFoundError:
        return 0
