"""Golden files: one folder per case, with its `dag.yaml` and what it is rendered to.

A case may have a `config.yaml` for bash, an `aws.yaml` for Step Functions, an `argo.yaml` for Argo (else those beside the
cases are used) and, in `environment.json`, variables to render with. `make golden` writes all golden files anew; a test
fails if one differs, and prints the difference and that command.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

from magnus_render.render import Rendered, render
from magnus_render.render.output import beside

FOLDER = Path(__file__).parent
CASES = sorted(path.parent.name for path in FOLDER.glob("*/dag.yaml"))
OUTPUTS = {"bash": "bash.sh", "stepfunctions": "pipeline.asl.json", "argo": "workflow.yaml"}
"""The file that each target's output is kept in."""
_CONFIGS = {"bash": "config.yaml", "stepfunctions": "aws.yaml", "argo": "argo.yaml"}
_LEFT_OUT = {
    ("as_is", "stepfunctions"),
    ("launcher", "stepfunctions"),
    ("launcher", "argo"),
    ("native", "bash"),
    ("native", "argo"),
    ("aws", "bash"),
    ("aws", "argo"),
    ("argo", "bash"),
    ("argo", "stepfunctions"),
}
"""Cases that are about another engine."""


def pairs() -> list[tuple[str, str]]:
    """Return (case, target) of everything there is a golden file for."""
    return [(case, target) for case in CASES for target in OUTPUTS if (case, target) not in _LEFT_OUT]


def outputs(case: str, target: str) -> Iterator[tuple[Path, str]]:
    """Yield the golden files of a case for a target, each with the text it should have."""
    result = rendered(case, target)
    main = FOLDER / case / OUTPUTS[target]
    yield main, result.text
    for name, text in result.others.items():
        yield Path(beside(str(main), name)), text


def rendered(case: str, target: str) -> Rendered:
    """Render a case in its own folder, with its environment."""
    folder = FOLDER / case
    variables = folder / "environment.json"
    saved = dict(os.environ)
    before = os.getcwd()
    try:
        os.environ.update(json.loads(variables.read_text()) if variables.exists() else {})
        os.chdir(folder)
        return render("dag.yaml", target, config(target))
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(saved)


def config(target: str) -> str | None:
    """Return the configuration for a target, seen from a case's folder."""
    name = _CONFIGS[target]
    if Path(name).exists():
        return name
    return f"../{name}" if Path("..", name).exists() else None
