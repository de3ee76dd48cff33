"""What is on record of a step's earlier attempts: engines deliver a call again, and count what never came to an attempt."""

from __future__ import annotations

import time

from magnus_render import naming
from magnus_render.plan import failure_target
from magnus_render.runtime import state
from magnus_render.runtime.records import attempts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, AttemptStart, Node
    from magnus_render.runtime.records import Run


def recorded_failure(run: Run, address: str, attempt: int) -> AttemptEnd | None:
    """Return how the user's attempt of that number failed, or None if that is not on record."""
    return next((end for end in _ends(run, address) if end["try_"] == attempt and not end["platform"]), None)


def delivered_before(run: Run, address: str, attempt: int | None) -> AttemptEnd | None:
    """Return the failure that this very call has recorded: an engine may call again after it lost a pod or a host.

    That is one that handed over, or that of the user's attempt `attempt`, if the engine names it.
    """
    final = final_failure(run, address)
    if final is None and attempt is not None:
        final = recorded_failure(run, address, attempt)
    return final


def outcome_before(run: Run, address: str, attempt: int) -> AttemptEnd | None:
    """Return the failure on record that an end of the user's attempt `attempt` comes too late for, or None.

    That is the one that handed over, or another delivery of the same attempt: the first outcome stands.
    """
    ends = _ends(run, address)
    own = [end for end in ends if end["try_"] == attempt and not end["platform"]]
    return next((end for end in ends if end["handed_to"]), None) or next(iter(own), None)


def final_failure(run: Run, address: str) -> AttemptEnd | None:
    """Return the failure that handed over, or None."""
    return next((end for end in _ends(run, address) if end["handed_to"]), None)


def _ends(run: Run, address: str) -> list[AttemptEnd]:
    return [run.of(address, f"{number}.end") for number in attempts_of(run.names(address), "end")]


def spent(run: Run, address: str) -> int:
    """Return how many of the user's attempts are recorded: those that were begun and not ended by the platform."""
    names = run.names(address)
    ended, tried = set(attempts_of(names, "end")), set()
    for number in attempts_of(names, "start"):
        end: AttemptEnd | None = run.of(address, f"{number}.end") if number in ended else None
        if end is None or not end["platform"]:
            start: AttemptStart = run.of(address, f"{number}.start")
            tried.add(start["try_"])
    return len(tried)


def last_start(run: Run, address: str) -> AttemptStart | None:
    """Return how a step's latest attempt began, or None if none did."""
    numbers = attempts_of(run.names(address), "start")
    start: AttemptStart | None = run.of(address, f"{max(numbers)}.start") if numbers else None
    return start


def give_up(run: Run, address: str, node: Node) -> AttemptEnd:
    """Record that a step's latest attempt crashed, if it has left no end: the engine goes on without it.

    Should it be at work all the same, what it records later counts for nothing. Return the end that is on record.
    """
    start = last_start(run, address)
    assert start is not None
    end: AttemptEnd = {
        "attempt": start["attempt"],
        "try_": start["try_"],
        "status": "CRASHED",
        "time": time.time(),
        "message": "",
        "set": {"values": {}, "large": {}},
        "catalog": [],
        "metrics": {},
        "handed_to": failure_target(node),
        "state": state.unmocked(run, start["sees"]),
        "mock": False,
        "platform": False,
    }
    if not run.create(f"{naming.key(address)}/{start['attempt']}.end.json", end):
        end = run.of(address, f"{start['attempt']}.end")
    return end
