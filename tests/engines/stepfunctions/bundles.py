"""A bundle, deployed on the engine as CloudFormation would: parameters filled in, roles with their policies, machines."""

from __future__ import annotations

import contextlib
import copy
import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.engines.stepfunctions.client import ACCOUNT, REGION, Client, machine_arn, pairs

JOBS = "JobPolicy"
Policies = dict[str, dict[str, Any]]
Part = tuple[str, str, str]
"""What can be taken away of policies: the policy's name, the statement's, an action, a resource or a trusted service."""
Calls = dict[str, list[Any]]
"""By roles, what they asked for: [action, resource], and whether it was allowed."""
_OPEN = re.compile(r"\$\{([^}]+)\}")
_PSEUDO = {
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::AccountId": ACCOUNT,
    "AWS::URLSuffix": "amazonaws.com",
}
_ARNS = {
    "AWS::IAM::Role": f"arn:aws:iam::{ACCOUNT}:role/{{}}",
    "AWS::SQS::Queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{{}}",
}


@dataclass
class Template:
    """A CloudFormation template whose parameters have values."""

    content: dict[str, Any]
    values: dict[str, str]
    policies: Policies = field(init=False)
    """By the names of the resources that have them: roles, and the policy of the jobs. Who may take on a role stands
    under the role's name with `Trust` behind it."""

    def __post_init__(self) -> None:
        for name, parameter in self.content["Parameters"].items():
            self.values.setdefault(name, parameter.get("Default"))
            assert self.values[name] is not None, f"the parameter {name} has no value"
            assert re.fullmatch(parameter.get("AllowedPattern", ".*"), self.values[name]), name
        self.policies = dict(self._policies())

    def _policies(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield who may take on each role, what it may do, by its inline policy and by those attached to it, and what jobs
        may do."""
        resources = self.content["Resources"]
        yield JOBS, self._joined(one for name, one in resources.items() if name.startswith(JOBS))
        for name, resource in resources.items():
            if resource["Type"] == "AWS::IAM::Role":
                yield f"{name}Trust", trust(self.filled(resource["Properties"]["AssumeRolePolicyDocument"]))
                if "Policies" in resource["Properties"]:
                    attached = resource["Properties"].get("ManagedPolicyArns", [])
                    yield name, self._joined([resource, *(resources[one["Ref"]] for one in attached)])

    def _joined(self, resources: Iterable[dict[str, Any]]) -> dict[str, Any]:
        found = [one["Properties"] for one in resources]
        documents = [inline["PolicyDocument"] for one in found for inline in one.get("Policies", [one])]
        statements = [statement for document in documents for statement in document["Statement"]]
        return {"Version": "2012-10-17", "Statement": self.filled(statements)}

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
            name = value["Fn::GetAtt"][0]
            return _ARNS.get(self.content["Resources"][name]["Type"], "arn:of:{}").format(name)
        return {key: self.filled(one) for key, one in value.items()}

    def _value(self, name: str) -> str:
        """Return what a reference stands for: `values` has the job definition once it is registered."""
        if name in _PSEUDO:
            return _PSEUDO[name]
        properties = self.content["Resources"].get(name, {}).get("Properties", {})
        if "StateMachineName" in properties:
            return machine_arn(properties["StateMachineName"])
        return str(properties.get("LogGroupName") or self.values[name])

    def of_type(self, kind: str) -> Iterator[dict[str, Any]]:
        """Yield the properties of the resources of a type."""
        for resource in self.content["Resources"].values():
            if resource["Type"] == kind:
                yield self.filled(resource["Properties"])

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


def trust(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a policy of who may take on a role, with the forms of other policies: lists, and names of statements."""
    statements = copy.deepcopy(document["Statement"])
    for statement in statements:
        statement["Sid"] = "Trust"
        for owner, key in ((statement, "Action"), (statement["Principal"], "Service")):
            owner[key] = [owner[key]] if isinstance(owner[key], str) else owner[key]
    return {"Version": document["Version"], "Statement": statements}


def read(folder: Path, **values: str) -> Template:
    """Return the template of a bundle with values for its parameters."""
    return Template(json.loads((folder / "template.json").read_text(encoding="utf-8")), values)


def deploy(client: Client, template: Template, policies: Policies) -> list[list[str]]:
    """Create the machines of a template, with roles that have these policies; return what is refused already, of its
    schedules as well."""
    client.ask("permit", policies=policies)
    states = client.aws("stepfunctions")
    refused: list[list[str]] = []
    for resource, name, definition in template.machines():
        states.delete_state_machine(stateMachineArn=machine_arn(name))
        properties = template.filled(template.content["Resources"][resource]["Properties"])
        states.create_state_machine(
            name=name,
            definition=definition,
            roleArn=properties["RoleArn"],
            loggingConfiguration=_api(properties["LoggingConfiguration"]),
            tracingConfiguration=_api(properties["TracingConfiguration"]),
        )
        refused += client.ask("refused_machine", machine=machine_arn(name))
    for properties in template.of_type("AWS::Scheduler::Schedule"):
        refused += client.ask("refused_schedule", role=properties["Target"]["RoleArn"])
    return refused


def undeploy(client: Client, template: Template) -> None:
    """Delete the machines of a template."""
    for _, name, _ in template.machines():
        client.aws("stepfunctions").delete_state_machine(stateMachineArn=machine_arn(name))


def register(client: Client, template: Template, folder: Path, environment: Mapping[str, str]) -> None:
    """Register the job definition of a template; its jobs run in `folder` with `environment`."""
    for properties in template.of_type("AWS::Batch::JobDefinition"):
        container = _api(properties["ContainerProperties"])
        made = client.aws("batch").register_job_definition(
            jobDefinitionName=properties["JobDefinitionName"],
            type=properties["Type"],
            platformCapabilities=properties["PlatformCapabilities"],
            containerProperties={**container, "environment": pairs(folder, environment)},
        )
        template.values["JobDefinition"] = made["jobDefinitionArn"]


def _api(value: Any) -> Any:
    """Return properties of a resource as the service's own API spells them."""
    if isinstance(value, list):
        return [_api(one) for one in value]
    if isinstance(value, dict):
        return {key[0].lower() + key[1:]: _api(one) for key, one in value.items()}
    return value


def schedule(client: Client, template: Template) -> list[str]:
    """Create the schedules of a template, anew if they exist, and the queues for starts that are lost; return the names of
    the schedules."""
    names = []
    for number, properties in enumerate(template.of_type("AWS::Scheduler::Schedule")):
        names.append(f"{next(template.machines())[1]}-{number}")
        lost = properties["Target"]["DeadLetterConfig"]["Arn"]
        client.aws("sqs").create_queue(QueueName=lost.rpartition(":")[2])
        with contextlib.suppress(ClientError):
            client.aws("scheduler").delete_schedule(Name=names[-1])
        client.aws("scheduler").create_schedule(Name=names[-1], **properties)
    return names


def fire(client: Client, name: str) -> str:
    """Do what EventBridge Scheduler does when the time of a schedule has come (user guide, "Configuring a dead-letter queue"
    and "Setting up the execution role"); return the execution, '' if none began. moto keeps schedules, and does no more.
    """
    target = client.aws("scheduler").get_schedule(Name=name)["Target"]
    role = target["RoleArn"].rpartition("/")[2]
    try:
        began = client.signed("stepfunctions", role).start_execution(
            stateMachineArn=target["Arn"], name=f"fired-{uuid.uuid4().hex[:8]}", input=target["Input"]
        )
        return str(began["executionArn"])
    except ClientError as error:
        url = client.aws("sqs").get_queue_url(QueueName=target["DeadLetterConfig"]["Arn"].rpartition(":")[2])
        with contextlib.suppress(ClientError):
            client.signed("sqs", role).send_message(QueueUrl=url["QueueUrl"], MessageBody=str(error))
        return ""


def start(client: Client, template: Template, run_id: str, given: Any) -> str:
    """Start the pipeline's machine, which is the first; return the ARN of the execution."""
    return client.start(next(template.machines())[1], run_id, given)


def parts(policies: Policies) -> Iterator[Part]:
    """Yield every action and every resource of every statement, or every service that it trusts."""
    for name, policy in policies.items():
        for statement in policy["Statement"]:
            for side in _sides(statement):
                yield from ((name, statement["Sid"], value) for value in side)


def _sides(statement: dict[str, Any]) -> list[list[str]]:
    others = statement["Principal"]["Service"] if "Principal" in statement else statement["Resource"]
    return [statement["Action"], others]


def without(policies: Mapping[str, Any], part: Part) -> Policies:
    """Return policies in which one part is not there; a statement of which one side has none left is gone too."""
    name, sid, value = part
    left: Policies = copy.deepcopy(dict(policies))
    for statement in left[name]["Statement"]:
        if statement["Sid"] == sid:
            for side in _sides(statement):
                side[:] = [one for one in side if one != value]
    left[name]["Statement"] = [one for one in left[name]["Statement"] if all(_sides(one))]
    return left
