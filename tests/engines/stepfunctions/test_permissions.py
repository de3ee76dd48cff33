"""What a bundle's roles allow is what its pipeline needs: it runs with them, and nothing can be taken away.

A pipeline with all that asks for permissions runs once on the engine, which refuses what a role may not do
(`permissions.py`). Each action and each resource of its policies is then taken away in turn, and the calls of that run are
put to what is left: at least one is refused. MAGNUS_PERMISSIONS=FILE also runs the pipeline each time, and writes into
the file what then fails (MAGNUS_PERMISSIONS_ON: where, `batch` if nothing is said).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines.stepfunctions import bundles, permissions
from tests.engines.stepfunctions.client import CLUSTER, Client, Execution
from tests.tools import magnus, said

BUCKET = "permissions"
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}
UNPROVEN = {"Log", "Trace", "Registry", "Image", "Output", "PassTaskRoles", "TagTask"}
"""Statements for what the engine does not have: log deliveries, traces, a registry, logs of containers, roles and tags of
ECS tasks."""
UNTRIED = {("Stores", "s3:AbortMultipartUpload")}
"""What only an upload that breaks off calls."""


def shell(command: str, then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "task", "command_type": "shell", "command": command, "next": then, **fields}


def graph(**steps: Any) -> dict[str, Any]:
    return {"start_at": next(iter(steps)), "steps": {**steps, **ENDS}}


HANG = 'test -z "$MAGNUS_PRM_hang" || { echo > "$HOME/hanging"; sleep 60; }'
"""Says that it hangs, and does, if it is asked to."""
EVERYTHING = graph(
    first=shell(
        'test -n "$PASSWORD" && mkdir -p data && echo one > data/one',
        "each",
        secrets={"PASSWORD": "password"},
        catalog={"put": ["one"]},
    ),
    each={
        "type": "map",
        "iterate_on": "items",
        "iterate_as": "item",
        "branch": graph(t=shell("true")),
        "next": "child",
    },
    child={
        "type": "dag",
        "separate": True,
        "next": "race",
        "branch": graph(inner=shell(f"cat data/one; {HANG}", catalog={"get": ["one"]})),
    },
    race={
        "type": "parallel",
        "fail_fast": True,
        "next": "last",
        "on_failure": "last",
        "branches": {
            "slow": graph(s=shell('echo > "$HOME/slow"; sleep 60')),
            "quick": graph(q=shell('read -r line < "$HOME/slow"; exit 1')),
        },
    },
    last=shell("true"),
)
PARAMETERS = {"items": ["a", "b"], "hang": ""}
ALL = "MAGNUS_PERMISSIONS" in os.environ
SOME = {
    ("JobPolicy", "Secrets", "secretsmanager:GetSecretValue"),
    ("MachineRole", "Records", "s3:GetObject"),
}
TAGS = {"tags": {"team": "churn"}}
WHERE: dict[str, dict[str, Any]] = {
    "batch": TAGS,
    "ecs": {**TAGS, "compute": "ecs"},
    "distributed": {**TAGS, "distributed": True},
}
"""Configurations that the pipeline runs with."""


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    permissions.apply()
    with Client(warm=True) as made:
        made.bucket(BUCKET)
        made.aws("secretsmanager").create_secret(Name="churn/password", SecretString="hunter-two-and-more")
        yield made


class Project:
    """A pipeline in a folder, its bundle, and where it runs."""

    def __init__(self, client: Client, folder: Path, name: str) -> None:
        self.client, self.folder, self.runs = client, folder, 0
        dag = {"name": name, **EVERYTHING}
        folder.mkdir(parents=True)
        os.mkfifo(folder / "slow")
        (folder / "dag.yaml").write_text(json.dumps({"dag": dag}), encoding="utf-8")
        place = {"bucket": BUCKET, "kms_key": KEY}
        config = {
            "executor": {"type": "stepfunctions", "config": WHERE[name]},
            "run_log_store": {"type": "s3", "config": {**place, "prefix": f"{name}/log"}},
            "catalog": {"type": "s3", "config": {**place, "prefix": f"{name}/files"}},
            "secrets": {"type": "aws-secrets-manager", "config": {"prefix": "churn/"}},
        }
        (folder / "config.yaml").write_text(json.dumps(config), encoding="utf-8")
        done = magnus(folder, "bundle", "dag.yaml", "-t", "stepfunctions", "-c", "config.yaml", "-o", "out")
        assert done.returncode == 0, done.stderr
        self.template = bundles.read(
            folder / "out",
            JobQueue=name,
            Cluster=CLUSTER,
            TaskDefinition=name,
            Container="main",
            SubnetA=client.subnet,
            SubnetB=client.subnet,
            TaskRoleArn="arn:aws:iam::123456789012:role/task",
            TaskExecutionRoleArn="arn:aws:iam::123456789012:role/execution",
        )
        client.project(name, folder, {"AWS_ACCESS_KEY_ID": bundles.JOBS, "HOME": str(folder), "CI": "1"})

    def run(
        self, policies: bundles.Policies, seconds: float = 120
    ) -> tuple[list[list[str]], Execution | None]:
        """Deploy and run it with some policies; return what is refused as it is deployed, else what became of the run."""
        self.runs += 1
        refused = bundles.deploy(self.client, self.template, policies)
        if refused:
            return refused, None
        return [], self.client.wait(self._start(PARAMETERS), seconds)

    def interrupt(self, policies: bundles.Policies, seconds: float = 60) -> bool:
        """Deploy it, start a run, and stop that while a job of a child machine is at work; tell whether the job ends."""
        self.runs += 1
        assert bundles.deploy(self.client, self.template, policies) == []
        (self.folder / "hanging").unlink(missing_ok=True)
        with said(self.folder / "hanging") as wait:
            execution = self._start({**PARAMETERS, "hang": "yes"})
            wait()
        self.client.stop(execution)
        return self.client.ended(self.client.jobs(f"{self.folder.name}-{self.runs}")[-1]["id"], seconds)

    def _start(self, parameters: dict[str, Any]) -> str:
        return bundles.start(
            self.client, self.template, f"{self.folder.name}-{self.runs}", {"parameters": parameters}
        )

    def called(self) -> bundles.Calls:
        """Return what roles asked for since it was deployed, and whether it was allowed."""
        calls: bundles.Calls = self.client.ask("called")
        return calls


@pytest.mark.parametrize("name", WHERE)
def test_nothing_is_missing_and_nothing_can_be_taken_away(name: str, client: Client, tmp_path: Path) -> None:
    project = Project(client, tmp_path / name, name)
    policies = project.template.policies
    wide = {
        one["Sid"] for policy in policies.values() for one in policy["Statement"] if "*" in one["Resource"]
    }
    assert wide <= {"Follow", "Log", "Trace", "Registry"}
    refused, execution = project.run(policies)
    assert refused == [] and execution is not None
    assert execution.status == "SUCCEEDED", f"{execution.error} {execution.cause} {execution.logs}"
    calls = project.called()
    assert project.interrupt(policies)
    for role, made in project.called().items():
        calls.setdefault(role, []).extend(made)
    assert _denied(calls) == [], execution.logs
    spare = [
        part
        for part in bundles.parts(policies)
        if part[1] not in UNPROVEN and part[1:] not in UNTRIED and not _missed(policies, part, calls)
    ]
    assert spare == [], sorted({tuple(call) for made in calls.values() for call, _ in made})


def _missed(policies: bundles.Policies, part: bundles.Part, calls: bundles.Calls) -> bool:
    """Tell whether a call that was made would be refused without a part of the policies."""
    left = json.dumps(bundles.without(policies, part)[part[0]])
    return any(not permissions.allows(left, tuple(call)) for call, _ in calls.get(part[0], ()))


def test_a_run_fails_with_less(client: Client, tmp_path: Path) -> None:
    """What the calls say is so: two parts in CI, by hand each one."""
    project = Project(client, tmp_path / "less", os.environ.get("MAGNUS_PERMISSIONS_ON", "batch"))
    policies = project.template.policies
    found = {}
    for part in bundles.parts(policies):
        if (ALL or part in SOME) and part[1] not in UNPROVEN and part[1:] not in UNTRIED:
            found[part] = _broken(project, bundles.without(policies, part))
    if ALL:
        told = "\n".join(f"{how or 'NOTHING'}: {' '.join(part)}" for part, how in found.items())
        Path(os.environ["MAGNUS_PERMISSIONS"]).write_text(told + "\n", encoding="utf-8")
    assert found and [part for part, how in found.items() if not how] == []
    assert ALL or set(found.values()) == {"the run fails"}


def _broken(project: Project, policies: bundles.Policies) -> str:
    """Return what is amiss with some policies: what fails, '' if nothing does."""
    refused, execution = project.run(policies, 90)
    if refused:
        return "the deployment is refused"
    if execution is not None and execution.status != "SUCCEEDED":
        project.client.stop(execution.arn)
        return "the run fails"
    denied = _denied(project.called())
    if not denied and not project.interrupt(policies, 5):
        denied = _denied(project.called())
    return "a job is not stopped" if denied else ""


def _denied(calls: bundles.Calls) -> list[Any]:
    return [(role, call) for role, made in calls.items() for call, allowed in made if not allowed]
