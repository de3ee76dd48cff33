"""The Argo target: names, texts and configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import render
from magnus_render.targets.argo import names, quote
from magnus_render.targets.argo.verify_yaml import load
from tests.engines.argo.expansion import expand
from tests.tools import environment, require, unavailable
from tests.unit.argo_rendering import (
    as_is,
    each,
    errors,
    graph,
    made,
    manifest,
    task,
    tasks,
    templates,
)


@pytest.fixture(autouse=True)
def _in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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
