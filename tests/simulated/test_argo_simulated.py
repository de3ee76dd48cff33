"""The Argo target: what rendered graphs do in Argo, by a simulator, is what their definitions say.

Random definitions are rendered, whole and in parts, and each is run under some hundred scenarios. What differs is told
with its seed, definition and scenario: `Comparison(*rendered(folder, definition)).run(scenario)` repeats it.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.targets.argo import split
from tests.simulated.argo_graphs import any_graph, long_graph
from tests.unit.argo_rendering import as_is, each, graph, task
from tests.unit.argo_scenarios import Counts, check, rendered
from tests.unit.argo_simulator import SimulationError, Workflow
from tests.unit.argo_walk import CONFIRM, STEP, Comparison, Scenario

WHOLE = (split._LEAST, split._MOST)
SMALL, SMALLER = (4, 10), (3, 6)
"""Sizes of parts: the fewest tasks of one, and the most of a template."""


pytestmark = pytest.mark.usefixtures("project")


def _in_parts(monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int]) -> None:
    monkeypatch.setattr(split, "_LEAST", sizes[0])
    monkeypatch.setattr(split, "_MOST", sizes[1])


def _differences(folder: Path, seed: int, dag: dict[str, Any], counts: Counts) -> tuple[str, int, bool]:
    """Return how a manifest differs from its definition, the number of scenarios, and whether it is in parts."""
    comparison = Comparison(*rendered(folder, dag))
    cut = any("-from-" in name for _, name in comparison.workflow.dags)
    wrong, number = check(comparison, random.Random(seed), counts)
    if not wrong:
        return "", number, cut
    scenario, problems = min(wrong, key=lambda one: len(one[0].fails))
    told = "\n  ".join(
        [f"{len(wrong)} of {number} scenarios differ; with seed {seed}, {scenario}:", *problems]
    )
    return f"{told}\nin the definition\n{json.dumps(dag)}", number, cut


@pytest.mark.parametrize("sizes", [WHOLE, SMALL, SMALLER], ids=["whole", "small", "smaller"])
@pytest.mark.parametrize("block", range(4))
def test_any_graph(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sizes: tuple[int, int], block: int
) -> None:
    _in_parts(monkeypatch, sizes)
    scenarios = in_parts = 0
    for seed in range(block * 1000, block * 1000 + 12):
        rng = random.Random(seed)
        told, number, cut = _differences(
            tmp_path, seed, any_graph(rng, rng.randint(0, 25)), Counts(20, 15, 25)
        )
        assert not told, told
        scenarios += number
        in_parts += cut
    assert scenarios > 800
    assert (in_parts > 0) == (sizes != WHOLE)


@pytest.mark.parametrize(
    ("sizes", "seeds", "least", "most"),
    [
        (SMALL, range(12), 20, 60),
        (SMALL, range(12, 24), 20, 60),
        (WHOLE, range(4), 210, 400),
        (WHOLE, range(4, 9), 210, 400),
    ],
)
def test_long_graphs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sizes: tuple[int, int],
    seeds: range,
    least: int,
    most: int,
) -> None:
    """Graphs of which most can be cut; one that cannot is refused."""
    _in_parts(monkeypatch, sizes)
    in_parts = 0
    for seed in seeds:
        rng = random.Random(seed)
        dag = long_graph(rng, rng.randint(least, most))
        try:
            told, _, cut = _differences(tmp_path, seed, dag, Counts(10, 5, 10))
        except DefinitionError as refused:
            assert {item.code for item in refused.diagnostics if item.severity == "error"} == {"MR357"}
            continue
        assert not told, told
        in_parts += cut
    assert in_parts


def test_a_step_before_a_cut_may_fail_and_be_handled(tmp_path: Path) -> None:
    """The success of a part of real size waits for the last step there, and for its handler."""
    steps = {f"s{n}": task(f"s{n + 1}", on_failure=f"h{n}") for n in range(300)}
    handlers = {f"h{n}": task(f"s{n + 1}") for n in range(300)}
    comparison = Comparison(*rendered(tmp_path, graph(**steps, **handlers, s300=task())))
    ends = {one for dag in comparison.workflow.dags.values() for one in dag.tasks["success"].needs}
    assert len(ends & steps.keys()) > 1
    for step in ends & steps.keys():
        assert comparison.run(Scenario({(STEP, step): "Failed"})).problems == []


# ---- what the comparison must find ----

NATIVE_CONTAINER = {"container": {"image": "i", "command": ["native"], "args": ["b"]}}


def _small() -> dict[str, Any]:
    inner = graph(t=task(on_failure="h"), h=task())
    return graph(
        s=as_is("echo x\n", "a"),
        a=task("b", on_failure="success"),
        b=as_is(NATIVE_CONTAINER, "m"),
        m=each(inner, "c"),
        c=task(on_failure="d"),
        d=task("fail"),
    )


def test_nothing_is_wrong_with_what_is_rendered(tmp_path: Path) -> None:
    told, number, _ = _differences(tmp_path, 0, _small(), Counts(50, 50, 50))
    assert not told and number > 200


BROKEN: dict[str, tuple[str, str]] = {
    "a failure leads on": ("b: a.Succeeded", "b: a.Succeeded || a.Failed"),
    "a handler that an error does not lead to": ("h: t.Failed || t.Errored", "h: t.Failed"),
    "a handler that nothing leads to": ("d: c.Failed || c.Errored", "d: s.Failed"),
    "a step that need not wait": ("c: m.Succeeded || m.Skipped", "c: b-record.Succeeded"),
    "a map without items is a failure": ("c: m.Succeeded || m.Skipped", "c: m.Succeeded"),
    "a failure that nobody confirms": (
        "success: (success-confirm.Succeeded || c.Succeeded) && fail.Omitted",
        "success: (a.Failed || a.Errored || c.Succeeded) && d.Omitted",
    ),
    "a recovered failure that fails the run": (
        "success: t.Succeeded || h.Succeeded",
        "success: (t.Succeeded || h.Succeeded) && h.Omitted",
    ),
    "a text of the user's before any callback": ("s: record.Succeeded", "s: "),
    "a fail node that a failure on its way leads past": (
        "fail: d.Succeeded || b-failed.Failed || ",
        "fail: ",
    ),
}
"""By what is wrong: a task and what it depends on, before and after."""


@pytest.mark.parametrize("mistake", BROKEN)
def test_broken_manifests_are_found(tmp_path: Path, mistake: str) -> None:
    old, new = BROKEN[mistake]
    plan, objects = rendered(tmp_path, _small())
    changed = 0
    for one in (one for found in objects for one in _tasks(found)):
        line = f"{one['name']}: {one.get('depends', '')}"
        if old in line:
            changed += 1
            one["depends"] = line.replace(old, new).partition(": ")[2]
    assert changed == 1
    broken = Comparison(plan, objects)
    assert any(check(broken, random.Random(seed), Counts(50, 50, 50))[0] for seed in range(40))


def _tasks(found: Any) -> list[dict[str, Any]]:
    return [one for each in found["spec"]["templates"] for one in each.get("dag", {}).get("tasks", ())]


def test_a_failure_is_confirmed_and_a_refused_one_is_none(tmp_path: Path) -> None:
    comparison = Comparison(*rendered(tmp_path, graph(a=task(on_failure="success"))))
    failed = {(STEP, "a"): "Failed"}
    found = comparison.run(Scenario(failed))
    assert (found.ran, found.walk.succeeded) == ([(STEP, "a"), (CONFIRM, "success")], True)
    assert [comparison.run(Scenario(fails, refused=n)).problems for fails, n in (({}, 0), (failed, 1))] == [
        [],
        [],
    ]


# ---- the simulator itself ----


def _phase(fails: set[str], **depends: str) -> str:
    tasks = [{"name": name, "depends": text, "template": name} for name, text in depends.items()]
    steps = [{"name": name, "container": {"command": [name]}} for name in depends]
    dag = {
        "metadata": {},
        "spec": {"entrypoint": "main", "templates": [{"name": "main", "dag": {"tasks": tasks}}, *steps]},
    }
    phase, _ = Workflow([dag]).run(
        lambda pod: ("Failed" if pod.template["name"] in fails else "Succeeded", "")
    )
    return phase


@pytest.mark.parametrize(
    ("fails", "depends", "expected"),
    [
        (set(), {"a": "", "b": "a.Succeeded"}, "Succeeded"),
        ({"a"}, {"a": "", "b": "a.Succeeded"}, "Failed"),
        ({"a"}, {"a": "", "b": "a.Failed"}, "Succeeded"),
        (set(), {"a": "", "b": "a.Failed"}, "Succeeded"),
        ({"a"}, {"a": "", "h": "a.Failed", "b": "a.Succeeded", "end": "h.Succeeded || b.Succeeded"}, "Succeeded"),
        ({"a"}, {"a": "", "h": "a.Failed", "b": "a.Succeeded"}, "Failed"),
        ({"a", "h"}, {"a": "", "h": "a.Failed || a.Errored", "end": "(a.Succeeded || h.Succeeded) && h.Omitted"}, "Failed"),
    ],
)  # fmt: skip
def test_a_dag_fails_with_its_leaves(fails: set[str], depends: dict[str, str], expected: str) -> None:
    """One that was omitted takes over how what led there ended."""
    assert _phase(fails, **depends) == expected


@pytest.mark.parametrize("depends", [{"a": "b.Succeeded"}, {"a": "a.Succeeded"}, {"a": "", "b": "a"}])
def test_what_cannot_run_is_refused(depends: dict[str, str]) -> None:
    with pytest.raises(SimulationError):
        _phase(set(), **depends)
