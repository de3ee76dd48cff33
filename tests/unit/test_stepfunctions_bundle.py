"""What `magnus bundle` makes for Step Functions: templates that CloudFormation takes, and what roles may do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import bundle
from tests import bundles as pipelines

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
STORE = {"type": "s3", "config": {"bucket": "churn-runs"}}
ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}
TASK = {"type": "task", "command": "churn.step", "next": "success"}


def config(**executor: Any) -> dict[str, Any]:
    block = {"type": "stepfunctions", "config": executor}
    return {"executor": block, "run_log_store": STORE, "catalog": STORE}


def made(monkeypatch: pytest.MonkeyPatch, folder: Path, given: Any, dag: Any = None) -> dict[str, str]:
    """Return the bundle of a definition, by default one that nests all composites."""
    folder.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    if dag is None:
        shutil.copytree(GOLDEN / "nested", folder, dirs_exist_ok=True)
    else:
        (folder / "dag.yaml").write_text(json.dumps({"dag": dag}))
    (folder / "aws.yaml").write_text(json.dumps(given))
    return bundle("dag.yaml", "stepfunctions", "aws.yaml").files


def graph(**steps: Any) -> dict[str, Any]:
    return {"name": "churn", "start_at": next(iter(steps)), "steps": {**steps, **ENDS}}


def faults(template: str) -> list[Any]:
    """Return what CloudFormation's linter says of a template."""
    from cfnlint.api import ManualArgs, lint  # a second to load, in each process that collects tests

    return list(lint(template, config=ManualArgs(regions=["eu-west-1"])))


def separate(**task: Any) -> dict[str, Any]:
    inner = {"type": "dag", "separate": True, "branch": graph(bill=TASK | task), "next": "success"}
    del inner["branch"]["name"]
    return graph(Each=inner | {"next": "each"}, each=inner)


KEYS = {"kms_key": "alias/churn"}
CASES: dict[str, tuple[Any, Any]] = {
    "everything open": (config(), None),
    "as many keys as there are": (
        {
            "executor": {
                "type": "stepfunctions",
                "config": {
                    "job_queue": "arn:aws:batch:eu-west-1:111122223333:job-queue/churn",
                    "job_definition": "churn-job:3",
                    "tags": {"team": "churn"},
                    "resources": {"vcpus": 0.5, "memory": 1024},
                    "environment": {"LEVEL": "$${Level}"},
                    "bundle": {
                        "schedule": "cron(0 3 * * ? *)",
                        "timezone": "Europe/Berlin",
                        "platform": "EC2",
                        "log_retention_days": 7,
                    },
                },
            },
            "run_log_store": {"type": "s3", "config": {"bucket": "$${Bucket}", **KEYS}},
            "catalog": {"type": "s3", "config": {"bucket": "$${Bucket}", **KEYS}},
            "secrets": {"type": "aws-secrets-manager", "config": {"prefix": "churn/"}},
        },
        graph(a={**TASK, "secrets": {"PASSWORD": "password"}}),
    ),
    "open where CloudFormation fills in nothing by itself": (
        config(tags={"team": "$${Team}"}, bundle={"schedule": "rate($${Often})", "timezone": "$${Zone}"})
        | {"run_log_store": {"type": "s3", "config": {"bucket": "runs", "kms_key": "alias/$${Stage}-key"}}},
        graph(a=TASK),
    ),
    "a compute of its own": (
        config(),
        graph(a={**TASK, "executor_config": {"aws-step-functions": {"compute": "sagemaker"}}}),
    ),
    "ecs": (config(compute="ecs", tags={"a": "b"}), None),
    "sagemaker": (config(compute="sagemaker"), None),
    "lambda": (config(compute="lambda", function="churn:live"), None),
    "distributed": (config(distributed=True), None),
    "machines of their own": (config(bundle={"schedule": "rate(1 day)"}), separate()),
    "a job in the machine of a dag alone": (
        config(compute="lambda", function="churn"),
        separate(executor_config={"aws-step-functions": {"compute": "batch"}}),
    ),
    "too long for its template": (
        config(),
        graph(**{f"step {n}": {**TASK, "next": f"step {n + 1}" if n < 79 else "success"} for n in range(80)}),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_cfn_lint_finds_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = made(monkeypatch, tmp_path / "p", *CASES[name])
    assert faults(files["template.json"]) == []
    assert files == made(monkeypatch, tmp_path / "again", *CASES[name])
    found = json.loads(files["template.json"])["Resources"]
    anywhere = {
        one["Sid"] for part in found.values() for one in _statements(part) if one["Resource"] == ["*"]
    }
    [told] = [line for line in files["README.md"].splitlines() if "**What it may do**" in line]
    assert {sid for sid in anywhere if f" {sid}" in told} == anywhere, "the README names each"
    machine = found["Machine"]["Properties"]
    assert ("DefinitionS3Location" in machine) == (name == "too long for its template")
    assert len(files["template.json"].encode()) < 51_200
    for resource in found.values():
        for statement in _statements(resource):
            assert not any("*" in action for action in statement["Action"])


@pytest.mark.parametrize("name", ["children", "native"])
def test_cfn_lint_finds_nothing_in_what_no_case_has(name: str) -> None:
    """A machine of a machine of a machine, and a state of the user's own, of those that permissions are proven with."""
    folder = pipelines.HERE / name
    files = bundle(str(folder / "dag.yaml"), "stepfunctions", str(folder / "aws.yaml")).files
    assert faults(files["template.json"]) == []


def _statements(resource: dict[str, Any]) -> list[dict[str, Any]]:
    policies = [policy["PolicyDocument"] for policy in resource["Properties"].get("Policies", [])]
    policies += (
        [resource["Properties"]["PolicyDocument"]] if "PolicyDocument" in resource["Properties"] else []
    )
    return [statement for policy in policies for statement in policy["Statement"]]


def test_an_upload_has_the_name_of_its_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else CloudFormation would see no change of a definition."""
    given, dag = CASES["too long for its template"]
    files = made(monkeypatch, tmp_path, given, dag)
    key = json.loads(files["template.json"])["Resources"]["Machine"]["Properties"]["DefinitionS3Location"][
        "Key"
    ]
    name = key["Fn::Sub"].removeprefix("${DefinitionPrefix}")
    assert f"aws s3 cp pipeline.asl.json s3://BUCKET/definitions/{name}" in files["README.md"]
    dag["steps"]["step 1"]["retry"] = 2
    other = made(monkeypatch, tmp_path, given, dag)
    assert name not in other["README.md"]


def test_the_job_definition_of_the_configuration_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = made(monkeypatch, tmp_path, config(), graph(a=TASK))
    assert {"JobDefinition", "JobRole", "JobLogGroup"} <= json.loads(own["template.json"])["Resources"].keys()
    assert (
        "and the image, in the repository of Amazon ECR that the parameter `ImageRepository`"
        in own["README.md"]
    )
    named = made(monkeypatch, tmp_path, config(job_definition="mine"), graph(a=TASK))
    found = json.loads(named["template.json"])["Resources"]
    assert not {"JobDefinition", "JobRole", "JobLogGroup"} & found.keys() and "JobPolicy" in found
    assert "**What it does not make**: a job definition" in named["README.md"]
    assert "job-definition/mine:*" in named["template.json"]


def test_the_readme_names_what_a_deployment_asks_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The name of a stack begins with a letter, and a parameter without a default is asked for by its name."""
    dag = graph(a=TASK) | {"name": "9-to-5"}
    readme = made(monkeypatch, tmp_path, config(), dag)["README.md"]
    assert "--stack-name magnus-9-to-5 --template-file" in readme
    assert "--capabilities CAPABILITY_IAM --parameter-overrides JobQueue=VALUE`" in readme
    readme = made(monkeypatch, tmp_path, config(job_queue="q"), dag)["README.md"]
    assert "--capabilities CAPABILITY_IAM`" in readme


@pytest.mark.parametrize(
    "dag",
    [graph(a=TASK) | {"name": "churn $${Team}"}, graph(**{"a ${Team}": TASK}) | {"start_at": "a $${Team}"}],
    ids=["the pipeline's", "a step's"],
)
def test_nothing_is_filled_into_a_name(dag: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in the definition, where CloudFormation would ask for a parameter."""
    with pytest.raises(DefinitionError, match=r"MR208.*fill in '[$]{Team}'"):
        made(monkeypatch, tmp_path, config(), dag)


def test_a_key_of_another_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = "arn:aws:kms:eu-west-1:444455556666:"
    store = {"type": "s3", "config": {"bucket": "runs", "kms_key": f"{there}alias/churn"}}
    files = made(monkeypatch, tmp_path, config() | {"run_log_store": store}, graph(a=TASK))
    [key] = [
        one
        for one in _statements(json.loads(files["template.json"])["Resources"]["JobPolicy"])
        if one["Sid"] == "Key"
    ]
    assert key["Resource"] == [f"{there}key/*"]
    assert key["Condition"] == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": "alias/churn"}}


def test_machines_whose_addresses_differ_in_case_are_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(made(monkeypatch, tmp_path, *CASES["machines of their own"])["template.json"])[
        "Resources"
    ]
    machines = [one for one in found.values() if one["Type"] == "AWS::StepFunctions::StateMachine"]
    assert len(machines) == 3
    assert len({one["Properties"]["StateMachineName"] for one in machines}) == 3


SAID = {"Arguments": {"TopicArn": "arn:aws:sns:eu-west-1:111122223333:done", "Message": "done"}}
NATIVE = {
    "type": "as-is",
    "render_string": {
        "aws-step-functions": {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", **SAID}
    },
    "next": "success",
}


def test_a_state_of_the_users_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DefinitionError) as told:
        made(monkeypatch, tmp_path, config(), graph(tell=NATIVE))
    [error] = [one for one in told.value.diagnostics if one.severity == "error"]
    assert error.code == "MR208" and "'tell'" in error.message and "permissions:" in error.fix
    permission = {"actions": ["sns:Publish"], "resources": ["arn:aws:sns:eu-west-1:111122223333:done"]}
    allowed = NATIVE | {"executor_config": {"aws-step-functions": {"permissions": [permission]}}}
    found = json.loads(made(monkeypatch, tmp_path, config(), graph(tell=allowed))["template.json"])[
        "Resources"
    ]
    [own] = [one for one in _statements(found["MachineRole"]) if one["Sid"] == "Own1"]
    assert (own["Action"], own["Resource"]) == (["sns:Publish"], permission["resources"])
    made(monkeypatch, tmp_path, config(permissions=[]), graph(tell=NATIVE))
    text = json.dumps(NATIVE["render_string"]["aws-step-functions"])
    with pytest.raises(DefinitionError, match="MR208"):
        made(
            monkeypatch,
            tmp_path,
            config(),
            graph(tell=NATIVE | {"render_string": {"aws-step-functions": text}}),
        )


def by_terraform(**environment: str) -> dict[str, Any]:
    return config(bundle={"format": "terraform"}, environment=environment)


SECRETS = {"secrets": {"type": "aws-secrets-manager"}}


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        (config(mounts=["/mnt/x"]), "MR208", "no job definition with 'mounts'"),
        (config(environment={"A": "$${no-name}"}), "MR208", "'${no-name}' can be no parameter"),
        (config(environment={"A": "$${LogGroup}"}), "MR208", "is a name that the template itself uses"),
        (
            config() | {"run_log_store": {"type": "s3", "config": {"bucket": "a", "prefix": "x*"}}},
            "MR108",
            "x*",
        ),
        (config() | SECRETS, "MR208", "the name of the secret 'db-*' as any characters"),
        (config(bundle={"schedule": "daily"}), "MR103", "is no schedule of EventBridge"),
        (by_terraform(A="$${AWS::StackName}"), "MR208", "which Terraform does not have"),
        (by_terraform(A="$${Version}"), "MR208", "the variable 'version', which Terraform does not take"),
        (
            by_terraform(A="$${Level}", B="$${level}"),
            "MR208",
            "and '${Level}' would be one variable, 'level'",
        ),
        (by_terraform(A="$${alarmTopicArn}"), "MR208", "and '${AlarmTopicArn}' would be one variable"),
        (by_terraform(A="$${no-name}"), "MR208", "can be no parameter of a Terraform module"),
        (config(bundle={"format": "pulumi"}), "MR103", "bundle"),
        (config(permissions=[{"actions": ["s3:*"], "resources": ["x"]}]), "MR103", "is no action"),
    ],
)
def test_what_is_refused(
    given: Any, code: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DefinitionError) as error:
        made(monkeypatch, tmp_path, given, graph(a=TASK | {"secrets": {"PASSWORD": "db-*"}}))
    assert any(one.code == code and told in one.message for one in error.value.diagnostics), str(error.value)


def test_the_schedule_is_not_a_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"executor_config": {"aws-step-functions": {"bundle": {"schedule": "rate(1 day)"}}}}
    with pytest.raises(DefinitionError, match="'bundle' is the whole pipeline's"):
        made(monkeypatch, tmp_path, config(), graph(a=TASK | own))


def test_a_dag_that_is_called_as_a_role_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`MachineRole` is the role of the pipeline's machine."""
    dag = separate()
    dag["steps"]["role"] = dag["steps"].pop("each")
    dag["steps"]["Each"]["next"] = "role"
    found = json.loads(made(monkeypatch, tmp_path, config(), dag)["template.json"])["Resources"]
    kinds = [one["Type"] for one in found.values()]
    assert kinds.count("AWS::StepFunctions::StateMachine") == 3
    assert found["MachineRole"]["Type"] == "AWS::IAM::Role"
