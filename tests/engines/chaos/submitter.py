"""What a job knows of the scheduler: files in a folder. Faults are files there too, each used up by whoever meets it."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterable, Mapping
from typing import Any

from magnus_render.errors import PlatformError
from magnus_render.executors.decentral import DecentralExecutor
from magnus_render.executors.submitter import Job, State, Submitter

AWAY = "away"
"""While there is a file of that name, the scheduler cannot be reached."""


class ChaosSubmitter(Submitter):
    """Writes a file for each job."""

    delays = True
    guards = True
    pauses = (0.05, 0.2, 0.8, 2.0)

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__(config)
        self.folder = config["folder"]

    def submit(self, job: Job) -> str:
        self._reach()
        self._perhaps_die("die-before-submission")
        if self._fault("refuse"):
            raise PlatformError("the scheduler has no room")
        id_ = self._put(job)
        if self._fault("twice"):
            self._put(job)
        if self._fault("late"):
            raise PlatformError("the scheduler has taken the job, and did not say so in time")
        self._perhaps_die("die-behind-submission")
        return id_

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        self._reach()
        return {id_: self._state(id_) for id_ in ids}

    def cancel(self, ids: Iterable[str]) -> None:
        self._reach()
        for id_ in ids:
            if self._state(id_) in ("waiting", "running"):
                open(f"{self.folder}/{id_}.cancel", "w").close()

    def _put(self, job: Job) -> str:
        id_ = os.urandom(6).hex()
        write(f"{self.folder}/{id_}.job", json.dumps(vars(job)))
        return id_

    def _state(self, id_: str) -> State:
        state = read(f"{self.folder}/{id_}.state")
        if os.path.exists(f"{self.folder}/{id_}.cancel"):
            return "running" if state == "running" else "cancelled"
        return "running" if state == "running" else "ended" if state else "waiting"

    def _reach(self) -> None:
        if os.path.exists(f"{self.folder}/{AWAY}"):
            raise PlatformError("the scheduler cannot be reached")

    def _perhaps_die(self, kind: str) -> None:
        if os.environ.get("MAGNUS_STANDS_GUARD") is not None and self._fault(kind):
            os.kill(os.getpid(), signal.SIGKILL)

    def _fault(self, kind: str) -> bool:
        try:
            os.unlink(f"{self.folder}/{kind}")
        except OSError:
            return False
        open(f"{self.folder}/met-{kind}-{os.urandom(4).hex()}", "w").close()
        return True


class ChaosExecutor(DecentralExecutor):
    """Jobs of the scheduler that goes wrong."""

    name = "chaos"
    summary = "for tests"
    submitter = ChaosSubmitter
    workspaces = ""


def write(path: str, text: str) -> None:
    """Write a file in one go."""
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(f"{path}.new", path)


def read(path: str) -> str:
    """Return the text of a file, '' if there is none."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""
