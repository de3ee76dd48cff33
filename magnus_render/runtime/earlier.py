"""What is on record of a step's earlier attempts: engines deliver a call again, and count what never came to an attempt."""

from __future__ import annotations

from magnus_render.runtime.records import attempts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, AttemptStart
    from magnus_render.runtime.records import Run


def recorded_failure(run: Run, address: str, attempt: int) -> AttemptEnd | None:
    """Return how the user's attempt of that number failed, while another is left, or None if that is not on record."""
    ends = (run.of(address, f"{number}.end") for number in attempts_of(run.names(address), "end"))
    return next((end for end in ends if end["try_"] == attempt and not end["platform"]), None)


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
