"""What is too long for one policy of IAM is spread over several; what AWS does not take is refused with the figures."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.targets.stepfunctions import limits
from tests.unit.test_stepfunctions_bundle import TASK, config, faults, graph, made

SECRETS = {"secrets": {"type": "aws-secrets-manager", "config": {"prefix": "churn/"}}}


def with_secrets(count: int) -> Any:
    names = {f"SECRET_{n}": f"a-secret-with-an-ordinary-name-{n}" for n in range(count)}
    return graph(a={**TASK, "secrets": names})


def with_children(count: int) -> Any:
    child = {"type": "dag", "separate": True, "branch": {**graph(bill=TASK)}}
    del child["branch"]["name"]
    steps = {f"child{n}": {**child, "next": f"child{n + 1}"} for n in range(count)}
    steps[f"child{count - 1}"]["next"] = "success"
    return graph(**steps)


def length(document: Any) -> int:
    """Return how many characters IAM counts of a policy in the region and account with the longest names."""
    text = re.sub('[{]"Fn::Sub":("[^"]*")}', r"\1", json.dumps(document, separators=(",", ":")))
    text = text.replace("${AWS::Partition}", "aws-us-gov")
    return len(text.replace("${AWS::Region}", "ap-southeast-1").replace("${AWS::AccountId}", "1" * 12))


def resources(files: dict[str, str], kind: str) -> dict[str, Any]:
    found = json.loads(files["template.json"])["Resources"]
    return {name: one["Properties"] for name, one in found.items() if one["Type"] == kind}


def allowed(documents: list[Any]) -> list[tuple[str, str, str]]:
    return sorted(
        (one["Sid"], action, json.dumps(resource))
        for document in documents
        for one in document["Statement"]
        for action in one["Action"]
        for resource in one["Resource"]
    )


def module(given: Any) -> Any:
    """Return a configuration that asks for a module of Terraform."""
    chosen = copy.deepcopy(given)
    chosen["executor"]["config"]["bundle"] = {"format": "terraform"}
    return chosen


def test_three_hundred_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = made(monkeypatch, tmp_path, config() | SECRETS, with_secrets(300))
    policies = resources(files, "AWS::IAM::ManagedPolicy")
    assert list(policies) == ["JobPolicy", *(f"JobPolicy{n}" for n in range(2, len(policies) + 1))]
    documents = [one["PolicyDocument"] for one in policies.values()]
    assert max(map(length, documents)) <= limits.MANAGED_POLICY
    assert min(map(length, documents[:-1])) > limits.MANAGED_POLICY * 0.9, "no more policies than it takes"
    assert len([one for one in allowed(documents) if one[0] == "Secrets"]) == 300
    attached = resources(files, "AWS::IAM::Role")["JobRole"]["ManagedPolicyArns"]
    assert [one["Ref"] for one in attached] == list(policies)
    outputs = json.loads(files["template.json"])["Outputs"]
    assert {f"{name}Arn" for name in policies} <= outputs.keys()
    named = made(monkeypatch, tmp_path, config(job_definition="mine") | SECRETS, with_secrets(300))
    last = f"`JobPolicy{len(policies)}Arn` of the stack"
    assert (
        f"attach all {len(policies)} policies of the outputs `JobPolicyArn` to {last}" in named["README.md"]
    )
    named = made(monkeypatch, tmp_path, module(config(job_definition="mine") | SECRETS), with_secrets(300))
    last = f"`job_policy{len(policies)}_arn` of the module"
    assert (
        f"attach all {len(policies)} policies of the outputs `job_policy_arn` to {last}" in named["README.md"]
    )


def test_sixty_separate_dags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = made(monkeypatch, tmp_path, config(), with_children(60))
    role = resources(files, "AWS::IAM::Role")["MachineRole"]
    policies = resources(files, "AWS::IAM::ManagedPolicy")
    inline = role["Policies"][0]["PolicyDocument"]
    more = [policies[one["Ref"]]["PolicyDocument"] for one in role["ManagedPolicyArns"]]
    assert limits.INLINE_POLICIES * 0.9 < length(inline) <= limits.INLINE_POLICIES
    assert more and max(map(length, more)) <= limits.MANAGED_POLICY
    children = [one for one in allowed([inline, *more]) if one[1] == "states:StartExecution"]
    assert len(children) == 60
    assert "ManagedPolicyArns" not in resources(files, "AWS::IAM::Role")["MachineChild7Role"]
    assert len(resources(files, "AWS::StepFunctions::StateMachine")) == 61


def test_sixty_separate_dags_by_terraform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = made(monkeypatch, tmp_path, module(config()), with_children(60))
    resource = json.loads(files["main.tf.json"])["resource"]
    assert len(resource["aws_sfn_state_machine"]) == 61
    attached = resource["aws_iam_role_policy_attachment"]
    assert attached.keys() == resource["aws_iam_policy"].keys() == {"machine_policy1", "job_policy"}
    assert attached["machine_policy1"] == {
        "role": "${aws_iam_role.machine_role.name}",
        "policy_arn": "${aws_iam_policy.machine_policy1.arn}",
    }
    needs = resource["aws_sfn_state_machine"]["machine"]["depends_on"]
    assert needs == ["aws_iam_role_policy.machine_role", "aws_iam_role_policy_attachment.machine_policy1"]


def test_cfn_lint_finds_nothing_in_policies_that_are_spread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "INLINE_POLICIES", 1200)
    monkeypatch.setattr(limits, "MANAGED_POLICY", 700)
    files = made(monkeypatch, tmp_path, config(), with_children(1))
    assert {"MachinePolicy1", "JobPolicy"} <= resources(files, "AWS::IAM::ManagedPolicy").keys()
    assert faults(files["template.json"]) == []


PUBLISH = {
    "type": "as-is",
    "next": "success",
    "render_string": {
        "aws-step-functions": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Arguments": {"TopicArn": "arn:aws:sns:eu-west-1:111122223333:done", "Message": "done"},
        }
    },
}
MANY = {"actions": [f"sns:Action{n}" for n in range(1000)], "resources": ["arn:aws:sns:eu-west-1:1:done"]}


@pytest.mark.parametrize(
    ("given", "dag", "told"),
    [
        (
            config() | SECRETS,
            with_secrets(800),
            r"the policies of the jobs have 9\d,\d{3} characters: IAM takes 61,440",
        ),
        (config(permissions=[MANY]), graph(a=PUBLISH), "the policies of the machine 'churn' have 1"),
    ],
    ids=["secrets", "actions"],
)
def test_what_iam_does_not_take(
    given: Any, dag: Any, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert re.search(told, refusal(given, dag, tmp_path, monkeypatch))
    assert re.search(told, refusal(module(given), dag, tmp_path, monkeypatch))


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("RESOURCES", "the template has 11 resources: CloudFormation takes 2 at most"),
        ("PARAMETERS", "the template has 4 parameters: CloudFormation takes 2 at most"),
        ("TEMPLATE_ON_S3_BYTES", " bytes: CloudFormation takes 2 at most"),
    ],
)
def test_what_cloudformation_does_not_take(
    limit: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that breaks the real limits takes seconds to write: `with_children(260)` has 535 resources."""
    monkeypatch.setattr(limits, limit, 2)
    assert told in refusal(config(), with_children(1), tmp_path, monkeypatch)
    assert "main.tf.json" in made(monkeypatch, tmp_path, module(config()), with_children(1))


def refusal(given: Any, dag: Any, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the only error of a bundle that is refused for its size."""
    with pytest.raises(DefinitionError) as error:
        made(monkeypatch, folder, given, dag)
    [found] = [one for one in error.value.diagnostics if one.severity == "error"]
    assert found.code == "MR209" and "magnus explain MR209" in found.fix
    return found.message


def test_names_of_resources_are_apart_in_small_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a module has them: the dag `b` in the dag `a` is not the dag `ab`."""
    inner = {key: value for key, value in graph(bill=TASK).items() if key != "name"}
    leaf = {"type": "dag", "separate": True, "branch": inner, "next": "success"}
    nest = {key: value for key, value in graph(b=leaf).items() if key != "name"}
    dag = graph(a={**leaf, "branch": nest, "next": "ab"}, ab=leaf)
    files = made(monkeypatch, tmp_path, config(bundle={"format": "terraform"}), dag)
    assert len(json.loads(files["main.tf.json"])["resource"]["aws_sfn_state_machine"]) == 4


@pytest.mark.parametrize("name", ["role", "policy1", "x" * 100])
def test_names_of_resources_are_a_machines_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dag: dict[str, Any] = graph(bill=TASK)
    for _ in range(3 if len(name) == 100 else 1):
        dag.pop("name")
        dag = graph(**{name: {"type": "dag", "separate": True, "branch": dag, "next": "success"}})
    files = made(monkeypatch, tmp_path, config(), dag | {"name": "c" * 100})
    names = json.loads(files["template.json"])["Resources"]
    assert max(map(len, names)) <= 255
    assert len(resources(files, "AWS::StepFunctions::StateMachine")) == (4 if len(name) == 100 else 2)
    assert (
        len(resources(files, "AWS::IAM::Role"))
        == len(resources(files, "AWS::StepFunctions::StateMachine")) + 2
    )
