"""What a run would do with a step: the words for it."""

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
"""Whether it runs, how often, or which branch of it: a step that runs before it decides that."""

WORDS = (TAKEN, RUNS, SKIPPED, FAILS, LATER, OPEN)


@dataclass
class Verdict:
    """What a run would do with one node."""

    address: str
    """Of the instance; with `_` where the items of a map are not known yet."""
    path: str
    what: str
    why: str
    conditions: list[str] = field(default_factory=list)
    """What must come true for the walk to come to the node at all, where a step that runs decides it."""
