"""Checks of conditions (`when`), and of templates of which one task is chosen: the branches of a conditional.

In goes a DAG whose tasks compare one reference with texts: `'{{inputs.parameters.choice}}' == 'good'`. It is walked for each
of these texts, and for one that no task names. One branch must run, and its outcome must be the DAG's. Where none runs, the
DAG must fail: Argo itself would let a DAG succeed in which every task is skipped.

Rules: Argo's controller (3.7.4, workflow/controller), `shouldExecute` in steps.go, `executeDAGTask` and `assessDAGPhase` in
dag.go. A `when` is read by govaluate: without quotes `3` is a number, `true` a word of its own, and `a-b` a subtraction.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from magnus_render.targets.argo import limits
from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.edges import RESULT, in_order
from magnus_render.targets.argo.lint.graph import target
from magnus_render.targets.argo.lint.manifest import named
from magnus_render.targets.lint.report import mapping, shown, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.targets.argo.lint.manifest import Document, Report, Task, Template

_SAFE = re.compile(r"\{\{\s*(?:=.*|.*\bstatus)\s*\}\}\Z", re.DOTALL)
"""References without quotes whose value is a word, never a number: statuses, and expressions that are true or false."""
_TOLD = re.compile(r"\{\{tasks\.([^.{}]+)\.outputs\.parameters\.([^.{}]+)\}\}")
_RUNS_UNLESS = re.compile(rf"'({_TOLD.pattern})' != '([^{{}}'\"]*)'")
"""The condition of a step: another task tells that it is to be skipped."""
_COMPLETED = ("Succeeded", "Failed", "Errored")
_BARE = ("Succeeded", "Skipped")
"""The results that `depends: a` accepts, which names none (Argo's documentation, "Enhanced depends logic")."""
_TOKEN = re.compile(rf"&&|\|\||[!()]|{RESULT.pattern}")
_RANK = {"||": 1, "&&": 2, "!": 3}


def check_choices(document: Document, others: Mapping[str, Document], report: Report) -> None:
    """Check the conditions of an object's tasks, and its conditionals."""
    for template in document.templates:
        for task in template.tasks:
            if isinstance(task.body.get("when"), str) and task.choice is None:
                _check_form(task, task.body["when"], report)
                if template.type == "dag" and (told := _RUNS_UNLESS.fullmatch(task.body["when"])):
                    _check_decider(task, told[2], told[3], "its choice", [told[4]], others, report)
            if template.type == "dag" and task.body.get("arguments"):
                _check_choice(task, others, report)
        if template.type == "dag" and any(task.choice for task in template.tasks):
            _check_branches(template, others, report)


def _check_form(task: Task, when: str, report: Report) -> None:
    """Check that the quotes of a condition are closed, and stand around what is compared."""
    quoted = False
    for match in re.finditer(r"\{\{.*?\}\}|['\"]", when, re.DOTALL):
        if match[0] in "'\"":
            quoted = not quoted
        elif not quoted and re.search("[=!]=", when) and not _SAFE.match(match[0]):
            what = f"its when compares {match[0]} without quotes: Argo takes 3, true and a-b for no texts"
            report.house(codes.WHEN, task, what, f"write '{match[0]}', and quotes around the other side too")
    if quoted:
        what = f"its when {shown(when)} has a quote that is not closed"
        report.error(codes.WHEN, task, what, "close it")


# ---- where the choice comes from ----


def _check_choice(task: Task, others: Mapping[str, Document], report: Report) -> None:
    """Check that the choice that a task hands over is made by the one task that it waits for."""
    called = target(task, others)
    texts = _texts(called) if called is not None else {}
    arguments = named(mapping(task.body.get("arguments")).get("parameters")) if texts else {}
    for name, values in texts.items():
        given = text(arguments.get(name, {}).get("value"))
        told = _TOLD.fullmatch(given)
        if name not in arguments:
            continue  # told where inputs are checked
        if told is None:
            what = f"it hands over {shown(given)} as '{name}', which no task chooses"
            report.house(codes.BRANCHES, task, what, f"write '{{{{tasks.NAME.outputs.parameters.{name}}}}}'")
            continue
        _check_decider(task, told[1], told[2], f"'{name}'", values, others, report)


def _check_decider(
    task: Task,
    name: str,
    told: str,
    what_of: str,
    values: list[str],
    others: Mapping[str, Document],
    report: Report,
) -> None:
    """Check that a task's choice is an output of the one task that it waits for, and none of `values` by default."""
    if task.needs != {name: {"Succeeded"}}:
        what = f"it takes {what_of} from '{name}', but this is not the one task whose success it waits for"
        report.house(codes.BRANCHES, task, what, f"write depends: {name}.Succeeded, or name another task")
    decider = task.template.by_name.get(name)
    template = target(decider, others) if decider is not None else None
    output = template.outputs.get(told, {}) if template is not None else {}
    default = mapping(output.get("valueFrom")).get("default")
    if default not in values:
        return
    if _RUNS_UNLESS.fullmatch(text(task.body.get("when"))):
        what = f"'{name}' chooses {shown(default)} by default: the step would be skipped where nothing is decided"
        report.house(codes.BRANCHES, task, what, "write another default")
    else:
        what = f"'{name}' chooses {shown(default)} by default: that branch would run where nothing is chosen"
        report.house(codes.BRANCHES, task, what, "write a default that is no branch")


def _texts(template: Template) -> dict[str, list[str]]:
    """Return what the tasks of a template compare its inputs with, by input."""
    found: dict[str, list[str]] = {}
    for task in template.tasks:
        if task.choice is not None and task.choice[0].startswith("inputs.parameters."):
            found.setdefault(task.choice[0].removeprefix("inputs.parameters."), []).append(task.choice[1])
    return found


# ---- the branches ----


def _check_branches(template: Template, others: Mapping[str, Document], report: Report) -> None:
    chosen = [task for task in template.tasks if task.choice is not None]
    compared = {task.choice[0] for task in chosen if task.choice is not None}
    for task in chosen:
        _check_steps(task, others, report)
    if len(compared) > 1:
        what = f"its tasks compare different things: {', '.join(sorted(compared))}"
        report.house(codes.BRANCHES, template, what, "let all compare the same input")
        return
    order = in_order(template)
    if any(task.body.get("when") and task.choice is None for task in template.tasks):
        return  # nobody knows what runs
    known = template.by_name.keys()
    if len(order) < len(template.tasks) or any(task.needs.keys() - known for task in order):
        return  # `edges.py` reports unknown names and circles, `graph.py` names given twice
    if not order or len(order) > limits.TASKS:
        return  # told elsewhere
    for value in dict.fromkeys(task.choice[1] for task in chosen if task.choice is not None):
        _check_value(template, order, value, report)
    if _ended(template, order, None, "Succeeded")[1] != "Failed":
        what = "it succeeds where no branch is chosen"
        fix = "add a task that fails if all branches are Skipped, and let the last one wait for it"
        report.house(codes.BRANCHES, template, what, fix)


def _check_value(template: Template, order: list[Task], value: str, report: Report) -> None:
    """Check what a template does where one branch is chosen: that one runs alone, and its outcome counts."""
    phases, ended = _ended(template, order, value, "Succeeded")
    begun = [task for task in order if not task.needs and phases[task.name] in _COMPLETED]
    if len(begun) > 1:
        some = " and ".join(f"'{task.name}'" for task in begun[:3])
        what = f"{some} both run where the choice is '{value}'"
        report.house(codes.BRANCHES, template, what, "give each branch a when of its own")
        return
    if ended != "Succeeded":
        what = f"it does not succeed where the branch of '{value}' does"
        report.house(codes.BRANCHES, template, what, "let the last task accept the success of any branch")
    if any(_ended(template, order, value, bad)[1] != "Failed" for bad in ("Failed", "Errored")):
        what = f"it succeeds where the branch of '{value}' fails"
        report.house(codes.BRANCHES, template, what, "let the last task wait for a success")


def _check_steps(task: Task, others: Mapping[str, Document], report: Report) -> None:
    """Check that what a branch runs is of that branch: the last but one part of a step's address is the branch's slug."""
    called = target(task, others)
    value = task.choice[1] if task.choice is not None else ""
    for inner in called.tasks if called is not None else ():
        arguments = named(mapping(inner.body.get("arguments")).get("parameters"))
        parts = text(arguments.get("step", {}).get("value")).split(".")
        if len(parts) > 1 and parts[-2] != value:
            what = f"its when names '{value}', but it runs steps of branch '{parts[-2]}'"
            report.house(codes.BRANCHES, task, what, f"write '{parts[-2]}'")
            return


# ---- the walk ----


def _ended(
    template: Template, order: list[Task], chosen: str | None, outcome: str
) -> tuple[dict[str, str], str]:
    """Return how the tasks of a DAG end, and the DAG itself: Succeeded, Failed, or Omitted if its last task never ran.

    `chosen` is what the tasks compare their text with, None for what is none of them; `outcome` is how such a task ends.
    """
    phases: dict[str, str] = {}
    bad: dict[str, bool] = {}
    for task in order:
        phase = phases[task.name] = _phase(task, phases, chosen, outcome)
        # A task that did not run counts as bad if a task that it waited for is bad.
        bad[task.name] = phase not in ("Succeeded", "Skipped", "Omitted")
        if phase not in _COMPLETED:
            bad[task.name] = any(bad[name] for name in task.needs)
    leaves = phases.keys() - {name for task in order for name in task.needs}
    if any(bad[name] for name in leaves):
        return phases, "Failed"
    return phases, "Succeeded" if all(phases[name] == "Succeeded" for name in leaves) else "Omitted"


def _phase(task: Task, phases: Mapping[str, str], chosen: str | None, outcome: str) -> str:
    depends = task.body.get("depends")
    if isinstance(depends, str) and depends:
        if not _holds(depends, phases):
            return "Omitted"
    elif any(phases[name] not in _BARE for name in task.needs):
        return "Omitted"
    if task.choice is not None:
        return outcome if task.choice[1] == chosen else "Skipped"
    return "Errored" if _is_no_list(task.body.get("withParam")) else "Succeeded"


def _is_no_list(given: object) -> bool:
    """Tell whether a withParam can never be a list: `{{a}}` may become one, `choice: {{a}}` never does."""
    return isinstance(given, str) and not given.lstrip().startswith(("[", "{{", "null"))


def _holds(depends: str, phases: Mapping[str, str]) -> bool:
    """Return whether a well-formed `depends` holds: `a.Succeeded || b.Failed`, where `phases` says how `a` and `b` ended."""
    values: list[bool] = []
    waiting: list[str] = []
    for token, name, result in (*_tokens(depends), (")", "", "")):
        if name:
            phase = phases[name]
            values.append(phase in _BARE if not result else phase == result)
        elif token in ("(", "!"):
            waiting.append(token)
            continue
        elif token != ")":
            while waiting and _RANK.get(waiting[-1], 0) >= _RANK[token]:
                _apply(waiting.pop(), values)
            waiting.append(token)
            continue
        else:
            while waiting and waiting[-1] != "(":
                _apply(waiting.pop(), values)
            if waiting:
                waiting.pop()
        while waiting and waiting[-1] == "!":
            _apply(waiting.pop(), values)
    return values[-1]


def _apply(operator: str, values: list[bool]) -> None:
    last = values.pop()
    if operator == "!":
        values.append(not last)
    else:
        before = values.pop()
        values.append(before and last if operator == "&&" else before or last)


@lru_cache(maxsize=1024)
def _tokens(depends: str) -> tuple[tuple[str, str, str], ...]:
    """Return the parts of a `depends`: the operator or bracket, or else the task and its result."""
    return tuple((match[0], match[1] or "", match[2] or "") for match in _TOKEN.finditer(depends))
