"""Faults that a test orders for one run's step: refused submissions and lost hosts."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from typing import Any

HOST_LOST = "Host EC2 (instance i-0123456789abcdef0) terminated."
LATE = "late:"
"""Before an error code: the submission is accepted, and answered by the error all the same."""
_MESSAGES = {
    "ServerException": (500, "An error occurred on the server"),
    "AWSBatchException": (429, "Too Many Requests"),
    "TooManyRequestsException": (429, "Too Many Requests"),
    "AccessDeniedException": (403, "User is not authorized to perform: batch:SubmitJob"),
    "AmazonECSException": (400, "Rate exceeded"),
}


class HostLoss:
    """Tells the watcher of an attempt whether its host is gone; `when` as in `Fault.host_loss`."""

    def __init__(self, when: str = "") -> None:
        self._when = when

    def lost(self) -> bool:
        """Whether it is gone before the attempt starts or while it runs."""
        if self._when in ("", "end"):
            return False
        return self._when == "start" or os.path.exists(self._when)

    def lost_at_end(self) -> bool:
        """Whether it is gone when all has run."""
        return self._when == "end" or self.lost()


@dataclass
class Fault:
    """What is to go wrong for commands that contain all of `words`."""

    words: list[str]
    submit: list[str] = field(default_factory=list)
    """Error codes that the next submissions are refused with, in this order."""
    host_loss: list[str] = field(default_factory=list)
    """For each of the next attempts, when its host is lost: "start" (nothing runs), "end" (all has run, but nobody
    learns its exit code), the path of a file (as soon as it exists), or "" (not at all)."""


_faults: list[Fault] = []
_lock = threading.Lock()


def order(fault: Fault) -> None:
    """Add a fault."""
    with _lock:
        _faults.append(fault)


def clear() -> None:
    """Forget all faults."""
    with _lock:
        _faults.clear()


def refusal(command: list[str]) -> tuple[str, int, str] | None:
    """Return the error code, HTTP status and message that a submission is to be refused with."""
    with _lock:
        for fault in _matching(command):
            if fault.submit:
                code = fault.submit.pop(0)
                return code, *_MESSAGES.get(code.removeprefix(LATE), (400, "ordered by a test"))
    return None


def host_loss(command: list[str]) -> HostLoss:
    """Return when the host of a new attempt at a command is to be lost."""
    with _lock:
        for fault in _matching(command):
            if fault.host_loss:
                return HostLoss(fault.host_loss.pop(0))
    return HostLoss("")


def _matching(command: list[str]) -> list[Fault]:
    return [fault for fault in _faults if set(fault.words) <= set(command)]


def from_json(value: Any) -> Fault:
    """Make a fault of a client's request.

    Raises:
        TypeError: it has other members.
    """
    return Fault(**value)
