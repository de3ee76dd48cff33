"""What every check of a definition uses: which states stand together, where they lead, and the list of findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from magnus_render.targets.lint import report as lint
from magnus_render.targets.lint.report import objects

if TYPE_CHECKING:
    pass

TYPES = ("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")
ENDS = ("Succeed", "Fail")


class Report(lint.Report[str]):
    """Findings of a definition: an owner is a state's name, '' for the whole machine."""

    def label(self, owner: str) -> str:
        """Return what messages call a state."""
        return f"state '{owner}'" if owner else ""

    def address(self, owner: str) -> str:
        """Return the address of a state's node, whose further states have a word behind its name: `regions: count`."""
        return self.node_of.get(owner) or self.node_of.get(owner.rpartition(": ")[0], "")


@dataclass(eq=False)
class Scope:
    """States that are entered together: those of the machine, of a branch of a Parallel, of a Map's processor."""

    body: dict[str, Any]
    """The object with `StartAt` and `States`."""
    label: str = "the state machine"
    outer: Scope | None = None
    owner: str = ""
    """Name of the Map or Parallel around, '' for the machine itself."""
    inside_map: bool = False
    distributed: bool = False
    """Whether each item is an execution of its own."""
    express: bool = False
    """Whether they run in an Express execution."""
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Its states by name, without those that are no JSON objects."""
    edges: dict[str, list[Edge]] = field(default_factory=dict)
    """Where each state leads."""

    def ways(self, name: str) -> list[Edge]:
        """Return the edges from a state to states of the scope."""
        return [e for e in self.edges[name] if isinstance(e.target, str) and e.target in self.states]


class Edge(NamedTuple):
    """Where a state leads."""

    field: str
    target: Any
    assign: Any
    """What is assigned on the way."""
    caught: bool
    """Whether an error leads this way."""


def scan(machine: dict[str, Any]) -> list[Scope]:
    """Return all scopes of a machine, outer before inner, in the order of the definition."""
    scopes = [Scope(machine)]
    for scope in scopes:  # grows as scopes inside are found
        states = scope.body.get("States")
        if not isinstance(states, dict):
            continue
        scope.states = {name: state for name, state in states.items() if isinstance(state, dict)}
        scope.edges = {name: _edges(state) for name, state in scope.states.items()}
        for name, state in scope.states.items():
            kind = state.get("Type")
            processor, branches = state.get("ItemProcessor"), state.get("Branches")
            if kind == "Map" and isinstance(processor, dict):
                scopes.append(_processor(scope, name, processor))
            elif kind == "Parallel" and isinstance(branches, list):
                for number, body in enumerate(branches, 1):
                    if isinstance(body, dict):
                        label = f"branch {number} of '{name}'"
                        scopes.append(Scope(body, label, scope, name, express=scope.express))
    return scopes


def _processor(scope: Scope, name: str, body: dict[str, Any]) -> Scope:
    given = body.get("ProcessorConfig")
    config = given if isinstance(given, dict) else {}
    distributed = config.get("Mode") == "DISTRIBUTED"
    express = config.get("ExecutionType") == "EXPRESS" if distributed else scope.express
    return Scope(body, f"the ItemProcessor of '{name}'", scope, name, True, distributed, express)


def _edges(state: dict[str, Any]) -> list[Edge]:
    kind, assign = state.get("Type"), state.get("Assign")
    if kind in ENDS:
        return []
    found = []
    if kind == "Choice":
        for number, rule in enumerate(objects(state.get("Choices")), 1):
            if "Next" in rule:
                found.append(Edge(f"Next of rule {number}", rule["Next"], rule.get("Assign"), False))
        if "Default" in state:
            found.append(Edge("Default", state["Default"], assign, False))
    elif "Next" in state:
        found.append(Edge("Next", state["Next"], assign, False))
    for number, catcher in enumerate(objects(state.get("Catch")), 1):
        if "Next" in catcher:
            found.append(Edge(f"Next of catcher {number}", catcher["Next"], catcher.get("Assign"), True))
    return found


def is_expression(value: Any) -> TypeGuard[str]:
    """Tell whether a value is a JSONata expression."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}") and len(value) >= 4


def is_whole(value: Any) -> TypeGuard[int]:
    """Tell whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether a value is a number that JSON knows."""
    return is_whole(value) or (isinstance(value, float) and value - value == 0)
