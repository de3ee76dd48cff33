"""The data that every check of a manifest uses: its objects, templates and tasks, and the list of findings."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from magnus_render.targets.lint import report as lint
from magnus_render.targets.lint.report import dotted, mapping, objects, text

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

GROUP = "argoproj.io/"
API_VERSION = "argoproj.io/v1alpha1"
KINDS = ("Workflow", "WorkflowTemplate", "ClusterWorkflowTemplate", "CronWorkflow")
TYPES = (
    *("container", "script", "dag", "steps", "suspend", "resource"),
    *("containerSet", "http", "data", "plugin"),
)
"""Fields of a template that say what it is; it has one of them."""
PODS = frozenset(("container", "script", "containerSet", "resource", "data"))
"""Types that run as a pod of their own."""
_CHOICE = re.compile(r"'\{\{\s*([^{}'\"=]+?)\s*\}\}' == '([^{}'\"]*)'")


@dataclass(eq=False)
class Document:
    """One object of a manifest."""

    body: dict[str, Any]
    kind: str
    name: str
    spec: dict[str, Any]
    """The workflow's specification: that of a CronWorkflow is its `workflowSpec`."""
    templates: list[Template] = field(default_factory=list)
    """Its templates: first those of the object, in its order, then those that stand inline in a task."""
    by_name: dict[str, Template] = field(default_factory=dict)
    owners: dict[int, Template | Task] = field(default_factory=dict)
    """Template or task by the identity of its mapping."""

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{self.kind} '{self.name}'" if self.name else self.kind or "the object"

    @cached_property
    def parameters(self) -> dict[str, dict[str, Any]]:
        """The workflow's parameters by name."""
        return named(mapping(self.spec.get("arguments")).get("parameters"))

    @cached_property
    def defaults(self) -> dict[str, Any]:
        """Defaults for fields that a template does not state."""
        return mapping(self.spec.get("templateDefaults"))

    @property
    def shared(self) -> bool:
        """Whether it is a WorkflowTemplate, whose references may be to the workflow that uses it."""
        return self.kind.endswith("WorkflowTemplate")


@dataclass(eq=False)
class Template:
    """One template of an object."""

    body: dict[str, Any]
    document: Document
    name: str
    native: bool = False
    """Whether the user wrote it: then everything that Argo accepts is let through."""
    around: Task | None = None
    """The task that it stands inline in."""
    tasks: list[Task] = field(default_factory=list)
    """Tasks of a DAG, or steps in their order."""
    by_name: dict[str, Task] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What messages call it."""
        if self.around:
            return self.around.label
        return f"template '{self.name}'" if self.name else "a template without a name"

    @cached_property
    def type(self) -> str:
        """Its type, '' if it has none."""
        return next((name for name in TYPES if self.body.get(name) is not None), "")

    @cached_property
    def inputs(self) -> dict[str, dict[str, Any]]:
        """Its input parameters by name."""
        return named(mapping(self.body.get("inputs")).get("parameters"))

    @cached_property
    def outputs(self) -> dict[str, dict[str, Any]]:
        """Its output parameters by name."""
        return named(mapping(self.body.get("outputs")).get("parameters"))


@dataclass(eq=False)
class Task:
    """One task of a DAG, or one step."""

    body: dict[str, Any]
    template: Template
    """The template it stands in."""
    name: str
    group: int
    """Position of the step's group among those of its template; 0 for a task."""
    inline: Template | None = None
    needs: dict[str, set[str]] = field(default_factory=dict)
    """Tasks it depends on, each with the results that its `depends` names; '' where it names none."""

    @property
    def label(self) -> str:
        """What messages call it."""
        what = "task" if self.template.type == "dag" else "step"
        name = f"{what} '{self.name}'" if self.name else f"a {what} without a name"
        return f"{self.template.label}, {name}"

    @property
    def native(self) -> bool:
        """Whether the user wrote it."""
        return self.template.native

    @property
    def loops(self) -> bool:
        """Whether it runs once for each of several items."""
        return any(self.body.get(name) is not None for name in ("withItems", "withParam", "withSequence"))

    @cached_property
    def choice(self) -> tuple[str, str] | None:
        """The reference and the text that its `when` compares: it is one of several that are chosen from."""
        when = self.body.get("when")
        found = _CHOICE.fullmatch(when) if isinstance(when, str) else None
        return (found[1], found[2]) if found else None


Owner = Document | Template | Task


class Report(lint.Report[Owner]):
    """Findings of a manifest: an owner is an object, a template or a task; addresses are known by template and task."""

    def label(self, owner: Owner) -> str:
        """Return what messages call an owner."""
        return owner.label

    def is_users(self, owner: Owner) -> bool:
        """Tell whether the user wrote a template, or the task in one."""
        return not isinstance(owner, Document) and owner.native

    def address(self, owner: Owner) -> str:
        """Return the address of the node of a template, or of the template of a task."""
        if isinstance(owner, Document):
            return ""
        if isinstance(owner, Template):
            return self.address(owner.around) if owner.around else self.node_of.get(owner.name, "")
        for key in (f"{owner.template.name}.{owner.name}", owner.body.get("template"), owner.template.name):
            if isinstance(key, str) and (address := self.node_of.get(key, "")):
                return address
        return ""


def scan(body: dict[str, Any], native: Collection[str]) -> Document:
    """Return an object's templates and tasks; `native` names the templates that are the user's own."""
    kind, metadata = text(body.get("kind")), mapping(body.get("metadata"))
    spec = mapping(body.get("spec"))
    if kind == "CronWorkflow":
        spec = mapping(spec.get("workflowSpec"))
    document = Document(body, kind, text(metadata.get("name")) or text(metadata.get("generateName")), spec)
    for given in objects(spec.get("templates")):
        name = text(given.get("name"))
        template = Template(given, document, name, name in native)
        document.templates.append(template)
        document.by_name.setdefault(name, template)
    for template in document.templates:  # grows as inline templates are found
        document.owners[id(template.body)] = template
        for group, given in _tasks(template):
            task = Task(given, template, text(given.get("name")), group)
            document.owners[id(given)] = task
            template.tasks.append(task)
            template.by_name.setdefault(task.name, task)
            inline = given.get("inline")
            if isinstance(inline, dict) and id(inline) not in document.owners:
                task.inline = Template(inline, document, template.name, template.native, task)
                document.templates.append(task.inline)
    return document


def _tasks(template: Template) -> Iterator[tuple[int, dict[str, Any]]]:
    if template.type == "dag":
        for task in objects(mapping(template.body["dag"]).get("tasks")):
            yield 0, task
    elif template.type == "steps":
        groups = template.body["steps"]
        for position, group in enumerate(groups if isinstance(groups, list) else ()):
            for step in objects(group):
                yield position, step


def named(value: Any) -> dict[str, dict[str, Any]]:
    """Return the mappings of a list by their `name`, where that is a string."""
    return {item["name"]: item for item in objects(value) if isinstance(item.get("name"), str)}


def strings(value: Any, mark: str) -> list[tuple[str, str]]:
    """Return (place, string) of every string inside a value that holds `mark`, in the order of the text."""
    if isinstance(value, str):
        return [("", value)] if mark in value else []
    if not isinstance(value, dict | list):
        return []
    found: list[tuple[Any, str]] = []
    waiting: list[tuple[Any, Any]] = [(value, None)]
    while waiting:
        value, place = waiting.pop()
        if isinstance(value, str):
            found.append((place, value))
            continue
        pairs: Iterable[tuple[Any, Any]] = value.items() if isinstance(value, dict) else enumerate(value)
        inner = [
            (item, (place, key))
            for key, item in pairs
            if (isinstance(item, str) and mark in item) or (item and isinstance(item, dict | list))
        ]
        waiting.extend(reversed(inner))
    return [(dotted(place), value) for place, value in found]
