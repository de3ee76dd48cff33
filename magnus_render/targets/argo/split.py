"""Long graphs in parts: the full CRDs take at most 200 tasks in one DAG template.

In goes a DAG template, out come templates that have at most that many tasks each. A part is a stretch of tasks that the
walk leaves by one condition only. It becomes a template of its own, which succeeds if that condition came about. A
handler that distant steps share stays outside of all parts. The failure of a part leads to it, if the failures of all
steps in that part do.

Where to cut depends on the names near the cut, not on how many tasks stand before it. So a further step in the pipeline
changes one part, and all others stay as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus_render.targets.argo import limits, names
from magnus_render.targets.argo.model import Dag, Task

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from magnus_render.targets.argo.containers import Steps

    Condition = tuple[str, ...]
    """Outcomes of tasks, any of which will do."""
    Shared = dict[str, set[str]]
    """Handlers that stay outside, each with the tasks whose failures lead to it."""

_MOST = limits.TASKS
_LEAST = 100
"""A part has at least so many tasks, but for the last part. Tasks that are further apart may not be in one part."""
_BAD = (".Failed", ".Errored")
_OUTPUT = re.compile(r"\{\{tasks\.([^.}]+)\.")


def in_parts(dag: Dag, steps: Steps) -> list[Dag]:
    """Return a template and, if it has too many tasks and can be cut, those of its parts, in order.

    What cannot be cut stays whole.
    """
    if len(dag.tasks) <= _MOST:
        return [dag]
    shared = _shared(_as_walked(dag.tasks))
    tasks = _as_walked(dag.tasks, shared)
    recorders = _recorders(tasks)
    cuts = list(_cuts(tasks, shared, recorders))
    if not cuts:
        return [dag]
    nothing = steps.nothing()
    pass_on = {name: f"{{{{inputs.parameters.{name}}}}}" for name in dag.inputs}
    taken = {task.name for task in dag.tasks}
    outer = Dag(dag.name, dag.title, [], dag.inputs, dag.fail_fast, dag.parallelism)
    made = [outer]
    start = 0
    before: Condition = ()
    outside: dict[str, str] = {}  # by task: the part whose failure its own is to a shared handler
    for end, door in cuts:
        inside = tasks[start:end]
        name = names.distinct({"": f"from-{inside[0].name}"}, taken)[""]
        handlers = _handlers(inside, shared)
        if len(handlers) > 1:
            return [dag]
        if handlers - {""}:
            outside.update((task.name, name) for task in inside)
        part = Dag(steps.free_name(f"{dag.name}-{name}"), "", [], dag.inputs)
        part.title = f"{dag.title or 'the pipeline'} from {inside[0].title or inside[0].name} on"
        part.tasks = [*_without(inside, before), _end(inside, door, nothing)]
        made.append(part)
        depends = [f"{outer.tasks[-1].name}.Succeeded"] if outer.tasks else []
        outer.tasks.append(Task(name, part.name, pass_on, depends))
        start, before = end, door
    passed = [f"{outer.tasks[-1].name}.Succeeded"]
    within = recorders.intersection(task.name for task in tasks[:start])
    for task in tasks[start:]:
        task = _without_conditions(task, within)
        if task.name in shared:
            outer.tasks.append(replace(task, depends=_by_part(task.depends, outside)))
        else:
            outer.tasks.append(_behind(task, before, passed))
    return made


def _as_walked(tasks: list[Task], last: Collection[str] = ()) -> list[Task]:
    """Return the tasks in the order of the walk: each one soon behind the last task that it waits for.

    The order in the definition does not count. The tasks named `last`, and those that wait for them, come at the end.
    """
    waits = {task.name: {_source(one) for one in _conditions(task)} for task in tasks}
    behind: dict[str, list[Task]] = {task.name: [] for task in tasks}
    for task in tasks:
        for source in waits[task.name]:
            behind[source].append(task)
    late: list[Task] = []
    found = [task for task in tasks if not waits[task.name]]
    for task in found:
        for one in behind[task.name]:
            waits[one.name].discard(task.name)
            if not waits[one.name]:
                (late if one.name in last else found).append(one)
        if task is found[-1] and late:
            found.append(late.pop(0))
    return found


def _shared(walked: list[Task]) -> Shared:
    """Return the handlers of failures that lie too far apart to be of one part."""
    place = {task.name: number for number, task in enumerate(walked)}
    found: Shared = {}
    for task in walked:
        sources = {_source(one) for one in task.depends}
        places = [place[name] for name in sources]
        if _only_failures(task) and max(places) - min(places) > _LEAST:
            found[task.name] = sources
    return found


def _recorders(tasks: list[Task]) -> set[str]:
    """Return the tasks that record a failure without a handler: the success node runs only if none of them ran."""
    standing_back = {one.removesuffix(".Omitted") for task in tasks for one in _also(task)}
    return {task.name for task in tasks if task.name in standing_back and _only_failures(task)}


def _without_conditions(task: Task, recorders: set[str]) -> Task:
    """Return a task without the conditions that hold anyway if the part has succeeded."""
    kept = [one for one in _also(task) if one.removesuffix(".Omitted") not in recorders]
    return replace(task, only_if=" && ".join(kept))


def _only_failures(task: Task) -> bool:
    return bool(task.depends) and all(one.endswith(_BAD) for one in task.depends)


def _also(task: Task) -> list[str]:
    return task.only_if.split(" && ") if task.only_if else []


def _handlers(inside: list[Task], shared: Shared) -> set[str]:
    """Return the shared handlers that failures of a part lead to; '' is among them for a failure without a handler."""
    handled = {_source(one) for task in inside for one in task.depends if one.endswith(_BAD)}
    open_ = [task.name for task in inside if task.template != names.PASS and task.name not in handled]
    return {next((h for h, sources in shared.items() if name in sources), "") for name in open_}


def _by_part(depends: list[str], outside: dict[str, str]) -> list[str]:
    """Return outcomes with those of a part in place of those of its tasks."""
    found = (f"{outside.get(_source(one), _source(one))}.{one.rpartition('.')[2]}" for one in depends)
    return list(dict.fromkeys(found))


def _source(condition: str) -> str:
    return condition.partition(".")[0]


def _conditions(task: Task) -> list[str]:
    """Return all outcomes that a task's conditions name."""
    return [*task.depends, *task.unless, *_also(task)]


def _without(tasks: list[Task], door: Condition) -> list[Task]:
    """Return the tasks of a part. A task that waited for the part before it begins at once."""
    return [_behind(task, door, []) for task in tasks] if door else tasks


def _behind(task: Task, door: Condition, passed: list[str]) -> Task:
    """Return a task that waits for the success of the part before it, in place of the condition to leave that part."""
    alone = [" && ".join(passed) if (one,) == door else one for one in _also(task)]
    return replace(
        task,
        depends=passed if tuple(task.depends) == door else task.depends,
        unless=passed if tuple(task.unless) == door else task.unless,
        only_if=" && ".join(one for one in alone if one),
    )


def _end(tasks: list[Task], door: Condition, nothing: str) -> Task:
    """Return the success of a part: the only task that nothing there depends on."""
    name = names.distinct({"": "success"}, [task.name for task in tasks])[""]
    waited_for = {_source(one) for one in (*door, *(one for task in tasks for one in _conditions(task)))}
    leaves = [task.name for task in tasks if _only_failures(task) and task.name not in waited_for]
    end = Task(name, nothing, depends=list(door), title="success")
    end.only_if = " && ".join(f"{leaf}.Omitted" for leaf in leaves)
    return end


def _cuts(tasks: list[Task], shared: Shared, recorders: set[str]) -> Iterator[tuple[int, Condition]]:
    """Yield the places to cut at, each with the condition that leads on from there."""
    doors = _doors(tasks, shared, recorders)
    start = 0
    stop = next((number for number, task in enumerate(tasks) if task.name in shared), len(tasks))
    while stop - start > _LEAST:
        window = range(start + _LEAST, min(start + _MOST, stop))
        places = [place for place in window if doors[place]]
        if not places:
            return
        cut = min(places, key=lambda place: sha256(tasks[place].name.encode()).digest())
        yield cut, doors[cut]
        start = cut


def _doors(tasks: list[Task], shared: Shared, recorders: set[str]) -> list[Condition]:
    """Return, for each place between two tasks, the one condition that all tasks behind it wait for; () if none is."""
    place = {task.name: number for number, task in enumerate(tasks)}
    last: dict[Condition, int] = {}
    closed: Counter[int] = Counter()
    for number, task in enumerate(tasks):
        alone = [(one,) for one in _also(task) if one.removesuffix(".Omitted") not in recorders]
        own = () if task.name in shared else tuple(task.depends)
        for condition in (own, tuple(task.unless), *alone):
            if condition:
                last[condition] = number
        for text in (task.items, task.when, *task.arguments.values()):
            for source in _OUTPUT.findall(text):
                _span(closed, place[source], number)
    opened: Counter[int] = Counter()
    which: Counter[int] = Counter()
    conditions = list(last)
    for number, condition in enumerate(conditions):
        sources = [place[_source(one)] for one in condition]
        _span(closed, min(sources), max(sources))
        _span(opened, max(sources), last[condition])
        _span(which, max(sources), last[condition], number)
    doors: list[Condition] = []
    blocked = count = total = 0
    for number in range(len(tasks)):
        # `total` is the number of the one condition that is open, where `count` says that it is one.
        blocked, count, total = blocked + closed[number], count + opened[number], total + which[number]
        doors.append(conditions[total] if blocked == 0 and count == 1 else ())
    return doors


def _span(changes: Counter[int], first: int, last: int, weight: int = 1) -> None:
    """Add a weight to all places behind one task, up to before another."""
    changes[min(first, last) + 1] += weight
    changes[max(first, last) + 1] -= weight
