"""Checks of templates and tasks: names, types, what calls what.

Rules: Argo's validation of templates and DAGs, and how its expression language reads a name.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.argo import limits
from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.edges import check_edges
from magnus_render.targets.argo.lint.manifest import PODS, TYPES, Task, Template, named
from magnus_render.targets.lint.report import mapping, near, shown, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.targets.argo.lint.manifest import Document, Report


_NAME = re.compile(r"[a-zA-Z0-9][-a-zA-Z0-9]*\Z")
_OPERATORS = "in or and not matches contains startsWith endsWith let if else true false nil"
_WORDS = frozenset(_OPERATORS.split())
_USUAL = frozenset(("name", "template", "depends", "arguments"))
"""The fields of a usual task: whether it has others is asked first, because most tasks need no further check then."""
_NO_POD_FIELDS = ("activeDeadlineSeconds", "timeout")


def check_templates(document: Document, report: Report) -> None:
    """Check names and types of an object's templates, and how many there are."""
    count = 0
    for template in document.templates:
        if template.around is None:
            count += 1
            _check_name(template, report)
        _check_type(template, report)
    if count > limits.TEMPLATES:
        what = f"it has {count} templates, the full CRDs take {limits.TEMPLATES}"
        report.error(codes.COUNT, document, what, "move parts into a dag with `separate: true`")


def _check_name(template: Template, report: Report) -> None:
    name = template.name
    if template.document.by_name[name] is not template:
        report.error(
            codes.TEMPLATE_NAME, template, "another template has the same name", "rename one of them"
        )
    if not name:
        report.error(codes.TEMPLATE_NAME, template, "name is not given", "give it one")
    elif len(name) > limits.TEMPLATE_NAME:
        what = f"its name has {len(name)} characters, at most {limits.TEMPLATE_NAME} are allowed"
        report.error(codes.TEMPLATE_NAME, template, what, "shorten it")
    elif not _NAME.match(name):
        what = "its name has other characters than letters, digits and hyphens, or begins with a hyphen"
        report.error(codes.TEMPLATE_NAME, template, what, "rename it")
    elif template.type in PODS and name != name.lower():
        what = "its name has capitals, which Kubernetes refuses in the name of a pod"
        report.error(codes.TEMPLATE_NAME, template, what, f"write '{name.lower()}'")


def _check_type(template: Template, report: Report) -> None:
    found = [name for name in TYPES if template.body.get(name) is not None]
    if not found:
        what = "it has none of container, script, dag, steps, suspend, resource"
        report.error(codes.TEMPLATE_TYPE, template, what, "say what it runs")
    elif len(found) > 1:
        report.error(
            codes.TEMPLATE_TYPE, template, f"it has both {found[0]} and {found[1]}", "keep one of them"
        )
    elif found[0] in ("dag", "steps"):
        for field in _NO_POD_FIELDS:
            if template.body.get(field) is not None:
                what = f"{field} belongs to templates that run, not to {found[0]}"
                report.error(codes.TEMPLATE_TYPE, template, what, "state it in the templates of its tasks")
    elif template.body.get("parallelism") is not None:
        what = f"parallelism belongs to dag and steps, not to {found[0]}"
        report.error(codes.TEMPLATE_TYPE, template, what, "take it out")


def check_tasks(document: Document, others: Mapping[str, Document], report: Report) -> None:
    """Check all tasks of an object; `others` are the WorkflowTemplates that are known, by name."""
    for template in document.templates:
        if template.type not in ("dag", "steps"):
            continue
        if not template.tasks:
            report.error(codes.REQUIRED, template, f"its {template.type} has no tasks", "add at least one")
        dag = template.type == "dag"
        if dag and len(template.tasks) > limits.TASKS:
            what = f"it has {len(template.tasks)} tasks, the full CRDs take {limits.TASKS}"
            report.error(codes.COUNT, template, what, "nest parts of it in nodes of type dag")
        edges = dag and any(
            task.body.get("depends") or task.body.get("dependencies") for task in template.tasks
        )
        for task in template.tasks:
            _check_task_name(task, edges, report)
            if not task.body.keys() <= _USUAL or not _is_known(task):
                _check_calls(task, report)
                _check_loop(task, report)
            called = target(task, others)
            if called is not None:
                _check_arguments(task, called, report)
        if edges:
            check_edges(template, report)


def _check_task_name(task: Task, edges: bool, report: Report) -> None:
    name = task.name
    if task.template.by_name[name] is not task:
        report.error(codes.TASK_NAME, task, "another one has the same name", "rename one of them")
    if not name or len(name) > limits.TEMPLATE_NAME or not _NAME.match(name):
        what = "its name is empty" if not name else f"its name has {len(name)} characters"
        if name and len(name) <= limits.TEMPLATE_NAME:
            what = "its name has other characters than letters, digits and hyphens, or begins with a hyphen"
        report.error(codes.TASK_NAME, task, what, f"1 to {limits.TEMPLATE_NAME} letters, digits and hyphens")
    elif edges and name[0].isdigit():
        report.error(
            codes.TASK_NAME, task, "its name begins with a digit", "begin with a letter: depends needs it"
        )
    elif edges and name in _WORDS:
        report.error(codes.TASK_NAME, task, "its name means something in depends", "rename it")


def _is_known(task: Task) -> bool:
    name = task.body.get("template")
    return isinstance(name, str) and name in task.template.document.by_name


def _check_calls(task: Task, report: Report) -> None:
    body, document = task.body, task.template.document
    found = [name for name in ("template", "templateRef", "inline") if body.get(name)]
    if len(found) != 1:
        what = (
            f"it has both {found[0]} and {found[1]}" if found else "it has no template, templateRef or inline"
        )
        report.error(codes.EXCLUSIVE, task, what, "exactly one says what it runs")
    _check_name_of(body.get("template"), "template", task, document, report)
    _check_name_of(body.get("onExit"), "onExit", task, document, report)
    _check_hooks(body.get("hooks"), task, document, report)
    if isinstance(body.get("templateRef"), dict):
        for field in ("name", "template"):
            if not body["templateRef"].get(field):
                report.error(codes.REQUIRED, task, f"templateRef has no {field}", f"add {field}")


def check_references(document: Document, report: Report) -> None:
    """Check the templates that the workflow itself names, and the arguments they begin with."""
    spec = document.spec
    reference = spec.get("workflowTemplateRef") is not None
    for field in ("entrypoint", "onExit"):
        name = spec.get(field)
        if reference or not isinstance(name, str):
            continue
        _check_name_of(name, field, document, document, report)
        template = document.by_name.get(name)
        for given, parameter in (template.inputs if template else {}).items():
            if _open(parameter) and given not in document.parameters:
                what = (
                    f"{field} '{name}' needs the input '{given}', which arguments of the workflow do not have"
                )
                report.error(codes.INPUT, document, what, "add it to arguments, or give the input a default")
    if not reference:
        _check_hooks(spec.get("hooks"), document, document, report)


def _check_hooks(hooks: Any, owner: Task | Document, document: Document, report: Report) -> None:
    for event, hook in mapping(hooks).items():
        hook = mapping(hook)
        _check_name_of(hook.get("template"), f"hook {event}", owner, document, report)
        if event != "exit" and not hook.get("expression"):
            report.error(codes.REQUIRED, owner, f"hook {event} has no expression", "say when it is to run")


def _check_name_of(name: Any, field: str, owner: Task | Document, document: Document, report: Report) -> None:
    if isinstance(name, str) and name and "{{" not in name and name not in document.by_name:
        fix = near(name, document.by_name) or "add the template"
        report.error(codes.REFERENCE, owner, f"{field} {shown(name)} is no template of {document.label}", fix)


def target(task: Task, others: Mapping[str, Document]) -> Template | None:
    """Return the template that a task runs, None if it is not known."""
    if task.inline is not None:
        return task.inline
    reference = task.body.get("templateRef")
    if isinstance(reference, dict):
        other = others.get(text(reference.get("name")))
        return other.by_name.get(text(reference.get("template"))) if other else None
    return task.template.document.by_name.get(text(task.body.get("template")))


def _check_loop(task: Task, report: Report) -> None:
    body = task.body
    found = [name for name in ("withItems", "withParam", "withSequence") if body.get(name) is not None]
    if len(found) > 1:
        report.error(codes.EXCLUSIVE, task, f"it has both {found[0]} and {found[1]}", "keep one of them")
    given = body.get("withParam")
    if isinstance(given, str) and "{{" not in given:
        try:
            fits = isinstance(json.loads(given), list)
        except ValueError:
            fits = False
        if not fits:
            what = f"withParam {shown(given)} is neither a JSON list nor a reference to one"
            report.error(codes.WITH_PARAM, task, what, "write '{{tasks.NAME.outputs.parameters.LIST}}'")
    sequence = body.get("withSequence")
    if isinstance(sequence, dict) and (sequence.get("count") is None) == (sequence.get("end") is None):
        report.error(codes.WITH_PARAM, task, "withSequence has not exactly one of count and end", "keep one")


def _open(parameter: Mapping[str, Any]) -> bool:
    """Return whether an input has no value of its own."""
    return (
        parameter.get("value") is None and parameter.get("default") is None and not parameter.get("valueFrom")
    )


def _check_arguments(task: Task, called: Template, report: Report) -> None:
    given = named(mapping(task.body.get("arguments")).get("parameters"))
    inputs = called.inputs
    if given.keys() == inputs.keys():
        return
    for name, parameter in inputs.items():
        if name not in given and _open(parameter):
            what = f"it does not hand over '{name}', an input of {_called(task, called)}"
            report.error(codes.INPUT, task, what, "add it to arguments.parameters")
    for name in given:
        if name not in inputs:
            what = f"it hands over '{name}', which {_called(task, called)} does not have as input"
            report.house(codes.INPUT, task, what, near(name, inputs) or "take it out")


def _called(task: Task, called: Template) -> str:
    return "its template" if called.around is task else f"template '{called.name}'"
