"""Count how many lines of a rendered artefact ten everyday edits of a pipeline change, for each target.

A platform engineer reviews these lines. A task in the middle is to change its own lines and its neighbours' arrows, and no
others. Two lines of each count are the hash of the definition, which is another after every edit.
`python benchmarks/edits.py` prints a table; run it at two commits to compare them.
"""

from __future__ import annotations

import copy
import difflib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from magnus_render.render.pipeline import render

PIPELINE = Path(__file__).resolve().parent.parent / "tests" / "golden" / "churn" / "dag.yaml"
TARGETS = ("bash", "aws-step-functions", "argo")
Steps = dict[str, Any]


def _shell(command: str, follows: str) -> Steps:
    return {"type": "task", "command_type": "shell", "command": command, "next": follows}


def _inserted(steps: Steps, before: str, name: str) -> None:
    """Put a task behind another, in the file as in the graph."""
    items = list(steps.items())
    steps.clear()
    for key, node in items:
        steps[key] = node
        if key == before:
            steps[name] = _shell("./check.sh", node["next"])
            node["next"] = name


def _branch(steps: Steps) -> Steps:
    found: Steps = steps["regions"]["branch"]["steps"]
    return found


def _third_branch(steps: Steps) -> None:
    ends = {"success": {"type": "success"}, "fail": {"type": "fail"}}
    graph = {"start_at": "archive", "steps": {"archive": _shell("./archive.sh", "success"), **ends}}
    steps["p"]["branches"]["archive"] = graph


def _renamed(steps: Steps) -> None:
    branch = _branch(steps)
    branch["evaluate"] = branch.pop("score")
    branch["train"]["next"] = "evaluate"


EDITS: dict[str, Callable[[Steps], None]] = {
    "a task added before a map": lambda steps: _inserted(steps, "regions-of", "check"),
    "a task added inside the map": lambda steps: _inserted(_branch(steps), "train", "check"),
    "a task removed inside the map": lambda steps: (
        _branch(steps)["train"].update(next="success"),
        _branch(steps).pop("score"),
    )[-1],
    "a command changed": lambda steps: _branch(steps)["score"].update(command="churn.score_again"),
    "a retry added": lambda steps: _branch(steps)["score"].update(retry=3),
    "a timeout changed": lambda steps: _branch(steps)["train"].update(timeout=7200),
    "a handler added": lambda steps: _branch(steps)["score"].update(on_failure="cleanup"),
    "a third branch of the parallel": _third_branch,
    "a bound on the map changed": lambda steps: steps["regions"].update(max_concurrency=5),
    "a task renamed": _renamed,
}


def lines(definition: dict[str, Any], target: str) -> list[str]:
    """Return the lines that a definition is rendered to. It is written to the working folder."""
    Path("dag.yaml").write_text(yaml.safe_dump(definition, sort_keys=False, allow_unicode=True))
    rendered = render("dag.yaml", target)
    return "".join([rendered.text, *rendered.others.values()]).splitlines()


def changed(before: list[str], after: list[str]) -> int:
    """Return how many lines a diff takes away and adds."""
    found = difflib.unified_diff(before, after, n=0, lineterm="")
    return sum(line[0] in "+-" and not line.startswith(("+++", "---")) for line in found)


def main() -> int:
    """Print the table; return the exit status."""
    pipeline = yaml.safe_load(PIPELINE.read_text())
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        before = {target: lines(pipeline, target) for target in TARGETS}
        print(f"{'lines that change':32}" + "".join(f"{target:>20}" for target in TARGETS))
        for name, edit in EDITS.items():
            definition = copy.deepcopy(pipeline)
            edit(definition["dag"]["steps"])
            counts = [changed(before[target], lines(definition, target)) for target in TARGETS]
            print(f"{name:32}" + "".join(f"{count:20}" for count in counts))
        print(f"{'lines of the artefact':32}" + "".join(f"{len(before[target]):20}" for target in TARGETS))
        os.chdir("/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
