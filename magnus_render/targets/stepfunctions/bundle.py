"""What `magnus bundle` writes for Step Functions: a CloudFormation template or a Terraform module, machines, a README."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, as_is_text
from magnus_render.targets import options
from magnus_render.targets.base import Findings, own_config
from magnus_render.targets.stepfunctions import (
    cloudformation,
    codes,
    deployment,
    permissions,
    sizes,
    terraform,
)
from magnus_render.targets.stepfunctions.computes import COMPUTES
from magnus_render.targets.stepfunctions.config import StepFunctionsConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Finding, Made

    Write = Callable[[str, Mapping[str, Any]], str]

README = "README.md"
TERRAFORM = "terraform"
_WILD = frozenset("*?")
_PARAMETER = re.compile("(AWS::)?[A-Za-z0-9]{1,255}")
"""CloudFormation's own parameters have `AWS::` in front (CloudFormation user guide, "Parameters")."""
_OTHERWISE: dict[str, Any] = {"subnets": ["${SubnetA}", "${SubnetB}"], "role": "${ProcessingRoleArn}"}
"""Parameters for keys that are not given, where the parameter's name is not that of the key."""


def with_parameters(target: BaseTarget, plan: Plan, config: Config) -> Config:
    """Return a configuration in which `${JobQueue}` and the like stand for the names that the user left out.

    These are the names that each compute in use needs: the pipeline's compute, and those of nodes that have another.
    """
    given = options.common(target, config)
    used = [given.get("compute", "batch")]
    used += [
        own["compute"] for node in plan["nodes"].values() if "compute" in (own := own_config(target, node))
    ]
    named = {
        key: _OTHERWISE.get(key, "${" + key.title().replace("_", "") + "}")
        for name in used
        if isinstance(name, str) and name in COMPUTES
        for key in COMPUTES[name].placeholders
        if key not in given
    }
    return {**config, "executor": {"type": target.name, "config": {**given, **named}}}


def check(target: BaseTarget, plan: Plan, config: Config) -> list[Finding]:
    """Return what a bundle cannot do, or cannot know."""
    findings = Findings()
    given = options.common(target, config)
    for node in plan["nodes"].values():
        if _is_native(target, node) and "permissions" not in {**given, **own_config(target, node)}:
            what = (
                "the bundle's role cannot allow what a state of your own does: its permissions are not given"
            )
            fix = "write permissions: [{actions: [...], resources: [...]}] into its executor_config, [] for none"
            findings.add(codes.BUNDLE, node, what, fix, "render_string")
    if given.get("mounts") and given.get("job_definition") == permissions.JOB_DEFINITION:
        what = "executor.config: the bundle makes no job definition with 'mounts'"
        fix = "make one, and name it: job_definition: ..."
        findings.add(codes.BUNDLE, None, what, fix, config=("executor", "mounts"))
    by_terraform = _format(given) == TERRAFORM
    _check_open(deployment.left_open(target, plan, config), by_terraform, findings)
    _check_names(plan, "Terraform" if by_terraform else "CloudFormation", findings)
    _check_secrets(plan, config, findings)
    return findings.items


def _format(given: Mapping[str, Any]) -> str:
    """Return the format of a bundle from a configuration that may hold mistakes."""
    bundle = given.get("bundle")
    return str(bundle.get("format", "")) if isinstance(bundle, dict) else ""


def _check_open(names: Sequence[str], by_terraform: bool, findings: Findings) -> None:
    """Add an error for each `${NAME}` in the configuration that cannot be a parameter of the deployment."""
    where = ("executor",)
    refused = terraform.refuses(names) if by_terraform else {}
    for name in names:
        if name in deployment.RESOURCES - {"JobDefinition"} or name.startswith(("Machine", "JobPolicy")):
            what = f"'${{{name}}}' is a name that the template itself uses"
            findings.add(codes.BUNDLE, None, what, "choose another name", config=where)
        elif not _PARAMETER.fullmatch(name):
            whole = "Terraform module" if by_terraform else "CloudFormation template"
            what = f"'${{{name}}}' can be no parameter of a {whole}"
            findings.add(codes.BUNDLE, None, what, "use letters and digits alone", config=where)
        elif name in refused:
            what = f"'${{{name}}}' {refused[name]}"
            findings.add(codes.BUNDLE, None, what, "choose another name", config=where)


def _check_names(plan: Plan, who: str, findings: Findings) -> None:
    """Add an error for each name of the pipeline with a `${...}` in it, in which the deployment would put a value."""
    texts: list[tuple[Node | None, Any]] = [(None, [plan["name"], plan["description"]])]
    texts += [
        (node, [node["path"], node.get("branches"), node.get("when")]) for node in plan["nodes"].values()
    ]
    for node, text in texts:
        for name in deployment.placeholders(json.dumps(text, ensure_ascii=False)):
            what = f"{who} would fill in '${{{name}}}', which stands in a name or a value"
            findings.add(codes.BUNDLE, node, what, "write it without '${'")


def _check_secrets(plan: Plan, config: Config, findings: Findings) -> None:
    """Add an error for each secret whose name IAM would read as a pattern."""
    if config["secrets"]["type"] != "aws-secrets-manager":
        return
    if set(config["secrets"]["config"].get("prefix", "")) & _WILD:
        what = "IAM reads '*' and '?' in the prefix of secrets as any characters"
        findings.add(codes.BUNDLE, None, what, "choose another prefix", config=("secrets", "prefix"))
    for node in plan["nodes"].values():
        for name in (node.get("secrets") or {}).values():
            if set(name) & _WILD:
                what = f"IAM reads '*' and '?' in the name of the secret '{name}' as any characters"
                findings.add(codes.BUNDLE, node, what, "name one secret", "secrets")


def files(
    target: BaseTarget, plan: Plan, config: Config, made: Sequence[Made], write: Write
) -> dict[str, str]:
    """Return the files of a bundle, in the format that the configuration asks for.

    Raises:
        Unbundled: something in the bundle is larger than AWS allows.
    """
    given = options.read(StepFunctionsConfig, options.common(target, config))
    written = {deployment.file_of(output.name): document.text for output, document in made}
    here = [one for one in made if not _is_elsewhere(target, plan, one, given)]
    described = deployment.describe(target, plan, config, given, here)
    sizes.check_policies(described)
    context = {
        "plan": plan,
        "target": target.name,
        "name": described.name,
        "given": given,
        "deployed": described,
        "elsewhere": sorted(one[0].context["machine"].name for one in made if one not in here),
    }
    if given.bundle.format == TERRAFORM:
        deploying, asked = terraform.module(described, context, write)
        more: dict[str, Any] = {"asked": asked}
    else:
        text, more = cloudformation.template(described, context, write)
        sizes.check_template(text)
        deploying = {cloudformation.TEMPLATE: text}
    readme = write(f"stepfunctions/bundle/{README}.j2", {**context, **more})
    return {**deploying, README: readme, **written}


def _is_native(target: BaseTarget, node: Node) -> bool:
    if node["type"] != AS_IS:
        return False
    text = as_is_text(node, target.name)
    if isinstance(text, str):
        try:
            text = json.loads(text)
        except ValueError:  # which `StepFunctionsTarget.check` tells of
            return False
    return isinstance(text, dict) and text.get("Type") in ("Task", "Map", "Parallel")


def _is_elsewhere(target: BaseTarget, plan: Plan, made: Made, given: StepFunctionsConfig) -> bool:
    """Tell whether the machine of a separate dag has an ARN already, so that this bundle does not create it."""
    output, _ = made
    if not output.name:
        return False
    node = plan["nodes"][output.context["machine"].graph.rpartition(".")[0]]
    return bool(own_config(target, node).get("state_machine") or given.state_machine)
