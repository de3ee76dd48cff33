"""Small pipelines, rendered for Argo on stores on a volume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import Rendered, render
from magnus_render.targets.argo.lint.yaml import load

ENDS: dict[str, Any] = {"success": {"type": "success"}, "fail": {"type": "fail"}}
EXECUTOR: dict[str, Any] = {
    "image": "registry.example/p:1",
    "service_account_name": "runner",
    "persistent_volumes": [{"claim": "runs", "mount_path": "/mnt/runs"}],
}
STORES: dict[str, Any] = {
    "run_log_store": {"type": "file-system", "config": {"path": "/mnt/runs/log"}},
    "catalog": {"type": "file-system", "config": {"path": "/mnt/runs/files"}},
}


def task(then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a task."""
    return {"type": "task", "command": "m.f", "next": then, **fields}


def graph(**steps: Any) -> dict[str, Any]:
    """Return a graph that starts with the first of its steps."""
    return {"start_at": next(iter(steps)), "steps": {**steps, **ENDS}}


def each(branch: dict[str, Any], then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a map."""
    return {"type": "map", "iterate_on": "l", "iterate_as": "v", "branch": branch, "next": then, **fields}


def as_is(text: Any, then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return an as-is with a text or a native template."""
    return {"type": "as-is", "render_string": {"argo": text}, "next": then, **fields}


def made(
    folder: Path,
    dag: dict[str, Any],
    keys: dict[str, Any] | None = None,
    compact: bool = False,
    **blocks: Any,
) -> Rendered:
    """Render a dag with stores on a volume; `keys` are added to the executor's, further blocks replace ours."""
    executor = {"type": "argo", "config": {**EXECUTOR, **(keys or {})}}
    document = {"dag": dag, "executor": executor, **STORES, **blocks}
    path = folder / "dag.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return render("dag.yaml", "argo", compact=compact)


def manifest(folder: Path, dag: dict[str, Any], keys: dict[str, Any] | None = None, **blocks: Any) -> Any:
    """Return the one object that is rendered."""
    (found,) = load(made(folder, dag, keys, **blocks).text)
    return found


def templates(found: Any) -> dict[str, Any]:
    """Return the templates by name."""
    return {template["name"]: template for template in found["spec"]["templates"]}


def tasks(found: Any, name: str = "pipeline") -> dict[str, Any]:
    """Return the tasks of a DAG template by name."""
    return {one["name"]: one for one in templates(found)[name]["dag"]["tasks"]}


def conditions(found: Any, name: str = "pipeline") -> dict[str, str]:
    """Return what the tasks of a DAG template depend on."""
    return {task: one.get("depends", "") for task, one in tasks(found, name).items()}


def errors(folder: Path, dag: dict[str, Any], keys: dict[str, Any] | None = None, **blocks: Any) -> list[str]:
    """Return the codes and messages with which a dag is refused."""
    with pytest.raises(DefinitionError) as caught:
        made(folder, dag, keys, **blocks)
    return [f"{item.code} {item.message}" for item in caught.value.diagnostics if item.severity == "error"]
