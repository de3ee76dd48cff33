"""The Argo target: graphs of more tasks than one template takes."""

from __future__ import annotations

import difflib
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.unit.argo_rendering import as_is, conditions, errors, graph, made, manifest, task, tasks, templates

pytestmark = pytest.mark.usefixtures("project")


def test_a_step_more_is_a_task_more(tmp_path: Path) -> None:
    def lines(without: int) -> list[str]:
        numbers = [number for number in range(451) if number != without]
        steps = {f"s{a:03}": task(f"s{b:03}") for a, b in pairwise(numbers)}
        text = made(tmp_path, graph(**steps, s450=task())).text
        return [line for line in text.splitlines() if not re.match(' *value: "[0-9a-f]{16}"', line)]

    found = difflib.unified_diff(lines(300), lines(-1), n=0, lineterm="")
    change = [line for line in found if not line.startswith(("---", "+++", "@@"))]
    assert len([line for line in change if line.startswith("-")]) <= 2
    assert len([line for line in change if line.startswith("+")]) <= 8


def test_long_graphs_come_in_parts_and_nothing_is_lost(tmp_path: Path) -> None:
    steps = {f"s{n}": task(f"s{n + 1}", on_failure=f"h{n}") for n in range(300)}
    handlers = {f"h{n}": task(f"s{n + 1}") for n in range(300)}
    both = {
        name: step
        for n in range(300)
        for name, step in ((f"s{n}", steps[f"s{n}"]), (f"h{n}", handlers[f"h{n}"]))
    }
    found = manifest(tmp_path, graph(**both, s300=task()))
    called = [
        parameter["value"]
        for template in found["spec"]["templates"]
        for one in template.get("dag", {}).get("tasks", ())
        for parameter in one.get("arguments", {}).get("parameters", ())
    ]
    assert sorted(called) == sorted([*both, "s300"])
    assert all(len(t["dag"]["tasks"]) <= 200 for t in found["spec"]["templates"] if "dag" in t)


def test_handlers_may_be_written_anywhere(tmp_path: Path) -> None:
    steps = {f"s{n}": task(f"s{n + 1}", on_failure=f"h{n}") for n in range(0, 300)}
    handlers = {f"h{n}": task(f"s{n + 1}") for n in reversed(range(300))}
    found = manifest(tmp_path, graph(**steps, **handlers, s300=task()))
    assert all(len(t["dag"]["tasks"]) <= 200 for t in found["spec"]["templates"] if "dag" in t)


@pytest.mark.parametrize("then", ["fail", "success", "after"])
def test_a_handler_that_all_steps_share_stays_outside_the_parts(tmp_path: Path, then: str) -> None:
    steps = {f"s{n}": task(f"s{n + 1}", on_failure="h") for n in range(300)}
    found = manifest(tmp_path, graph(**steps, h=task(then), s300=task("after", on_failure="h"), after=task()))
    pipeline, *parts = (t for t in found["spec"]["templates"] if "dag" in t)
    assert [len(part["dag"]["tasks"]) <= 200 for part in parts] == [True, True]
    outer = [one["name"] for one in pipeline["dag"]["tasks"]]
    names = [name for name in outer if name.startswith("from-")]
    waits = conditions(found)
    own = [name for name in outer if name in {*steps, "s300"}]
    assert waits["h"] == " || ".join(f"{n}.{bad}" for n in (*names, *own) for bad in ("Failed", "Errored"))
    assert len(names) == 2 and waits[names[1]] == f"{names[0]}.Succeeded"
    assert sum(len(part["dag"]["tasks"]) - 1 for part in parts) + len(own) == 301


def test_one_confirmation_stays_outside_the_parts(tmp_path: Path) -> None:
    """Any step may fail and let the pipeline end well."""
    steps = {f"s{n}": task(f"s{n + 1}", on_failure="success") for n in range(300)}
    found = manifest(tmp_path, graph(**steps, s300=task()))
    outer = conditions(found)
    parts = [name for name in outer if name.startswith("from-")]
    assert len(parts) == 2
    waiting = outer["success-confirm"].split(" || ")
    assert waiting[:4] == [f"{name}.{phase}" for name in parts for phase in ("Failed", "Errored")]
    assert outer["success"].split(" || ") == ["success-confirm.Succeeded", "s300.Succeeded"]


@pytest.mark.parametrize("handled", [{"on_failure": "other"}, {}])
def test_a_graph_that_cannot_be_cut_is_refused(tmp_path: Path, handled: dict[str, str]) -> None:
    """The failure of a part cannot mean two things."""
    steps = {f"s{n}": task(f"s{n + 1}", on_failure="h") for n in range(300)}
    steps["s7"] = task("s8", **handled)
    (error,) = errors(tmp_path, graph(**steps, s300=task(), h=task("fail"), other=task("fail")))
    assert error.startswith("MR357 template 'pipeline': it has 30")


def test_a_long_graph_that_never_comes_to_success(tmp_path: Path) -> None:
    steps = {f"s{n}": task(f"s{n + 1}") for n in range(250)}
    found = manifest(tmp_path, graph(**steps, s250=task("fail")))
    assert "pass" in templates(found)


@pytest.mark.parametrize("fields", [{"on_failure": "h"}, {}])
def test_a_native_template_in_a_part_keeps_it_from_succeeding(tmp_path: Path, fields: dict[str, Any]) -> None:
    steps = {f"s{n}": task(f"s{n + 1}", **fields) for n in range(300)}
    steps["s50"] = as_is({"suspend": {}}, "s51", **fields)
    found = manifest(
        tmp_path, graph(**steps, s300=task(**fields), **({"h": task("success")} if fields else {}))
    )
    (part,) = (t for t in templates(found) if "s50" in tasks_of(found, t))
    success = conditions(found, part)["success"]
    assert success.endswith(".Succeeded && s50-failed.Omitted")
    assert "s50" not in " ".join(conditions(found).values())


def test_parts_leave_the_names_of_templates_alone(tmp_path: Path) -> None:
    own = {"executor_config": {"argo": {"resources": {"requests": {"cpu": 1}}}}}
    steps = {f"s{n}": task(f"s{n + 1}") for n in range(300)}
    found = manifest(
        tmp_path, graph(**{**steps, "s300": task("pipeline-from-s0"), "pipeline-from-s0": task(**own)})
    )
    assert "container" in templates(found)["pipeline-from-s0"]


def tasks_of(found: Any, name: str) -> dict[str, Any]:
    return tasks(found, name) if "dag" in templates(found)[name] else {}
