"""What `magnus bundle` makes for Argo and for bash."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import bundle
from tests.tools import find

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}
TASK = {"type": "task", "command": "churn.step", "next": "success"}
RESULTS = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
MANIFEST = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  generateName: kept-\n"
NATIVE: dict[str, Any] = {
    "type": "as-is",
    "render_string": {"argo": {"resource": {"action": "create", "manifest": MANIFEST}}},
    "next": "success",
}


def made(
    monkeypatch: pytest.MonkeyPatch, folder: Path, target: str, executor: dict[str, Any], **steps: Any
) -> dict[str, str]:
    monkeypatch.chdir(folder)
    steps = steps or {"a": TASK}
    dag = {"name": "Churn now", "start_at": next(iter(steps)), "steps": {**steps, **ENDS}}
    (folder / "dag.yaml").write_text(json.dumps({"dag": dag}))
    block = {"executor": {"type": target, "config": executor}}
    (folder / "config.yaml").write_text(json.dumps(block))
    return bundle("dag.yaml", target, "config.yaml").files


def objects(text: str) -> dict[str, Any]:
    return {one["kind"]: one for one in yaml.safe_load_all(text)}


def test_argo_makes_an_account_where_none_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = made(monkeypatch, tmp_path, "argo", {"labels": {"team": "churn"}})
    assert list(files) == ["README.md", "kustomization.yaml", "permissions.yaml", "workflow.yaml"]
    workflow, given = yaml.safe_load(files["workflow.yaml"]), objects(files["permissions.yaml"])
    account = given["ServiceAccount"]["metadata"]
    assert workflow["kind"] == "WorkflowTemplate"
    assert workflow["spec"]["serviceAccountName"] == account["name"]
    assert account["labels"] == {"app.kubernetes.io/managed-by": "magnus", "team": "churn"}
    assert given["Role"]["rules"] == [RESULTS]
    assert given["RoleBinding"]["subjects"] == [{"kind": "ServiceAccount", "name": account["name"]}]
    applied = yaml.safe_load(files["kustomization.yaml"])["resources"]
    assert applied == ["permissions.yaml", "workflow.yaml"]


def test_argo_binds_accounts_that_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(GOLDEN / "argo", tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    files = bundle("dag.yaml", "argo", "argo.yaml").files
    assert files["workflow.yaml"] == (tmp_path / "workflow.yaml").read_text(), "as it is rendered"
    given = objects(files["permissions.yaml"])
    assert "ServiceAccount" not in given
    assert [one["name"] for one in given["RoleBinding"]["subjects"]] == ["magnus", "trainer"]
    assert {one["metadata"]["namespace"] for one in given.values()} == {"churn"}
    readme = files["README.md"]
    assert "ServiceAccount `magnus`, ServiceAccount `trainer`.\n" in readme
    assert "`argo submit --from cronwf/churn -p run-id=RUN_ID -n churn`" in readme
    applied = yaml.safe_load(files["kustomization.yaml"])
    assert applied["namespace"] == "churn" and set(applied["resources"]) < set(files)


def test_argo_binds_accounts_of_the_users_templates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of what watches a container, of an inline template; not what Argo fills in, which nobody knows."""
    pod = {"container": {"image": "i:1", "command": ["true"]}}
    one = pod | {"serviceAccountName": "mine", "executor": {"serviceAccountName": "beside"}}
    inner = [
        [{"name": "t", "inline": pod | {"serviceAccountName": "{{workflow.name}}"}}],
        [{"name": "u", "inline": one}],
    ]
    native = NATIVE | {"render_string": {"argo": {"steps": inner}}}
    files = made(monkeypatch, tmp_path, "argo", {}, keep=native)
    *_, binding = yaml.safe_load_all(files["permissions.yaml"])
    assert [subject["name"] for subject in binding["subjects"]] == ["beside", "churn-now-62323be6", "mine"]
    assert "`magnus`, ServiceAccount `beside`, ServiceAccount `mine`.\n" in files["README.md"]


@pytest.mark.parametrize("inside", [False, True])
def test_argo_allows_what_the_users_templates_do(
    inside: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = NATIVE["render_string"]["argo"]
    if inside:
        template = {"steps": [[{"name": "keep", "inline": template}]]}
    native = NATIVE | {"render_string": {"argo": template}}
    with pytest.raises(DefinitionError) as told:
        made(monkeypatch, tmp_path, "argo", {}, keep=native)
    [error] = [one for one in told.value.diagnostics if one.severity == "error"]
    assert error.code == "MR310" and "'keep'" in error.message and "permissions:" in error.fix
    rule = {"api_groups": [""], "resources": ["configmaps"], "verbs": ["create"]}
    own = {"executor_config": {"argo": {"permissions": [rule]}}}
    files = made(monkeypatch, tmp_path, "argo", {}, keep=native | own)
    rules = objects(files["permissions.yaml"])["Role"]["rules"]
    assert rules == [RESULTS, {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]}]


@pytest.mark.parametrize(
    ("executor", "code", "told"),
    [
        ({"kind": "Workflow"}, "MR310", "a bundle cannot hold a Workflow"),
        ({"permissions": [{"api_groups": [""], "resources": ["x"], "verbs": ["*"]}]}, "MR103", "is no verb"),
    ],
)
def test_argo_refuses(
    executor: dict[str, Any], code: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DefinitionError) as error:
        made(monkeypatch, tmp_path, "argo", executor)
    assert any(one.code == code and told in one.message for one in error.value.diagnostics), str(error.value)


def test_bash_has_a_service_and_its_schedules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(made(monkeypatch, tmp_path, "bash", {})) == {"README.md", "run.sh", _name("service")}
    given = {"folder": str(tmp_path), "on_calendar": "Mon..Fri 03:00", "cron": "0 3 * * 1-5"}
    files = made(monkeypatch, tmp_path, "bash", {"bundle": given})
    assert set(files) == {"README.md", "run.sh", "crontab", _name("service"), _name("timer")}
    [line] = [one for one in files["crontab"].splitlines() if not one.startswith("#")]
    assert line == f"0 3 * * 1-5 cd {tmp_path} && flock -n .lock ./run.sh >> runs.log 2>&1"
    assert f"its definition is `{tmp_path}/dag.yaml`" in files["README.md"]
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "run.sh").chmod(0o755)
    if (program := find("systemd-analyze")) is not None:
        units = [name for name in files if name.endswith((".service", ".timer"))]
        done = subprocess.run(
            [program, "verify", *units], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def _name(kind: str) -> str:
    return f"{NAME}.{kind}"


NAME = "magnus-churn-now-62323be6"
"""The slug of the pipeline's name, behind what no service of the system begins with."""


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"folder": "not/from/the/root"}, "is no folder for a bundle"),
        ({"folder": "/srv/x/../y"}, "is no folder for a bundle"),
        ({"on_calendar": "daily \\"}, "is no OnCalendar of systemd"),
        ({"on_calendar": "%H:00"}, "is no OnCalendar of systemd"),
        ({"cron": "0 3 * * *; rm -rf /"}, "is no schedule of cron"),
        ({"user": "root\nExecStart=/bin/sh"}, "is no user"),
    ],
)
def test_bash_refuses(
    given: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DefinitionError) as error:
        made(monkeypatch, tmp_path, "bash", {"bundle": given})
    assert any(one.code == "MR103" and told in one.message for one in error.value.diagnostics), str(
        error.value
    )
