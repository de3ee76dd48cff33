"""What the reference keeps of a run as it walks: what is visible, where it stands, and what an earlier run did."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.conformance.naming import slug

Log = dict[str, Any]


class File(NamedTuple):
    """What the catalog keeps of a file."""

    text: str
    mode: int = 0o644
    """Permission bits."""


@dataclass(frozen=True)
class State:
    """What is visible at a point of a path (§3.3)."""

    parameters: dict[str, Any]
    files: dict[str, File] = field(default_factory=dict)
    added: frozenset[str] = frozenset()  # parameters set since the graph began
    filed: frozenset[str] = frozenset()  # files catalogued since the graph began
    mocked: bool = False  # nothing on the path so far was run again

    def plus(self, values: dict[str, Any], files: dict[str, File], mocked: bool) -> State:
        """The state after a success that set these values and catalogued these files."""
        return State(
            {**self.parameters, **values},
            {**self.files, **files},
            self.added | set(values),
            self.filed | set(files),
            self.mocked and mocked,
        )


@dataclass(frozen=True)
class Place:
    """Where a graph or node stands: its dot path, its address, and the variables of the maps around it."""

    path: str = ""
    address: str = ""
    variables: dict[str, Any] = field(default_factory=dict)

    def inside(self, name: str, **variables: Any) -> Place:
        def extended(whole: str, part: str) -> str:
            return f"{whole}.{part}" if whole else part

        return Place(
            extended(self.path, name), extended(self.address, slug(name)), {**self.variables, **variables}
        )


@dataclass(frozen=True)
class Remembered:
    """A task that succeeded: its definition, what it saw, set and catalogued, and its log."""

    definition: Any
    saw: Any
    set: dict[str, Any]
    files: dict[str, File]
    log: Log


@dataclass
class Memory:
    """What a run did, for a later one with `--use-cached`: the tasks that succeeded, by address."""

    tasks: dict[str, Remembered] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)  # initial ones
