"""Checks of tasks that call templates of other objects, by `templateRef`.

A called template runs as part of the caller. The caller's parameters and templateDefaults hold for it, and so do the
caller's volumes that the called template does not define itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.graph import target
from magnus_render.targets.argo.lint.manifest import named, strings
from magnus_render.targets.argo.lint.references import read
from magnus_render.targets.lint.report import mapping, near, objects, shown, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus_render.targets.argo.lint.manifest import Document, Report, Task, Template


def check_called(document: Document, known: Mapping[str, Document], report: Report) -> None:
    """Check that called templates exist, where their object is known, and that the caller has what they use."""
    spec = document.spec
    volumes = set(named(spec.get("volumes")))
    volumes.update(named([claim.get("metadata") for claim in objects(spec.get("volumeClaimTemplates"))]))
    for template in document.templates:
        for task in template.tasks:
            if not task.body.get("templateRef"):
                continue
            _check_other(task, known, report)
            first = target(task, known)
            if first is None or first.document is document:
                continue
            label, reached = first.document.label, _reached(first, known)
            if not document.shared or document.parameters:
                for name in _parameters_used(reached):
                    if name not in document.parameters:
                        what = f"{label} uses the workflow's parameter '{name}', which this one does not have"
                        fix = near(name, document.parameters) or "add it to arguments"
                        report.error(codes.CALLED, task, what, fix)
            if not spec.get("podSpecPatch"):
                for name in sorted({n for called in reached for n in _mounts(called) if n not in volumes}):
                    what = f"{label} mounts the volume '{name}', which this workflow does not have"
                    report.error(codes.CALLED, task, what, near(name, volumes) or "add it to volumes")
            for place in _defaults_used(reached, document):
                what = f"{label} relies on templateDefaults.{place} of its own, but those of the caller hold"
                report.error(codes.CALLED, task, what, "state it in both, or in the template")


def _defaults_used(reached: list[Template], caller: Document) -> list[str]:
    """Return what called containers can run without only by the defaults of the object that they stand in."""
    found: dict[str, None] = {}
    for template in reached:
        for kind in ("container", "script"):
            body, default = template.body.get(kind), mapping(template.document.defaults.get(kind))
            own = mapping(caller.defaults.get(kind))
            if not isinstance(body, dict):
                continue
            for field in ("image", "command"):
                if not body.get(field) and default.get(field) and not own.get(field):
                    found[f"{kind}.{field}"] = None
    return list(found)


def _reached(first: Template, known: Mapping[str, Document]) -> list[Template]:
    """Return a template and all that it calls, directly or not."""
    reached = [first]
    seen = {id(first)}
    for template in reached:  # grows
        for task in template.tasks:
            called = target(task, known)
            if called is not None and id(called) not in seen:
                seen.add(id(called))
                reached.append(called)
    return reached


def _check_other(task: Task, others: Mapping[str, Document], report: Report) -> None:
    """Check that a template of another object exists, where that object is known."""
    reference = mapping(task.body.get("templateRef"))
    name, template = text(reference.get("name")), text(reference.get("template"))
    if name in others and template and "{{" not in template and template not in others[name].by_name:
        what = f"templateRef {shown(template)} is no template of {others[name].label}"
        report.error(codes.REFERENCE, task, what, near(template, others[name].by_name))


def _parameters_used(templates: Iterable[Template]) -> dict[str, Template]:
    """Return the names of the workflow's parameters that templates refer to, each with the first that does."""
    found: dict[str, Template] = {}
    for template in templates:
        for _, string in strings(template.body, "{{"):
            said = read(string)
            for chain in (*(tuple(tag.split(".")) for tag in said.simple), *said.chains):
                if chain[:2] == ("workflow", "parameters") and len(chain) > 2 and chain[2:] != ("json",):
                    found.setdefault(".".join(chain[2:]), template)
    return found


def _mounts(template: Template) -> list[str]:
    """Return the names of the volumes that a template mounts and does not define itself."""
    own = named(template.body.get("volumes"))
    containers = [mapping(template.body.get(key)) for key in ("container", "script")]
    containers += objects(mapping(template.body.get("containerSet")).get("containers"))
    containers += [*objects(template.body.get("sidecars")), *objects(template.body.get("initContainers"))]
    names = [text(mount.get("name")) for body in containers for mount in objects(body.get("volumeMounts"))]
    return [name for name in names if name and name not in own]
