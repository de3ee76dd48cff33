"""What is on record of a step's earlier attempts: engines deliver a call again, and count what never came to an attempt."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, AttemptStart
    from magnus_render.runtime.records import Run


def recorded_failure(run: Run, address: str, attempt: int) -> AttemptEnd | None:
    """Return how the user's attempt of that number failed, or None if that is not on record."""
    for name in run.names(address):
        if name.endswith(".end.json"):
            end: AttemptEnd = run.of(address, name.removesuffix(".json"))
            if end["try_"] == attempt and not end["platform"]:
                return end
    return None


def delivered_before(run: Run, address: str, names: list[str], attempt: int | None) -> AttemptEnd | None:
    """Return the failure that this very call has recorded: an engine may call again after it lost a pod or a host.

    That is one that handed over, or that of the user's attempt `attempt`, if the engine names it.
    """
    for name in names:
        if name.endswith(".end.json"):
            end: AttemptEnd = run.of(address, name.removesuffix(".json"))
            named = end["try_"] == attempt and not end["platform"]
            if end["status"] != "SUCCESS" and (end["handed_to"] or named):
                return end
    return None


def spent(run: Run, address: str) -> int:
    """Return how many of the user's attempts are recorded: those that were begun and not ended by the platform."""
    names = run.names(address)
    tried = set()
    for name in names:
        number, _, kind = name.partition(".")
        if kind == "start.json":
            end: AttemptEnd | None = (
                run.of(address, f"{number}.end") if f"{number}.end.json" in names else None
            )
            if end is None or not end["platform"]:
                start: AttemptStart = run.of(address, f"{number}.start")
                tried.add(start["try_"])
    return len(tried)
