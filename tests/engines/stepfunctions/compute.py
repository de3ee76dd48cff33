"""Where Batch and ECS run what they are given: one attempt of one container, and a record of it for the test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.engines.stepfunctions import faults, jobs


@dataclass
class Record:
    """What became of a Batch job or an ECS task."""

    service: str
    name: str
    id: str
    argv: list[str]
    attempts: list[dict[str, Any]] = field(default_factory=list)
    """For each attempt: exit_code (None: none), reason, log (path)."""


@dataclass
class Compute:
    """How this engine runs containers."""

    folder: Path
    """For log files, and for jobs that are given no folder."""
    environment: Callable[[Path], dict[str, str]]
    """Gives what every job's environment has, for a working folder."""
    start: jobs.Starter
    """For images called "process", in whatever registry, or nothing at all."""
    start_container: jobs.Starter
    """For other images."""


_lock = threading.Lock()
_records: list[Record] = []
_ends: dict[str, threading.Event] = {}
_open: dict[str, list[str]] = {}
"""Commands of the jobs that have been submitted and have not ended, by their ids."""
_closed = threading.Condition()
_compute: list[Compute] = []


def use(compute: Compute) -> None:
    """Set how containers are run from now on."""
    _compute[:] = [compute]


def attempt(
    record: Record,
    environment: dict[str, str],
    image: str,
    seconds: float | None,
    stopped: Callable[[], str | None],
    container: Mapping[str, Any] | None = None,
) -> jobs.Ending:
    """Run one attempt to its end and note it in the record; `container` is as in `jobs.Command`."""
    compute = _compute[0]
    with _lock:
        if record not in _records:
            _records.append(record)
    log = compute.folder / f"{record.id}.log"
    command = jobs.Command(record.argv, environment, image, log, container or {})
    process = image.rpartition("/")[2].partition(":")[0] in ("", "process")
    if process:
        base = compute.environment(command.folder)
        command = jobs.Command(record.argv, {**base, **environment}, image, log)
    watch = jobs.Watch(seconds, stopped, faults.host_loss(record.argv))
    ending = jobs.run(compute.start if process else compute.start_container, command, watch)
    record.attempts.append({"exit_code": ending.exit_code, "reason": ending.reason, "log": str(log)})
    return ending


def begin(identity: str, argv: list[str]) -> None:
    """Say that a job has been submitted."""
    with _closed:
        _open[identity] = argv


def end(identity: str) -> None:
    """Say that a job or task has ended for good: its last status can be asked for."""
    _end_of(identity).set()
    with _closed:
        _open.pop(identity, None)
        _closed.notify_all()


def settled(word: str, seconds: float) -> bool:
    """Wait at most so many seconds until no job waits or runs whose command contains a word; return whether that has come.

    A job that submits others does so before it ends: after this, none comes by itself.
    """
    with _closed:
        return _closed.wait_for(lambda: not any(word in argv for argv in _open.values()), seconds)


def ended(identity: str, seconds: float) -> bool:
    """Wait at most so many seconds for the end of a job or task; return whether it has come."""
    return _end_of(identity).wait(seconds)


def _end_of(identity: str) -> threading.Event:
    with _lock:
        return _ends.setdefault(identity, threading.Event())


def records(word: str) -> list[dict[str, Any]]:
    """Return the records of all jobs whose command contains a word, in the order in which they started."""
    with _lock:
        return [asdict(record) for record in _records if word in record.argv]


def clear() -> None:
    """Forget all records."""
    with _lock:
        _records.clear()
        _ends.clear()
    with _closed:
        _open.clear()
