"""Checks of expressions where they stand: syntax, `$states`, and variables in their scopes.

Rules: Amazon States Language specification, "JSONata" and "Variables"; Step Functions developer guide, "Passing data
between states with variables" and "Transforming data with JSONata".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.targets.lint.report import near, objects, shown
from magnus_render.targets.stepfunctions import limits
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.jsonata import read, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus_render.targets.stepfunctions.lint.machine import Report, Scope

    _Ways = dict[str, list[tuple[str, int]]]

_CONTEXT = {
    "Execution": ("Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount", "RedriveTime"),
    "State": ("EnteredTime", "Name", "RetryCount"),
    "StateMachine": ("Id", "Name"),
    "Task": ("Token",),
    "Map": ("Item",),
}
"""Developer guide, "Accessing execution data from the Context object"."""
_RESULT_TYPES = ("Task", "Parallel", "Map")
_PLAIN_FIELDS = (
    "Type",
    "Comment",
    "QueryLanguage",
    "Next",
    "End",
    "Resource",
    "Retry",
    "Catch",
    "Choices",
    "Default",
)
_MACHINES = ("ItemProcessor", "Branches")


class _Place(NamedTuple):
    """A field that may hold expressions."""

    label: str
    value: Any
    result: bool = False
    """Whether `$states.result` is defined there."""
    caught: bool = False
    """Whether `$states.errorOutput` is defined there."""
    token: bool = False
    """Whether `$states.context.Task.Token` is defined there."""


def check_expressions(scopes: Iterable[Scope], report: Report) -> None:
    """Check all expressions of all states, and what they refer to."""
    table = _Table(scopes, report)
    for scope in scopes:
        table.check_assigned(scope)
        entered = table.flow(scope)
        for name, state in scope.states.items():
            if state.get("QueryLanguage", "JSONata") == "JSONata":
                for place in _places(state):
                    table.check(name, place, entered.get(name), scope)


class _Table:
    """All variables of a machine. A set of them is an integer with one bit for each, which needs little memory."""

    def __init__(self, scopes: Iterable[Scope], report: Report) -> None:
        self.report = report
        self.bits: dict[str, int] = {}
        self.assigners: dict[str, tuple[str, Scope]] = {}
        """The first state that assigns a variable."""
        self.own: dict[Scope, set[str]] = {}
        """The variables that the states of a scope assign."""
        self.entered: dict[Scope, dict[str, int]] = {}
        """The variables that are visible in each state as it is entered; a state that is not reached is absent."""
        for scope in scopes:
            names: set[str] = set()
            for name, state in scope.states.items():
                for variable in _assigned(state):
                    names.add(variable)
                    self.bits.setdefault(variable, 1 << len(self.bits))
                    self.assigners.setdefault(variable, (name, scope))
            self.own[scope] = names

    def ways(self, scope: Scope) -> _Ways:
        """Return where each state of a scope leads, and what is assigned on the way."""
        return {
            name: [(edge.target, self._mask(edge.assign)) for edge in scope.ways(name)]
            for name in scope.states
        }

    def _mask(self, assign: Any) -> int:
        return sum(self.bits[name] for name in assign) if isinstance(assign, dict) else 0

    def flow(self, scope: Scope) -> dict[str, int]:
        """Return what some path to each reached state has assigned, outer variables included."""
        around = {scope.owner: 0} if scope.outer is None else self.entered[scope.outer]
        base = 0 if scope.distributed else around.get(scope.owner, 0)
        start, ways = scope.body.get("StartAt"), self.ways(scope)
        entered: dict[str, int] = {}
        order = _reading_order(start, ways) if isinstance(start, str) and start in ways else []
        if scope.owner not in around:
            order = []  # the state around is not reached, and a finding says so already
        if order:
            entered[order[0]] = base
        changed = bool(order)
        while changed:  # without loops, the second round finds nothing new
            changed = False
            for name in order:
                for target, assigned in ways[name]:
                    new = entered[name] | assigned
                    known = entered.setdefault(target, 0)
                    if new & ~known:
                        entered[target] = known | new
                        changed = True
        self.entered[scope] = entered
        return entered

    def check_assigned(self, scope: Scope) -> None:
        """Check the names of a scope's variables."""
        outer: dict[str, Scope] = {}
        around = scope.outer
        while around is not None:
            outer.update(dict.fromkeys(self.own[around], around))
            around = around.outer
        for name, state in scope.states.items():
            for variable in _assigned(state):
                if (
                    not variable.isidentifier()
                    or len(variable) > limits.VARIABLE_NAME
                    or variable == "states"
                ):
                    what = f"it assigns {shown(variable)}, which is no name of a variable"
                    fix = (
                        "leave out the '$'"
                        if variable.startswith("$")
                        else "letters, digits and '_', 80 at most"
                    )
                    self.report.error(codes.VARIABLE_NAME, name, what, fix)
                elif variable in outer:
                    what = f"it assigns ${variable}, a variable of {outer[variable].label}, which is around"
                    self.report.error(codes.VARIABLE_TWICE, name, what, "give the inner one another name")

    def check(self, name: str, place: _Place, visible: int | None, scope: Scope) -> None:
        """Check the expressions in one field; `visible` is None if the state is not reached."""
        for text in _texts(place.value):
            begins, ends = text.startswith("{%"), text.endswith("%}")
            if not begins and not ends:
                continue
            if not (begins and ends and len(text) >= 4):
                what = f"begins with '{{%' but does not end with '%}}': {shown(text)}"
                if ends:
                    what = f"ends with '%}}' but does not begin with '{{%': {shown(text)}"
                fix = "write {% ... %} without blanks outside, or quote the text: {% '...' %}"
                self.report.error(codes.EXPRESSION, name, f"a string in {place.label} {what}", fix)
                continue
            found = read(text[2:-2])
            if found.problem:
                what = f"the expression in {place.label} cannot be parsed: {found.problem}, in {shown(text)}"
                self.report.error(codes.EXPRESSION, name, what)
                continue
            for bare in dict.fromkeys(found.bare):
                fix = "there is no context item at the top level"
                if not bare.startswith("$"):
                    fix = f"write ${bare} for a variable, $states.input.{bare} for the input"
                what = f"the expression in {place.label} refers to {bare} at its top level: {shown(text)}"
                self.report.error(codes.TOP_LEVEL, name, what, fix)
            for path in dict.fromkeys(found.states):
                self._check_states(name, place, path)
            if visible is not None:
                for variable in dict.fromkeys(found.variables):
                    if not self.bits.get(variable, 0) & visible:
                        self._undefined(name, place, variable, scope)

    def _check_states(self, name: str, place: _Place, path: tuple[str, ...]) -> None:
        if not path:
            return
        written = "$states." + ".".join(path[:3] if path[0] == "context" else path[:1])
        fix = ""
        if path[0] == "result":
            fix = "" if place.result else "it is there in Output and Assign of a Task, Map or Parallel"
        elif path[0] == "errorOutput":
            fix = "" if place.caught else "it is there in Output and Assign of a catcher"
        elif path[0] == "context":
            fix = self._context(path[1:], place)
        elif path[0] != "input":
            fix = near(path[0], ("input", "result", "errorOutput", "context")) or "there is no such field"
        if fix:
            self.report.error(
                codes.STATES_FIELD, name, f"{place.label} uses {written}, which is not there", fix
            )

    @staticmethod
    def _context(path: tuple[str, ...], place: _Place) -> str:
        if path[:2] == ("Task", "Token") and not place.token:
            return "it is there in Arguments, if Resource ends in .waitForTaskToken"
        if not path or (path[0] in _CONTEXT and (len(path) == 1 or path[1] in _CONTEXT[path[0]])):
            return ""
        known = _CONTEXT.get(path[0])
        return near(path[1], known) if known else near(path[0], _CONTEXT) or f"one of {', '.join(_CONTEXT)}"

    def _undefined(self, name: str, place: _Place, variable: str, scope: Scope) -> None:
        what = f"{place.label} uses ${variable}, which is not defined"
        fix = suggestion(variable, list(self.bits))
        if variable in self.assigners:
            state, there = self.assigners[variable]
            what = f"{place.label} uses ${variable}, which is not assigned on any path to it"
            fix = f"'{state}' assigns it" + ("" if there is scope else f", in {there.label}")
            around: Scope | None = scope
            while around is not None and around is not there:
                if around.distributed:
                    what = f"{place.label} uses ${variable}, which is not seen inside a distributed Map"
                    fix = "hand it over with ItemSelector, and assign it in the first state inside"
                around = around.outer
        self.report.error(codes.UNDEFINED, name, what, fix)


def _reading_order(start: str, ways: _Ways) -> list[str]:
    """Return the reached states so that each comes before those it leads to, but for loops."""
    order: list[str] = []
    seen = {start}
    waiting = [(start, iter(ways[start]))]
    while waiting:
        name, rest = waiting[-1]
        for target, _ in rest:
            if target not in seen:
                seen.add(target)
                waiting.append((target, iter(ways[target])))
                break
        else:
            order.append(name)
            waiting.pop()
    order.reverse()
    return order


def _assigned(state: dict[str, Any]) -> Iterator[str]:
    """Yield the variables that a state assigns, on whatever way it is left."""
    for holder in (state, *objects(state.get("Catch")), *objects(state.get("Choices"))):
        assign = holder.get("Assign")
        if isinstance(assign, dict):
            yield from assign


def _places(state: dict[str, Any]) -> Iterator[_Place]:
    result = state.get("Type") in _RESULT_TYPES
    resource = state.get("Resource")
    token = isinstance(resource, str) and resource.endswith(".waitForTaskToken")
    for field, value in state.items():
        if field not in _PLAIN_FIELDS and field not in _MACHINES:
            done = result and field in ("Output", "Assign")
            yield _Place(field, value, done, token=token and field == "Arguments")
    for kind, field in (("catcher", "Catch"), ("rule", "Choices")):
        for number, entry in enumerate(objects(state.get(field)), 1):
            for part in ("Condition", "Output", "Assign"):
                if part in entry:
                    yield _Place(f"{part} of {kind} {number}", entry[part], caught=kind == "catcher")


def _texts(value: Any) -> Iterator[str]:
    """Yield the strings in a value; keys of objects are not evaluated."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            waiting.extend(reversed(item.values()))
        elif isinstance(item, list):
            waiting.extend(reversed(item))
