"""The Argo target: what becomes of nodes, names, values and configuration."""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import Rendered, render
from magnus_render.targets.argo import names, quote
from magnus_render.targets.argo.verify_yaml import load
from tests.engines.argo.expansion import expand
from tests.tools import environment, require, unavailable

ENDS: dict[str, Any] = {"success": {"type": "success"}, "fail": {"type": "fail"}}
EXECUTOR: dict[str, Any] = {
    "image": "registry.example/p:1",
    "persistent_volumes": [{"claim": "runs", "mount_path": "/mnt/runs"}],
}
LOST = "lastRetry.status == 'Error' || !(lastRetry.exitCode in ['1', '64', '65'])"
STORES: dict[str, Any] = {
    "run_log_store": {"type": "file-system", "config": {"path": "/mnt/runs/log"}},
    "catalog": {"type": "file-system", "config": {"path": "/mnt/runs/files"}},
}


def task(then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "task", "command": "m.f", "next": then, **fields}


def graph(**steps: Any) -> dict[str, Any]:
    return {"start_at": next(iter(steps)), "steps": {**steps, **ENDS}}


def each(branch: dict[str, Any], then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "map", "iterate_on": "l", "iterate_as": "v", "branch": branch, "next": then, **fields}


def as_is(text: Any, then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "as-is", "render_string": {"argo": text}, "next": then, **fields}


@pytest.fixture(autouse=True)
def _in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
    (found,) = load(made(folder, dag, keys, **blocks).text)
    return found


def templates(found: Any) -> dict[str, Any]:
    return {template["name"]: template for template in found["spec"]["templates"]}


def tasks(found: Any, name: str = "pipeline") -> dict[str, Any]:
    return {one["name"]: one for one in templates(found)[name]["dag"]["tasks"]}


def conditions(found: Any, name: str = "pipeline") -> dict[str, str]:
    return {task: one.get("depends", "") for task, one in tasks(found, name).items()}


def errors(folder: Path, dag: dict[str, Any], keys: dict[str, Any] | None = None, **blocks: Any) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        made(folder, dag, keys, **blocks)
    return [f"{item.code} {item.message}" for item in caught.value.diagnostics if item.severity == "error"]


# ---- the graph ----


def test_success_is_the_only_leaf_and_a_graph_fails_by_what_failed_in_it(tmp_path: Path) -> None:
    found = conditions(manifest(tmp_path, graph(a=task("b"), b=task())))
    assert found == {"a": "", "b": "a.Succeeded", "success": "b.Succeeded"}


def test_a_handler_and_the_way_around_it(tmp_path: Path) -> None:
    dag = graph(a=task("c", on_failure="b"), b=task("c"), c=task())
    assert conditions(manifest(tmp_path, dag)) == {
        "a": "",
        "b": "a.Failed || a.Errored",
        "c": "a.Succeeded || b.Succeeded",
        "success": "c.Succeeded",
    }


def test_a_success_that_leads_to_the_fail_node_has_a_task_for_it(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(a=task("b", on_failure="page"), b=task(), page=task("fail")))
    assert conditions(found)["fail"] == "page.Succeeded || !b.Succeeded"
    assert conditions(found)["success"] == "b.Succeeded && fail.Omitted"
    assert tasks(found)["fail"]["template"] == "step"


def test_a_map_may_lead_to_the_fail_node_without_items(tmp_path: Path) -> None:
    found = conditions(manifest(tmp_path, graph(m=each(graph(t=task()), "fail", on_failure="a"), a=task())))
    assert found["fail"] == "m.Succeeded || m.Skipped || !a.Succeeded"


def test_success_on_several_ways_is_one_condition(tmp_path: Path) -> None:
    found = conditions(
        manifest(
            tmp_path,
            graph(a=task("b", on_failure="success"), b=task("success", on_failure="c"), c=task("fail")),
        )
    )
    assert found["success"] == "(a.Failed || a.Errored || b.Succeeded) && fail.Omitted"
    assert found["fail"] == "c.Succeeded || !(a.Failed || a.Errored || b.Succeeded)"


def test_the_step_before_a_map_counts_its_items(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(a=task("m"), m=each(graph(t=task()))))
    assert list(tasks(found)) == ["a", "m", "success"]
    assert tasks(found)["a"]["template"] == "step-items"
    assert tasks(found)["m"]["withParam"] == "{{tasks.a.outputs.parameters.items}}"
    assert conditions(found)["success"] == "m.Succeeded || m.Skipped"
    assert tasks(found, "m-branch")["t"]["arguments"]["parameters"] == [
        {"name": "step", "value": "{{inputs.parameters.branch}}.t"}
    ]


def test_where_no_step_can_count_a_callback_does(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(m=each(graph(t=task()), on_failure="h"), h=task()))
    assert list(tasks(found)) == ["m-items", "m", "h", "success"]
    assert conditions(found)["h"] == "m.Failed || m.Errored || m-items.Failed || m-items.Errored"
    assert templates(found)["magnus-map-count"]["container"]["command"] == ["magnus", "map_count"]


@pytest.mark.parametrize("field", [{"max_concurrency": 3}, {"fail_fast": True}])
def test_a_bounded_map_has_a_template_around_its_items(tmp_path: Path, field: dict[str, Any]) -> None:
    inner = each(graph(t=task()), **field)
    found = templates(manifest(tmp_path, graph(a=task("o"), o=each(graph(b=task("m"), m=inner)))))
    around = found["o-m"]
    assert around.get("parallelism") == field.get("max_concurrency")
    assert around["dag"]["failFast"] is field.get("fail_fast", False)
    (item,) = around["dag"]["tasks"]
    assert item["arguments"]["parameters"] == [
        {"name": "branch", "value": "{{inputs.parameters.branch}}.m.{{item}}"}
    ]


def test_branches_end_together(tmp_path: Path) -> None:
    branches = {"a": graph(t=task()), "b": graph(t=task())}
    parallel = {"type": "parallel", "next": "success", "branches": branches}
    found = conditions(manifest(tmp_path, graph(p=parallel)), "p")
    assert found == {"a": "", "b": "", "success": "a.Succeeded && b.Succeeded"}
    bounded = manifest(tmp_path, graph(p={**parallel, "max_concurrency": 1}))
    assert conditions(bounded, "p") == {
        "a": "",
        "b": "",
    }  # a task behind them could keep one from ever being begun
    assert templates(bounded)["p"]["parallelism"] == 1


def test_a_run_in_which_nothing_calls_back_is_recorded(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(a={"type": "as-is", "next": "success"}))
    assert conditions(found) == {"record": "", "a": "record.Succeeded", "success": "a.Succeeded"}
    assert templates(found)["magnus-start-run"]["container"]["args"] == ["$(MAGNUS_RUN_ID)"]


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


@pytest.mark.parametrize("handled", [{"on_failure": "other"}, {}])
def test_a_graph_that_cannot_be_cut_is_refused(tmp_path: Path, handled: dict[str, str]) -> None:
    """The failure of a part cannot mean two things."""
    steps = {f"s{n}": task(f"s{n + 1}", on_failure="h") for n in range(300)}
    steps["s7"] = task("s8", **handled)
    (error,) = errors(tmp_path, graph(**steps, s300=task(), h=task("fail"), other=task("fail")))
    assert error.startswith("MR357 template 'pipeline': it has 30")


def test_a_separate_dag_is_a_workflow_template_of_its_own(tmp_path: Path) -> None:
    dag = {
        "name": "p",
        **graph(
            a=task("m"),
            m=each(graph(d={"type": "dag", "separate": True, "branch": graph(t=task()), "next": "success"})),
        ),
    }
    rendered = made(tmp_path, dag)
    assert list(rendered.others) == ["m-d"]
    (child,) = load(rendered.others["m-d"])
    assert (child["kind"], child["metadata"]["name"]) == ("WorkflowTemplate", "p-m-d")
    assert "onExit" not in child["spec"] and "entrypoint" not in child["spec"]
    (main,) = load(rendered.text)
    assert tasks(main, "m-branch")["d"]["templateRef"] == {"name": "p-m-d", "template": "pipeline"}
    assert main["spec"]["templateDefaults"] == child["spec"]["templateDefaults"]


# ---- attempts ----


@pytest.mark.parametrize(
    ("retry", "strategy"),
    [
        ({"attempts": 1}, {"limit": "2", "expression": LOST}),
        ({"attempts": 3}, {"limit": "4", "expression": LOST}),
        ({"attempts": 3, "delay": 10}, {"limit": "2", "backoff": {"duration": "10s"}}),
        (
            {"attempts": 5, "delay": 0.25, "backoff": 2, "max_delay": 60},
            {"limit": "4", "backoff": {"duration": "250ms", "factor": "2", "cap": "60s"}},
        ),
    ],
)  # fmt: skip
def test_attempts_are_retries_and_the_platform_has_two_more(
    tmp_path: Path, retry: Any, strategy: Any
) -> None:
    found = manifest(tmp_path, graph(a=task(retry=retry)))
    step = templates(found)[tasks(found)["a"]["template"]]
    assert step["retryStrategy"] == {"retryPolicy": "Always", **strategy}
    again = ["--again", "76"] if retry["attempts"] > 1 and "delay" not in retry else []
    assert step["container"]["args"][2:] == ["--attempt", "{{=asInt(retries) + 1}}", *again]


def test_a_backoff_that_is_not_whole_is_rounded_up_and_said(tmp_path: Path) -> None:
    rendered = made(tmp_path, graph(a=task(retry={"attempts": 3, "delay": 1, "backoff": 1.5})))
    assert [item.code for item in rendered.diagnostics] == ["MR304"]
    assert 'factor: "2"' in rendered.text


def test_the_engine_limit_of_an_attempt_lies_behind_ours(tmp_path: Path) -> None:
    found = manifest(tmp_path, {**graph(a=task(timeout=0.5)), "max_time": 100})
    assert templates(found)[tasks(found)["a"]["template"]]["activeDeadlineSeconds"] == 61
    assert found["spec"]["activeDeadlineSeconds"] == 160


def test_steps_that_differ_in_nothing_but_their_name_share_a_template(tmp_path: Path) -> None:
    steps = {f"s{n}": task(f"s{n + 1}", retry=2 + n % 2, timeout=60) for n in range(20)}
    found = templates(manifest(tmp_path, graph(**steps, s20=task())))
    assert set(found) == {
        "pipeline",
        "step",
        "step-retry-2-timeout-60s",
        "step-retry-3-timeout-60s",
        "pass",
        "exit",
    }


# ---- names ----


def test_names_are_what_kubernetes_and_expressions_take(tmp_path: Path) -> None:
    odd = [
        "in",
        "nil",
        "True",
        "1st",
        "Größe (m)",
        "n",
        "pass",
        "pipeline",
        "step",
        "step-items",
        "exit",
        "n-1st",
        "a" * 90,
    ]
    steps = {name: task(after, **own()) for name, after in zip(odd, [*odd[1:], "success"], strict=True)}
    found = manifest(tmp_path, graph(**steps))
    every = [*templates(found), *tasks(found)]
    assert all(re.fullmatch("[a-z][-a-z0-9]{0,62}", name) for name in every), every
    assert len(tasks(found)) == len(odd) + 1 and len(templates(found)) == len(odd) + 4
    assert not set(tasks(found)) & {"in", "nil", "true"}
    again = manifest(tmp_path, graph(**steps))
    assert again == found


def own() -> dict[str, Any]:
    return {"executor_config": {"argo": {"resources": {"requests": {"cpu": 1}}}}}


def test_helpers_leave_the_users_names_alone(tmp_path: Path) -> None:
    found = tasks(
        manifest(
            tmp_path, graph(**{"m-items": task("x"), "x": as_is("true", "m"), "m": each(graph(t=task()))})
        )
    )
    assert found["m-items"]["template"] == "step"
    (counter,) = (name for name in found if name.startswith("m-items-"))
    assert found["m"]["depends"] == f"{counter}.Succeeded"


@given(
    st.dictionaries(st.text("ab-", min_size=1, max_size=4), st.sampled_from(["a", "b", "a" * 80]), max_size=8)
)
def test_distinct_names_do_not_depend_on_their_order(wanted: dict[str, str]) -> None:
    found = names.distinct(wanted, ["b"])
    assert found == names.distinct(dict(reversed(wanted.items())), ["b"])
    assert len(set(found.values())) == len(wanted) and "b" not in found.values()
    assert all(len(name) <= 63 for name in found.values())


# ---- texts ----


@given(
    st.one_of(
        st.text(),
        st.text("yn1e3.:-#'\" \n\t{}[]&*!|>%@`,?~="),
        st.sampled_from(["y", "1e3", "0x1", "12:30", "~", "=", ""]),
    )
)
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        return
    for written in (quote.scalar(text), quote.text(text, 2), quote.quoted(text)):
        assert yaml.safe_load(f"k: {written}\n") == {"k": text}
        assert load(f"k: {written}\n") == [{"k": text}]
    assert yaml.safe_load(f"{quote.key(text)}: 1\n") == {text: 1}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text("ay1 \n:#-{"),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text("ay1:"), inner)))  # fmt: skip
def test_any_structure_is_read_back_as_it_was(value: Any) -> None:
    (found,) = load("k:\n" + quote.block(value, 2) + "\n")
    assert found["k"] == value


@given(st.text("${}(AB)x"))
def test_what_kubernetes_and_argo_read_arrives_as_it_was(text: str) -> None:
    written = quote.inert(text)
    assert "{{" not in written
    assert expand(written, {quote.BRACE: "{", "A": "wrong", "B": "wrong"}) == text


@given(st.text("${}(AB)@ \n"))
def test_a_script_arrives_as_it_was(text: str) -> None:
    mark = quote.marker(text)
    written = quote.broken(text, mark)
    assert "{{" not in written
    assert expand(written, {"A": "wrong", "B": "wrong"}) == written
    assert re.sub(r"([{$])" + mark, r"\1", written) == text


def test_names_and_values_that_look_like_tags(tmp_path: Path) -> None:
    keys = {"environment": {"A": "{{workflow.name}} $(HOME) $$"}, "annotations": {"a/b": "y"}}
    found = manifest(tmp_path, graph(**{"{{item}}": task("b"), "b": task()}), keys)
    env = {one["name"]: one.get("value") for one in found["spec"]["templateDefaults"]["container"]["env"]}
    assert env["A"] == "{$(MAGNUS_BRACE)workflow.name}} $$(HOME) $$$" and env["MAGNUS_BRACE"] == "{"
    assert next(iter(env)) == "MAGNUS_BRACE"  # Kubernetes knows only what stands before


# ---- as-is ----


def test_a_script_is_run_and_recorded_by_one_pod(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(a=as_is("echo hello\n", "b", on_failure="b"), b=task()))
    assert list(tasks(found)) == ["a", "b", "success"]
    script = templates(found)["a"]["script"]
    assert script["source"] == "echo hello\n"
    assert script["command"][2].endswith("--exit-status $?")
    assert conditions(found)["b"] == "a.Succeeded || a.Failed || a.Errored"


def test_a_native_template_is_recorded_where_no_step_would_tell(tmp_path: Path) -> None:
    native = {"container": {"image": "x", "command": ["y"]}}
    found = manifest(tmp_path, graph(a=as_is(native, "b", on_failure="c"), b=as_is(native), c=task()))
    assert list(tasks(found)) == ["a", "a-record", "a-failed", "b", "b-record", "b-failed", "c", "success"]
    assert (
        conditions(found)["success"] == "b-record.Succeeded || c.Succeeded"
        or "b-failed" in conditions(found)["success"]
    )
    assert templates(found)["a"] == {"name": "a", **native}


def test_a_native_template_in_a_map_knows_its_branch(tmp_path: Path) -> None:
    native = {"suspend": {"duration": "1"}, "inputs": {"parameters": [{"name": "x", "value": "1"}]}}
    found = manifest(tmp_path, graph(a=task("m"), m=each(graph(n=as_is(native, "t"), t=task()))))
    assert templates(found)["m-n"]["inputs"]["parameters"] == [
        {"name": "branch"},
        {"name": "x", "value": "1"},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"image": "x"}, "says not what it runs"),
        ({"container": {}, "script": {}}, "has container and script"),
        ({"http": {"url": "x"}}, "a template of type http"),
    ],
)
def test_native_templates_that_cannot_stand_for_a_node(tmp_path: Path, text: Any, said: str) -> None:
    (error,) = errors(tmp_path, graph(a=as_is(text)))
    assert error.startswith("MR302") and said in error


# ---- configuration ----


def test_a_node_states_only_what_differs(tmp_path: Path) -> None:
    keys = {"node_selector": {"pool": "a", "zone": "b"}, "environment": {"A": 1, "B": True}}
    own = {"image": "other", "node_selector": {"pool": "gpu"}, "environment": {"A": 2}}
    found = manifest(tmp_path, graph(a=task("b", executor_config={"argo": own}), b=task()), keys)
    step = templates(found)["a"]
    assert step["container"]["image"] == "other"
    assert step["container"]["env"] == [{"name": "A", "value": "2"}]
    assert step["nodeSelector"] == {"pool": "gpu", "zone": "b"}
    assert found["spec"]["nodeSelector"] == keys["node_selector"]
    assert "securityContext" not in step["container"]


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"kind": "CronWorkflow"}, "MR305 executor.config: kind CronWorkflow without a schedule"),
        ({"kind": "Workflow", "schedule": "@daily"}, "MR305 executor.config: kind Workflow with a schedule"),
        ({"imagee": "x"}, "'imagee'"),
        ({"labels": {"a b": "c"}}, "'labels"),
        ({"parallelism": 0}, "'parallelism'"),
        ({"schedule": "every day"}, "MR354"),
    ],
)
def test_configuration_that_is_refused(tmp_path: Path, keys: dict[str, Any], said: str) -> None:
    assert any(error.startswith(said) or said in error for error in errors(tmp_path, graph(a=task()), keys))


def test_what_is_the_whole_pipelines_is_refused_at_a_node(tmp_path: Path) -> None:
    (error,) = errors(tmp_path, graph(a=task(executor_config={"argo": {"namespace": "x"}})))
    assert error == "MR303 step 'a': executor_config.argo: 'namespace' is the whole pipeline's"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.123456789, "0.123456789"),
        (1234567.5, "1234567.5"),
        (1e3, "1000"),
        (True, "true"),
        (7, "7"),
        ("y", "y"),
    ],
)
def test_numbers_in_an_environment_are_written_in_full(tmp_path: Path, value: Any, text: str) -> None:
    found = manifest(tmp_path, graph(a=task()), {"environment": {"A": value}})
    env = found["spec"]["templateDefaults"]["container"]["env"]
    assert {"name": "A", "value": text} in env


@pytest.mark.parametrize("name", ["y", "123", "on"])
def test_names_that_yaml_takes_for_something_else(tmp_path: Path, name: str) -> None:
    keys = {"namespace": name, "service_account_name": name, "kind": "WorkflowTemplate"}
    found = manifest(tmp_path, {"name": name, **graph(a=task())}, keys)
    assert (found["metadata"]["namespace"], found["spec"]["serviceAccountName"]) == (name, name)
    assert isinstance(found["metadata"]["name"], str)


def test_a_variable_is_a_text_or_a_secret(tmp_path: Path) -> None:
    keys = {"environment": {"A": 1, "B": 2}, "secret_environment": {"C": {"secret": "s", "key": "k"}}}
    argo = {"environment": {"C": 3}, "secret_environment": {"A": {"secret": "s", "key": "k"}}}
    found = errors(tmp_path, graph(a=task(executor_config={"argo": argo})), keys)
    assert [error.split(" stands")[0] for error in found] == [
        "MR306 step 'a': the variable 'A'",
        "MR306 step 'a': the variable 'C'",
    ]


def test_configuration_of_a_composite_has_no_effect(tmp_path: Path) -> None:
    inner = each(graph(t=task()), executor_config={"argo": {"image": "x"}})
    assert [item.code for item in made(tmp_path, graph(a=task("m"), m=inner)).diagnostics] == ["MR307"]


@pytest.mark.parametrize("kind", ["Workflow", "WorkflowTemplate"])
def test_kinds(tmp_path: Path, kind: str) -> None:
    found = manifest(tmp_path, {"name": "p", **graph(a=task())}, {"kind": kind})
    assert found["kind"] == kind
    assert found["metadata"].get("generateName" if kind == "Workflow" else "name").startswith("p")


def test_a_schedule_makes_a_cron_workflow(tmp_path: Path) -> None:
    found = manifest(
        tmp_path, graph(a=task()), {"schedule": ["0 2 * * *", "@weekly"], "timezone": "Europe/Paris"}
    )
    assert found["kind"] == "CronWorkflow"
    assert found["spec"]["schedules"] == ["0 2 * * *", "@weekly"]
    assert "entrypoint" in found["spec"]["workflowSpec"]


def test_stores_that_pods_do_not_share_are_refused_with_the_fix(tmp_path: Path) -> None:
    error, *more = errors(tmp_path, graph(a=task()), {"persistent_volumes": []})
    assert "`persistent_volumes: [{claim: magnus, mount_path: /mnt/magnus}]` in executor.config" in error
    assert "`run_log_store: {type: file-system, config: {path: /mnt/magnus/run_log}}`" in error
    assert len(more) == 1
    (error,) = errors(
        tmp_path, graph(a=task()), catalog={"type": "file-system", "config": {"path": "/mnt/runsx"}}
    )
    assert "`catalog: {type: file-system, config: {path: /mnt/runs/catalog}}`" in error
    (error,) = errors(tmp_path, graph(a=task()), run_log_store={"type": "buffered"})
    assert "buffered" in error


def test_s3_needs_no_volume(tmp_path: Path) -> None:
    s3 = {"type": "s3", "config": {"bucket": "runs"}}
    found = manifest(tmp_path, graph(a=task()), {"persistent_volumes": []}, run_log_store=s3, catalog=s3)
    assert "volumes" not in found["spec"]


def test_without_a_configuration_it_is_rendered_with_warnings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dag.yaml").write_text(yaml.safe_dump({"dag": graph(a=task())}))
    rendered = render("dag.yaml", "argo")
    assert [item.code for item in rendered.diagnostics] == ["MR301"] * 4
    with pytest.raises(DefinitionError):
        render("dag.yaml", "argo", strict=True)


def test_compact_is_the_same_object(tmp_path: Path) -> None:
    dag = graph(a=task("m"), m=each(graph(t=task())))
    short = made(tmp_path, dag, compact=True).text
    assert json.loads(short) == manifest(tmp_path, dag)
    assert short.count("\n") == 1


def test_rendering_needs_no_network_and_writes_nothing_else(tmp_path: Path) -> None:
    unshare = require("unshare")
    home = tmp_path / "home"
    home.mkdir()
    text = made(tmp_path, graph(a=task())).text
    if subprocess.run([unshare, "--net", "true"], check=False).returncode:
        unavailable("this user may not cut a process off from the network")
    kept = {"PATH": environment()["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    words = ["magnus", "render", "dag.yaml", "-t", "argo", "-o", "out.yaml"]
    done = subprocess.run([unshare, "--net", *words], env=kept, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert Path("out.yaml").read_text() == text
    assert sorted(os.listdir()) == ["dag.yaml", "home", "out.yaml"]
    assert os.listdir(home) == []


def test_the_output_names_nothing_of_this_machine(tmp_path: Path) -> None:
    text = made(tmp_path, graph(a=task())).text
    assert str(tmp_path) not in text and "root" not in text.replace("fsGroup", "").replace("runAsNonRoot", "")
