"""What `magnus bundle` writes for Step Functions: a CloudFormation template, the machines, and a README."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, as_is_text
from magnus_render.targets import options
from magnus_render.targets.base import Findings, Unbundled, own_config
from magnus_render.targets.stepfunctions import codes, jsonata, limits, permissions, policies
from magnus_render.targets.stepfunctions.computes import COMPUTES
from magnus_render.targets.stepfunctions.config import Permission, StepFunctionsConfig
from magnus_render.targets.stepfunctions.model import all_states
from magnus_render.targets.stepfunctions.names import machine_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Finding, Made

    Write = Callable[[str, Mapping[str, Any]], str]

TEMPLATE, README = "template.json", "README.md"
_WILD = frozenset("*?")
_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
_PARAMETER = re.compile("(AWS::)?[A-Za-z0-9]{1,255}")
"""CloudFormation's own parameters have `AWS::` in front (CloudFormation user guide, "Parameters")."""
_RESOURCES = frozenset(
    ["FailureAlarm", "JobExecutionRole", "JobLogGroup", "JobPolicy", "JobRole", "LogGroup", "Schedule"]
) | {"ScheduleDeadLetters", "ScheduleRole"}
"""Resources of the template beside machines and their roles."""
_WORDS = 200
"""Characters of an address in the name of a resource, which has at most 255 (CloudFormation user guide, "Quotas")."""
_OF_A_MACHINE = re.compile("(Role|Policy[0-9]*)$")
"""How the names of resources end that belong to a machine."""
_OTHERWISE: dict[str, Any] = {"subnets": ["${SubnetA}", "${SubnetB}"], "role": "${ProcessingRoleArn}"}
"""What stands for a value that is not given, where it is not the key's own name."""
_NAME, _ARN = "[A-Za-z0-9_-]{1,128}", "arn:.+"
_ABOUT = {
    "JobQueue": ("Name of the AWS Batch job queue that jobs go to.", _NAME),
    "ImageRepository": (
        "Name of the Amazon ECR repository of the project's image, in this account and region.",
        ".+",
    ),
    "ImageTag": ("Tag of the image.", "[A-Za-z0-9_.-]{1,128}"),
    "Cluster": ("Name of the Amazon ECS cluster.", _NAME),
    "TaskDefinition": ("Family of the Amazon ECS task definition.", _NAME),
    "Container": ("Name of the container in the task definition that runs steps.", _NAME),
    "SubnetA": ("Id of a subnet of the VPC that tasks run in.", "subnet-[0-9a-f]+"),
    "SubnetB": ("Id of another subnet of that VPC.", "subnet-[0-9a-f]+"),
    "TaskRoleArn": ("ARN of the task definition's task role; attach JobPolicy to it.", _ARN),
    "TaskExecutionRoleArn": ("ARN of the task definition's execution role.", _ARN),
    "Image": ("URI of the image that SageMaker runs steps in.", ".+"),
    "ProcessingRoleArn": ("ARN of the role that processing jobs run with; attach JobPolicy to it.", _ARN),
    "Function": ("Name of the Lambda function that runs steps; attach JobPolicy to its role.", _NAME),
    "DefinitionBucket": ("S3 bucket that the definitions of the state machines were copied to.", ".+"),
    "DefinitionPrefix": ("Prefix that they have there, with a '/' at its end.", ".*/"),
    "AlarmTopicArn": ("ARN of the SNS topic that learns of failed runs; empty for none.", f"({_ARN})?"),
}
"""What the parameters of the template are, and the pattern of their values."""
_DEFAULTS = {"ImageTag": "latest", "AlarmTopicArn": "", "DefinitionPrefix": "definitions/"}


@dataclass(frozen=True)
class Machine:
    """A state machine of the template."""

    logical: str
    name: str
    file: str
    definition: str
    """In few bytes."""
    policies: list[list[permissions.Statement]]
    """What it may do: by the inline policy of its role, and by managed policies if that is not enough."""

    @property
    def key(self) -> str:
        """The name of its definition on S3: another definition has another name, so that a deployment sees the change."""
        return f"{self.name}-{sha256(self.definition.encode()).hexdigest()[:12]}.asl.json"

    @property
    def placeholders(self) -> list[str]:
        """What is filled in when it is deployed."""
        return _placeholders(self.definition)


def with_parameters(target: BaseTarget, plan: Plan, config: Config) -> Config:
    """Return a configuration in which `${JobQueue}` and the like stand for the names that nobody gave.

    They are those of each compute in use: the pipeline's, and that of a node of its own.
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
    """Return what a CloudFormation template cannot do, or cannot know."""
    findings = Findings()
    given = options.common(target, config)
    for node in plan["nodes"].values():
        if _is_native(target, node) and "permissions" not in {**given, **own_config(target, node)}:
            what = "the bundle's role cannot allow what a state of your own does: nobody says what that is"
            fix = "write permissions: [{actions: [...], resources: [...]}] into its executor_config, [] for none"
            findings.add(codes.BUNDLE, node, what, fix, "render_string")
    if given.get("mounts") and given.get("job_definition") == permissions.JOB_DEFINITION:
        what = "executor.config: the bundle makes no job definition with 'mounts'"
        fix = "make one, and name it: job_definition: ..."
        findings.add(codes.BUNDLE, None, what, fix, config=("executor", "mounts"))
    stores = [config[block] for block in ("run_log_store", "catalog", "secrets")]
    own = [as_is_text(node, target.name) for node in plan["nodes"].values() if node["type"] == AS_IS]
    for name in _placeholders(json.dumps([given, stores, own], ensure_ascii=False)):
        if name in _RESOURCES or name.startswith(("Machine", "JobPolicy")):
            what = f"'${{{name}}}' is a name that the template itself uses"
            findings.add(codes.BUNDLE, None, what, "choose another name", config=("executor",))
        elif not _PARAMETER.fullmatch(name):
            what = f"'${{{name}}}' can be no parameter of a CloudFormation template"
            findings.add(codes.BUNDLE, None, what, "use letters and digits alone", config=("executor",))
    _check_names(plan, findings)
    _check_secrets(plan, config, findings)
    return findings.items


def _check_names(plan: Plan, findings: Findings) -> None:
    """Add an error for each name in which CloudFormation would fill something in: names stand in the definitions."""
    texts: list[tuple[Node | None, Any]] = [(None, [plan["name"], plan["description"]])]
    texts += [
        (node, [node["path"], node.get("branches"), node.get("when")]) for node in plan["nodes"].values()
    ]
    for node, text in texts:
        for name in _placeholders(json.dumps(text, ensure_ascii=False)):
            what = f"CloudFormation would fill in '${{{name}}}', which stands in a name or a value"
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
    """Return the files of a bundle. A template that is too long has the definitions on S3."""
    given = options.read(StepFunctionsConfig, options.common(target, config))
    machines = [_machine(target, plan, config, one) for one in made]
    written = {machine.file: document.text for machine, (_, document) in zip(machines, made, strict=True)}
    elsewhere = {
        machine.name for machine, (output, _) in zip(machines, made, strict=True)
        if output.name and _named_elsewhere(target, plan, output.context["machine"].graph, given)
    }  # fmt: skip
    here = [machine for machine in machines if machine.name not in elsewhere]
    context = {
        "plan": plan,
        "target": target.name,
        "name": machine_name(plan),
        "given": given,
        "machines": here,
        "elsewhere": sorted(elsewhere),
        "job_policies": policies.spread(permissions.of_jobs(plan, config), limits.MANAGED_POLICY),
        "execution_statements": permissions.of_execution(
            "${ImageRepository}", f"/magnus/{machine_name(plan)}"
        ),
        "own_job_definition": any("JobDefinition" in machine.placeholders for machine in here),
        "tags": COMPUTES["batch"].tags(given),
        "inline": True,
    }
    _check_policies(context)
    text = _template(context, write)
    if len(text.encode()) > limits.TEMPLATE_BYTES:
        context["inline"] = False
        text = _template(context, write)
    _check_template(text)
    parameters = json.loads(text)["Parameters"].items()
    granted = [one for machine in here for policy in machine.policies for one in policy]
    granted += context["execution_statements"] if context["own_job_definition"] else []
    context["unbounded"] = list(dict.fromkeys(one.sid for one in granted if one.reason))
    context["asked"] = [name for name, parameter in parameters if "Default" not in parameter]
    return {TEMPLATE: text, README: write("stepfunctions/bundle/README.md.j2", context), **written}


def _check_policies(context: Mapping[str, Any]) -> None:
    """Raise `Unbundled` with each role that would be allowed more than IAM lets it be told."""
    findings = Findings()
    roles = [(f"the machine '{one.name}'", one.policies, 1) for one in context["machines"]]
    for what, given, inline in [*roles, ("the jobs", context["job_policies"], 0)]:
        room = [limits.INLINE_POLICIES] * inline + [limits.MANAGED_POLICY] * limits.ATTACHED
        sizes = [policies.size(one) for one in given]
        if len(sizes) > len(room) or any(has > most for has, most in zip(sizes, room, strict=False)):
            told = f"the policies of {what} have {sum(sizes):,} characters"
            _too_much(findings, told, f"{sum(room):,}", "IAM")
    _stop(findings)


def _check_template(text: str) -> None:
    """Raise `Unbundled` if the template has more than CloudFormation takes."""
    findings, template = Findings(), json.loads(text)
    for has, most in (("Resources", limits.RESOURCES), ("Parameters", limits.PARAMETERS)):
        if len(template[has]) > most:
            what = f"the template has {len(template[has]):,} {has.lower()}"
            _too_much(findings, what, f"{most:,}", "CloudFormation")
    if len(text.encode()) > limits.TEMPLATE_ON_S3_BYTES:
        what = f"the template has {len(text.encode()):,} bytes"
        _too_much(findings, what, f"{limits.TEMPLATE_ON_S3_BYTES:,}", "CloudFormation")
    _stop(findings)


def _too_much(findings: Findings, what: str, most: str, service: str) -> None:
    fix = "cut the pipeline, or see `magnus explain MR209`"
    findings.add(codes.BUNDLE_SIZE, None, f"{what}: {service} takes {most} at most", fix)


def _stop(findings: Findings) -> None:
    if findings.items:
        raise Unbundled(findings.items)


def sub(value: Any) -> Any:
    """Return a value for a template: what its texts leave open is CloudFormation's to fill in."""
    if isinstance(value, dict):
        return {key: sub(one) for key, one in value.items()}
    return {"Fn::Sub": value} if isinstance(value, str) and "${" in value else value


def _template(context: dict[str, Any], write: Write) -> str:
    main = "stepfunctions/bundle/template.json.j2"
    resources = json.loads(write(main, {**context, "parameters": {}}))["Resources"]
    known = set(resources)
    used = [name for machine in context["machines"] for name in machine.placeholders]
    names = {*used, *_placeholders(json.dumps(resources)), *_references(resources)}
    wanted = {name for name in names if name not in known and not name.startswith("AWS::")}
    return jsonata.pretty(
        json.loads(write(main, {**context, "parameters": dict(_parameters(wanted, context))}))
    )


def _parameters(names: Iterable[str], context: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in sorted(names):
        about, pattern = _ABOUT.get(name, (f"What {name} of the configuration stands for.", ""))
        parameter: dict[str, Any] = {"Type": "String", "Description": about}
        if pattern:
            parameter["AllowedPattern"] = pattern
        if name == "ImageRepository":
            parameter["Default"] = context["name"].lower()
        elif name in _DEFAULTS:
            parameter["Default"] = _DEFAULTS[name]
        yield name, parameter


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            yield value["Ref"]
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)


def _placeholders(text: str) -> list[str]:
    """Return what is left open in a text, each once."""
    return sorted(set(_PLACEHOLDER.findall(text)))


def _machine(target: BaseTarget, plan: Plan, config: Config, made: Made) -> Machine:
    output, document = made
    machine = output.context["machine"]
    name = machine.name or machine_name(plan)
    extra = list(_of_natives(target, config, all_states(machine)))
    return Machine(
        _logical(output.name),
        name,
        f"pipeline.{output.name}.asl.json" if output.name else "pipeline.asl.json",
        jsonata.compact(document.content),
        policies.spread(permissions.of_machine(machine, name, plan, config, extra), limits.INLINE_POLICIES),
    )


def _logical(address: str) -> str:
    """Return what a machine is called within the template: letters and digits, another for each address."""
    words = "".join(part.capitalize() for part in re.split("[^A-Za-z0-9]+", address))
    exact = re.fullmatch("([a-z][a-z0-9]*([.][a-z][a-z0-9]*)*)?", address) and len(words) <= _WORDS
    if exact and not _OF_A_MACHINE.search(words):
        return f"Machine{words}"
    return f"Machine{words[:_WORDS]}{sha256(address.encode()).hexdigest()[:8]}"


def _of_natives(target: BaseTarget, config: Config, states: Iterable[Any]) -> Iterator[permissions.Statement]:
    """Yield what the user says that states of their own may do: the pipeline's once, then each node's."""
    natives = [state.node for state in states if state.kind == "native"]
    lists = [options.common(target, config).get("permissions")] if natives else []
    lists += [own_config(target, node).get("permissions") for node in natives]
    listed = [Permission.model_validate(one) for given in lists for one in given or ()]
    for number, one in enumerate(listed):
        yield permissions.Statement(f"Own{number + 1}", tuple(one.actions), tuple(one.resources))


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


def _named_elsewhere(target: BaseTarget, plan: Plan, graph: str, given: StepFunctionsConfig) -> bool:
    """Tell whether the machine of a separate dag has an ARN: then it is not this template's to make."""
    node = plan["nodes"][graph.rpartition(".")[0]]
    return bool(own_config(target, node).get("state_machine") or given.state_machine)
