"""Checks of every field of a manifest: is it known, is its value of the right kind, is what must be there given?

The fields are those of Argo's OpenAPI description (`openapi.txt`, written by scripts/argo_fields.py). Argo decodes a
manifest strictly into these types, and the full CRDs demand the same. `rules.txt` has what both demand of single fields.
"""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml

from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.forms import FORMATS
from magnus_render.targets.argo.lint.manifest import Document
from magnus_render.targets.argo.lint.yaml import load
from magnus_render.targets.lint.fields import Table, Walk, read_types
from magnus_render.targets.lint.report import near, shown

if TYPE_CHECKING:
    from magnus_render.targets.argo.lint.manifest import Owner, Report

_RENAMED = {
    ("CronWorkflowSpec", "schedule"): "Argo 4 has dropped it: write schedules, a list",
    ("Synchronization", "mutex"): "Argo 4 has dropped it: write mutexes, a list",
    ("Synchronization", "semaphore"): "Argo 4 has dropped it: write semaphores, a list",
    ("Template", "pendingTimeout"): "it is new in Argo 4.1: max_time ends a run whose pods stay pending",
    ("WorkflowSpec", "podPriority"): "Argo 4 has dropped it: write podPriorityClassName",
}
_TOP = frozenset(("apiVersion", "kind", "metadata", "spec", "status"))


@cache
def _table() -> Table:
    folder = os.path.dirname(__file__)
    texts = []
    for name in ("openapi.txt", "rules.txt"):
        with open(os.path.join(folder, name), encoding="utf-8") as file:
            texts.append(file.read())
    return Table(
        read_types(*texts),
        codes.FIELD,
        codes.VALUE,
        codes.REQUIRED,
        FORMATS,
        is_tagged=lambda text: "{{" in text,
        nullable=True,
        renamed=lambda type_, name: _RENAMED.get((type_, name), ""),
    )


def check_fields(document: Document, report: Report) -> None:
    """Check the fields of one object at every level."""
    body = document.body
    for key in body:
        if key not in _TOP:
            report.error(
                codes.FIELD, document, f"an object has no field {key}", near(key, _TOP) or "take it out"
            )
    walk = Walk(_table(), report, document.owners)
    spec = "CronWorkflowSpec" if document.kind == "CronWorkflow" else "WorkflowSpec"
    for key, name in (("metadata", "ObjectMeta"), ("spec", spec)):
        if isinstance(body.get(key), dict):
            walk.check(body[key], name, document, (None, key))


def check_part(body: dict[Any, Any], name: str, owner: Owner, place: str, report: Report) -> None:
    """Check a mapping by itself, whose type `openapi.txt` has under a name."""
    Walk(_table(), report).check(body, name, owner, (None, place))


def check_patch(given: Any, owner: Owner, report: Report, place: str = "podSpecPatch") -> None:
    """Check the text that is merged into each pod's specification; what holds tags is known at run time only."""
    if not isinstance(given, str) or not given or "{{" in given:
        return
    try:
        bodies = load(given)
    except yaml.YAMLError as error:
        what = f"{place} is not YAML: {' '.join(str(error).split())}"
        report.error(codes.PATCH, owner, what, "write fields of a PodSpec, as YAML or JSON")
        return
    body = bodies[0] if bodies else None
    if not isinstance(body, dict):
        what = f"{place} is {shown(body)}, not a mapping"
        report.error(codes.PATCH, owner, what, "write fields of a PodSpec, as YAML or JSON")
        return
    Walk(_table(), report).check(body, "PodSpec", owner, (None, place), patch=True)
