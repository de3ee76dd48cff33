"""A node's one outcome: the record that decides where the walk goes from it (docs/architecture.md, "Records").

Whoever learns how a node ended creates it: the attempt, the confirmation of a failure, or what begins behind it, a
successor or a handler. The store lets one of them create it. Who comes second reads what the first one recorded, and
answers by that.
"""

from __future__ import annotations

import time

from magnus_render import naming
from magnus_render.errors import PlatformError
from magnus_render.plan import COMPOSITES, TASK, failure_target
from magnus_render.runtime.records import attempts_of, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, AttemptStart, Node, Outcome, Status
    from magnus_render.runtime.records import Run


def of(run: Run, address: str) -> Outcome | None:
    """Return the outcome of the node at an instance address, or None if nobody has recorded one."""
    found: Outcome | None = run.of(address, "outcome")
    return found


def decide(run: Run, address: str, outcome: Outcome) -> Outcome:
    """Record the outcome of a node if it has none; return the one on record: `outcome` itself, or another's.

    Raises `PlatformError` if the store neither takes one nor has one.
    """
    if run.create(f"{naming.key(address)}/outcome.json", outcome):
        return outcome
    there = of(run, address)
    if there is None:
        raise PlatformError(f"run {run.run_id}: the outcome of '{address}' can be neither written nor read")
    # A store that tried again may have met what it had written itself.
    return outcome if dumps(there) == dumps(outcome) else there


def made_of(end: AttemptEnd, to: str, digest: str) -> Outcome:
    """Return the outcome that the end of an attempt is, which leads to the node `to` with the state `digest`."""
    # mypy wants the key that may be absent, `skipped`, to be named.
    return {**end, "handed_to": to, "state": digest, "mock": False}  # type: ignore[typeddict-item]


def settle(run: Run, address: str, node: Node, sees: str = "", to: str = "") -> Outcome | None:
    """Return the outcome of a node from which the walk went on; if it has none, record that it failed.

    That is how the latest attempt of a step failed, or CRASHED if that left no end. Should it be at work all the same, what
    it comes to counts for nothing. Of a composite, and of a step that never began, nothing is recorded, and None returned,
    unless `sees` is given: the hash of the state that it saw, or would have seen. `to` is the node that its failure led
    to, if not the one that the definition names.
    """
    there = of(run, address)
    if there is not None:
        return there
    end = _last(run, address) if node["type"] not in COMPOSITES else None
    if end is None:
        if not sees:
            return None
        # What the engine ran of an as-is has ended, though no callback has said so, and so have branches.
        end = ended(0, 0, "CRASHED" if node["type"] == TASK else "FAIL", sees)
    return decide(run, address, made_of(end, to or failure_target(node), run.unmocked(end["sees"])))


def passed(run: Run, address: str, node: Node, sees: str) -> Outcome:
    """Return the outcome of an as-is from which the walk went on as from a success; if it has none, record that success.

    An engine need not call back behind what it runs itself. `sees` is the hash of the state that the node saw.
    """
    return decide(run, address, made_of(ended(0, 0, "SUCCESS", sees), node["next"]["slug"], sees))


def _last(run: Run, address: str) -> AttemptEnd | None:
    """Return how the latest attempt ended that counts, CRASHED if it has no end; None if there was no attempt.

    A delivery of a user's attempt does not count if another delivery of it failed.
    """
    names = run.names(address)
    ends: dict[int, AttemptEnd] = {n: run.of(address, f"{n}.end") for n in attempts_of(names, "end")}
    failed = {end["try_"] for end in ends.values() if not end["platform"]}
    for number in sorted({*attempts_of(names, "start"), *ends}, reverse=True):
        end = ends.get(number)
        if end is None:
            start: AttemptStart = run.of(address, f"{number}.start")
            end = ended(number, start["try_"], "CRASHED", start["sees"])
        if (number in ends and not end["platform"]) or end["try_"] not in failed:
            return end
    return None


def ended(number: int, try_: int, status: Status, sees: str) -> AttemptEnd:
    """Return the end of an attempt that left nothing; number 0 stands for none at all."""
    return {
        "attempt": number,
        "try_": try_,
        "status": status,
        "time": time.time(),
        "message": "",
        "set": {"values": {}, "large": {}},
        "catalog": [],
        "metrics": {},
        "sees": sees,
        "platform": False,
    }
