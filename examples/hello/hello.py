"""A function like any other: it knows nothing of pipelines."""

from __future__ import annotations


def compose(who: str = "world") -> dict[str, str]:
    """Return the greeting; `who` comes from the run's initial parameters, if they have one."""
    return {"greeting": f"Hello, {who}!"}
