"""A deployment as a module of Terraform, in its JSON syntax (Terraform's documentation, "JSON Configuration Syntax").

Names of variables and resources are those of the CloudFormation template in small letters: `JobQueue` is `job_queue`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.stepfunctions import jsonata
from magnus_render.targets.stepfunctions.deployment import PARAMETERS, filled, parameter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from magnus_render.targets.stepfunctions.deployment import Deployment, Machine, Parameter

    Write = Callable[[str, Mapping[str, Any]], str]

MAIN, VARIABLES, OUTPUTS = "main.tf.json", "variables.tf.json", "outputs.tf.json"
_PSEUDO = {
    "AWS::AccountId": "data.aws_caller_identity.current.account_id",
    "AWS::Partition": "data.aws_partition.current.partition",
    "AWS::Region": "data.aws_region.current.region",
    "AWS::URLSuffix": "data.aws_partition.current.dns_suffix",
}
"""Terraform's expressions for CloudFormation's own parameters."""
_ALSO = {
    "JobDefinition": "aws_batch_job_definition.job_definition.arn",
    "JobLogGroup": "aws_cloudwatch_log_group.job_log_group.name",
    "ScheduleDeadLetters.Arn": "aws_sqs_queue.schedule_dead_letters.arn",
}
"""Terraform's expressions for resources and their attributes, other than machines and roles."""
_RESERVED = frozenset(["count", "depends_on", "for_each", "lifecycle", "locals", "providers", "source"]) | {
    "version"
}
"""No variable may have such a name (Terraform's documentation, "Input Variables")."""
_VARIABLE = re.compile(r"\bvar\.(\w+)")


def small(name: str) -> str:
    """Return a name in small letters, words joined by `_`: `AlarmTopicArn` is `alarm_topic_arn`."""
    return re.sub("(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def refuses(names: Iterable[str]) -> dict[str, str]:
    """Return the names left open that cannot be variables of Terraform, each with the reason."""
    found, taken = dict[str, str](), {small(name): name for name in PARAMETERS}
    for name in names:
        if name.startswith("AWS::"):
            why = "" if name in _PSEUDO else "is CloudFormation's own, which Terraform does not have"
        elif not re.match("[A-Za-z]", name) or small(name) in _RESERVED:
            why = f"would be the variable '{small(name)}', which Terraform does not take"
        else:
            other = taken.setdefault(small(name), name)
            why = "" if other == name else f"and '${{{other}}}' would be one variable, '{small(name)}'"
        if why:
            found[name] = why
    return found


def reference(name: str) -> str:
    """Return Terraform's expression for a name that is left open."""
    known = _PSEUDO.get(name) or _ALSO.get(name)
    if known is not None:
        return known
    resource, _, attribute = name.partition(".")
    if attribute:
        return f"aws_iam_role.{small(resource)}.arn"
    return f"var.{small(name)}"


def value(given: Any) -> Any:
    """Return a value for a module. Terraform replaces the names that its texts leave open, and nothing else in them."""
    if isinstance(given, dict):
        return {value(key): value(one) for key, one in given.items()}
    if isinstance(given, (list, tuple)):
        return [value(one) for one in given]
    if not isinstance(given, str):
        return given
    # The NUL marks expressions, because no text has one: an expression must not be escaped with the rest.
    marked = filled(given, lambda name: f"\0{{{reference(name)}}}")
    return marked.replace("${", "$${").replace("%{", "%%{").replace("\0{", "${")


def definition(machine: Machine) -> str:
    """Return the expression that reads the file of a machine, and fills in what it leaves open."""
    expression = f'file("${{path.module}}/{machine.file}")'
    for name in machine.placeholders:
        expression = f'replace({expression}, "$${{{name}}}", {reference(name)})'
    return f"${{{expression}}}"


def prefix(logical: str, deployment: Deployment) -> str:
    """Return how the name of a resource begins; Terraform puts 26 characters behind, and a role's has 64 at most."""
    return f"{deployment.name[:20]}-{logical}"[:37] + "-"


def camel(given: Any) -> Any:
    """Return a value of CloudFormation in the form of the service's own API: its keys begin with a small letter."""
    if isinstance(given, dict):
        return {key[0].lower() + key[1:]: camel(one) for key, one in given.items()}
    return [camel(one) for one in given] if isinstance(given, list) else given


def module(
    deployment: Deployment, context: Mapping[str, Any], write: Write
) -> tuple[dict[str, str], list[str]]:
    """Return the files of the module, and the variables that have no default."""
    parts = json.loads(write("stepfunctions/bundle/main.tf.json.j2", context))
    names = {small(name): name for name in (*PARAMETERS, *deployment.left_open)}
    wanted = sorted(set(_VARIABLE.findall(json.dumps(parts))))
    variables = {name: _variable(name, parameter(names.get(name, name), deployment)) for name in wanted}
    outputs = parts.pop("output")
    about = {"//": deployment.about}
    files = {MAIN: parts, VARIABLES: about | {"variable": variables}, OUTPUTS: about | {"output": outputs}}
    asked = [name for name, one in variables.items() if "default" not in one]
    return {name: jsonata.pretty(content) for name, content in files.items()}, asked


def _variable(name: str, found: Parameter) -> dict[str, Any]:
    made: dict[str, Any] = {"type": "string", "description": value(found.about)}
    if found.default is not None:
        made["default"] = value(found.default)
    if found.pattern:
        condition = f'${{can(regex("^(?:{found.pattern})$", var.{name}))}}'
        error = f"The value of {name} does not have the form {found.pattern}."
        made["validation"] = {"condition": condition, "error_message": value(error)}
    return made
