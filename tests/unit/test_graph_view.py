"""Which ways through a graph start a callback, so that a refusal is not taken for a failure that was handled."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.graph.load import load
from magnus_render.graph.view import View
from tests.unit.view_graphs import each, graph, parallel, task

pytestmark = pytest.mark.usefixtures("project")

QUIET = {"type": "as-is"}
LINES = {"type": "as-is", "render_string": "true"}


def dag(branch: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "dag", "branch": branch, **fields}


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (QUIET, True),
        (LINES, False),
        (task(), False),
        (dag(graph(q=QUIET)), True),
        (dag(graph(q=QUIET, t=task())), False),
        (parallel({}, x=graph(q=QUIET), y=graph(t=task())), False),
        (each({}, graph(q=QUIET)), False),
        (dag(graph(q={**QUIET, "next": "fail"})), False),
        (dag(graph(q={**QUIET, "next": "fail"}), on_failure="success"), False),  # its own failure is
        ({**QUIET, "next": "fail"}, False),
    ],
)
def test_a_failure_is_confirmed_if_nothing_calls_back_before_success(
    handler: dict[str, Any], expected: bool
) -> None:
    Path("dag.yaml").write_text(json.dumps({"dag": graph(a=task(next="success", on_failure="h"), h=handler)}))
    plan = load("dag.yaml").plan
    view = View(plan, lambda node: node.get("render") or None)
    assert view.must_confirm(plan["nodes"]["a"]) is expected
