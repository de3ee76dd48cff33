"""The module of Terraform in a bundle: Terraform takes it, and it deploys what the CloudFormation template does."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magnus_render.targets.stepfunctions.terraform import small
from tests.engines import terraform
from tests.engines.stepfunctions import bundles
from tests.engines.terraform import Module
from tests.unit.test_stepfunctions_bundle import CASES, TASK, config, graph, made
from tests.unit.test_stepfunctions_bundle_sizes import PUBLISH, SECRETS, with_secrets

FILES = {"main.tf.json", "variables.tf.json", "outputs.tf.json"}
ODD = (
    config(tags={"team": "$${Team}"}, environment={"A": "%{if}", "HTTPPort": "$${HTTPPort}"})
    | {"secrets": {"type": "aws-secrets-manager"}},
    graph(a=TASK | {"secrets": {"PASSWORD": "a%{if}b"}}) | {"name": "churn %{if}"},
)
"""Texts that Terraform would read as its own."""
TOPICS = {
    "actions": ["sns:Publish"],
    "resources": [f"arn:aws:sns:eu-west-1:111122223333:topic-{n}" for n in range(300)],
}
GIVEN = {
    **CASES,
    "odd": ODD,
    "300 secrets": (config() | SECRETS, with_secrets(300)),
    "300 topics": (config(permissions=[TOPICS]), graph(a=PUBLISH)),
}

ON_S3 = {"too long for its template", "300 secrets"}
"""Whose template names the definitions on S3."""


def by(format_: str, given: Any) -> Any:
    """Return a configuration with the format of bundles that it asks for."""
    chosen = copy.deepcopy(given)
    chosen["executor"]["config"].setdefault("bundle", {})["format"] = format_
    return chosen


def values(names: Iterator[str] | list[str]) -> dict[str, str]:
    """Return a value for each parameter of a template: one that its pattern takes."""
    found = {name: f"the-{name}" for name in names}
    for name in found:
        if name.endswith("Arn"):
            found[name] = f"arn:aws:iam::123456789012:role/{name}"
        if name.startswith("Subnet"):
            found[name] = f"subnet-{name[-1].lower()}"
    return found


@pytest.fixture(scope="module")
def deployed(
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, tuple[dict[str, Any], dict[str, Any], Any]]:
    """Return of each case the template, what Terraform makes, and the parameters of both; one call makes them all."""
    terraform.require()
    folder = tmp_path_factory.mktemp("terraform")
    templates, modules, parameters = {}, {}, {}
    with pytest.MonkeyPatch.context() as monkeypatch:
        for number, (name, (given, dag)) in enumerate(GIVEN.items()):
            files = made(monkeypatch, folder / f"c{number}", by("cloudformation", given), dag)
            template = json.loads(files["template.json"])
            asked = [one for one, told in template["Parameters"].items() if "Default" not in told]
            parameters[name] = values([one for one in asked if one != "DefinitionBucket"])
            files = made(monkeypatch, folder / f"t{number}", by("terraform", given), dag)
            again = made(monkeypatch, folder / f"u{number}", by("terraform", given), dag)
            assert files == again and set(files) > FILES
            templates[name] = template
            modules[f"m{number}"] = Module(files, {small(k): v for k, v in parameters[name].items()})
    (folder / "applied").mkdir()
    applied = terraform.apply(folder / "applied", modules)
    return {name: (templates[name], applied[f"m{n}"], parameters[name]) for n, name in enumerate(GIVEN)}


@pytest.mark.parametrize("name", GIVEN)
def test_it_allows_what_the_template_allows(name: str, deployed: Any) -> None:
    content, applied, given = deployed[name]
    template = bundles.Template(content, {**given, "DefinitionBucket": "b"})
    ours = {small(one): _plain(policy["Statement"]) for one, policy in template.policies.items()}
    theirs = {
        role: [policy, *(of_type(applied, "aws_iam_policy")[one] for one in attached(applied, role))]
        for role, policy in of_type(applied, "aws_iam_role_policy").items()
    }
    jobs = [one for key, one in of_type(applied, "aws_iam_policy").items() if key.startswith("job_policy")]
    trusts = {
        f"{role}_trust": bundles.trust(json.loads(one["assume_role_policy"]))["Statement"]
        for role, one in of_type(applied, "aws_iam_role").items()
    }
    found = {
        key: [statement for one in policies for statement in json.loads(one["policy"])["Statement"]]
        for key, policies in (theirs | {"job_policy": jobs}).items()
    }
    if (queue := applied.get("aws_sqs_queue.schedule_dead_letters")) is not None:
        its = template.filled({"Fn::GetAtt": ["ScheduleDeadLetters", "Arn"]})
        found = json.loads(json.dumps(found).replace(queue["arn"], its))
    assert {key: _plain(one) for key, one in (found | trusts).items()} == ours


def of_type(applied: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the resources of a type, by their names."""
    addresses = [one.partition(".") for one in applied]
    return {name: applied[f"{kind}.{name}"] for found, _, name in addresses if found == kind}


def attached(applied: dict[str, Any], role: str) -> list[str]:
    """Return the names of the managed policies that a role has."""
    policies = {one["arn"]: name for name, one in of_type(applied, "aws_iam_policy").items()}
    name = applied[f"aws_iam_role.{role}"]["name"]
    found = of_type(applied, "aws_iam_role_policy_attachment").values()
    return [policies[one["policy_arn"]] for one in found if one["role"] == name]


def _plain(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return statements in which a condition's value is a list: IAM reads both forms."""
    found = copy.deepcopy(statements)
    for one in found:
        for asked in one.get("Condition", {}).values():
            asked |= {key: [value] if isinstance(value, str) else value for key, value in asked.items()}
    return found


@pytest.mark.parametrize("name", GIVEN)
def test_its_resources_are_those_of_the_template(name: str, deployed: Any) -> None:
    content, applied, given = deployed[name]
    template = bundles.Template(content, {**given, "DefinitionBucket": "b"})
    kinds = {
        "AWS::StepFunctions::StateMachine": "aws_sfn_state_machine",
        "AWS::IAM::Role": "aws_iam_role",
        "AWS::IAM::ManagedPolicy": "aws_iam_policy",
        "AWS::Logs::LogGroup": "aws_cloudwatch_log_group",
        "AWS::Batch::JobDefinition": "aws_batch_job_definition",
        "AWS::Scheduler::Schedule": "aws_scheduler_schedule",
        "AWS::SQS::Queue": "aws_sqs_queue",
        "AWS::CloudWatch::Alarm": "aws_cloudwatch_metric_alarm",
    }
    theirs = {one for one in applied if one.partition(".")[0] in kinds.values()}
    assert theirs == {f"{kinds[one['Type']]}.{small(key)}" for key, one in content["Resources"].items()}
    for key, one in content["Resources"].items():
        found = applied[f"{kinds[one['Type']]}.{small(key)}"]
        tags = one["Properties"].get("Tags", {})
        if isinstance(tags, list):
            tags = {tag["Key"]: tag["Value"] for tag in tags}
        assert (found.get("tags") or {}) == template.filled(tags)
        if one["Type"] == "AWS::IAM::Role":
            assert len(found["name_prefix"]) <= 38
            managed = [small(policy["Ref"]) for policy in one["Properties"].get("ManagedPolicyArns", [])]
            assert attached(applied, small(key)) == managed


@pytest.mark.parametrize("name", [one for one in GIVEN if one not in ON_S3])
def test_its_machines_are_those_of_the_template(name: str, deployed: Any) -> None:
    content, applied, given = deployed[name]
    template = bundles.Template(content, dict(given))
    if (definition := applied.get("aws_batch_job_definition.job_definition")) is not None:
        template.values["JobDefinition"] = definition["arn"]
    for logical, called, text in template.machines():
        found = applied[f"aws_sfn_state_machine.{small(logical)}"]
        assert found["name"] == called
        assert json.loads(found["definition"]) == json.loads(text)


def test_what_is_too_long_for_a_template_is_as_any_other(deployed: Any) -> None:
    found = deployed["too long for its template"][1]["aws_sfn_state_machine.machine"]["definition"]
    assert len(found) > 51_200 and "${" not in found
    assert len(json.loads(found)["States"]) > 80


def test_a_job_is_described_as_in_the_template(deployed: Any) -> None:
    content, applied, _ = deployed["everything open"]
    found = applied["aws_batch_job_definition.job_definition"]
    container = json.loads(found["container_properties"])
    assert container["image"] == "123456789012.dkr.ecr.us-east-1.amazonaws.com/dag:latest"
    assert container["jobRoleArn"] == applied["aws_iam_role.job_role"]["arn"]
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/magnus/dag"
    asked = content["Resources"]["JobDefinition"]["Properties"]["ContainerProperties"]
    assert {one[0].lower() + one[1:] for one in asked} == set(container)
    assert applied["outputs"]["state_machine_arn"] == applied["aws_sfn_state_machine.machine"]["arn"]
    assert applied["outputs"]["job_policy_arn"] == applied["aws_iam_policy.job_policy"]["arn"]
    assert applied["aws_cloudwatch_metric_alarm.failure_alarm"]["alarm_actions"] == []


def test_a_schedule(deployed: Any) -> None:
    applied = deployed["as many keys as there are"][1]
    schedule = applied["aws_scheduler_schedule.schedule"]
    [target] = schedule["target"]
    assert schedule["schedule_expression"] == "cron(0 3 * * ? *)"
    assert schedule["schedule_expression_timezone"] == "Europe/Berlin"
    assert target["arn"] == applied["aws_sfn_state_machine.machine"]["arn"]
    assert target["dead_letter_config"] == [{"arn": applied["aws_sqs_queue.schedule_dead_letters"]["arn"]}]


ALARM = "aws_cloudwatch_metric_alarm"
MISTAKES = {
    "a misspelt attribute": ('"retention_in_days"', '"retention_days"', "retention_days"),
    "an attribute that is missing": (
        '"comparison_operator": "GreaterThanThreshold",',
        "",
        "comparison_operator",
    ),
    "a block that is misspelt": ('"tracing_configuration"', '"tracing"', '"tracing"'),
    "a value of another type": ('"threshold": 0', '"threshold": "many"', "a number is required"),
    "a reference to no resource": ("${aws_iam_role.job_role.arn}", "${aws_iam_role.jobs.arn}", '"jobs"'),
    "a reference to no variable": ("${var.image_tag}", "${var.image_tags}", '"image_tags"'),
    "a reference to no attribute": (
        "aws_iam_policy.job_policy.arn",
        "aws_iam_policy.job_policy.urn",
        '"urn"',
    ),
    "a name that fills in nothing": ('"dag"', '"${dag}"', "Invalid reference"),
}


@pytest.mark.parametrize("mistake", ["", *MISTAKES])
def test_a_mistake_is_found(mistake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tests above say of a module is worth as much as this."""
    terraform.require()
    files = made(monkeypatch, tmp_path / "p", by("terraform", config()))
    if not mistake:
        assert terraform.validate(tmp_path / "good", Module(files, {})) == []
        return
    right, wrong, told = MISTAKES[mistake]
    assert right in files["main.tf.json"]
    bad = files | {"main.tf.json": files["main.tf.json"].replace(right, wrong)}
    assert told in "\n".join(terraform.validate(tmp_path / "bad", Module(bad, {})))


def test_a_value_of_another_form_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terraform.require()
    files = made(monkeypatch, tmp_path / "p", by("terraform", config()))
    (tmp_path / "applied").mkdir()
    with pytest.raises(AssertionError, match="does not have the form"):
        terraform.apply(tmp_path / "applied", {"m": Module(files, {"job_queue": "two words"})})
