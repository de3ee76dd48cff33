"""Small manifests for the tests of the engine."""

from __future__ import annotations

import json
from typing import Any

from tests.engines.argo.run import Run

Json = dict[str, Any]
OUT = "/tmp/magnus-engine/out.json"
"""A file that outputs are read from: no such folder exists on this machine."""
ALWAYS = {"limit": "2", "retryPolicy": "Always"}
"""A retry strategy."""


def workflow(*templates: Json, **spec: Any) -> str:
    """Return a Workflow whose entrypoint is its first template."""
    return manifest("Workflow", {"generateName": "w-"}, *templates, **spec)


def manifest(kind: str, metadata: Json, *templates: Json, **spec: Any) -> str:
    """Return a manifest with these templates."""
    body = {"entrypoint": templates[0]["name"], "templates": list(templates), **spec}
    return json.dumps(
        {"apiVersion": "argoproj.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": body}
    )


def sh(name: str, script: str, *, container: Json | None = None, **members: Any) -> Json:
    """Return a template that runs a shell script."""
    return {
        "name": name,
        "container": {"image": "x", "command": ["sh", "-c", script], **(container or {})},
        **members,
    }


def dag(name: str, *tasks: Json) -> Json:
    """Return a DAG template."""
    return {"name": name, "dag": {"tasks": list(tasks)}}


def output(path: str = OUT, **more: Any) -> Json:
    """Return outputs with a parameter `out` that is read from a file."""
    return {"parameters": [{"name": "out", "valueFrom": {"path": path, **more}}]}


def only(run: Run) -> Json:
    """Return the only node with a pod."""
    (node,) = (node for node in run.nodes.values() if node["type"] == "Pod")
    return node
