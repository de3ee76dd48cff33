"""Checks of conditionals against the pipeline: is the recorded branch the one that runs, and no other?

A task that has a condition is checked in the same way: the Choice before it has one rule to run it, and one to skip it.

The text of a definition does not say what was meant: a Choice between wrong branches is a correct Choice. So these checks
are told which conditionals there are, and where in the pipeline each state belongs (`Report.address`). They look at what
the templates wrote: what reads the choice, the Choice behind it, and each way into a branch.

Two mistakes are not found, because a check would have to repeat the compiler's rules: a branch whose end leads past the
successor of the conditional, and a record of the right node in the wrong item of a map.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render import naming
from magnus_render.plan import RUN
from magnus_render.targets.lint.report import near, objects, shown, text
from magnus_render.targets.stepfunctions.lint import codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.targets.stepfunctions.lint.machine import Report, Scope

_LITERAL = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_CHOICE = re.compile(r"\bchoice\b")


class Conditional(NamedTuple):
    """A conditional of the pipeline, or a task that has a condition."""

    address: str
    """Its definition address."""
    branches: tuple[str, ...]
    """The slugs of its branches, the default among them. For a task: the two words that its record may have."""
    task: str = ""
    """The name of the task's state, '' for a conditional."""

    @property
    def kind(self) -> str:
        """The word for it in messages."""
        return "task" if self.task else "conditional"


def check_conditionals(scopes: list[Scope], pipeline: Mapping[str, Conditional], report: Report) -> None:
    """Check the conditionals of a pipeline, given by the names of their Choices.

    Conditionals of another machine are left out. For example, a whole separate dag may stand in a branch of one.
    """
    if not pipeline:
        return
    standing = {name for scope in scopes for name in scope.states}
    conditionals = {name: told for name, told in pipeline.items() if name in standing}
    graphs = {f"{c.address}.{slug}": slug for c in conditionals.values() for slug in c.branches if not c.task}
    choices = {told.task: name for name, told in conditionals.items() if told.task}
    for scope in scopes:
        reads: dict[str, list[str]] = {}
        for name in scope.states:
            _check_ways(name, scope, conditionals, graphs, report)
            for edge in scope.ways(name):
                if choices.get(edge.target, name) != name:
                    what = f"{edge.field} leads to '{edge.target}', past the Choice that may skip it"
                    report.error(
                        codes.CONDITIONAL, name, what, f"lead to what leads to '{choices[edge.target]}'"
                    )
                if edge.target in conditionals and not edge.caught:
                    reads.setdefault(edge.target, []).append(name)
        for name, sources in reads.items():
            choice, told = scope.states[name], conditionals[name]
            _check_choice(name, choice, told, report)
            for source in sources:
                _check_read(source, scope.states[source], name, choice.get("Default"), told, report)


# ---- what is read, and the rules behind it ----


def _check_choice(name: str, state: dict[str, Any], told: Conditional, report: Report) -> None:
    if state.get("Type") != "Choice":
        what = f"it stands for a {_stands_for(told)}, and is a {shown(state.get('Type'))} instead of a Choice"
        report.error(codes.CONDITIONAL, name, what)
        return
    tested: list[str] = []
    for number, rule in enumerate(objects(state.get("Choices")), 1):
        literals = _literals(rule.get("Condition"))
        if len(literals) != 1:
            what = f"the condition of rule {number} does not name one branch: {shown(rule.get('Condition'))}"
            report.error(codes.CONDITIONAL, name, what, "write {% $states.input = 'BRANCH' %}")
            continue
        branch = literals[0]
        if branch not in told.branches:
            what = f"rule {number} is for the branch {shown(branch)}, which there is not"
            report.error(codes.CONDITIONAL, name, what, near(branch, told.branches))
        elif branch in tested:
            what = f"rule {number} is for the branch {shown(branch)}, and so is one before it"
            report.error(codes.CONDITIONAL, name, what, "only the first of them is ever taken")
        elif (inside := _branch_of(report.address(text(rule.get("Next"))), told)) not in ("", branch):
            what = f"rule {number} is for the branch {shown(branch)}, and leads into {shown(inside)}"
            report.error(codes.CONDITIONAL, name, what)
        elif told.task and (branch == RUN) != (rule.get("Next") == told.task):
            what = f"rule {number} is for {shown(branch)}, and leads to {shown(rule.get('Next'))}"
            fix = f"only the rule for '{RUN}' leads to the task, '{told.task}'"
            report.error(codes.CONDITIONAL, name, what, fix)
        tested.append(branch)
    for branch in told.branches:
        if branch not in tested:
            what = f"none of its rules is for the branch {shown(branch)}"
            report.error(codes.CONDITIONAL, name, what, f"add one: {{% $states.input = '{branch}' %}}")
    if "Default" not in state:
        what = "it has no Default: where no branch can be chosen, the run ends without a record of that"
        report.error(codes.CONDITIONAL, name, what, f"lead to what follows the failure of the {told.kind}")
    elif told.task and state["Default"] == told.task:
        what = "its Default leads to the task: it is to run only where that was decided"
        report.error(codes.CONDITIONAL, name, what, "lead to what follows the failure of the task")
    elif _branch_of(report.address(text(state["Default"])), told):
        what = f"its Default leads into a branch, to {shown(state['Default'])}"
        report.error(codes.CONDITIONAL, name, what, "lead to what follows the failure of the conditional")


def _check_read(
    source: str, read: dict[str, Any], name: str, default: Any, told: Conditional, report: Report
) -> None:
    """Check the state before a conditional's Choice, which is to read the branch from the record.

    `default` is where the Choice leads if no branch is recorded, None if the Choice has no Default.
    """
    arguments = read.get("Arguments")
    key = arguments.get("Key") if isinstance(arguments, dict) else None
    if read.get("Type") != "Task" or key is None:
        what = f"it leads to the Choice of the {told.kind} '{name}', and reads no record"
        report.error(codes.CONDITIONAL, source, what, f"read the choice from start.json of the {told.kind}")
        return
    end = (_literals(key) or [str(key)])[-1]
    wanted = f"/{naming.key(told.address)}/start.json"
    if not wanted.endswith(end) or not end.endswith(f"/{naming.last(told.address)}/start.json"):
        what = f"the record that it reads is not that of the {told.kind} '{name}': {shown(key)}"
        report.error(codes.CONDITIONAL, source, what, f"its key ends with {shown(wanted)}")
    if not _CHOICE.search(f"{read.get('Output')} {read.get('Assign')}"):
        what = f"it takes something else than `choice` from the record: {shown(read.get('Output'))}"
        report.error(codes.CONDITIONAL, source, what, "write {% $parse($states.result.Body).choice %}")
    catchers = [c for c in objects(read.get("Catch")) if c.get("ErrorEquals") == ["States.ALL"]]
    if not catchers:
        what = "it has no Catch of States.ALL: if the record cannot be read, the run ends without a record of that"
        report.error(codes.CONDITIONAL, source, what, "lead to where the Default of the Choice leads")
    elif default is not None and catchers[-1].get("Next") != default:
        what = (
            f"its Catch leads to {shown(catchers[-1].get('Next'))}, the Default of '{name}' to "
            f"{shown(default)}: both are what follows the failure of the {told.kind}"
        )
        report.error(codes.CONDITIONAL, source, what, "lead to the same state")


def _stands_for(told: Conditional) -> str:
    return "task's condition" if told.task else "conditional"


def _literals(expression: Any) -> list[str]:
    """Return the texts that stand in an expression between quotes."""
    return (
        [one or other for one, other in _LITERAL.findall(expression)] if isinstance(expression, str) else []
    )


def _branch_of(address: str, told: Conditional) -> str:
    """Return the branch of a conditional that a node stands in, '' if it stands in none."""
    rest = address.removeprefix(f"{told.address}.")
    return "" if rest == address else rest.partition(".")[0]


# ---- ways into branches ----


def _check_ways(
    name: str, scope: Scope, conditionals: Mapping[str, Conditional], graphs: dict[str, str], report: Report
) -> None:
    """Check that a state leads into no branch but its own, unless it is the Choice between them."""
    around = set(_around(report.address(name), graphs))
    for edge in scope.ways(name):
        for graph in _around(report.address(edge.target), graphs):
            chooses = name in conditionals and naming.parent(graph) == conditionals[name].address
            if graph not in around and not chooses:
                what = f"{edge.field} leads to '{edge.target}', into the branch '{graphs[graph]}' of a conditional"
                report.error(codes.BRANCH, name, what, "only the Choice of the conditional may lead there")
                break


def _around(address: str, graphs: dict[str, str]) -> Iterator[str]:
    """Yield the branches of conditionals that a node stands in, the innermost first."""
    graph = naming.parent(address)
    while graph:
        if graph in graphs:
            yield graph
        graph = naming.parent(graph)
