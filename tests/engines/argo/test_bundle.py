"""A bundle for Argo, applied as its README says: its pods may do what they need, and nothing can be taken away.

By hand, pipelines of `tests/bundles` also run with each verb, resource and account taken away:

    MAGNUS_PERMISSIONS=FILE pytest tests/engines/argo/test_bundle.py -k fails_with_less -n 0

writes into FILE what then fails. `MAGNUS_PERMISSIONS_ON=maps,native` names the pipelines; all, if nothing is said.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from magnus_render import errors
from tests import bundles as pipelines
from tests.conformance.argo import VOLUME, Argo
from tests.contract import aws
from tests.engines.argo import build
from tests.engines.argo.client import Namespace, shared
from tests.engines.argo.commands import Terminal
from tests.engines.argo.pipeline import Project, shell
from tests.engines.argo.run import EngineError, Run
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
CONFIG = "argo.yaml"
FILE = os.environ.get("MAGNUS_PERMISSIONS", "")
GIVEN = os.environ.get("MAGNUS_PERMISSIONS_ON")
CHOSEN = (GIVEN.split(",") if GIVEN else pipelines.names(CONFIG)) if FILE else []
IN_CI = ["accounts", "environments", "native", "parameters"]
"""Accounts of steps and a separate dag, an overlay and an account of all, a template of the user's own, a schedule."""
PARTS_IN_CI = {"native": ["create configmaps"], "objects": ["get configmaps"]}
"""What is taken away in CI, and of which pipeline."""
SECRETS = {"tokens": {"token": "a-b-c-d-e"}, "aws": {"id": "testing", "key": "testing"}}
KEYS = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
ELSEWHERE = '"elsewhere"'
"""The namespace that a configuration names, in JSON: runs have another."""
Objects = list[dict[str, Any]]


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


@functools.cache
def on_aws() -> dict[str, str]:
    """Return where the AWS is that stores of `tests/bundles` are on; the keys are for a Secret to bring."""
    url = aws.server()
    where = {"LocationConstraint": aws.REGION}
    aws.client("s3", url).create_bucket(Bucket="proof", CreateBucketConfiguration=where)
    for name in ("proof/password", "proof/api/key"):
        aws.client("secretsmanager", url).create_secret(Name=name, SecretString=f"the value of {name}")
    return {**{name: aws.VARIABLES[name] for name in aws.VARIABLES.keys() - KEYS}, "AWS_ENDPOINT_URL": url}


class Bundled:
    """A pipeline of `tests/bundles` in a folder, and the objects that kustomize builds of its bundle."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder / name
        pipelines.copy(name, self.folder)
        (self.folder / VOLUME).mkdir()
        os.mkfifo(self.folder / "slow")
        in_project = (self.folder / "magnus.yaml").exists()
        given = [] if in_project else ["-c", CONFIG]
        done = magnus(self.folder, "bundle", "dag.yaml", "-t", "argo", *given, "-o", "out")
        assert done.returncode == 0, done.stderr
        self.objects = built(self.folder / "out" / ("overlays/prod" if in_project else ""))
        self.start = f"{'cronwf' if self.scheduled else 'workflowtemplate'}/{name}"
        readme = (self.folder / "out" / "README.md").read_text()
        self._check(readme)
        if not in_project:  # the README for environments has the names of the first one
            assert f"`argo submit --from {self.start} -p run-id=RUN_ID`" in readme

    def _check(self, readme: str) -> None:
        """Each account that may do something is made by the bundle, or its README says that it must be there."""
        made = {one["metadata"]["name"] for one in self.objects if one["kind"] == "ServiceAccount"}
        bound = {subject["name"] for one in self.objects for subject in one.get("subjects", ())}
        assert made <= bound
        assert {name for name in bound if f"ServiceAccount `{name}`" in readme} == bound - made

    @property
    def scheduled(self) -> bool:
        """Whether a schedule starts its runs."""
        return any(one["kind"] == "CronWorkflow" for one in self.objects)

    @contextmanager
    def applied(self, objects: Objects) -> Iterator[tuple[Namespace, Terminal]]:
        """Apply objects of the bundle in a namespace of their own, with what the pipelines need to be there."""
        env = on_aws() if "type: s3" in (self.folder / CONFIG).read_text() else {}
        volumes = {VOLUME: self.folder / VOLUME}
        with shared().open(self.folder, env=env, volumes=volumes, secrets=SECRETS) as opened:
            terminal = Terminal(opened, self.folder)
            text = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
            (self.folder / "objects.json").write_text(text.replace(ELSEWHERE, json.dumps(opened.name)))
            terminal("kubectl apply -f objects.json")
            _until_known(opened, objects)
            yield opened, terminal

    def run(self, objects: Objects) -> Run:
        """Apply objects of the bundle, and run the pipeline as its README says."""
        with self.applied(objects) as (opened, terminal):
            given = json.dumps(pipelines.PARAMETERS, separators=(",", ":"))
            words = f"-p run-id=n-{opened.name} -p parameters={given}"
            opened.follow(terminal(f"argo submit --from {self.start} -o name {words}"))
            return opened.wait()

    def run_by_schedule(self) -> Run:
        """Apply the bundle, and wait for a run that its schedule starts."""
        often = {
            "spec": {"schedules": ["@every 1s"]}
        }  # so that nobody need wait; a definition has no words for it
        (self.folder / "often.json").write_text(json.dumps(often))
        with self.applied(self.objects) as (opened, terminal):
            terminal(f"kubectl patch cronworkflow {self.name} --type=merge --patch-file=often.json")
            opened.follow(opened.first_submitted(lambda name: name.startswith(f"{self.name}-")))
            return opened.wait()


@pytest.mark.parametrize("name", CHOSEN or IN_CI)
def test_a_run_needs_no_more_than_the_bundle_allows(name: str, tmp_path: Path) -> None:
    build.require()
    bundled = Bundled(name, tmp_path)
    runs = [bundled.run(bundled.objects)]
    runs += [bundled.run_by_schedule()] if bundled.scheduled else []
    for run in runs:
        assert ends_as_it_should(name, run), run.told
        assert {pod.exit_code for pod in run.pods} <= {0, 1, errors.AGAIN}, run.told


@pytest.mark.parametrize("name", CHOSEN or list(PARTS_IN_CI))
def test_a_run_fails_with_less(name: str, tmp_path: Path) -> None:
    build.require()
    bundled = Bundled(name, tmp_path)
    for what, less in taken_away(bundled.objects):
        if not (FILE or what in PARTS_IN_CI[name]):
            continue  # `test_pods_need_what_the_role_allows` shows the rest
        try:
            run = bundled.run(less)
            how = "" if ends_as_it_should(name, run) else "the run fails"
            forbidden = " is forbidden: " in run.told
        except EngineError as error:
            how, forbidden = "a pod cannot report", " is forbidden: " in str(error)
        if FILE:
            with open(FILE, "a", encoding="utf-8") as file:
                file.write(f"{name}: {how or 'NOTHING'}: {what}\n")
        assert how and forbidden, what


def ends_as_it_should(name: str, run: Run) -> bool:
    """Tell whether a run came to the end that its pipeline leads to."""
    return run.phase == ("Failed" if name in pipelines.FAILING else "Succeeded")


def taken_away(objects: Objects) -> Iterator[tuple[str, Objects]]:
    """Yield the objects without each verb and each resource of a rule, and without each account, and what it was."""
    for number, one in enumerate(objects):
        for index, rule in enumerate(one.get("rules", ())):
            for verb in rule["verbs"]:
                less = copy.deepcopy(objects)
                less[number]["rules"][index]["verbs"].remove(verb)
                yield f"{verb} {' '.join(rule['resources'])}", _with_rules(less, number)
            for resource in rule["resources"]:
                less = copy.deepcopy(objects)
                less[number]["rules"][index]["resources"].remove(resource)
                yield f"resource {resource}", _with_rules(less, number)
        for index, subject in enumerate(one.get("subjects", ())):
            less = copy.deepcopy(objects)
            del less[number]["subjects"][index]
            yield f"account {subject['name']}", less


def _with_rules(objects: Objects, number: int) -> Objects:
    """Leave out rules of a role that have no verb or no resource: the API server takes none."""
    rules = objects[number]["rules"]
    objects[number]["rules"] = [one for one in rules if one["verbs"] and one["resources"]]
    return objects


def _until_known(opened: Namespace, objects: Objects) -> None:
    """Wait until the API server has heard of each right of each account."""
    accounts = [one["name"] for each in objects for one in each.get("subjects", ())]
    for rule in [rule for one in objects for rule in one.get("rules", ())]:
        for verb in rule["verbs"]:
            for account in accounts:
                user = f"system:serviceaccount:{opened.name}:{account}"
                opened.until_allowed(user, verb, rule["resources"][0], rule["apiGroups"][0])
