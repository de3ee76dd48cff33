"""Checks that need the task types: is there one of that name, and does it take the options?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render import registry
from magnus_render.errors import Refused
from magnus_render.plan import TASK
from magnus_render.runtime import tasks
from magnus_render.spec import codes

if TYPE_CHECKING:
    from magnus_render.graph.definition import Definition
    from magnus_render.plan import Plan
    from magnus_render.runtime.tasks.base import BaseTask
    from magnus_render.spec.report import Report


def check_command_types(definition: Definition, report: Report) -> None:
    """Report each `command_type` that is neither built in nor registered by an installed package."""
    for step in definition.steps.values():
        if step.type != TASK:
            continue
        kind = step.raw.get("command_type", "python")
        if not isinstance(kind, str) or not kind or registry.canonical("task", kind):
            continue
        known = registry.names("task")
        fix = report.did_you_mean(kind, known) or "known: " + ", ".join(known)
        place = step.raw.value_place("command_type")
        report.error(
            codes.UNKNOWN_COMMAND_TYPE, place, f"{step.owner}: there is no command type '{kind}'", fix
        )


def check_options(plan: Plan, definition: Definition, report: Report) -> None:
    """Report what a task type finds wrong with a `command_config`; a type that cannot be imported here is left out."""
    classes: dict[str, type[BaseTask] | None] = {}
    for address, node in plan["nodes"].items():
        options = node.get("command_config")
        if not options:
            continue
        kind = node["command_type"]
        if kind not in classes:
            classes[kind] = _task_class(kind)
        task = classes[kind]
        step = definition.steps[address]
        for problem in task(node).validate(options) if task else ():
            place = step.raw.value_place("command_config")
            what = f"{step.owner}: command_config: {problem}"
            report.error(codes.BAD_OPTION, place, what, breaks=False)


def _task_class(kind: str) -> type[BaseTask] | None:
    try:
        return tasks.load(kind)
    except (ImportError, Refused):
        return None
