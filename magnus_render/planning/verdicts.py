"""Verdicts: what a run would do with a step."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

TAKEN: Final = "taken over"
RUNS: Final = "runs"
SKIPPED: Final = "skipped"
FAILS: Final = "fails"
"""A map or a conditional that cannot start."""
LATER: Final = "runs if reached"
"""A step behind one that runs: it is not taken over."""
OPEN: Final = "undecided"
"""An earlier step, which must run, decides whether the node runs, how many items it has, or which branch runs."""

WORDS = (TAKEN, RUNS, SKIPPED, FAILS, LATER, OPEN)


@dataclass
class Verdict:
    """The verdict on one node."""

    address: str
    """Address of the instance; with `_` if the items of a map are not known yet."""
    path: str
    what: str
    why: str
    conditions: list[str] = field(default_factory=list)
    """Conditions for the walk to come to the node at all, which depend on steps that must run."""
