"""Small pipelines whose callbacks a test makes by hand, in the current folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from magnus_render.cli.main import run as magnus
from magnus_render.runtime.fold import fold
from magnus_render.runtime.reading import read_run
from magnus_render.services import lookup

TAIL = {"success": {"type": "success"}, "fail": {"type": "fail"}}


def graph(**steps: dict[str, Any]) -> dict[str, Any]:
    """Return a graph that walks its steps in order, where they say nothing else."""
    names = [*steps, "success"]
    given = {name: {"next": names[number + 1], **step} for number, (name, step) in enumerate(steps.items())}
    return {"start_at": names[0], "steps": given | TAIL}


def task(command: str = "true", **fields: Any) -> dict[str, Any]:
    """Return a task that runs a command of the shell."""
    return {"type": "task", "command_type": "shell", "command": command, **fields}


def parallel(fields: dict[str, Any], **branches: dict[str, Any]) -> dict[str, Any]:
    """Return a parallel."""
    return {"type": "parallel", "branches": branches, **fields}


def each(fields: dict[str, Any], branch: dict[str, Any]) -> dict[str, Any]:
    """Return a map over the parameter `items`."""
    return {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch, **fields}


FAST = {"fail_fast": True}


def begin(dag: dict[str, Any], **parameters: Any) -> None:
    """Write the definition and start the run, with initial parameters."""
    Path("dag.yaml").write_text(json.dumps({"dag": dag}))
    words = [
        word for name, value in parameters.items() for word in ("--param", f"{name}={json.dumps(value)}")
    ]
    assert call("start_run", *words) == 0


def call(command: str, *words: str) -> int:
    """Make a callback; return its exit status."""
    return magnus([command, "r", *words, "-f", "dag.yaml"])


def step(address: str, *words: str) -> int:
    """Execute a step; return its exit status."""
    return call("execute_single_node", address, *words)


def log() -> dict[str, Any]:
    """Return the folded log of the run."""
    store = lookup.load("run_log_store", {"type": "file-system", "config": {"path": ".run_log_store"}})
    return fold(*read_run(store, "r"), 0.0)
