"""What is on record of a step's earlier attempts: engines deliver a call again, and count what never came to an attempt."""

from __future__ import annotations

from magnus_render.runtime.records import attempts_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, AttemptStart
    from magnus_render.runtime.records import Run


def failed(run: Run, address: str, attempt: int) -> bool:
    """Tell whether it is on record that the user's attempt of that number failed, while another was left."""
    ends = (run.of(address, f"{number}.end") for number in attempts_of(run.names(address), "end"))
    return any(end["try_"] == attempt and not end["platform"] for end in ends)


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
