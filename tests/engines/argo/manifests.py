"""Manifests as they are submitted: what `argo template create`, `argo submit` and `argo submit --from` send."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from typing import Any

import yaml

from tests.engines.argo.api import Json

_PLURALS = {
    "Workflow": "workflows",
    "WorkflowTemplate": "workflowtemplates",
    "CronWorkflow": "cronworkflows",
    "ConfigMap": "configmaps",
    "Secret": "secrets",
}
_TIMESTAMP = "tag:yaml.org,2002:timestamp"


class _Loader(yaml.SafeLoader):
    """Leaves timestamps as texts, as Kubernetes does."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def plural(manifest: Json) -> str:
    """Return the plural of a manifest's kind.

    Raises:
        ValueError: the engine does not take such manifests.
    """
    kind = manifest.get("kind")
    if kind not in _PLURALS:
        raise ValueError(f"the engine does not take manifests of kind {kind}")
    return _PLURALS[kind]


def parse(texts: Iterable[str], namespace: str) -> list[Json]:
    """Return the manifests in YAML texts, moved to a namespace."""
    found = []
    for text in texts:
        for manifest in yaml.load_all(text, _Loader):
            if manifest is not None:
                manifest = copy.deepcopy(manifest)  # an anchor's value is one object in all its places
                manifest.setdefault("metadata", {})["namespace"] = namespace
                found.append(manifest)
    return found


def workflow(main: Json, created: Json | None, arguments: Mapping[str, str]) -> Json:
    """Return the workflow that `argo submit -p NAME=VALUE ...` makes of a Workflow, and with --from of a template or a
    CronWorkflow, of which `created` is the object in the cluster.

    Source: `common/convert.go` and `ApplySubmitOpts` in `workflow/util/util.go`.
    """
    if main["kind"] == "Workflow":
        made = copy.deepcopy(main)
    elif main["kind"] == "WorkflowTemplate":
        name = main["metadata"]["name"]
        made = _made(f"{name}-", {"workflows.argoproj.io/workflow-template": name}, {})
        made["spec"] = {"workflowTemplateRef": {"name": name}}
    else:
        assert created is not None
        made = _from_cron(created)
    if arguments:
        given: list[Any] = [{"name": name, "value": value} for name, value in arguments.items()]
        stated = made["spec"].setdefault("arguments", {}).get("parameters") or []
        made["spec"]["arguments"]["parameters"] = [
            *given,
            *(parameter for parameter in stated if parameter["name"] not in arguments),
        ]
    return made


def _made(prefix: str, labels: dict[str, str], annotations: dict[str, str]) -> Json:
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": prefix, "labels": labels, "annotations": annotations},
    }


def _from_cron(cron: Json) -> Json:
    metadata, spec = cron["metadata"], cron["spec"]
    moment = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    more = spec.get("workflowMetadata") or {}
    made = _made(
        f"{metadata['name']}-",
        {"workflows.argoproj.io/cron-workflow": metadata["name"], **more.get("labels", {})},
        {"workflows.argoproj.io/scheduled-time": moment, **more.get("annotations", {})},
    )
    owner = {"apiVersion": cron["apiVersion"], "kind": "CronWorkflow", "controller": True}
    made["metadata"]["ownerReferences"] = [
        {**owner, "name": metadata["name"], "uid": metadata["uid"], "blockOwnerDeletion": True}
    ]
    made["spec"] = copy.deepcopy(spec["workflowSpec"])
    return made
