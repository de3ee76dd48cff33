"""What a bundle's roles allow is what its pipeline needs: it runs with them, and nothing can be taken away.

Each pipeline of `tests/bundles` runs once on the engine, which refuses what a role may not do (`permissions.py`); it is
stopped once, and started by its schedule. Each action, each resource and each trusted service of its policies is then taken
away in turn, and the calls that were made are put to what is left: at least one is refused. By hand, a run is made with each
part taken away:

    MAGNUS_PERMISSIONS=FILE pytest tests/engines/stepfunctions/test_permissions.py -k fails_with_less -n 0

writes into FILE what then fails. `MAGNUS_PERMISSIONS_ON=files,ecs` names the pipelines; all, if nothing is said.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import bundles as pipelines
from tests.engines.stepfunctions import bundles, model, permissions
from tests.engines.stepfunctions.client import ACCOUNT, CLUSTER, Client, Execution, shared
from tests.tools import magnus, said

CONFIG = "aws.yaml"
UNTRIED = {("Stores", "s3:AbortMultipartUpload"), ("Process", "sagemaker:ListTags")}
"""What only an upload that breaks off calls, and what Step Functions is said to call."""
TRUSTED = {
    "MachineRoleTrust": model.STATES,
    "ScheduleRoleTrust": model.SCHEDULER,
    "JobRoleTrust": model.TASKS,
    "JobExecutionRoleTrust": model.TASKS,
}
"""Who may take on the roles of a bundle with a schedule."""
ANYWHERE = {"Follow", "Log", "Trace", "Registry"}
FILE = os.environ.get("MAGNUS_PERMISSIONS", "")
DEPLOYMENT, RUN, STOP = "the deployment is refused", "the run fails", "a job is not stopped"
SCHEDULE, TRACES = "the schedule starts no run, or loses that it did not", "the run leaves no traces"
SOME = {
    ("JobPolicy", "Secrets", "secretsmanager:GetSecretValue"): ("secrets", RUN),
    ("JobRoleTrust", "Trust", model.TASKS): ("secrets", RUN),
    ("MachineRole", "Records", "s3:GetObject"): ("choices", RUN),
    ("MachineRole", "Trace", "xray:PutTraceSegments"): ("choices", TRACES),
    ("MachineRole", "Log", "logs:CreateLogDelivery"): ("choices", DEPLOYMENT),
    ("MachineRoleTrust", "Trust", model.STATES): ("choices", DEPLOYMENT),
    ("ScheduleRoleTrust", "Trust", model.SCHEDULER): ("parameters", DEPLOYMENT),
}
"""What is taken away in CI, of which pipeline, and what is amiss then."""
GIVEN = os.environ.get("MAGNUS_PERMISSIONS_ON")
CHOSEN = (
    (GIVEN.split(",") if GIVEN else pipelines.names(CONFIG))
    if FILE
    else sorted({name for name, _ in SOME.values()})
)


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    permissions.apply()
    client = shared()
    for bucket in ("proof", "proof-files"):
        client.bucket(bucket)
    for name in ("proof/password", "proof/api/key"):
        client.aws("secretsmanager").create_secret(Name=name, SecretString=f"the value of {name}")
    client.aws("sqs").create_queue(QueueName="done")
    yield client
    client.ask("permit", policies={})


class Project:
    """A pipeline in a folder, its bundle, and where it runs."""

    def __init__(self, client: Client, folder: Path, name: str) -> None:
        self.client, self.folder, self.name, self.run_id = client, folder, name, ""
        pipelines.copy(name, folder)
        os.mkfifo(folder / "slow")
        done = magnus(folder, "bundle", "dag.yaml", "-t", "stepfunctions", "-c", CONFIG, "-o", "out")
        assert done.returncode == 0, done.stderr
        role = f"arn:aws:iam::{ACCOUNT}:role/"
        self.template = bundles.read(
            folder / "out",
            JobQueue=name,
            ImageRepository="process",
            Bucket="proof",
            Cluster=CLUSTER,
            TaskDefinition=name,
            Container="main",
            SubnetA=client.subnet,
            SubnetB=client.subnet,
            TaskRoleArn=f"{role}task",
            TaskExecutionRoleArn=f"{role}execution",
            Image=name,
            ProcessingRoleArn=f"{role}{bundles.JOBS}",
            Function=name,
        )
        given = {"AWS_ACCESS_KEY_ID": bundles.JOBS, "HOME": str(folder), "CI": "1", "TOKEN": "a-b-c-d-e"}
        roles = {"taskRoleArn": f"{role}task", "executionRoleArn": f"{role}execution"}
        client.project(name, folder, given, roles=roles)
        bundles.register(client, self.template, folder, given)
        if "Function" in self.template.content["Parameters"]:
            client.function(name, "magnus_render.lambda_handler.handler", folder, given)
        self.schedules = bundles.schedule(client, self.template)

    def run(
        self, policies: bundles.Policies, seconds: float = 120
    ) -> tuple[list[list[str]], Execution | None]:
        """Deploy and run it with some policies; return what is refused as it is deployed, else what became of the run."""
        refused = bundles.deploy(self.client, self.template, policies)
        if refused:
            return refused, None
        return [], self.client.wait(self._start(pipelines.PARAMETERS), seconds)

    def interrupt(self, policies: bundles.Policies, seconds: float = 60) -> bool:
        """Deploy it, and stop a run in each place where a job can be at work; tell whether these jobs end."""
        assert bundles.deploy(self.client, self.template, policies) == []
        return all(self._interrupt(place, seconds) for place in pipelines.places(self.folder))

    def _interrupt(self, place: str, seconds: float) -> bool:
        (self.folder / "hanging").unlink(missing_ok=True)
        with said(self.folder / "hanging") as wait:
            execution = self._start({**pipelines.PARAMETERS, "hang": place})
            wait()
        self.client.stop(execution)
        return self.client.ended(self.client.jobs(self.run_id)[-1]["id"], seconds)

    def fire(self) -> None:
        """Let its schedules start a run, and once more where the machine is gone."""
        for name in self.schedules:
            if execution := bundles.fire(self.client, name):
                ended = self.client.ask("wait", execution=execution, seconds=120)
                assert ended["status"] == "SUCCEEDED", ended["cause"]
        bundles.undeploy(self.client, self.template)
        for name in self.schedules:
            assert not bundles.fire(self.client, name)

    def _start(self, parameters: dict[str, Any]) -> str:
        self.run_id = f"{self.name}-{uuid.uuid4().hex[:8]}"
        return bundles.start(self.client, self.template, self.run_id, {"parameters": parameters})

    def called(self) -> bundles.Calls:
        """Return what roles asked for since it was deployed, and whether it was allowed."""
        calls: bundles.Calls = self.client.ask("called")
        return calls


@pytest.mark.parametrize("name", pipelines.names(CONFIG))
def test_nothing_is_missing_and_nothing_can_be_taken_away(name: str, client: Client, tmp_path: Path) -> None:
    project = Project(client, tmp_path / name, name)
    policies = project.template.policies
    wide = {
        one["Sid"]
        for policy in policies.values()
        for one in policy["Statement"]
        if "*" in one.get("Resource", ())
    }
    assert wide <= ANYWHERE
    refused, execution = project.run(policies)
    assert refused == [] and execution is not None
    assert execution.status == "SUCCEEDED", f"{execution.error} {execution.cause} {execution.logs}"
    calls = project.called()
    assert project.interrupt(policies)
    project.fire()
    for role, made in project.called().items():
        calls.setdefault(role, []).extend(made)
    assert _denied(calls) == [], execution.logs
    spare = [part for part in _tried(policies) if not _missed(policies, part, calls)]
    assert spare == [], sorted({tuple(call) for made in calls.values() for call, _ in made})


def _tried(policies: bundles.Policies) -> Iterator[bundles.Part]:
    for part in bundles.parts(policies):
        if part[1:] not in UNTRIED:
            yield part


def _missed(policies: bundles.Policies, part: bundles.Part, calls: bundles.Calls) -> bool:
    """Tell whether a call that was made would be refused without a part of the policies."""
    left = json.dumps(bundles.without(policies, part)[part[0]])
    return any(not permissions.allows(left, tuple(call)) for call, _ in calls.get(part[0], ()))


def test_a_role_is_taken_on_for_its_own_account_alone(client: Client, tmp_path: Path) -> None:
    policies = Project(client, tmp_path / "parameters", "parameters").template.policies
    trusts = {name: json.dumps(policy) for name, policy in policies.items() if name.endswith("Trust")}
    assert trusts.keys() == TRUSTED.keys()
    for name, policy in trusts.items():
        trusted = [
            (service, account)
            for service in (model.STATES, model.SCHEDULER, model.TASKS)
            for account in (ACCOUNT, "999999999999")
            if permissions.allows(policy, model.assume(service, account))
        ]
        assert trusted == [(TRUSTED[name], ACCOUNT)]


@pytest.mark.parametrize("name", CHOSEN)
def test_a_run_fails_with_less(name: str, client: Client, tmp_path: Path) -> None:
    """What the calls say is so: some parts in CI, by hand each one."""
    project = Project(client, tmp_path / name, name)
    policies = project.template.policies
    found = {}
    for part in _tried(policies):
        if FILE or SOME.get(part, ("", ""))[0] == name:
            found[part] = _broken(project, bundles.without(policies, part))
            told = f"{name}: {found[part] or 'NOTHING'}: {' '.join(part)}\n"
            if FILE:
                with open(FILE, "a", encoding="utf-8") as file:
                    file.write(told)
    assert found and [part for part, how in found.items() if not how] == []
    assert FILE or found == {part: how for part, (of, how) in SOME.items() if of == name}


def _broken(project: Project, policies: bundles.Policies) -> str:
    """Return what is amiss with some policies: what fails, '' if nothing does."""
    refused, execution = project.run(policies, 90)
    if refused:
        return DEPLOYMENT
    if execution is not None and execution.status != "SUCCEEDED":
        project.client.stop(execution.arn)
        return RUN
    denied = _denied(project.called())
    if denied and all(call[0] in model.TRACE for _, call in denied):
        return TRACES
    if denied or not project.interrupt(policies, 5):
        return STOP
    project.fire()
    return SCHEDULE if _denied(project.called()) else ""


def _denied(calls: bundles.Calls) -> list[Any]:
    return [(role, call) for role, made in calls.items() for call, allowed in made if not allowed]
