"""What a plan becomes for Step Functions: states, and the machines that they stand in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnus_render.plan import Node
    from magnus_render.targets.stepfunctions.jobs import Job
    from magnus_render.targets.stepfunctions.scope import Scope


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
    """Of a Choice behind a composite: where its failure leads."""
    output: str = ""
    """What a success makes of the data, as a field's value; '' for what the engine does by itself."""
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
    """Of a count: the code for the key of the record to read."""
    choices: list[tuple[str, str]] = field(default_factory=list)
    """Of a Choice between branches: condition and state."""
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
