"""A bundle, deployed on the engine as CloudFormation would: parameters filled in, roles with their policies, machines."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.engines.stepfunctions.client import ACCOUNT, REGION, Client, machine_arn

JOBS = "JobPolicy"
Policies = dict[str, dict[str, Any]]
Part = tuple[str, str, str]
"""What can be taken away of policies: the policy's name, the statement's, an action or a resource."""
Calls = dict[str, list[Any]]
"""By roles, what they asked for: [action, resource], and whether it was allowed."""
_OPEN = re.compile(r"\$\{([^}]+)\}")
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass
class Template:
    """A CloudFormation template whose parameters have values."""

    content: dict[str, Any]
    values: dict[str, str]
    policies: Policies = field(init=False)
    """By the names of the resources that have them: roles, and the policy of the jobs."""

    def __post_init__(self) -> None:
        for name, parameter in self.content["Parameters"].items():
            self.values.setdefault(name, parameter.get("Default"))
            assert self.values[name] is not None, f"the parameter {name} has no value"
            assert re.fullmatch(parameter.get("AllowedPattern", ".*"), self.values[name]), name
        self.policies = dict(self._policies())

    def _policies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for name, resource in self.content["Resources"].items():
            properties = resource["Properties"]
            if name == JOBS:
                yield name, self.filled(properties["PolicyDocument"])
            elif resource["Type"] == "AWS::IAM::Role" and "Policies" in properties:
                yield name, self.filled(properties["Policies"][0]["PolicyDocument"])

    def filled(self, value: Any) -> Any:
        """Return a value with its functions computed."""
        if isinstance(value, list):
            return [self.filled(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "Ref" in value:
            return self._value(value["Ref"])
        if "Fn::Sub" in value:
            return _OPEN.sub(lambda found: self._value(found[1]), value["Fn::Sub"])
        if "Fn::GetAtt" in value:
            return f"arn:of:{value['Fn::GetAtt'][0]}"
        return {key: self.filled(one) for key, one in value.items()}

    def _value(self, name: str) -> str:
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name == "JobDefinition":
            own: str = self.content["Resources"][name]["Properties"]["JobDefinitionName"]
            return own
        return self.values[name]

    def machines(self) -> Iterator[tuple[str, str, str]]:
        """Yield of each state machine the name of its resource, its own, and its definition."""
        for name, resource in self.content["Resources"].items():
            if resource["Type"] == "AWS::StepFunctions::StateMachine":
                properties = resource["Properties"]
                filled = self.filled(properties.get("DefinitionSubstitutions", {}))
                text = properties["DefinitionString"]
                for key, value in filled.items():
                    text = text.replace("${" + key + "}", value)
                yield name, properties["StateMachineName"], text


def read(folder: Path, **values: str) -> Template:
    """Return the template of a bundle with values for its parameters."""
    return Template(json.loads((folder / "template.json").read_text(encoding="utf-8")), values)


def deploy(client: Client, template: Template, policies: Policies) -> list[list[str]]:
    """Create the machines of a template, with roles that have these policies; return what is refused already."""
    client.ask("permit", policies=policies)
    states = client.aws("stepfunctions")
    refused: list[list[str]] = []
    for resource, name, definition in template.machines():
        states.delete_state_machine(stateMachineArn=machine_arn(name))
        role = f"arn:aws:iam::{ACCOUNT}:role/{resource}Role"
        states.create_state_machine(name=name, definition=definition, roleArn=role)
        refused += client.ask("refused", machine=machine_arn(name))
    return refused


def start(client: Client, template: Template, run_id: str, given: Any) -> str:
    """Start the pipeline's machine, which is the first; return the ARN of the execution."""
    return client.start(next(template.machines())[1], run_id, given)


def parts(policies: Policies) -> Iterator[Part]:
    """Yield every action and every resource of every statement."""
    for name, policy in policies.items():
        for statement in policy["Statement"]:
            for value in (*statement["Action"], *statement["Resource"]):
                yield name, statement["Sid"], value


def without(policies: Mapping[str, Any], part: Part) -> Policies:
    """Return policies in which one action or resource is not there; a statement that has none left is gone too."""
    name, sid, value = part
    left: Policies = copy.deepcopy(dict(policies))
    for statement in left[name]["Statement"]:
        if statement["Sid"] == sid:
            for side in ("Action", "Resource"):
                statement[side] = [one for one in statement[side] if one != value]
    left[name]["Statement"] = [one for one in left[name]["Statement"] if one["Action"] and one["Resource"]]
    return left
