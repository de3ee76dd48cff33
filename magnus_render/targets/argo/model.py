"""DAG templates and their tasks, as they stand in a manifest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magnus_render.targets.argo.containers import Template

ITEMS = "items"
"""The output of a callback that counts a map's items, and the input of a template that runs them: a list of indices."""
CHOICE = "choice"
"""The output of a callback that chooses a conditional's branch, and the input of its template: the branch's slug.

Of a step that has a condition it is the output too: `run` or `skip`.
"""
BRANCH = "branch"
"""The input that says which item of which map a template runs for: the address of the branch."""


@dataclass(slots=True)
class Task:
    """One task of a DAG template."""

    name: str
    template: str
    arguments: dict[str, str] = field(default_factory=dict)
    depends: list[str] = field(default_factory=list)
    """Outcomes of other tasks, any one of which lets it start; empty for the first task."""
    unless: list[str] = field(default_factory=list)
    """For a fail node: outcomes of other tasks. It also starts if none of these came about."""
    only_if: str = ""
    """A condition on outcomes that must hold besides `depends`."""
    when: str = ""
    """For a branch of a conditional, or a step that has a condition: where this does not hold Argo skips the task."""
    remark: str = ""
    """What `when` says, in words."""
    items: str = ""
    """For a map: the list of indices. For the task that fails where no branch was chosen: a text that is no list."""
    reference: str = ""
    """For a separate dag: the WorkflowTemplate that its template stands in."""
    address: str = ""
    """Address of its node."""
    title: str = ""
    description: str = ""


@dataclass(slots=True)
class Dag:
    """One DAG template."""

    name: str
    title: str
    tasks: list[Task]
    inputs: list[str] = field(default_factory=list)
    fail_fast: bool = False
    parallelism: int | None = None


@dataclass(slots=True)
class Manifest:
    """The DAG templates of one object: the pipeline's, or those of a separate dag."""

    dags: list[Dag]
    templates: list[Template]
    """The templates that its tasks run, in the order of their first use."""
    brace: bool
    """A text needs the variable that keeps Argo from seeing a tag in it."""
    address: str = ""
    """Address of the separate dag; '' for the pipeline."""
    exit: Task | None = None
    """The task that records a run that was cut short."""
