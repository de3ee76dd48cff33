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
    """One rule of a Choice: of the Choice between branches, or of the one before a task that has a condition."""

    condition: str
    """The value of the field `Condition`."""
    next: str
    output: str = ""
    """The value of the field `Output` on this way; '' to leave the field out."""


@dataclass
class State:
    """A state; `kind` tells the template that writes it."""

    kind: str
    name: str
    scope: Scope
    address: str = ""
    """Address of its node, as a field's value."""
    node: Node | None = None
    next: str = ""
    """Where success leads; '' if the state is the last."""
    catch: str = ""
    """Where an error leads; '' if nothing is caught."""
    otherwise: str = ""
    """For a Choice: where the failure of its composite leads."""
    output: str = ""
    """The value of the field `Output` for a success; '' to leave the field out. For a Choice between branches, or before a
    task that has a condition: the `Output` for a failure."""
    job: Job | None = None
    machines: list[Machine] = field(default_factory=list)
    """For a composite: the machines inside."""
    items: Any = None
    """For a map: the value of the field `Items`."""
    limit: int | None = None
    """For a map: how many of its items run at a time."""
    distributed: bool = False
    native: dict[str, Any] = field(default_factory=dict)
    """For an as-is: the user's own state."""
    key: str = ""
    """For a count or a choice: the JSONata code for the key of the record to read."""
    choices: list[Rule] = field(default_factory=list)
    """For a Choice between branches: one rule for each. For one before a task with a condition: to skip it, to run it."""
    target: str = ""
    """For a separate dag: the name of its machine."""
    comment: str = ""
    fixed: bool = False
    """Whether its output stays as it is; `failed_steps.mark` then does not change it."""

    @property
    def template(self) -> str:
        """The name of the template that writes it: that of its kind or, for a job, that of its compute."""
        kind = self.job.compute if self.job is not None else self.kind.replace("_", "-")
        return f"stepfunctions/state-{kind}.json.j2"

    @property
    def successors(self) -> tuple[str, ...]:
        """Where it leads if nothing fails."""
        return (self.next, *(rule.next for rule in self.choices))

    @property
    def failed(self) -> str:
        """The value of the field `Output` after an error: the names of the failed steps."""
        return self.output if self.job is not None and self.fixed and self.output else self.address


@dataclass
class Machine:
    """States that are entered together: a state machine, or what stands inside a composite."""

    start: str
    states: list[State]
    scope: Scope
    graph: str = ""
    name: str = ""
    """The name under which it is deployed; '' for a machine inside a composite."""


def all_states(machine: Machine) -> Iterator[State]:
    """Yield the states of a machine, and of what stands inside its composites."""
    waiting = [machine]
    while waiting:
        for state in waiting.pop().states:
            yield state
            waiting.extend(state.machines)
