"""Conditionals on Argo: what they are rendered to, what the simulator finds broken in it, and what its check reads."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from magnus_render.runtime.handover import NOT_CHOSEN
from magnus_render.targets.argo.lint.choices import _holds
from tests.unit.argo_rendering import (
    as_is,
    conditions,
    each,
    errors,
    graph,
    made,
    manifest,
    task,
    tasks,
    templates,
)
from tests.unit.argo_scenarios import Counts, check, rendered
from tests.unit.argo_simulator import SimulationError, Workflow
from tests.unit.argo_walk import Comparison

pytestmark = pytest.mark.usefixtures("project")
CHOICE = "{{inputs.parameters.choice}}"


def pick(*names: str, then: str = "success", **fields: Any) -> dict[str, Any]:
    """Return a conditional whose branches have a task each."""
    branches = {name: graph(t=task()) for name in names}
    return {"type": "conditional", "parameter": "p", "branches": branches, "next": then, **fields}


def whens(found: Any, name: str) -> dict[str, str]:
    return {task: one["when"] for task, one in tasks(found, name).items() if "when" in one}


# ---- what is rendered ----


def test_the_step_before_tells_the_choice(tmp_path: Path) -> None:
    found = manifest(
        tmp_path, graph(a=task("c"), c=pick("x", "y", then="b", on_failure="h"), b=task(), h=task())
    )
    assert conditions(found) == {
        "a": "",
        "c": "a.Succeeded",
        "b": "c.Succeeded",
        "h": "c.Failed || c.Errored",
        "success": "b.Succeeded || h.Succeeded",
    }
    given = tasks(found)["c"]["arguments"]["parameters"]
    assert given == [{"name": "choice", "value": "{{tasks.a.outputs.parameters.choice}}"}]
    assert tasks(found)["a"]["template"] == "step-choice"
    step = templates(found)["step-choice"]
    told = {"name": "choice", "valueFrom": {"path": "/tmp/magnus/choice", "default": NOT_CHOSEN}}
    assert step["outputs"]["parameters"] == [told]
    assert step["container"]["args"][-2:] == ["--fan-out", "/tmp/magnus/choice"]


def test_a_callback_chooses_where_no_step_can(tmp_path: Path) -> None:
    steps = {"a": task("c", on_failure="c"), "c": pick("x", then="d", on_failure="h"), "h": task()}
    found = manifest(tmp_path, graph(**steps, d={**pick("x"), "next": "success"}))
    assert conditions(found) == {
        "a": "",
        "c-choice": "a.Succeeded || a.Failed || a.Errored",
        "c": "c-choice.Succeeded",
        "h": "c.Failed || c.Errored || c-choice.Failed || c-choice.Errored",
        "d-choice": "c.Succeeded",
        "d": "d-choice.Succeeded",
        "success": "h.Succeeded || d.Succeeded",
    }
    assert templates(found)["magnus-choose"]["container"]["command"] == ["magnus", "choose"]


def test_branches_are_compared_as_texts(tmp_path: Path) -> None:
    names = ("true", "3", "a-b", "2026-01-02", "null", "Good one", "success", "no-branch")
    found = manifest(tmp_path, graph(a=task("c"), c=pick(*names, default=graph(t=task()))))
    given = whens(found, "c")
    assert [*given][:7] == [
        "n-true",
        "n-3",
        "a-b",
        "n-2026-01-02",
        "null",
        "good-one-9db02cf1",
        "success-aee40884",
    ]
    slugs = ["true", "3", "a-b", "2026-01-02", "null", "good-one-9db02cf1", "success", "no-branch", "default"]
    assert [*given.values()] == [f"'{CHOICE}' == '{slug}'" for slug in slugs]
    skipped = " && ".join(f"{name}.Skipped" for name in given)
    succeeded = " || ".join(f"{name}.Succeeded" for name in given)
    assert conditions(found, "c")["no-branch"] == skipped
    assert conditions(found, "c")["success"] == f"({succeeded}) && no-branch.Omitted"


def test_in_a_map_branches_are_told_their_item(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(a=task("m"), m=each(graph(b=task("c"), c=pick("x")))))
    assert templates(found)["m-c"]["inputs"]["parameters"] == [{"name": "branch"}, {"name": "choice"}]
    assert (
        tasks(found, "m-c-x")["t"]["arguments"]["parameters"][0]["value"]
        == "{{inputs.parameters.branch}}.c.x.t"
    )


def test_more_branches_than_an_object_takes_templates(tmp_path: Path) -> None:
    names = [f"b{number}" for number in range(198)]
    found = errors(tmp_path, graph(a=task("c"), c=pick(*names)))
    assert [one.partition("\n")[0] for one in found] == [
        "MR357 step 'c': its 198 branches are more than fit: each is a template, an object takes 200"
    ]
    branch = graph(
        d={"type": "dag", "separate": True, "next": "success", "branch": graph(c=pick(*names[100:]))}
    )
    found = manifest(tmp_path, graph(a=task("c"), c=pick(*names[:100], default=branch)))
    assert conditions(found, "c-default") == {"d": "", "success": "d.Succeeded"}
    both = {name: graph(t=task()) for name in names}
    (error,) = errors(tmp_path, graph(a={"type": "parallel", "branches": both, "next": "success"}))
    assert error.startswith("MR357 step 'a': its 198 branches are more than fit")


# ---- what the comparison must find ----


def _mixed() -> dict[str, Any]:
    inner = pick("x", "y", then="e")
    return graph(
        a=task("c"),
        c=pick(
            "x", "y", then="m", on_failure="h", default=graph(t=task("i"), i={**inner, "next": "success"})
        ),
        m=each(graph(b=as_is("echo x\n", "i"), i={**inner, "next": "success"}), "success"),
        h=task("fail"),
    )


def test_nothing_is_wrong_with_what_is_rendered(tmp_path: Path) -> None:
    wrong, number = check(Comparison(*rendered(tmp_path, _mixed())), random.Random(0), Counts(50, 50, 50))
    assert (wrong, number > 200) == ([], True)


def _drop(field: str, name: str) -> Callable[[dict[str, Any]], None]:
    return lambda found: found[name].pop(field)


def _set(field: str, name: str, value: str) -> Callable[[dict[str, Any]], None]:
    return lambda found: found[name].update({field: value})


@pytest.mark.parametrize(
    "change",
    [
        _drop("when", "y"),
        _set("when", "y", f"'{CHOICE}' == 'x'"),
        _set("when", "y", f"'{CHOICE}' == 'yy'"),
        _drop("withParam", "no-branch"),
        _set("withParam", "no-branch", "[]"),
        _set("depends", "no-branch", "x.Skipped"),
        _set("depends", "success", "(x.Succeeded || x.Failed) && no-branch.Omitted"),
    ],
)
def test_broken_manifests_are_found(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    plan, objects = rendered(tmp_path, _mixed())
    change(tasks(objects[0], "c"))
    broken = Comparison(plan, objects)
    assert any(check(broken, random.Random(seed), Counts(20, 20, 0))[0] for seed in range(60))


@pytest.mark.parametrize("when", ["{{inputs.parameters.choice}} == x", f"'{CHOICE}' == 'x' || true"])
def test_a_condition_that_is_not_simulated_is_refused(when: str) -> None:
    dag = {"tasks": [{"name": "a", "when": when, "template": "main"}]}
    spec = {"entrypoint": "main", "templates": [{"name": "main", "dag": dag}]}
    with pytest.raises(SimulationError, match="a when"):
        Workflow([{"metadata": {}, "spec": spec}]).run(lambda pod: ("Succeeded", ""))


# ---- steps that have a condition ----

WHEN = {"when": {"parameter": "p", "is": "v"}}


def test_the_step_before_tells_whether_a_step_runs(tmp_path: Path) -> None:
    steps = {"a": task("b"), "b": task("m", on_failure="h", **WHEN), "m": each(graph(t=task()))}
    found = manifest(tmp_path, graph(**steps, h=task("fail")))
    assert conditions(found) == {
        "a": "",
        "b": "a.Succeeded",
        "m-items": "b.Succeeded || b.Skipped",
        "m": "m-items.Succeeded",
        "h": "b.Failed || b.Errored",
        "fail": "h.Succeeded || !(m.Succeeded || m.Skipped)",
        "success": "(m.Succeeded || m.Skipped) && fail.Omitted",
    }
    assert whens(found, "pipeline") == {"b": "'{{tasks.a.outputs.parameters.choice}}' != 'skip'"}
    assert (tasks(found)["a"]["template"], tasks(found)["b"]["template"]) == ("step-choice", "step")


def test_a_callback_decides_where_no_step_can(tmp_path: Path) -> None:
    """At the start, and behind what may be skipped; a failure of the callback is one of the step."""
    again = task(retry=3, **WHEN)
    found = manifest(tmp_path, graph(a=task("b", on_failure="h", **WHEN), b=again, h=task("b", **WHEN)))
    assert conditions(found) == {
        "a-choice": "",
        "a": "a-choice.Succeeded",
        "h-choice": "a.Failed || a.Errored || a-choice.Failed || a-choice.Errored",
        "h": "h-choice.Succeeded",
        "b-choice": "a.Succeeded || a.Skipped || h.Succeeded || h.Skipped",
        "b": "b-choice.Succeeded",
        "success": "b.Succeeded || b.Skipped",
    }
    for name in "ahb":
        assert (
            whens(found, "pipeline")[name]
            == f"'{{{{tasks.{name}-choice.outputs.parameters.choice}}}}' != 'skip'"
        )
        assert tasks(found)[f"{name}-choice"]["template"] == "magnus-choose"


def test_a_template_that_tells_of_both_says_so(tmp_path: Path) -> None:
    made_of = {
        "the branch of the conditional that follows": graph(a=task("c"), c=pick("x")),
        "whether the step that follows runs": graph(a=task("b"), b=task(**WHEN)),
        "the branch that follows, or whether the step does": graph(
            a=task("b"), b=task("d", **WHEN), d=task("c"), c=pick("x")
        ),
    }
    for remark, dag in made_of.items():
        assert f"- name: choice              # {remark}\n" in made(tmp_path, dag).text


def _conditions() -> dict[str, Any]:
    return graph(a=task("b"), b=task("c", on_failure="h", **WHEN), c=task(**WHEN), h=task())


def test_steps_that_are_skipped_lead_on(tmp_path: Path) -> None:
    wrong, number = check(
        Comparison(*rendered(tmp_path, _conditions())), random.Random(0), Counts(50, 50, 50)
    )
    assert (wrong, number > 100) == ([], True)


@pytest.mark.parametrize(
    "change",
    [
        _drop("when", "b"),
        _drop("when", "c"),
        _set("when", "b", "'{{tasks.a.outputs.parameters.choice}}' == 'skip'"),
        _set("when", "b", "'{{tasks.a.outputs.parameters.choice}}' == 'run'"),
        _set("depends", "c-choice", "b.Succeeded"),
        _set("depends", "h", "b.Failed || b.Errored || b.Skipped"),
    ],
)
def test_broken_conditions_are_found(tmp_path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    plan, objects = rendered(tmp_path, _conditions())
    change(tasks(objects[0]))
    broken = Comparison(plan, objects)
    assert any(check(broken, random.Random(seed), Counts(20, 20, 0))[0] for seed in range(60))


# ---- what the check reads ----


@pytest.mark.parametrize(
    ("depends", "meaning"),
    [
        ("a.Succeeded", lambda a, b, c: a),
        ("!a.Succeeded && b.Succeeded", lambda a, b, c: not a and b),
        ("!(a.Succeeded && b.Succeeded) || c.Succeeded", lambda a, b, c: not (a and b) or c),
        ("a.Succeeded || b.Succeeded && c.Succeeded", lambda a, b, c: a or (b and c)),
        ("(a.Succeeded || b.Succeeded) && !!c.Succeeded", lambda a, b, c: (a or b) and c),
        ("((a.Succeeded)) && !(!b.Succeeded || c.Failed)", lambda a, b, c: a and b and c),
        ("a && (b || !c.Failed)", lambda a, b, c: a and (b or c)),
    ],
)
def test_a_condition_is_read_as_argo_reads_it(depends: str, meaning: Callable[..., bool]) -> None:
    for given in itertools.product((True, False), repeat=3):
        phases = {name: "Succeeded" if good else "Failed" for name, good in zip("abc", given, strict=True)}
        assert _holds(depends, phases) == meaning(*given), (depends, given)
