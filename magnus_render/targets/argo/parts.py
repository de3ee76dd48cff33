"""Long graphs in parts: the full CRDs take at most 200 tasks in one DAG template.

A part is a stretch of tasks that one success leads out of and nothing else; it becomes a template of its own, which ends in
that success. Where to cut depends on the names near the cut, not on how many tasks stand before it: a step more in the
pipeline is a task more in one part.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus_render.targets.argo import names
from magnus_render.targets.argo.flow import Dag, Task

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 200
"""Tasks of a DAG template (Argo's full CRDs, maxItems)."""
_LEAST = 100
_OUTPUT = re.compile(r"\{\{tasks\.([^.}]+)\.")


def in_parts(dag: Dag, nothing: str) -> list[Dag]:
    """Return a template and, if it has too many tasks and can be cut, those of its parts, in order.

    `nothing` is the template of a task that just ends well. What cannot be cut stays whole.
    """
    if len(dag.tasks) <= MOST:
        return [dag]
    cuts = list(_cuts(dag.tasks))
    if not cuts:
        return [dag]
    pass_on = {name: f"{{{{inputs.parameters.{name}}}}}" for name in dag.inputs}
    taken = {task.name for task in dag.tasks}
    outer = Dag(dag.name, dag.title, [], dag.inputs, dag.fail_fast, dag.parallelism)
    made = [outer]
    start, before = 0, ""
    for end, door in cuts:
        tasks = dag.tasks[start:end]
        name = names.distinct({"": f"from-{tasks[0].name}"}, taken)[""]
        part = Dag(names.shortened(f"{dag.name}-{name}"), "", [], dag.inputs)
        part.title = f"{dag.title or 'the pipeline'} from {tasks[0].title or tasks[0].name} on"
        part.tasks = [*_without(tasks, before), _end(tasks, door, nothing)]
        made.append(part)
        depends = [f"{outer.tasks[-1].name}.Succeeded"] if outer.tasks else []
        outer.tasks.append(Task(name, part.name, pass_on, depends))
        start, before = end, door
    rest = _Renaming(before, f"{outer.tasks[-1].name}.Succeeded")
    outer.tasks += [rest.task(task) for task in dag.tasks[start:]]
    return made


def _without(tasks: list[Task], door: str) -> list[Task]:
    """Return the tasks of a part: what waited for the part before it begins at once."""
    return [replace(task, depends=[]) if door and task.depends == [door] else task for task in tasks]


def _end(tasks: list[Task], door: str, nothing: str) -> Task:
    taken = [task.name for task in tasks]
    return Task(names.distinct({"": "success"}, taken)[""], nothing, depends=[door], title="success")


class _Renaming:
    """Puts the success of a part in the place of that of the task which leads out of it."""

    def __init__(self, old: str, new: str) -> None:
        self.names = {old: new}

    def task(self, task: Task) -> Task:
        """Return a task that refers to the part."""
        get = self.names.get
        return replace(
            task,
            depends=[get(one, one) for one in task.depends],
            unless=[get(one, one) for one in task.unless],
            only_if=" && ".join(get(one, one) for one in task.only_if.split(" && ")) if task.only_if else "",
        )


def _cuts(tasks: list[Task]) -> Iterator[tuple[int, str]]:
    """Yield the places to cut at, with the outcome that leads on from there."""
    doors = _doors(tasks)
    start = 0
    while len(tasks) - start > _LEAST:
        window = range(start + _LEAST, min(start + MOST, len(tasks)))
        places = [place for place in window if doors[place]]
        if not places:
            return
        cut = min(places, key=lambda place: sha256(tasks[place].name.encode()).digest())
        yield cut, doors[cut]
        start = cut


def _doors(tasks: list[Task]) -> list[str]:
    """Return, for each place between two tasks, the outcome that all behind it waits for, '' if there is not just one."""
    place = {task.name: number for number, task in enumerate(tasks)}
    last: dict[str, int] = {}
    blocked: Counter[int] = Counter()
    for number, task in enumerate(tasks):
        conditions = [*task.depends, *task.unless, *(task.only_if.split(" && ") if task.only_if else ())]
        for condition in conditions:
            source, _, phase = condition.partition(".")
            begin, end = sorted((place[source], number))
            is_door = phase == "Succeeded" and begin == place[source]
            # A task that waits for one of several outcomes cannot begin by itself; only the last part may hold such.
            if is_door and (conditions == [condition] or task.unless or task.only_if):
                last[condition] = max(last.get(condition, 0), number)
            else:
                blocked[begin + 1] += 1
                blocked[end + 1] -= 1
        for text in (task.items, *task.arguments.values()):
            for source in _OUTPUT.findall(text):
                blocked[place[source] + 1] += 1
                blocked[number + 1] -= 1
    opened: Counter[int] = Counter()
    which: Counter[int] = Counter()
    outcomes = list(last)
    for number, condition in enumerate(outcomes):
        begin = place[condition.partition(".")[0]]
        for found, weight in ((begin + 1, 1), (last[condition] + 1, -1)):
            opened[found] += weight
            which[found] += weight * number
    doors, closed, count, total = [], 0, 0, 0
    for number in range(len(tasks)):
        closed, count, total = closed + blocked[number], count + opened[number], total + which[number]
        doors.append(outcomes[total] if closed == 0 and count == 1 else "")
    return doors
