"""Checks of what waits for what: the grammar of `depends`, the results that it asks for, circles and depth.

Rules: Argo's validation of DAGs and its grammar of `depends` (documentation, "Enhanced depends logic").
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from magnus_render.targets.argo import limits
from magnus_render.targets.argo.lint import codes
from magnus_render.targets.lint.report import near, shown, text

if TYPE_CHECKING:
    from collections.abc import Collection

    from magnus_render.targets.argo.lint.manifest import Document, Report, Task, Template

_OF_ALL = frozenset(("Succeeded", "Failed", "Errored", "Skipped", "Omitted", "Daemoned"))
_SUCCESS = frozenset(("Succeeded", "AnySucceeded"))
_OF_ITEMS = frozenset(("AnySucceeded", "AllFailed"))
RESULT = re.compile(r"([a-zA-Z0-9][-a-zA-Z0-9]*)(?:\.([a-zA-Z]+))?")
"""A task in `depends`, and the result that is asked of it."""


def check_edges(template: Template, report: Report) -> None:
    """Check what the tasks of a template wait for."""
    styles = {name for task in template.tasks for name in ("depends", "dependencies") if task.body.get(name)}
    if len(styles) > 1:
        what = "some of its tasks use depends, others dependencies"
        report.error(codes.EXCLUSIVE, template, what, "use depends in all")
    needed: set[str] = set()
    # All branches of a conditional but one are skipped on purpose: `choices.py` checks those.
    skipping = {task.name for task in template.tasks if task.choice is None and _may_skip(task)}
    for task in template.tasks:
        if "depends" in styles and task.body.get("continueOn") is not None:
            what = "continueOn cannot go with depends"
            report.error(codes.EXCLUSIVE, task, what, "write 'x.Failed' or 'x.Errored' in depends")
        _read_edges(task, skipping, report)
        needed.update(task.needs)
    _check_cycle(template, report)
    leaves = [task.name for task in template.tasks if task.name not in needed]
    if len(leaves) > 1:
        some = ", ".join(f"'{name}'" for name in leaves[:5]) + (", ..." if len(leaves) > 5 else "")
        what = f"no other task depends on {some}: they decide the DAG's phase together"
        report.house(codes.LEAVES, template, what, "let one task depend on all the others")


def _read_edges(task: Task, skipping: Collection[str], report: Report) -> None:
    """Fill `task.needs`, and check what is found; `skipping` names the tasks that may end as Skipped."""
    depends, needs, tasks = task.body.get("depends"), task.needs, task.template.by_name
    if isinstance(depends, str) and depends:
        if "{{" in depends:
            return
        if not _well_formed(RESULT.sub("x", depends).replace(" ", "")):
            what = f"depends {shown(depends)} cannot be parsed"
            report.error(codes.DEPENDS, task, what, "combine task.Result by &&, ||, ! and parentheses")
            return
        for name, result in RESULT.findall(depends):
            if name in needs:
                needs[name].add(result)
            else:
                needs[name] = {result}
    else:
        before = task.body.get("dependencies")
        needs.update((str(one), {""}) for one in (before if isinstance(before, list) else ()))
    for name, results in needs.items():
        other = tasks.get(name)
        if other is None:
            what = f"it depends on '{name}', which is no task of {task.template.label}"
            report.error(codes.DEPENDS, task, what, near(name, tasks))
            continue
        if not results <= _OF_ALL:
            _check_results(task, other, results, report)
        if name in skipping and results & _SUCCESS and "Skipped" not in results:
            why = "its when may be false" if other.body.get("when") else "its list may be empty"
            what = f"it waits for the success of '{name}', which ends as Skipped where {why}"
            report.house(codes.SKIPPED, task, what, f"write '({name}.Succeeded || {name}.Skipped)'")


def _check_results(task: Task, other: Task, results: set[str], report: Report) -> None:
    name = other.name
    if "" in results:
        what = f"'{name}' alone accepts that it was skipped"
        report.house(codes.BARE, task, what, f"write '{name}.Succeeded'")
    for result in sorted(results - {""} - _OF_ALL):
        if result not in _OF_ITEMS:
            what = f"depends has '{name}.{result}', which is no result of a task"
            fix = near(result, (*_OF_ALL, *_OF_ITEMS)) or f"one of {', '.join(sorted(_OF_ALL))}"
            report.error(codes.DEPENDS, task, what, fix)
        elif not other.loops:
            what = f"depends has '{name}.{result}', but '{name}' has no items"
            report.error(codes.DEPENDS, task, what, f"write '{name}.{result[3:]}'")


def _may_skip(task: Task) -> bool:
    given, items = task.body.get("withParam"), task.body.get("withItems")
    return bool(
        task.body.get("when") or items == [] or (isinstance(given, str) and ("{{" in given or given == "[]"))
    )


@lru_cache(maxsize=1024)
def _well_formed(code: str) -> bool:
    """Return whether `x` stands where values may, between `&&`, `||`, `!` and parentheses that match."""
    depth, value, position = 0, False, 0  # value: one has just ended
    while position < len(code):
        step = 1
        if value and code.startswith(("&&", "||"), position):
            value, step = False, 2
        elif value and code[position] == ")" and depth:
            depth -= 1
        elif not value and code[position] == "(":
            depth += 1
        elif not value and code[position] == "x":
            value = True
        elif value or code[position] != "!":
            return False
        position += step
    return value and not depth


def in_order(template: Template) -> list[Task]:
    """Return the tasks of a DAG, each behind those it waits for; without those that wait for each other."""
    tasks = template.by_name
    behind: dict[str, list[str]] = {name: [] for name in tasks}
    left = dict.fromkeys(tasks, 0)
    for name, task in tasks.items():
        for other in task.needs:
            if other in tasks:
                behind[other].append(name)
                left[name] += 1
    ready = [name for name, number in left.items() if not number]
    for done in ready:  # grows
        for name in behind[done]:
            left[name] -= 1
            if not left[name]:
                ready.append(name)
    return [tasks[name] for name in ready]


def _check_cycle(template: Template, report: Report) -> None:
    tasks = template.by_name
    left = tasks.keys() - {task.name for task in in_order(template)}
    if left:
        waits = {name: {n for n in tasks[name].needs if n in tasks} for name in left}
        path = {min(left): 0}
        last = next(iter(path))
        while (following := min(n for n in waits[last] if n in left)) not in path:
            path[following] = len(path)
            last = following
        ring = [*list(path)[path[following] :], following]
        some = " -> ".join(ring) if len(ring) <= 12 else " -> ".join([*ring[:10], "...", ring[-1]])
        report.error(codes.CYCLE, template, f"its tasks wait for each other: {some}", "break the ring")


def ancestors(template: Template) -> dict[str, int]:
    """Return for each task of a DAG the bits of those it depends on, directly or not: bit n for the n-th of `by_name`.

    Tasks in a ring depend on all tasks that the walk meets there before it closes.
    """
    bit = {name: 1 << number for number, name in enumerate(template.by_name)}
    found: dict[str, int] = {}
    for start in template.by_name:
        waiting = [start]
        opened = {start}
        while waiting:
            name = waiting[-1]
            if name in found:
                waiting.pop()
                continue
            needs = [n for n in template.by_name[name].needs if n in bit]
            more = [n for n in needs if n not in found and n not in opened]
            if more:
                opened.update(more)
                waiting.extend(more)
                continue
            bits = 0
            for other in needs:
                bits |= found.get(other, 0) | bit[other]
            found[name] = bits
            waiting.pop()
    return found


def check_depth(document: Document, report: Report) -> None:
    """Check how deeply templates call one another; one that calls itself has a condition to stop, and is left out."""
    depths: dict[str, int] = {}
    for first in document.templates:
        waiting, open_ = [first], set[str]()
        while waiting:
            template = waiting[-1]
            called = [
                found
                for task in template.tasks
                if (found := document.by_name.get(text(task.body.get("template")))) is not None
            ]
            inner = [one for one in called if one.name not in depths and one.name not in open_]
            if inner and template.name not in open_:
                open_.add(template.name)
                waiting += inner
                continue
            waiting.pop()
            open_.discard(template.name)
            if template.name not in depths:
                depths[template.name] = 1 + max((depths.get(one.name, 0) for one in called), default=0)
    start = document.by_name.get(text(document.spec.get("entrypoint")))
    if start is not None and depths[start.name] > limits.NESTING:
        what = f"it calls templates within one another {depths[start.name]} deep, the controller follows {limits.NESTING}"
        report.error(codes.DEPTH, start, what, "nest less deeply")
