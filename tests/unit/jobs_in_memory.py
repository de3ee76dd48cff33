"""A scheduler in memory: jobs of a decentralised walk are threads, of which one goes on at a time, to its next request.

A job pauses before each request to the run log store or to the scheduler, and once while its step is at work. Which job goes
on then is chosen by a seed, so that any number of jobs interleave in any way, and any of them may be killed at any pause.
No process is started: `interleaving.prepare` lets a task only set a parameter.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from magnus_render import registry
from magnus_render.errors import MagnusError, PlatformError
from magnus_render.executors import decentral, job, job_walk
from magnus_render.executors.job_records import JobRecords
from magnus_render.executors.job_walk import JobWalk
from magnus_render.executors.submitter import Job, State, Submitter
from magnus_render.runtime import attempt
from magnus_render.runtime.records import Run
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services import lookup
from tests.unit import interleaving
from tests.unit.interleaving import Store


class Killed(BaseException):
    """A job was killed at a pause."""


class Process(threading.Thread):
    """A job that has begun."""

    def __init__(self, jobs: Jobs, id_: str, line: Job) -> None:
        super().__init__(daemon=True)
        self.jobs, self.id, self.line = jobs, id_, line
        self.at = ""
        """What it is about to ask for."""
        self.over = False
        self.killed = False
        self.status = 0
        self.error: BaseException | None = None
        self._go, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        self.start()

    def run(self) -> None:
        self._go.acquire()
        try:
            self.status = self._main()
        except Killed:
            self.status = 137
        except BaseException as error:
            self.error = error
        self.over = True
        self._waits.release()

    def _main(self) -> int:
        try:
            return job._run(job.JobLine(self.line.argv[1:]))
        except MagnusError as error:
            self.jobs.said.append(f"{' '.join(self.line.argv)}: {error}")
            return error.status

    def pause(self, at: str) -> None:
        """Called by the thread itself: wait until it is to go on, or die."""
        self.at = at
        self._waits.release()
        self._go.acquire()
        if self.killed:
            raise Killed

    def advance(self) -> None:
        """Let it go on to its next pause; raise what it raised."""
        self._go.release()
        self._waits.acquire()
        if self.error is not None:
            raise self.error

    def kill(self) -> None:
        """End it where it stands."""
        self.killed = True
        self.advance()


class PausingStore(Store):
    """Records in memory; a job pauses before each request."""

    def create(self, key: str, data: bytes) -> bool:
        _pause(f"create {key}")
        return super().create(key, data)

    def read(self, key: str) -> bytes | None:
        _pause(f"read {key}")
        return super().read(key)

    def names(self, folder: str) -> list[str]:
        _pause(f"names {folder}")
        return super().names(folder)

    def read_all(self, folder: str) -> Iterator[tuple[str, bytes]]:
        _pause(f"read_all {folder}")
        return super().read_all(folder)


class MemorySubmitter(Submitter):
    """Hands jobs to the scheduler of the test."""

    guards = True
    delays = True
    pauses = (0.0,)
    jobs: Jobs
    told = ""
    """What `before` returns: how the run of the job before this one ended."""

    def submit(self, job: Job) -> str:
        _pause(f"submit {job.address}")
        return self.jobs.submit(job)

    def states(self, ids: Iterable[str]) -> dict[str, State]:
        _pause("states")
        return {id_: self.jobs.state(id_) for id_ in ids}

    def cancel(self, ids: Iterable[str]) -> None:
        _pause("cancel")
        for id_ in ids:
            self.jobs.cancel(id_)

    def before(self, environment: Any) -> str:
        return self.told


class MemoryExecutor(decentral.DecentralExecutor):
    """Its scheduler is the one of the test."""

    name = "memory"


class Jobs:
    """The scheduler, its jobs, and one run `r`."""

    def __init__(self, base: Store, seed: int = 0, guards: bool = True, texts: Any = None) -> None:
        self.store = PausingStore(base.records)
        self.random = random.Random(seed)
        self.lines: dict[str, Job] = {}
        self.processes: dict[str, Process] = {}
        self.statuses: dict[str, int] = {}
        self.cancelled: set[str] = set()
        self.faults: Counter[str] = Counter()
        """`refuse` and `late`: how many of the next submissions go wrong in this way."""
        self.worked: Counter[str] = Counter()
        """How often the work of a step ran to its end, by address."""
        self.killed: Counter[str] = Counter()
        """How many jobs of a step were killed, by address."""
        self.doubled = 0
        """How many jobs were submitted of which no record tells."""
        self.said: list[str] = []
        self.submitter = type("Submitter_", (MemorySubmitter,), {"jobs": self, "guards": guards})({})
        run = Run.open(self.store, "r")
        assert run is not None
        self.run = run
        self.records = JobRecords(run)
        self.records.begin(
            {
                "executor": "memory",
                "config": {},
                "services": interleaving._services(self.store),
                "nodes": {address: {"text": text} for address, text in (texts or {}).items()},
            }
        )

    # ---- what a submitter asks ----

    def submit(self, line: Job) -> str:
        if self._fault("refuse"):
            raise PlatformError("no room")
        id_ = f"j{len(self.lines)}"
        self.lines[id_] = line
        if self._fault("late"):
            self.doubled += 1
            raise PlatformError("late")
        return id_

    def _fault(self, kind: str) -> bool:
        if not self.faults[kind]:
            return False
        self.faults[kind] -= 1
        return True

    def state(self, id_: str) -> State:
        if id_ in self.cancelled:
            return "cancelled"
        if id_ in self.statuses:
            return "ended"
        return "running" if id_ in self.processes else "waiting"

    def cancel(self, id_: str) -> None:
        if self.state(id_) in ("ended", "cancelled"):
            return
        self.cancelled.add(id_)
        self.statuses[id_] = 143
        process = self.processes.pop(id_, None)
        if process is not None:
            assert process is not threading.current_thread(), "a job ends itself"
            process.kill()

    # ---- what a test does ----

    def walk(self) -> JobWalk:
        """Return the walk of the submitting computer."""
        return decentral.walk_of(self.run, self.submitter)

    def waiting(self) -> list[str]:
        """Return the jobs that may begin."""
        found = []
        for id_, line in self.lines.items():
            if id_ in self.processes or id_ in self.statuses:
                continue
            if not line.after_loss:
                found.append(id_)
            elif line.after_loss in self.statuses:
                if self.statuses[line.after_loss]:
                    found.append(id_)
                else:
                    self.statuses[id_] = 0
        return found

    def begin(self, id_: str) -> Process:
        """Let a job begin, up to its first pause."""
        process = self.processes[id_] = Process(self, id_, self.lines[id_])
        self.advance(process)
        return process

    def advance(self, process: Process) -> None:
        """Let a job go on to its next pause, or to its end."""
        process.advance()
        self._ended(process)

    def kill(self, process: Process) -> None:
        """Kill a job."""
        if process.at.startswith("create r/jobs/calls/") and ".job." in process.at:
            self.doubled += 1
        self.killed[process.line.address] += 1
        process.kill()
        self._ended(process)

    def until(self, process: Process, at: str) -> Process:
        """Let a job go on until it is about to ask for something that begins with `at`."""
        while not process.at.startswith(at):
            assert not process.over, f"it has ended, and never came to {at}"
            self.advance(process)
        return process

    def past(self, process: Process) -> Process:
        """Let a job make the request that it is about to."""
        self.advance(process)
        return process

    def of(self, address: str, guard: bool = False) -> Process:
        """Let the last job of a step begin that may, or the one that stands guard for it."""
        found = [id_ for id_ in self.waiting() if self.lines[id_].address == address]
        return self.begin([id_ for id_ in found if bool(self.lines[id_].after_loss) == guard][-1])

    def end(self, process: Process) -> int:
        """Let a job go on to its end; return its exit status."""
        while not process.over:
            self.advance(process)
        return process.status

    def _ended(self, process: Process) -> None:
        if process.over and process.id in self.processes:
            del self.processes[process.id]
            self.statuses[process.id] = process.status

    def step(self) -> Process | None:
        """Let some job begin or go on; return it, None if there is none."""
        choices: list[str] = [*self.processes, *self.waiting()]
        if not choices:
            return None
        chosen = self.random.choice(choices)
        if chosen in self.processes:
            process = self.processes[chosen]
            self.advance(process)
            return process
        return self.begin(chosen)

    def go(self) -> int | None:
        """Let all jobs go on until none is left; return the exit status of the run, None if it stands still."""
        while self.step() is not None:
            pass
        return self.records.status()

    def resume(self) -> int | None:
        """Resume the run, and let it go on as `go` does."""
        decentral.resume(self.run, self.submitter)
        return self.go()

    def log(self) -> dict[str, Any]:
        """Return the folded log without what engines may differ in."""
        return self.store.log()


def _pause(at: str) -> None:
    here = threading.current_thread()
    if isinstance(here, Process):
        here.pause(at)


def _work(self: Any, number: int) -> None:
    """What a task does: pause, and set a parameter; it fails with the command `exit 1`, and `flakyN` up to attempt N."""
    here = threading.current_thread()
    assert isinstance(here, Process)
    here.pause("work")
    here.jobs.worked[self.address] += 1
    self.set = {f"by_{self.address.replace('.', '_')}": 1}
    command = self.node["command"] if isinstance(self.node["command"], str) else ""
    if command == "exit 1" or (command.startswith("flaky") and self.attempt <= int(command[5:])):
        raise TaskFailure("exited with status 1")


def _run_text(self: JobWalk, call: Any) -> int:
    here = threading.current_thread()
    assert isinstance(here, Process)
    here.pause("text")
    here.jobs.worked[call.address] += 1
    return 1 if call.text == "false" else 0


def prepare(monkeypatch: Any) -> None:
    """Let jobs find their store and their scheduler in memory, and run no process."""
    interleaving.prepare(monkeypatch)
    monkeypatch.setattr(attempt.Work, "do", _work)
    monkeypatch.setattr(JobWalk, "_run_text", _run_text)
    found = lookup.services_of_environment
    monkeypatch.setattr(lookup, "services_of_environment", lambda: _services() or found())
    monkeypatch.setitem(registry.BUILT_IN["executor"], "memory", f"{__name__}:MemoryExecutor")
    monkeypatch.setattr(job, "submitter_of", lambda name, config: _here().submitter)
    monkeypatch.setattr(job_walk.time, "sleep", lambda seconds: _pause("sleep"))


def _here() -> Jobs:
    here = threading.current_thread()
    assert isinstance(here, Process)
    return here.jobs


def _services() -> Any:
    here = threading.current_thread()
    return interleaving._services(here.jobs.store) if isinstance(here, Process) else None
