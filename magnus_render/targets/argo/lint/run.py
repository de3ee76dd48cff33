"""The check of an Argo manifest before it is printed, so that a user needs neither Go nor a cluster to trust it.

It finds three things: what Argo's lint and the full CRDs refuse, what both let through although it goes wrong when the
workflow runs, and what Argo allows but a rendered pipeline must not have (`Report.house`). The time of every check is
linear in the manifest's size, and no check recurses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.targets.argo.lint.called import check_called
from magnus_render.targets.argo.lint.choices import check_choices
from magnus_render.targets.argo.lint.edges import check_depth
from magnus_render.targets.argo.lint.fields import check_fields
from magnus_render.targets.argo.lint.graph import (
    check_references,
    check_tasks,
    check_templates,
)
from magnus_render.targets.argo.lint.manifest import Report, scan
from magnus_render.targets.argo.lint.objects import check_object, check_size, is_object
from magnus_render.targets.argo.lint.pods import check_pods
from magnus_render.targets.argo.lint.references import check_tags

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from magnus_render.targets.base import Finding

_NO_NODES: Mapping[str, str] = {}


def verify(
    documents: Sequence[Any],
    *,
    size: int = 0,
    node_of: Mapping[str, str] = _NO_NODES,
    native: Collection[str] = (),
    others: Sequence[Mapping[str, Any]] = (),
) -> list[Finding]:
    """Return what is wrong with a manifest, errors and warnings, in the order of the checks.

    `documents` are the objects of the manifest, plain dicts and lists that form a tree. They are best read by
    `yaml.load`: only then the lint sees that `y`, `n` and `1e3` without quotes are no texts to Kubernetes. `size` is the
    bytes of the text, 0 if not known. `node_of` gives the definition address of the pipeline's node by `template` or by
    `template.task`, for `Finding.address`; only its `get` is called. `native` names the templates that users wrote: there
    everything that Argo accepts is let through. `others` are WorkflowTemplates of other manifests that tasks may refer
    to. A reference to one that is not known is not checked further.
    """
    report = Report(node_of)
    found = [scan(body, frozenset(native)) for body in documents if is_object(body, report)]
    known = {
        document.name: document
        for document in (*(scan(dict(other), ()) for other in others), *found)
        if document.shared and document.name
    }
    check_size(found, size, report)
    for document in found:
        check_fields(document, report)
        check_object(document, report)
        check_templates(document, report)
        check_references(document, report)
        check_depth(document, report)
        check_tasks(document, known, report)
        check_choices(document, known, report)
        check_pods(document, report)
        check_tags(document, known, report)
        check_called(document, known, report)
    return report.findings
