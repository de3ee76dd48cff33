"""The executor `processes`: each job is a process of this machine, and its state is what stands in a folder.

A job is a folder `JOBS/ID`: `pid` of its runner, `job` of the process that it runs, `status` once that has ended. A runner
waits for the delay or for the job it guards, runs `magnus run_job`, and writes the status.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from magnus_render.errors import PlatformError
from magnus_render.executors.decentral import DecentralExecutor
from magnus_render.executors.submitter import Job, State, Submitter

_PERIOD = 0.02


class ProcessSubmitter(Submitter):
    """Starts a runner for each job."""

    delays = True
    guards = True

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.folder = os.path.abspath(config.get("folder", ".jobs"))

    def submit(self, job: Job) -> str:
        if _fault(self.folder, "refuse") or (job.after_loss and _fault(self.folder, "refuse-guard")):
            raise PlatformError("the scheduler has no room")
        id_ = os.urandom(6).hex()
        folder = os.path.join(self.folder, id_)
        os.makedirs(folder)
        environment = {**os.environ, **job.environment}
        argv = [sys.executable, __file__, folder, str(job.delay), self._of(job.after_loss), *job.argv]
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


def _run(folder: str, delay: float, guarded: str, argv: list[str]) -> None:
    begins = time.time() + delay
    while True:
        if os.path.exists(os.path.join(folder, "cancelled")):
            return
        if guarded:
            status = os.path.join(guarded, "status")
            if os.path.exists(status):
                if _number(status) == 0:
                    break
                guarded = ""
            elif os.path.exists(os.path.join(guarded, "cancelled")) and not os.path.exists(
                os.path.join(guarded, "job")
            ):
                guarded = ""
        elif time.time() >= begins:
            break
        time.sleep(_PERIOD)
    status = 0
    if not guarded:
        child = subprocess.Popen(["magnus", *argv])
        _write(os.path.join(folder, "job"), child.pid)
        status = child.wait()
    _write(os.path.join(folder, "status"), status)


def _write(path: str, number: int) -> None:
    with open(f"{path}.new", "w", encoding="ascii") as file:
        file.write(str(number))
    os.replace(f"{path}.new", path)


if __name__ == "__main__":
    _run(sys.argv[1], float(sys.argv[2]), sys.argv[3], sys.argv[4:])
    print(json.dumps({"ended": sys.argv[4:6]}), file=sys.stderr)
