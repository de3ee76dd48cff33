"""The Argo target: configuration."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import render
from magnus_render.targets.argo.config import ArgoConfig
from magnus_render.targets.argo.lint.yaml import load
from tests.engines import argo_lint
from tests.tools import environment, require, unavailable
from tests.unit.argo_rendering import (
    EXECUTOR,
    as_is,
    each,
    errors,
    graph,
    made,
    manifest,
    task,
    templates,
)

pytestmark = pytest.mark.usefixtures("project")


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
        ({"labels": {"a b": "c"}}, "MR322 executor.config: labels has the key 'a b'"),
        ({"parallelism": 0}, "'parallelism'"),
        ({"schedule": "every day"}, "MR354"),
        ({"schedule": []}, "MR103 executor.config: 'schedule' is empty"),
        (
            {"schedule": ["@daily", "@daily"]},
            "MR354 executor.config: schedule '@daily': it stands there twice",
        ),
        (
            {"schedule": ["0 6 * * mon", "0 6 * * 1"]},
            "MR354 executor.config: schedule '0 6 * * 1': it stands there twice",
        ),
        (
            {"schedule": "TZ=UTC 0 6 * * *"},
            "MR354 executor.config: schedule 'TZ=UTC 0 6 * * *': Argo 4 takes no",
        ),
        ({"schedule": "@every 1.5h"}, "MR354"),
        ({"timezone": "Europe/Paris"}, "MR305 executor.config: timezone without a schedule"),
        ({"priority": 2**31}, "MR103 executor.config: 'priority' must be a whole number of at most 32 bits"),
        (
            {"metrics": [{"name": "a", "help": "b"}]},
            "MR103 executor.config: 'metrics[0]' must have one of counter, gauge",
        ),
        ({"concurrency_policy": "Allow"}, "MR305 executor.config: concurrency_policy without a schedule"),
        (
            {"failed_jobs_history_limit": 0},
            "MR305 executor.config: failed_jobs_history_limit without a schedule",
        ),
        (
            {"metrics": [{"name": "a", "help": "b", "count": 1}]},
            "MR323 executor.config: metrics[0] has no field 'count'",
        ),
        ({"image": "reg/x 1"}, "MR344 executor.config: image is 'reg/x 1'"),
        (
            {"pod_spec_patch": {"terminationGracePeriod": 5}},
            "MR323 executor.config: pod_spec_patch has no field 'terminationGracePeriod'",
        ),
        (
            {"pod_spec_patch": "contaners: []"},
            "MR323 executor.config: pod_spec_patch has no field 'contaners'",
        ),
        ({"pod_spec_patch": "- a"}, "MR361 executor.config: pod_spec_patch is a list, not a mapping"),
        (
            {"pod_spec_patch": [1]},
            "MR103 executor.config: 'pod_spec_patch' is neither YAML text nor a mapping",
        ),
        ({"pod_gc": "Always"}, "MR103 executor.config: 'pod_gc' is 'Always', not 'OnPodCompletion'"),
        ({"ttl_seconds_after_completion": 3_000_000_000}, "must be a whole number from 0 to 2,147,483,647"),
        ({"namespace": "a.b"}, "MR103 executor.config: 'namespace' is no namespace: at most 63"),
        (
            {"persistent_volumes": [{"claim": "runs", "mount_path": "mnt/runs"}]},
            "MR103 executor.config: 'persistent_volumes[0].mount_path' must begin with '/'",
        ),
        (
            {"resources": {"requests": {"memory": "512Mi"}, "limits": {"memory": "256Mi"}}},
            "MR350 executor.config: resources requests 512Mi of memory, above its limit 256Mi",
        ),
        ({"environment": {"MAGNUS_RUN_ID": "x"}}, "MR346 executor.config: the variable 'MAGNUS_RUN_ID'"),
        ({"tolerations": [{"efect": "x"}]}, "MR323 executor.config: tolerations[0] has no field 'efect'"),
        (
            {"security_context": {"runAsUser": "5"}},
            "MR324 executor.config: security_context.runAsUser is '5'",
        ),
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
        "MR306 step 'a': executor_config.argo: the variable 'A'",
        "MR306 step 'a': executor_config.argo: the variable 'C'",
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


@pytest.mark.parametrize(
    ("schedule", "rendered"),
    [
        ("0 6 * * MON-FRI", "0 6 * * 1-5"),
        ("0 6 1 jan,Jul sun", "0 6 1 1,7 0"),
        (" 0  6 * * mon/2 ", "0  6 * * 1/2"),
        ("@daily", "@daily"),
        ("@every 90m", "@every 90m"),
    ],
)
def test_names_of_months_and_weekdays_are_rendered_as_numbers(
    tmp_path: Path, schedule: str, rendered: str
) -> None:
    text = made(tmp_path, graph(a=task()), {"schedule": schedule}).text
    assert load(text)[0]["spec"]["schedules"] == [rendered]
    argo_lint.require()
    assert argo_lint.lint({"workflow.yaml": text}) == []


@pytest.mark.parametrize("keys", [{"kind": "WorkflowTemplate"}, {"schedule": "@daily"}])
def test_labels_and_annotations_reach_the_runs(tmp_path: Path, keys: dict[str, Any]) -> None:
    dag = {"name": "p", "description": "what {{=it}} does", **graph(a=task())}
    text = made(tmp_path, dag, {**keys, "labels": {"team": "data"}, "annotations": {"a/b": "c"}}).text
    (found,) = load(text)
    runs = found["spec"]["workflowMetadata"]
    assert (
        runs["labels"]
        == found["metadata"]["labels"]
        == {"app.kubernetes.io/managed-by": "magnus", "team": "data"}
    )
    about = "workflows.argoproj.io/description"
    assert found["metadata"]["annotations"] == {about: "what {{=it}} does", "a/b": "c"}
    # Argo expands tags in a workflow's specification, which that of a WorkflowTemplate becomes.
    said = "what { {=it}} does" if "kind" in keys else "what {{=it}} does"
    assert runs["annotations"] == {about: said, "a/b": "c"}
    argo_lint.require()
    assert argo_lint.lint({"workflow.yaml": text}) == []


def test_when_pods_and_workflows_are_deleted(tmp_path: Path) -> None:
    text = made(tmp_path, graph(a=task()), {"pod_gc": "OnPodSuccess", "ttl_seconds_after_completion": 0}).text
    (found,) = load(text)
    assert found["spec"]["podGC"] == {"strategy": "OnPodSuccess"}
    assert found["spec"]["ttlStrategy"] == {"secondsAfterCompletion": 0}
    assert "podGC" not in manifest(tmp_path, graph(a=task()))["spec"]
    argo_lint.require()
    assert argo_lint.lint({"workflow.yaml": text}) == []


def test_requests_of_all_steps_above_a_nodes_limit(tmp_path: Path) -> None:
    keys = {"resources": {"requests": {"cpu": 2, "memory": "512Mi"}, "limits": {"memory": "1Gi"}}}
    own = {"resources": {"limits": {"memory": "256Mi"}}}
    (error,) = errors(tmp_path, graph(a=task(executor_config={"argo": own})), keys)
    assert error == (
        "MR350 step 'a': executor_config.argo: resources requests 512Mi of memory, above its limit 256Mi"
    )
    own["resources"]["requests"] = {"memory": "128Mi"}
    found = manifest(tmp_path, graph(a=task(executor_config={"argo": own})), keys)
    assert templates(found)["a"]["container"]["resources"] == own["resources"]


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("/", []),
        ("/mnt", []),
        ("/mnt/runs", ["run_log_store", "catalog"]),
        ("/mnt/runs/", ["run_log_store", "catalog"]),
        ("/mnt/runs/log", ["run_log_store"]),
        ("/mnt/runs/files", ["catalog"]),
        ("/mnt/runs/fil", []),
        ("/mnt/runs/log/more", []),
        ("/models", []),
    ],
)
def test_a_nodes_volume_hides_no_store(tmp_path: Path, path: str, hidden: list[str]) -> None:
    own = {"persistent_volumes": [{"claim": "models", "mount_path": path}]}
    dag = graph(a=task(executor_config={"argo": own}))
    if hidden:
        found = errors(tmp_path, dag)
        assert [error.split(" hides the ")[1].split()[0] for error in found] == hidden
        assert all(
            error.startswith("MR309 step 'a': executor_config.argo: the volume 'models'") for error in found
        )
    else:
        assert "models" in made(tmp_path, dag).text


@pytest.mark.parametrize(
    ("path", "hidden"),
    [
        ("/", ["catalog"]),
        ("/mnt", ["catalog"]),
        ("/mnt/runs", ["run_log_store"]),
        ("/mnt/./runs/", ["run_log_store"]),
        ("/mnt/files", ["catalog"]),
    ],
)
def test_what_hides_a_store_lies_at_or_below_the_deepest_volume_that_holds_it(
    tmp_path: Path, path: str, hidden: list[str]
) -> None:
    root = {"claim": "root", "mount_path": "/"}
    keys = {"persistent_volumes": [root, *EXECUTOR["persistent_volumes"]]}
    own = {"persistent_volumes": [{"claim": "models", "mount_path": path}]}
    catalog = {"type": "file-system", "config": {"path": "/mnt/files"}}
    found = errors(tmp_path, graph(a=task(executor_config={"argo": own})), keys, catalog=catalog)
    assert [error.split(" hides the ")[1].split()[0] for error in found] == hidden


def test_a_node_may_repeat_the_pipelines_volume(tmp_path: Path) -> None:
    own = {"persistent_volumes": [{"claim": "runs", "mount_path": "/mnt/runs"}]}
    assert made(tmp_path, graph(a=task(executor_config={"argo": own}))).diagnostics == []


def test_on_s3_a_node_may_mount_what_it_likes(tmp_path: Path) -> None:
    s3 = {"type": "s3", "config": {"bucket": "b"}}
    own = {"persistent_volumes": [{"claim": "models", "mount_path": "/mnt/runs"}]}
    dag = graph(a=task(executor_config={"argo": own}))
    assert made(tmp_path, dag, {"persistent_volumes": []}, run_log_store=s3, catalog=s3).diagnostics == []


_CONTAINER = {"image": "x", "command": ["y"]}
_SCRIPT = {"image": "x", "command": ["y"], "source": "z"}


@pytest.mark.parametrize(
    ("native", "alone", "beside_lines"),
    [
        ({"container": _CONTAINER}, "its container", "its container"),
        ({"script": _SCRIPT}, "", "its script"),
        (
            {"steps": [[{"name": "b", "inline": {"container": _CONTAINER}}]]},
            "a container inline in it",
            "a container inline in it",
        ),
        ({"dag": {"tasks": [{"name": "b", "inline": {"script": _SCRIPT}}]}}, "", "a script inline in it"),
        (
            {"dag": {"tasks": [{"name": "b", "inline": {"steps": [
                [{"name": "c", "inline": {"suspend": {}}}],
                [{"name": "d", "inline": {"container": _CONTAINER}}],
            ]}}]}},
            "a container inline in it",
            "a container inline in it",
        ),
        (
            {"steps": [[{"name": "b", "templateRef": {"name": "theirs", "template": "t"}}]]},
            "a container that it refers to",
            "a container that it refers to",
        ),
        ({"steps": [[{"name": "b", "inline": {"suspend": {}}}]]}, "", ""),
        ({"suspend": {}}, "", ""),
    ],
)  # fmt: skip
def test_native_templates_that_get_the_secrets_of_all_steps_are_warned_of(
    tmp_path: Path, native: dict[str, Any], alone: str, beside_lines: str
) -> None:
    """They get what the defaults have for their type; for scripts only where an as-is is lines of text."""
    keys = {"secret_environment": {"TOKEN": {"secret": "s", "key": "k"}}}
    for dag, said in (
        (graph(a=as_is(native, "b"), b=task()), alone),
        (graph(a=as_is(native, "b"), b=as_is("true")), beside_lines),
    ):
        rendered = made(tmp_path, dag, keys)
        assert ("script" in load(rendered.text)[0]["spec"]["templateDefaults"]) == (
            dag["steps"]["b"]["type"] == "as-is"
        )
        expected = [f"step 'a': {said} gets the secrets of all steps: TOKEN"] if said else []
        assert [item.message for item in rendered.diagnostics if item.code == "MR308"] == expected
        assert all(item.code != "MR308" for item in made(tmp_path, dag).diagnostics)


def test_inline_templates_that_would_run_the_steps_container_are_refused(tmp_path: Path) -> None:
    native = {"steps": [[{"name": "b", "inline": {"http": {"url": "x"}}}]]}
    (error,) = errors(tmp_path, graph(a=as_is(native)))
    assert error.startswith("MR302") and "a template of type http" in error


def test_a_node_sets_none_of_the_outputs_own_variables(tmp_path: Path) -> None:
    for name in ("MAGNUS_STEP", "MAGNUS_VAR_x"):
        (error,) = errors(tmp_path, graph(a=task(executor_config={"argo": {"environment": {name: 1}}})))
        assert error.startswith(f"MR346 step 'a': executor_config.argo: the variable '{name}'")
    manifest(
        tmp_path, graph(a=task(executor_config={"argo": {"environment": {"MAGNUS_WORKSPACES": "step"}}}))
    )


@pytest.mark.parametrize(
    "image",
    [
        "magnus", "a/b:1.4", "reg:5000/a_b/c--d.e", "Reg.example/a", "[::1]:5000/a:b",
        "r/a@sha256:" + "0f" * 32, "r/a:v1@sha256:" + "0f" * 32,
    ],
)  # fmt: skip
def test_images(tmp_path: Path, image: str) -> None:
    found = manifest(tmp_path, graph(a=task()), {"image": image})
    assert found["spec"]["templateDefaults"]["container"]["image"] == image


@pytest.mark.parametrize("image", ["a b", " a", "r/A", "r/a:", "r/a:b c", "/a", "a/", "a@b", "https://r/a"])
def test_images_that_nobody_can_pull(tmp_path: Path, image: str) -> None:
    (error,) = errors(tmp_path, graph(a=task(executor_config={"argo": {"image": image}})))
    assert error.startswith(f"MR344 step 'a': executor_config.argo: image is '{image}'")


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
    assert [item.code for item in rendered.diagnostics] == ["MR301"] * 5
    assert any("'service_account_name' is not configured" in item.message for item in rendered.diagnostics)
    with pytest.raises(DefinitionError):
        render("dag.yaml", "argo", strict=True)


def test_the_documentation_gives_pods_an_account_that_may_record_results() -> None:
    text = (Path(__file__).parents[2] / "docs" / "targets" / "argo.md").read_text(encoding="utf-8")
    section = text.split("\n## Permissions\n")[1].split("\n## ")[0]
    rights, controller = re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)
    account, role, binding = yaml.safe_load_all(rights)
    assert [one["kind"] for one in (account, role, binding)] == ["ServiceAccount", "Role", "RoleBinding"]
    assert [one["apiVersion"] for one in (account, role, binding)] == [
        "v1",
        "rbac.authorization.k8s.io/v1",
        "rbac.authorization.k8s.io/v1",
    ]
    (rule,) = role["rules"]
    assert rule == {
        "apiGroups": ["argoproj.io"],
        "resources": ["workflowtaskresults"],
        "verbs": ["create", "patch"],
    }
    group, kind = "rbac.authorization.k8s.io", "Role"
    assert binding["roleRef"] == {"apiGroup": group, "kind": kind, "name": role["metadata"]["name"]}
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": account["metadata"]["name"]}]
    example = next(
        block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "type: argo" in block
    )
    configured = yaml.safe_load(example)["executor"]["config"]["service_account_name"]
    assert configured == account["metadata"]["name"]
    executor = yaml.safe_load(yaml.safe_load(controller)["data"]["executor"])
    assert executor == {"securityContext": ArgoConfig().security_context}


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
