"""Faults that a test orders for pods of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["", "kill", "evict", "delete"]
"""kill: SIGKILL for the main process, which is exit code 137. evict: the same, and the pod fails with reason Evicted; what
was in it is lost. delete: the pod is gone without a trace, as with a lost node. Nothing: no fault."""


@dataclass(frozen=True)
class Crash:
    """What happens to one pod."""

    kind: Kind = ""
    when: str | Path = "start"
    """start: before its command runs. end: when it has ended, before anybody learns how. A path: as soon as that file
    exists, if that is before the end."""

    @property
    def happens(self) -> bool:
        """Whether it is to happen, or for a path: whether it is time."""
        return self.kind != "" and (not isinstance(self.when, Path) or self.when.exists())


@dataclass(frozen=True)
class Fault:
    """Crashes of the pods whose command has all these words, or whose template has the name."""

    words: Sequence[str] = ()
    template: str = ""
    crashes: Sequence[Crash] = (Crash("kill"),)
    """For the first such pod, the second, ...; further ones come to no harm."""


class Faults:
    """The faults of a run."""

    def __init__(self, ordered: Iterable[Fault]) -> None:
        self._left = [(fault, list(fault.crashes)) for fault in ordered]
        self._lock = threading.Lock()

    def next(self, template: str, argv: Sequence[str]) -> Crash:
        """Return what happens to a new pod."""
        with self._lock:
            for fault, crashes in self._left:
                matches = set(fault.words) <= set(argv) and fault.template in ("", template)
                if matches and crashes:
                    return crashes.pop(0)
        return Crash()
