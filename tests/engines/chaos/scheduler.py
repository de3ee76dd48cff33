"""The scheduler: it starts what is due, each job a fork of this process, which has loaded all that a job needs."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

from magnus_render.executors import job as jobs
from magnus_render.runtime import attempt  # noqa: F401  every job needs it
from magnus_render.services.run_log_store import FileSystemRunLogStore
from tests.engines.chaos.submitter import AWAY, ChaosExecutor, read, write

ENTRY = ("chaos", f"{ChaosExecutor.__module__}:ChaosExecutor")
"""What `registry.BUILT_IN["executor"]` has for as long as this scheduler is used."""

PERIOD = 0.005
TIME_LIMIT = 120.0
REQUESTS = 60
"""A job makes fewer requests to the run log store."""


class Scheduler:
    """The jobs of one folder, in a project. `kills` and `faults`: how many of each go wrong, at random."""

    def __init__(self, folder: Path, project: Path, seed: int, kills: int, faults: int) -> None:
        self.folder, self.project = folder, project
        self.random = random.Random(seed)
        self.kills, self.faults = kills, faults
        self.pids: dict[int, str] = {}
        self.known: dict[str, dict[str, Any]] = {}
        self.waiting: dict[str, float] = {}
        """Jobs that have not begun, and when each may."""
        self.back = 0.0
        """When it can be reached again."""
        self.told: list[str] = []
        """What went wrong, in words."""

    def run(self) -> None:
        """Start what is due until nothing waits or runs any more."""
        until = time.monotonic() + TIME_LIMIT
        while True:
            self._reap()
            self._look()
            self._cancel()
            begun = self._begin()
            self._disturb()
            if not begun and not self.pids and not self.waiting:
                break
            if time.monotonic() > until:
                raise AssertionError(f"jobs are at work still: {self.pids} {self.waiting}")
            time.sleep(PERIOD)
        (self.folder / AWAY).unlink(missing_ok=True)

    def calm(self) -> None:
        """Let nothing go wrong any more."""
        self.kills = self.faults = 0
        for kind in ("refuse", "late", "twice", "die-before-submission", "die-behind-submission"):
            (self.folder / kind).unlink(missing_ok=True)

    def failures(self) -> list[str]:
        """Return what jobs said that failed."""
        found = []
        for id_, job in self.known.items():
            state = read(f"{self.folder}/{id_}.state")
            if state != "0":
                said = read(f"{self.folder}/{id_}.out").strip()
                found.append(f"exit {state}: {' '.join(job['argv'][2:])}: {said}")
        return found

    # ---- jobs ----

    def _look(self) -> None:
        for entry in os.scandir(self.folder):
            id_, _, kind = entry.name.partition(".")
            if kind == "job" and id_ not in self.known:
                self.known[id_] = json.loads(read(entry.path))
                self.waiting[id_] = time.monotonic() + self.known[id_]["delay"] / 10

    def _begin(self) -> bool:
        begun = False
        for id_, due in list(self.waiting.items()):
            after = self.known[id_]["after_loss"]
            state = read(f"{self.folder}/{after}.state") if after else ""
            if after and (not state or state == "running"):
                continue
            if after and state == "0":
                self._ended(id_, "0")
            elif time.monotonic() >= due:
                self._fork(id_)
                begun = True
        return begun

    def _fork(self, id_: str) -> None:
        del self.waiting[id_]
        job = self.known[id_]
        write(f"{self.folder}/{id_}.state", "running")
        die_at = 0
        if self.kills and self.random.random() < 0.06:
            self.kills -= 1
            die_at = self.random.randrange(1, REQUESTS)
        pid = os.fork()
        if pid:
            self.pids[pid] = id_
            return
        status = 70
        try:
            status = self._child(id_, job, die_at)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _child(self, id_: str, job: dict[str, Any], die_at: int) -> int:
        os.setsid()
        os.chdir(self.project)
        descriptor = os.open(f"{self.folder}/{id_}.out", os.O_WRONLY | os.O_CREAT)
        for number in (1, 2):
            os.dup2(descriptor, number)
        sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
        os.environ.update(job["environment"])
        os.environ["MAGNUS_STANDS_GUARD"] = job["after_loss"]
        if die_at:
            _die_at(die_at, f"{self.folder}/{id_}.died")
        return jobs.main(job["argv"])

    def _reap(self) -> None:
        while self.pids:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if not pid:
                break
            code = os.waitstatus_to_exitcode(status)
            id_ = self.pids.pop(pid)
            if code == -signal.SIGKILL:
                argv = " ".join(self.known[id_]["argv"][2:])
                self.told.append(f"killed: {argv}, at {read(f'{self.folder}/{id_}.died') or 'any time'}")
            self._ended(id_, str(code))

    def _ended(self, id_: str, status: str) -> None:
        self.waiting.pop(id_, None)
        write(f"{self.folder}/{id_}.state", status)

    def _cancel(self) -> None:
        for path in self.folder.glob("*.cancel"):
            id_ = path.name.partition(".")[0]
            if id_ in self.waiting:
                self._ended(id_, "143")
            for pid, running in self.pids.items():
                if running == id_ and not (self.folder / f"{id_}.term").exists():
                    (self.folder / f"{id_}.term").touch()
                    os.kill(pid, signal.SIGTERM)

    # ---- what goes wrong ----

    def _disturb(self) -> None:
        if self.back and time.monotonic() > self.back:
            self.back = 0.0
            (self.folder / AWAY).unlink(missing_ok=True)
        chance = self.random.random()
        if chance < 0.006 and self.kills and self.pids:
            self.kills -= 1
            os.kill(self.random.choice(list(self.pids)), signal.SIGKILL)
        elif chance < 0.009 and self.kills:
            self._lose_guard()
        elif chance > 0.99 and self.faults:
            self.faults -= 1
            self._fault()

    def _lose_guard(self) -> None:
        guards = [id_ for id_ in self.waiting if self.known[id_]["after_loss"]]
        if guards:
            self.kills -= 1
            lost = self.random.choice(guards)
            self.told.append(f"lost: what stands guard for {self.known[lost]['address']}")
            self._ended(lost, "137")

    def _fault(self) -> None:
        kinds = ("refuse", "late", "twice", "die-before-submission", "die-behind-submission", AWAY)
        kind = self.random.choice(kinds)
        self.told.append(kind)
        if kind == AWAY:
            self.back = time.monotonic() + self.random.choice((0.1, 0.5, 2.0))
        (self.folder / kind).touch()


def _die_at(number: int, told: str) -> None:
    """Let this process die as it makes its request of that number to the run log store."""
    left = [number]

    def counted(name: str) -> Any:
        ask = getattr(FileSystemRunLogStore, name)

        def request(self: Any, key: str, *more: Any) -> Any:
            left[0] -= 1
            if not left[0]:
                write(told, f"{name} {key}")
                os.kill(os.getpid(), signal.SIGKILL)
            return ask(self, key, *more)

        return request

    for name in ("create", "read", "names", "read_all"):
        setattr(FileSystemRunLogStore, name, counted(name))
