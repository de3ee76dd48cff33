"""A bundle for Argo, applied as its README says: its pods may do what they need, and nothing can be taken away."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.argo import Argo
from tests.engines.argo import build
from tests.engines.argo.commands import Terminal
from tests.engines.argo.pipeline import Project, shell
from tests.engines.argo.run import EngineError
from tests.tools import environment as environment_of
from tests.tools import magnus

DAG = """\
dag:
  start_at: a
  steps:
    a: {type: task, command: shop.a, secrets: [PASSWORD], next: success}
    success: {type: success}
    fail: {type: fail}
"""
RESULTS = "workflowtaskresults"


@pytest.mark.parametrize("lacking", ["", "create", "patch"])
def test_pods_need_what_the_role_allows(tmp_path: Path, lacking: str) -> None:
    build.require()
    project = Project(tmp_path / "argo", {"a": shell("true", "b"), "b": shell("true")})
    config = Argo().configure(project.folder, project.spec())
    done = magnus(project.folder, "bundle", "dag.yaml", "-t", "argo", "-c", config, "-o", "out")
    assert done.returncode == 0, done.stderr
    permissions = project.folder / "out" / "permissions.yaml"
    objects = list(yaml.safe_load_all(permissions.read_text()))
    (rule,) = next(one["rules"] for one in objects if one["kind"] == "Role")
    assert (rule["resources"], rule["verbs"]) == ([RESULTS], ["create", "patch"])
    if lacking:
        rule["verbs"].remove(lacking)
        permissions.write_text(yaml.safe_dump_all(objects))
    with project.open() as opened:
        terminal = Terminal(opened, project.folder)
        terminal("kubectl apply -k out")
        account = f"system:serviceaccount:{opened.name}:dag"
        for verb in rule["verbs"]:
            opened.until_allowed(account, verb, RESULTS)
        opened.follow(terminal("argo submit --from workflowtemplate/dag -o name -p run-id=n-7"))
        if lacking:
            with pytest.raises(EngineError, match=f'"{account}" cannot {lacking} resource "{RESULTS}"'):
                opened.wait()
            return
        (project.folder / "magnus.yaml").write_text(
            f"pipelines: {{dag: {{definition: dag.yaml}}}}\ntargets: {{argo: {{config: {config}}}}}\n"
            "environments: {dev: {}, prod: {variables: {a: b}}}\n"
        )
        done = magnus(project.folder, "bundle", "dag.yaml", "-t", "argo", "-o", "all")
        assert done.returncode == 0, done.stderr
        terminal("kubectl apply --dry-run=server -k all/overlays/prod")
        ended = project.ended(opened, "n-7")
        assert ended.log["status"] == "SUCCESS", ended.run.told
        terminal("kubectl delete -k out")


PROJECT = """\
pipelines: {dag: {definition: dag.yaml}}
targets: {argo: {config: argo.yaml}}
environments:
  dev: {variables: {image: "shop:dev", bucket: shop-dev}}
  test: {variables: {image: "shop:1", bucket: shop-test}, targets: {argo: {config: test.yaml}}}
  prod: {variables: {image: "shop:1", bucket: shop-prod}, targets: {argo: {config: prod.yaml}}}
"""
STORES = 'run_log_store: {type: s3, config: {bucket: "${bucket}"}}\n'
ARGO = {
    "argo.yaml": 'executor: {type: argo, config: {image: "${image}", labels: {"a/b": c}}}\n',
    "test.yaml": 'executor: {type: argo, config: {image: "${image}", namespace: test, environment: {A: 1}, '
    "secret_environment: {PASSWORD: {secret: test, key: p}}, service_account_name: other}}\n",
    "prod.yaml": 'executor: {type: argo, config: {image: "${image}", namespace: prod, schedule: 0 3 * * *}}\n',
}


def test_kustomize_builds_each_environment(tmp_path: Path) -> None:
    """What it builds of an overlay is what a bundle of that environment alone is."""
    build.require()
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "magnus.yaml").write_text(PROJECT)
    for name, text in ARGO.items():
        (tmp_path / name).write_text(text + STORES)
    done = magnus(tmp_path, "bundle", "dag.yaml", "-t", "argo", "-o", "out")
    assert done.returncode == 0, done.stderr
    for environment, file, image in (
        ("dev", "argo", "shop:dev"),
        ("test", "test", "shop:1"),
        ("prod", "prod", "shop:1"),
    ):
        variables = {"MAGNUS_VAR_image": image, "MAGNUS_VAR_bucket": f"shop-{environment}"}
        words = ["bundle", "dag.yaml", "-t", "argo", "-c", f"{file}.yaml", "-o", environment]
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr("tests.tools.environment", lambda set_=variables: environment_of(**set_))
            assert magnus(tmp_path, *words).returncode == 0
        assert built(tmp_path / "out" / "overlays" / environment) == built(tmp_path / environment)
    assert "kind: CronWorkflow" in (tmp_path / "out" / "overlays" / "prod" / "workflow.yaml").read_text()
    assert magnus(tmp_path, "bundle", "dag.yaml", "-t", "argo", "--check", "out").returncode == 0


def built(folder: Path) -> list[Any]:
    """Return the objects that kustomize builds of a folder."""
    done = subprocess.run(
        [build.program("kubectl"), "kustomize", str(folder)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return sorted(yaml.safe_load_all(done.stdout), key=lambda one: one["kind"])
