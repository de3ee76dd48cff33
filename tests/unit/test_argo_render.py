"""The Argo target: what becomes of graphs, attempts and as-is nodes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus_render import naming
from magnus_render.targets.argo import names
from magnus_render.targets.argo.lint.yaml import load
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

pytestmark = pytest.mark.usefixtures("project")


LOST = "lastRetry.status == 'Error' || !(lastRetry.exitCode in ['1', '64', '65'])"


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
    assert found["success"] == "(success-confirm.Succeeded || b.Succeeded) && fail.Omitted"
    assert found["fail"] == "c.Succeeded || !(success-confirm.Succeeded || b.Succeeded)"


QUIET: dict[str, Any] = {"type": "as-is", "next": "success"}


@pytest.mark.parametrize(
    ("dag", "confirmation"),
    [
        (graph(x=task(on_failure="success")), "success-confirm"),
        (graph(x=task(on_failure="q"), q={**QUIET, "next": "r"}, r=QUIET), "q-confirm"),
        (
            graph(x=task(on_failure="d"), d={"type": "dag", "branch": graph(q=QUIET), "next": "success"}),
            "x-failed",
        ),
        (graph(x=each(graph(t=task()), on_failure="success")), "success-confirm"),
        (graph(x=as_is("true", on_failure="success")), "x-failed"),
        (graph(x=as_is({"suspend": {}}, on_failure="q"), q=QUIET), "x-failed"),
    ],
)
def test_a_failure_after_which_nothing_calls_back_is_confirmed(
    tmp_path: Path, dag: dict[str, Any], confirmation: str
) -> None:
    """Else a refusal would be taken for a failure that was handled."""
    found = manifest(tmp_path, dag)
    assert conditions(found)[confirmation].startswith("x.Failed || x.Errored")
    confirm = templates(found)["step-confirm"]["container"]
    assert confirm["args"] == ["$(MAGNUS_RUN_ID)", "{{inputs.parameters.step}}", "--confirm-failure"]
    waiting = [name for name, said in conditions(found).items() if "x.Failed" in said]
    assert waiting == [confirmation]


def test_one_callback_confirms_all_failures_that_lead_to_a_node(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(a=task("b", on_failure="success"), b=task(on_failure="success")))
    assert conditions(found) == {
        "a": "",
        "b": "a.Succeeded",
        "success-confirm": "a.Failed || a.Errored || b.Failed || b.Errored",
        "success": "success-confirm.Succeeded || b.Succeeded",
    }


def test_nothing_is_confirmed_where_nothing_can_fail(tmp_path: Path) -> None:
    found = manifest(
        tmp_path, graph(q={**QUIET, "next": "a", "on_failure": "z"}, a=task(), z=task(on_failure="success"))
    )
    assert conditions(found) == {"q": "", "a": "q.Succeeded", "success": "a.Succeeded"}


def test_a_failure_after_which_something_calls_back_needs_no_confirmation(tmp_path: Path) -> None:
    dag = graph(a=task(on_failure="q"), q={**QUIET, "next": "h"}, h=task())
    assert list(tasks(manifest(tmp_path, dag))) == ["a", "q", "h", "success"]


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


@pytest.mark.parametrize("text", ["true", {"suspend": {}}])
@pytest.mark.parametrize("around", ["", "dag", "parallel"])
def test_nothing_of_the_users_runs_before_something_has_called_back(
    tmp_path: Path, text: Any, around: str
) -> None:
    inner = graph(q=QUIET | {"next": "a"}, a=as_is(text, "t"), t=task())
    dag = {
        "": inner,
        "dag": graph(d={"type": "dag", "branch": inner, "next": "success"}),
        "parallel": graph(
            p={"type": "parallel", "branches": {"x": graph(t=task()), "y": inner}, "next": "success"}
        ),
    }[around]
    first, *others = conditions(manifest(tmp_path, dag)).items()
    assert first == ("record", "") and all(condition for _, condition in others)


def test_a_separate_dag_is_a_workflow_template_of_its_own(tmp_path: Path) -> None:
    dag = {
        "name": "p",
        **graph(
            a=task("m"),
            m=each(graph(d={"type": "dag", "separate": True, "branch": graph(t=task()), "next": "success"})),
        ),
    }
    rendered = made(tmp_path, dag)
    assert list(rendered.others) == ["m.d"]
    (child,) = load(rendered.others["m.d"])
    assert (child["kind"], child["metadata"]["name"]) == ("WorkflowTemplate", "p.m.d")
    assert "onExit" not in child["spec"] and "entrypoint" not in child["spec"]
    (main,) = load(rendered.text)
    assert tasks(main, "m-branch")["d"]["templateRef"] == {"name": "p.m.d", "template": "pipeline"}
    assert main["spec"]["templateDefaults"] == child["spec"]["templateDefaults"]
    (hash_,) = (
        e for e in child["spec"]["templateDefaults"]["container"]["env"] if e["name"] == "MAGNUS_DAG_HASH"
    )
    assert templates(child)["step"]["container"]["env"] == [hash_]  # not that of whoever calls it
    assert "env" not in templates(main)["step"]["container"]


def test_a_separate_dag_finds_what_it_needs_at_its_caller(tmp_path: Path) -> None:
    """Its templates run with the defaults of the workflow that calls them."""
    branch = graph(
        s=as_is("echo hello", "t"), t=task(executor_config={"argo": {"magnus_command": ["{{m}}"]}})
    )
    dag = graph(a=task("d"), d={"type": "dag", "separate": True, "branch": branch, "next": "success"})
    (main,) = load(made(tmp_path, dag).text)
    defaults = main["spec"]["templateDefaults"]
    assert "script" in defaults and defaults["container"]["env"][0]["name"] == "MAGNUS_BRACE"


def test_separate_dags_have_names_of_their_own(tmp_path: Path) -> None:
    c = {"type": "dag", "separate": True, "branch": graph(t=task()), "next": "success"}
    p = {"type": "parallel", "branches": {"x": graph(c=c)}, "next": "p-x-c"}
    rendered = made(tmp_path, {"name": "n", **graph(**{"p": p, "p-x-c": c})})
    found = {load(text)[0]["metadata"]["name"] for text in rendered.others.values()}
    assert found == {"n.p.x.c", "n.p-x-c"} and len(rendered.others) == 2


@given(st.lists(st.text("ab-", min_size=1, max_size=30), min_size=1, max_size=6))
def test_names_of_objects_are_valid_and_short(parts: list[str]) -> None:
    name = names.object_name("1 pipeline", ".".join(naming.slug(part) for part in parts))
    assert len(name) <= 52 and re.fullmatch(
        r"[a-z]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", name
    )


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
    assert templates(found)[tasks(found)["a"]["template"]]["activeDeadlineSeconds"] == 901
    assert found["spec"]["activeDeadlineSeconds"] == 1000


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


# ---- as-is ----


def test_a_script_is_run_and_recorded_by_one_pod(tmp_path: Path) -> None:
    found = manifest(tmp_path, graph(a=as_is("echo hello\n", "b", on_failure="b"), b=task()))
    assert list(tasks(found)) == ["record", "a", "b", "success"]
    script = templates(found)["a"]["script"]
    assert script["source"] == "echo hello\n"
    assert script["command"][2].endswith("--exit-status $?")
    assert conditions(found)["b"] == "a.Succeeded || a.Failed || a.Errored"


def test_a_native_template_is_recorded_where_no_step_would_tell(tmp_path: Path) -> None:
    native = {"container": {"image": "x", "command": ["y"]}}
    found = manifest(tmp_path, graph(a=as_is(native, "b", on_failure="c"), b=as_is(native), c=task()))
    own = ["a", "a-record", "a-failed", "b", "b-record", "b-failed"]
    assert list(tasks(found)) == ["record", *own, "c", "success"]
    assert conditions(found)["success"] == "(b-record.Succeeded || c.Succeeded) && b-failed.Omitted"
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
        ({"image": "x"}, "does not say what it runs"),
        ({"container": {}, "script": {}}, "has container and script"),
        ({"http": {"url": "x"}}, "a template of type http"),
        ({"suspend": {}, "inputs": 5}, "its inputs are not those of a template"),
        ({"suspend": {}, "inputs": {"parameters": 5}}, "its inputs are not those of a template"),
        ({"suspend": {}, "inputs": {"parameters": [5]}}, "its inputs are not those of a template"),
    ],
)
def test_native_templates_that_cannot_stand_for_a_node(tmp_path: Path, text: Any, said: str) -> None:
    (error,) = errors(tmp_path, graph(m=each(graph(a=as_is(text)))))
    assert error.startswith("MR302") and said in error


def test_a_native_container_that_gets_secrets_is_warned_of(tmp_path: Path) -> None:
    keys = {"secret_environment": {"TOKEN": {"secret": "s", "key": "k"}}}
    native = {"container": {"image": "x", "command": ["y"]}}
    found = made(tmp_path, graph(a=as_is(native, "b"), b=as_is({"suspend": {}})), keys).diagnostics
    assert [item.code for item in found] == ["MR308"]
    assert "the secrets of all steps: TOKEN" in found[0].message
