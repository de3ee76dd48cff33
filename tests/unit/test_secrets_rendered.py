"""Which secrets rendered steps get, and what is said of those that will not be there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from magnus_render.diagnostics import Diagnostic
from magnus_render.render.pipeline import render
from magnus_render.targets.argo.lint.yaml import load
from tests.unit.argo_rendering import as_is, each, graph, made, task

ENV: dict[str, Any] = {"secrets": {"type": "env"}}
NATIVE = {"container": {"image": "x", "command": ["y"]}}


def keys(*names: str, **more: Any) -> dict[str, Any]:
    return {"secret_environment": {name: {"secret": "s", "key": name.lower()} for name in names}, **more}


def reached(text: str) -> dict[str, set[str]]:
    """Return the variables from Secrets by template; '' are the defaults of all containers."""
    spec = load(text)[0]["spec"]
    templates = [{"name": "", **spec["templateDefaults"]}, *spec["templates"]]
    return {
        one["name"]: found
        for one in templates
        if (found := {e["name"] for e in one.get("container", {}).get("env", ()) if "valueFrom" in e})
        or not one["name"]
    }


def template_of(text: str, name: str) -> str:
    """Return the template of a task."""
    tasks = [t for one in load(text)[0]["spec"]["templates"] for t in one.get("dag", {}).get("tasks", ())]
    return next(one["template"] for one in tasks if one["name"] == name)


# ---- Argo: the pods of steps that ask for it ----


def test_a_secret_reaches_the_pods_of_steps_that_ask_for_it(tmp_path: Path) -> None:
    dag = graph(
        a=task("b", secrets=["TOKEN"]),
        b=task("c", secrets={"T": "TOKEN"}),
        c=task("d"),
        d=task("m", secrets=["TOKEN"], retry=3),
        m=each(graph(x=task(secrets=["OTHER", "TOKEN"], executor_config={"argo": {"labels": {"a": "b"}}}))),
    )
    text = made(tmp_path, dag, keys("TOKEN", "OTHER", "UNASKED"), **ENV).text
    assert reached(text) == {
        "": {"UNASKED"},
        "step-with-token": {"TOKEN"},
        "step-retry-3-items-with-token": {"TOKEN"},
        "m-x": {"TOKEN", "OTHER"},
    }
    assert [template_of(text, name) for name in "abc"] == ["step-with-token", "step-with-token", "step"]


def test_a_prefix_is_part_of_the_variable(tmp_path: Path) -> None:
    secrets = {"secrets": {"type": "env", "config": {"prefix": "P_"}}}
    found = made(tmp_path, graph(a=task(secrets=["TOKEN"])), keys("P_TOKEN", "TOKEN"), **secrets)
    assert reached(found.text) == {"": {"TOKEN"}, "step-with-p-token": {"P_TOKEN"}}
    assert not found.diagnostics


def test_what_stores_read_reaches_all_pods(tmp_path: Path) -> None:
    dag = graph(a=task(secrets=["AWS_SECRET_ACCESS_KEY"]))
    found = made(tmp_path, dag, keys("AWS_SECRET_ACCESS_KEY"), **ENV)
    assert reached(found.text) == {"": {"AWS_SECRET_ACCESS_KEY"}}
    assert not found.diagnostics


def test_secrets_of_another_store_are_nobodys_variables(tmp_path: Path) -> None:
    dag = graph(a=task(secrets=["TOKEN"]))
    assert reached(made(tmp_path, dag, keys("TOKEN"), secrets={"type": "dotenv"}).text) == {"": {"TOKEN"}}


def test_a_steps_own_secret_wins(tmp_path: Path) -> None:
    own = {"argo": {"secret_environment": {"TOKEN": {"secret": "mine", "key": "k"}}}}
    text = made(tmp_path, graph(a=task(secrets=["TOKEN"], executor_config=own)), keys("TOKEN"), **ENV).text
    template = next(one for one in load(text)[0]["spec"]["templates"] if one["name"] == "a")
    refs = [e["valueFrom"]["secretKeyRef"] for e in template["container"]["env"] if "valueFrom" in e]
    assert refs == [{"name": "mine", "key": "k"}]


def test_sets_of_secrets_whose_names_look_alike_have_templates_of_their_own(tmp_path: Path) -> None:
    dag = graph(
        a=task("b", secrets=["A_B"]), b=task("c", secrets=["A", "B"]), c=task("d", secrets=["A.B"]), d=task()
    )
    dag["steps"]["c"]["secrets"] = {"AB": "A.B"}
    text = made(tmp_path, dag, keys("A_B", "A", "B", "A.B"), **ENV).text
    found = [reached(text)[template_of(text, name)] for name in "abc"]
    assert found == [{"A_B"}, {"A", "B"}, {"A.B"}]


def test_native_containers_get_what_nobody_asks_for(tmp_path: Path) -> None:
    dag = graph(a=as_is(NATIVE, "b"), b=task(secrets=["TOKEN"]))
    said = [item.message for item in made(tmp_path, dag, keys("TOKEN"), **ENV).diagnostics]
    assert said == []
    said = [item.message for item in made(tmp_path, dag, keys("TOKEN", "UNASKED"), **ENV).diagnostics]
    assert said == ["step 'a': its container gets the secrets of all steps: UNASKED"]


# ---- what will not be there ----


def rendered(folder: Path, target: str, executor: dict[str, Any], **blocks: Any) -> list[Diagnostic]:
    dag = graph(a=task("b", secrets=["OTHER", "TOKEN"]), b=task(secrets={"T": "TOKEN"}))
    document = {"dag": dag, "executor": {"type": target, "config": executor}, **blocks}
    (folder / "dag.yaml").write_text(yaml.safe_dump(document, sort_keys=False))
    return [item for item in render("dag.yaml", target).diagnostics if item.code == "MR115"]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


WRITE = "write secret_environment: {TOKEN: {secret: ..., key: ...}} into executor.config, or into the step's executor_config"
LET = (
    "use secrets: {type: aws-secrets-manager}; or let the job definition set it, and write secret_environment: [TOKEN] "
    "into executor.config"
)


@pytest.mark.parametrize(
    ("target", "executor", "fix"),
    [
        ("argo", keys("OTHER"), WRITE),
        ("argo", {"environment": {"OTHER": "in clear"}}, WRITE),
        ("aws-step-functions", {"secret_environment": ["OTHER"]}, LET),
        ("aws-step-functions", {"environment": {"OTHER": "in clear"}}, LET),
    ],
)
def test_a_variable_that_nothing_brings_is_warned_of(
    tmp_path: Path, target: str, executor: dict[str, Any], fix: str
) -> None:
    found = rendered(tmp_path, target, executor, **ENV)
    what = "nothing brings it the secret 'TOKEN', the environment variable TOKEN"
    assert [item.message for item in found] == [f"step 'a': {what}", f"step 'b': {what}"]
    assert {(item.severity, item.fix) for item in found} == {("warning", fix)}
    assert [item.snippet.strip() for item in found] == ["- TOKEN", "T: TOKEN"]


@pytest.mark.parametrize("target", ["argo", "aws-step-functions", "bash"])
def test_a_pipeline_without_a_store_is_warned_of(tmp_path: Path, target: str) -> None:
    found = rendered(tmp_path, target, {})
    assert [item.message for item in found][:1] == [
        "step 'a': secret 'OTHER' is not there: no secrets provider is configured"
    ]
    assert len(found) == 3 and found[0].fix == "configure one, such as secrets: {type: dotenv}"


@pytest.mark.parametrize(
    ("target", "executor", "secrets"),
    [
        ("bash", {}, "env"),
        ("bash", {}, "dotenv"),
        ("argo", {}, "mounted"),
        ("argo", {"pod_spec_patch": {"terminationGracePeriodSeconds": 60}}, "env"),
        ("argo", keys("OTHER", "TOKEN"), "env"),
        ("aws-step-functions", {}, "aws-secrets-manager"),
        ("aws-step-functions", {}, "mounted"),
        ("aws-step-functions", {"secret_environment": ["OTHER", "TOKEN"]}, "env"),
    ],
)
def test_what_cannot_be_known_is_not_warned_of(
    tmp_path: Path, target: str, executor: dict[str, Any], secrets: str
) -> None:
    of: dict[str, Any] = {"type": secrets}
    if secrets == "mounted":
        of = {"type": "dotenv", "config": {"path": "/mnt/secrets/.env"}}
    assert rendered(tmp_path, target, executor, secrets=of) == []


@pytest.mark.parametrize("target", ["argo", "aws-step-functions"])
@pytest.mark.parametrize("config", [{}, {"path": "conf/.env"}])
def test_a_file_of_the_project_does_not_reach_a_container(
    tmp_path: Path, target: str, config: dict[str, Any]
) -> None:
    found = rendered(tmp_path, target, {}, secrets={"type": "dotenv", "config": config})
    assert [(item.code, item.severity) for item in found] == [("MR115", "warning")] * 3
    assert (
        found[0].message
        == "step 'a': the secret 'OTHER' stands in a file of the project, which no image may hold"
    )


def test_what_a_machine_says_is_set_elsewhere_is_not_rendered(tmp_path: Path) -> None:
    rendered(tmp_path, "aws-step-functions", {"secret_environment": ["OTHER", "TOKEN"]}, **ENV)
    assert "TOKEN" not in render("dag.yaml", "aws-step-functions").text
