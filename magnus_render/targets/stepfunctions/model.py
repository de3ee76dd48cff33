"""What a plan becomes for Step Functions: states, and the machines that they stand in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.plan import Node
    from magnus_render.targets.stepfunctions.jobs import Job
    from magnus_render.targets.stepfunctions.scope import Scope


class Rule(NamedTuple):
    """A way out of a Choice between branches, or of that before a task that has a condition."""

    condition: str
    """The field's value."""
    next: str
    output: str = ""
    """What becomes of the data on this way, as a field's value; '' for nothing."""


@dataclass
class State:
    """A state; `kind` tells the template that writes it."""

    kind: str
    name: str
    scope: Scope
    address: str = ""
    """Of its node: a field's value."""
    node: Node | None = None
    next: str = ""
    """Where success leads; '' if the state is the last."""
    catch: str = ""
    """Where an error leads; '' if nothing is caught."""
    otherwise: str = ""
    """Of a Choice: where the failure of its composite leads."""
    output: str = ""
    """What a success makes of the data, as a field's value; '' for what the engine does by itself. Of a Choice
    between branches, or before a task that has a condition: what the failure makes of it."""
    job: Job | None = None
    machines: list[Machine] = field(default_factory=list)
    """Of a composite: what runs inside."""
    items: Any = None
    """Of a map: the field's value."""
    limit: int | None = None
    """Of a map: how many of its items run at a time."""
    distributed: bool = False
    native: dict[str, Any] = field(default_factory=dict)
    """Of an as-is: the user's own state."""
    key: str = ""
    """Of a count or a choice: the code for the key of the record to read."""
    choices: list[Rule] = field(default_factory=list)
    """Of a Choice between branches: one rule for each. Of that before a task that has a condition: to skip it, to run it."""
    target: str = ""
    """Of a child machine: its name."""
    comment: str = ""
    fixed: bool = False
    """Its output is settled: the way to a fail node changes nothing of it."""

    @property
    def template(self) -> str:
        """The name of the template that writes it: that of its kind, or of where a job runs."""
        kind = self.job.compute if self.job is not None else self.kind.replace("_", "-")
        return f"stepfunctions/state-{kind}.json.j2"

    @property
    def successors(self) -> tuple[str, ...]:
        """Where it leads if nothing fails."""
        return (self.next, *(rule.next for rule in self.choices))

    @property
    def failed(self) -> str:
        """What an error makes of the data: the names of what failed, as a field's value."""
        return self.output if self.job is not None and self.fixed and self.output else self.address


@dataclass
class Machine:
    """States that are entered together: a state machine, or what stands inside a composite."""

    start: str
    states: list[State]
    scope: Scope
    graph: str = ""
    name: str = ""
    """Of a state machine of its own, as it is to be deployed."""


def all_states(machine: Machine) -> Iterator[State]:
    """Yield the states of a machine, and of what stands inside its composites."""
    waiting = [machine]
    while waiting:
        for state in waiting.pop().states:
            yield state
            waiting.extend(state.machines)
