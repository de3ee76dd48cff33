"""Small pipelines, rendered for Step Functions on stores on S3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import Rendered, render

ENDS: dict[str, Any] = {"success": {"type": "success"}, "fail": {"type": "fail"}}
EXECUTOR: dict[str, Any] = {"type": "aws-step-functions", "config": {"job_queue": "q", "job_definition": "d"}}
STORES: dict[str, Any] = {
    "run_log_store": {"type": "s3", "config": {"bucket": "runs"}},
    "catalog": {"type": "s3", "config": {"bucket": "runs"}},
}


def task(then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a task."""
    return {"type": "task", "command": "m.f", "next": then, **fields}


def dag(branch: dict[str, Any], then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a dag."""
    return {"type": "dag", "branch": branch, "next": then, **fields}


def native(state: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return an as-is with a state of the user's."""
    return {"type": "as-is", "render_string": {"stepfunctions": state}, "next": "success", **fields}


def graph(**steps: Any) -> dict[str, Any]:
    """Return a graph that starts with the first of its steps."""
    return {"start_at": next(iter(steps)), "steps": {**steps, **ENDS}}


def made(
    folder: Path, dag: dict[str, Any], executor: dict[str, Any] | None = None, **blocks: Any
) -> Rendered:
    """Render a dag with stores on S3; further blocks replace ours."""
    document = {"dag": dag, "executor": executor or EXECUTOR, **STORES, **blocks}
    path = folder / "dag.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return render(str(path), "stepfunctions")


def machine(folder: Path, dag: dict[str, Any], executor: dict[str, Any] | None = None) -> Any:
    """Render a dag; return its machine."""
    return json.loads(made(folder, dag, executor).text)


def command(state: Any) -> list[str]:
    """Return the words of a job of Batch."""
    words: list[str] = state["Arguments"]["ContainerOverrides"]["Command"]
    return words


def caught(state: Any) -> str:
    """Return where a state's failure leads."""
    (catcher,) = state["Catch"]
    return str(catcher["Next"])


def config(**keys: Any) -> dict[str, Any]:
    """Return the executor's block with further keys."""
    return {"type": "aws-step-functions", "config": {**EXECUTOR["config"], **keys}}


def errors(
    folder: Path, dag: dict[str, Any], executor: dict[str, Any] | None = None, **blocks: Any
) -> list[str]:
    """Return the codes and messages with which a dag is refused."""
    with pytest.raises(DefinitionError) as refused:
        made(folder, dag, executor, **blocks)
    return [f"{item.code} {item.message}" for item in refused.value.diagnostics if item.severity == "error"]
