"""What every check of a definition uses: which states stand together, where they lead, and the list of findings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, TypeGuard

from magnus_render.targets.base import Finding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus_render.diagnostics import Severity

TYPES = ("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")
ENDS = ("Succeed", "Fail")
_SHOWN = 60


@dataclass
class Report:
    """Findings in the order in which they were made; each message begins with the state's name."""

    node_of: Mapping[str, str]
    """State name to definition address of its node."""
    findings: list[Finding] = field(default_factory=list)

    def error(self, code: str, state: str, message: str, fix: str = "") -> None:
        """Add what Step Functions refuses, or what cannot work; `state` is '' for the whole machine."""
        self._add(code, state, message, fix, "error")

    def warning(self, code: str, state: str, message: str, fix: str = "") -> None:
        """Add what is likely not meant."""
        self._add(code, state, message, fix, "warning")

    def _add(self, code: str, state: str, message: str, fix: str, severity: Severity) -> None:
        text = f"state '{state}': {message}" if state else message
        # A node's further states have its name and a word behind it: `regions: count`.
        address = self.node_of.get(state) or self.node_of.get(state.rpartition(": ")[0], "")
        self.findings.append(Finding(code, text, fix, severity, address))


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
    """Each item is an execution of its own."""
    express: bool = False
    """They run in an Express execution."""
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Those that are objects."""
    edges: dict[str, list[Edge]] = field(default_factory=dict)
    """Where each of them leads."""

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
    """It is the way of an error."""


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


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; [] for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def is_expression(value: Any) -> TypeGuard[str]:
    """Tell whether a value is a JSONata expression."""
    return isinstance(value, str) and value.startswith("{%") and value.endswith("%}") and len(value) >= 4


def is_whole(value: Any) -> TypeGuard[int]:
    """Tell whether a value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Tell whether a value is a number that JSON knows."""
    return is_whole(value) or (isinstance(value, float) and value - value == 0)


def near(word: Any, known: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for the nearest known word, or ''."""
    from difflib import get_close_matches

    words = {name.lower(): name for name in known}
    close = get_close_matches(word.lower(), words, n=1) if isinstance(word, str) else []
    return f"did you mean '{words[close[0]]}'?" if close else ""


def shown(value: Any) -> str:
    """Return a value for a message, shortened where it is long."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
