"""Long graphs in parts: the full CRDs take at most 200 tasks in one DAG template.

A part is a stretch of tasks that one condition leads out of and nothing else; it becomes a template of its own, which
succeeds if that came about. Where to cut depends on the names near the cut, not on how many tasks stand before it: a step
more in the pipeline is a task more in one part.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus_render.targets.argo import names
from magnus_render.targets.argo.flow import Dag, Task
from magnus_render.targets.argo.verify_graph import MOST_TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    Condition = tuple[str, ...]
    """Outcomes of tasks, any of which will do."""

_LEAST = 100
_OUTPUT = re.compile(r"\{\{tasks\.([^.}]+)\.")


def in_parts(dag: Dag, nothing: str) -> list[Dag]:
    """Return a template and, if it has too many tasks and can be cut, those of its parts, in order.

    `nothing` is the template of a task that just ends well. What cannot be cut stays whole.
    """
    if len(dag.tasks) <= MOST_TASKS:
        return [dag]
    tasks = _as_walked(dag.tasks)
    cuts = list(_cuts(tasks))
    if not cuts:
        return [dag]
    pass_on = {name: f"{{{{inputs.parameters.{name}}}}}" for name in dag.inputs}
    taken = {task.name for task in dag.tasks}
    outer = Dag(dag.name, dag.title, [], dag.inputs, dag.fail_fast, dag.parallelism)
    made = [outer]
    start = 0
    before: Condition = ()
    for end, door in cuts:
        inside = tasks[start:end]
        name = names.distinct({"": f"from-{inside[0].name}"}, taken)[""]
        part = Dag(names.shortened(f"{dag.name}-{name}"), "", [], dag.inputs)
        part.title = f"{dag.title or 'the pipeline'} from {inside[0].title or inside[0].name} on"
        part.tasks = [*_without(inside, before), _end(inside, door, nothing)]
        made.append(part)
        depends = [f"{outer.tasks[-1].name}.Succeeded"] if outer.tasks else []
        outer.tasks.append(Task(name, part.name, pass_on, depends))
        start, before = end, door
    passed = [f"{outer.tasks[-1].name}.Succeeded"]
    outer.tasks += [_behind(task, before, passed) for task in tasks[start:]]
    return made


def _as_walked(tasks: list[Task]) -> list[Task]:
    """Return the tasks as a walk comes to them, each soon behind the last that it waits for, wherever it was written."""
    waits = {task.name: {one.partition(".")[0] for one in _conditions(task)} for task in tasks}
    behind: dict[str, list[Task]] = {task.name: [] for task in tasks}
    for task in tasks:
        for source in waits[task.name]:
            behind[source].append(task)
    found = [task for task in tasks if not waits[task.name]]
    for task in found:
        for one in behind[task.name]:
            waits[one.name].discard(task.name)
            if not waits[one.name]:
                found.append(one)
    return found


def _conditions(task: Task) -> list[str]:
    """Return the outcomes that a task waits for, for whichever reason."""
    return [*task.depends, *task.unless, *(task.only_if.split(" && ") if task.only_if else ())]


def _without(tasks: list[Task], door: Condition) -> list[Task]:
    """Return the tasks of a part: what waited for the part before it begins at once."""
    return [_behind(task, door, []) for task in tasks] if door else tasks


def _behind(task: Task, door: Condition, passed: list[str]) -> Task:
    """Return a task with the success of the part before it in place of what leads out of that."""
    alone = [" && ".join(passed) if (one,) == door else one for one in task.only_if.split(" && ")]
    return replace(
        task,
        depends=passed if tuple(task.depends) == door else task.depends,
        unless=passed if tuple(task.unless) == door else task.unless,
        only_if=" && ".join(one for one in alone if one),
    )


def _end(tasks: list[Task], door: Condition, nothing: str) -> Task:
    taken = [task.name for task in tasks]
    return Task(names.distinct({"": "success"}, taken)[""], nothing, depends=list(door), title="success")


def _cuts(tasks: list[Task]) -> Iterator[tuple[int, Condition]]:
    """Yield the places to cut at, each with the condition that leads on from there."""
    doors = _doors(tasks)
    start = 0
    while len(tasks) - start > _LEAST:
        window = range(start + _LEAST, min(start + MOST_TASKS, len(tasks)))
        places = [place for place in window if doors[place]]
        if not places:
            return
        cut = min(places, key=lambda place: sha256(tasks[place].name.encode()).digest())
        yield cut, doors[cut]
        start = cut


def _doors(tasks: list[Task]) -> list[Condition]:
    """Return, for each place between two tasks, the condition that all behind it waits for, () if there is not just one."""
    place = {task.name: number for number, task in enumerate(tasks)}
    last: dict[Condition, int] = {}
    closed: Counter[int] = Counter()
    for number, task in enumerate(tasks):
        alone = [(one,) for one in task.only_if.split(" && ")] if task.only_if else []
        for condition in (tuple(task.depends), tuple(task.unless), *alone):
            if condition:
                last[condition] = number
        for text in (task.items, *task.arguments.values()):
            for source in _OUTPUT.findall(text):
                _span(closed, place[source], number)
    opened: Counter[int] = Counter()
    which: Counter[int] = Counter()
    conditions = list(last)
    for number, condition in enumerate(conditions):
        sources = [place[one.partition(".")[0]] for one in condition]
        _span(closed, min(sources), max(sources))
        _span(opened, max(sources), last[condition])
        _span(which, max(sources), last[condition], number)
    doors: list[Condition] = []
    blocked = count = total = 0
    for number in range(len(tasks)):
        blocked, count, total = blocked + closed[number], count + opened[number], total + which[number]
        doors.append(conditions[total] if blocked == 0 and count == 1 else ())
    return doors


def _span(changes: Counter[int], first: int, last: int, weight: int = 1) -> None:
    """Add a weight to all places behind one task, up to before another."""
    changes[min(first, last) + 1] += weight
    changes[max(first, last) + 1] -= weight
