"""The parts that a bundle deploys, described once: machines, roles, log groups, job definition, schedule, alarm.

`cloudformation.py` and `terraform.py` write them, each with a template of its own. Values that only a deployment knows
are left open in texts, in the form of CloudFormation's `Fn::Sub`: `${AWS::Region}` and the like, `${JobQueue}` for a
parameter, `${JobLogGroup}` and `${JobRole.Arn}` for a resource that is deployed too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, as_is_text
from magnus_render.targets import options
from magnus_render.targets.base import own_config
from magnus_render.targets.stepfunctions import jsonata, limits, permissions, policies
from magnus_render.targets.stepfunctions.computes import COMPUTES
from magnus_render.targets.stepfunctions.config import Permission, StepFunctionsConfig
from magnus_render.targets.stepfunctions.model import all_states
from magnus_render.targets.stepfunctions.names import machine_name
from magnus_render.targets.stepfunctions.permissions import Statement

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from magnus_render.plan import Config, Plan
    from magnus_render.targets.base import BaseTarget, Made

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")
RESOURCES = frozenset(
    ["FailureAlarm", "JobDefinition", "JobExecutionRole", "JobLogGroup", "JobPolicy", "JobRole", "LogGroup"]
) | {"Schedule", "ScheduleDeadLetters", "ScheduleRole"}
"""Names of the resources that are deployed beside machines and their roles."""
_WORDS = 200
"""Characters of an address in the name of a resource, which has at most 255 (CloudFormation user guide, "Quotas")."""
_OF_A_MACHINE = re.compile("(Role|Policy[0-9]*)$")
"""The end of the names of resources that belong to a machine."""
_PIPELINE = 200
"""Characters of the pipeline's name in the description of a template, which has at most 1,024 bytes (the same)."""


@dataclass(frozen=True)
class Policy:
    """A managed policy."""

    logical: str
    about: str
    statements: Sequence[Statement]


@dataclass(frozen=True)
class Role:
    """A role that one service takes on."""

    logical: str
    about: str
    service: str
    """Who takes it on, such as `states.amazonaws.com`."""
    policy: str = ""
    """The name of its inline policy, '' if it has none."""
    statements: Sequence[Statement] = ()
    """The statements of the inline policy."""
    attached: Sequence[Policy] = ()
    """The managed policies that it has besides."""

    @property
    def by_policy(self) -> list[Sequence[Statement]]:
        """The statements of each of its policies, the inline one first."""
        return [self.statements, *(policy.statements for policy in self.attached)]


@dataclass(frozen=True)
class Machine:
    """A state machine."""

    logical: str
    name: str
    file: str
    definition: str
    """The definition as JSON, without blanks."""
    role: Role

    @property
    def key(self) -> str:
        """The key of its definition on S3. A changed definition has another key, so that a deployment notices the change."""
        return f"{self.name}-{sha256(self.definition.encode()).hexdigest()[:12]}.asl.json"

    @property
    def placeholders(self) -> list[str]:
        """The names that its definition leaves open for the deployment."""
        return placeholders(self.definition)


@dataclass(frozen=True)
class Jobs:
    """The job definition that steps run by, where the configuration names none."""

    platform: str
    container: Mapping[str, Any]
    """ContainerProperties of the API reference of AWS Batch, with capitals as in CloudFormation."""
    role: Role
    execution_role: Role
    log_group: str


@dataclass(frozen=True)
class Schedule:
    """When runs start by themselves."""

    about: str
    expression: str
    timezone: str
    role: Role
    kept_seconds: int = 1_209_600
    """How long a lost start is kept: the longest time of Amazon SQS (its API reference, SetQueueAttributes)."""


@dataclass(frozen=True)
class Alarm:
    """The alarm for failed runs."""

    about: str
    expression: str = "FILL(failed, 0) + FILL(late, 0)"
    label: str = "Failed runs"
    metrics: tuple[tuple[str, str], ...] = (("failed", "ExecutionsFailed"), ("late", "ExecutionsTimedOut"))
    """Metrics of a state machine (developer guide, "Execution metrics"), each behind its name in the expression."""
    period: int = 300
    """Seconds that one value of the metrics covers."""


@dataclass(frozen=True)
class Deployment:
    """All that is deployed."""

    name: str
    """The pipeline's name, in characters that the services take."""
    about: str
    machines: Sequence[Machine]
    """The state machines, the pipeline's own first."""
    log_group: str
    """Name of the log group of the machines."""
    log_days: int
    job_policies: Sequence[Policy]
    """The rights of jobs: one policy, or several if they are too long for one."""
    jobs: Jobs | None
    schedule: Schedule | None
    alarm: Alarm
    tags: Mapping[str, str]
    left_open: Sequence[str]
    """The names that the configuration and the user's own states leave open."""

    @property
    def policies(self) -> list[Policy]:
        """All managed policies."""
        return [one for machine in self.machines for one in machine.role.attached] + list(self.job_policies)

    @property
    def unbounded(self) -> list[str]:
        """The statements whose resource is `*`, each once."""
        roles = [machine.role for machine in self.machines]
        roles += [self.jobs.execution_role] if self.jobs else []
        parts = [part for role in roles for part in role.by_policy]
        return list(dict.fromkeys(one.sid for part in parts for one in part if one.reason))


@dataclass(frozen=True)
class Parameter:
    """A parameter: a value that may differ between two deployments of one bundle."""

    about: str
    pattern: str = ""
    """A regular expression for the whole value, '' for any."""
    default: str | None = None


_NAME, _ARN = "[A-Za-z0-9_-]{1,128}", "arn:.+"
PARAMETERS = {
    "JobQueue": Parameter("Name of the AWS Batch job queue that jobs go to.", _NAME),
    "ImageRepository": Parameter(
        "Name of the Amazon ECR repository of the project's image, in this account and region.", ".+"
    ),
    "ImageTag": Parameter("Tag of the image.", "[A-Za-z0-9_.-]{1,128}", "latest"),
    "Cluster": Parameter("Name of the Amazon ECS cluster.", _NAME),
    "TaskDefinition": Parameter("Family of the Amazon ECS task definition.", _NAME),
    "Container": Parameter("Name of the container in the task definition that runs steps.", _NAME),
    "SubnetA": Parameter("Id of a subnet of the VPC that tasks run in.", "subnet-[0-9a-f]+"),
    "SubnetB": Parameter("Id of another subnet of that VPC.", "subnet-[0-9a-f]+"),
    "TaskRoleArn": Parameter("ARN of the task definition's task role; attach JobPolicy to it.", _ARN),
    "TaskExecutionRoleArn": Parameter("ARN of the task definition's execution role.", _ARN),
    "Image": Parameter("URI of the image that SageMaker runs steps in.", ".+"),
    "ProcessingRoleArn": Parameter(
        "ARN of the role that processing jobs run with; attach JobPolicy to it.", _ARN
    ),
    "Function": Parameter(
        "Name of the Lambda function that runs steps; attach JobPolicy to its role.", _NAME
    ),
    "DefinitionBucket": Parameter(
        "S3 bucket that the definitions of the state machines were copied to.", ".+"
    ),
    "DefinitionPrefix": Parameter(
        "Prefix that they have there, with a '/' at its end.", ".*/", "definitions/"
    ),
    "AlarmTopicArn": Parameter(
        "ARN of the SNS topic that learns of failed runs; empty for none.", f"({_ARN})?", ""
    ),
}


def parameter(name: str, deployment: Deployment) -> Parameter:
    """Return the description of a parameter: one of `PARAMETERS`, or one that the configuration names."""
    found = PARAMETERS.get(name, Parameter(f"What {name} of the configuration stands for."))
    if name == "ImageRepository":
        return Parameter(found.about, found.pattern, deployment.name.lower())
    return found


def placeholders(text: str) -> list[str]:
    """Return the names that a text leaves open, each once."""
    return sorted(set(_PLACEHOLDER.findall(text)))


def left_open(target: BaseTarget, plan: Plan, config: Config) -> list[str]:
    """Return the names that the configuration and the user's states leave open."""
    stores = [config[block] for block in ("run_log_store", "catalog", "secrets")]
    own = [as_is_text(node, target.name) for node in plan["nodes"].values() if node["type"] == AS_IS]
    return placeholders(json.dumps([options.common(target, config), stores, own], ensure_ascii=False))


def filled(text: str, value: Callable[[str], str]) -> str:
    """Return a text with `value(name)` in the place of each name that is left open."""
    return _PLACEHOLDER.sub(lambda found: value(found[1]), text)


def describe(
    target: BaseTarget, plan: Plan, config: Config, given: StepFunctionsConfig, made: Iterable[Made]
) -> Deployment:
    """Return what the machines of a pipeline need; `made` are those that are deployed here, the pipeline's own first."""
    name = machine_name(plan)
    machines = [_machine(target, plan, config, one) for one in made]
    own = any("JobDefinition" in machine.placeholders for machine in machines)
    job_policies = _job_policies(name, permissions.of_jobs(plan, config))
    return Deployment(
        name=name,
        about=f"Pipeline {plan['name'][:_PIPELINE]}. `magnus bundle` wrote it: bundle it again, do not edit.",
        machines=machines,
        log_group=f"/aws/vendedlogs/states/{name}",
        log_days=given.bundle.log_retention_days,
        job_policies=job_policies,
        jobs=_jobs(name, given, job_policies) if own else None,
        schedule=_schedule(name, given) if given.bundle.schedule else None,
        alarm=Alarm(f"A run of pipeline {name} failed, or took too long."),
        tags=COMPUTES["batch"].tags(given),
        left_open=left_open(target, plan, config),
    )


def _job_policies(name: str, statements: Iterable[Statement]) -> list[Policy]:
    parts = policies.spread(statements, limits.MANAGED_POLICY)
    about = f"What the jobs of pipeline {name} may do."
    return [Policy(f"JobPolicy{n if n > 1 else ''}", about, part) for n, part in enumerate(parts, 1)]


def _jobs(name: str, given: StepFunctionsConfig, attached: Sequence[Policy]) -> Jobs:
    log_group, service = f"/magnus/{name}", "ecs-tasks.amazonaws.com"
    log = {
        "awslogs-group": "${JobLogGroup}",
        "awslogs-region": "${AWS::Region}",
        "awslogs-stream-prefix": "job",
    }
    sizes = {"VCPU": f"{given.resources.vcpus or 1:g}", "MEMORY": f"{given.resources.memory or 2048:d}"}
    image = "${AWS::AccountId}.dkr.ecr.${AWS::Region}.${AWS::URLSuffix}/${ImageRepository}:${ImageTag}"
    return Jobs(
        given.bundle.platform,
        {
            "Image": image,
            "JobRoleArn": "${JobRole.Arn}",
            "ExecutionRoleArn": "${JobExecutionRole.Arn}",
            "ResourceRequirements": [{"Type": kind, "Value": value} for kind, value in sizes.items()],
            "LogConfiguration": {"LogDriver": "awslogs", "Options": log},
        },
        Role("JobRole", f"Of the jobs of pipeline {name}.", service, attached=attached),
        Role(
            "JobExecutionRole",
            f"Starts the containers of pipeline {name}.",
            service,
            "container",
            permissions.of_execution("${ImageRepository}", log_group),
        ),
        log_group,
    )


def _schedule(name: str, given: StepFunctionsConfig) -> Schedule:
    statements = permissions.of_schedule(name, "${ScheduleDeadLetters.Arn}")
    about, service = f"Of the schedule of pipeline {name}.", "scheduler.amazonaws.com"
    return Schedule(
        f"Starts runs of pipeline {name}.",
        str(given.bundle.schedule),
        given.bundle.timezone,
        Role("ScheduleRole", about, service, "schedule", statements),
    )


def _machine(target: BaseTarget, plan: Plan, config: Config, made: Made) -> Machine:
    output, document = made
    machine = output.context["machine"]
    name, logical = machine.name or machine_name(plan), _logical(output.name)
    extra = list(_of_natives(target, config, all_states(machine)))
    statements = permissions.of_machine(machine, name, plan, config, extra)
    return Machine(
        logical,
        name,
        file_of(output.name),
        jsonata.compact(document.content),
        _machine_role(logical, name, statements),
    )


def _machine_role(logical: str, name: str, statements: Iterable[Statement]) -> Role:
    inline, *more = policies.spread(statements, limits.INLINE_POLICIES)
    else_ = f"What else the state machine {name} may do."
    attached = [Policy(f"{logical}Policy{n}", else_, part) for n, part in enumerate(more, 1)]
    about, service = f"What the state machine {name} may do.", "states.amazonaws.com"
    return Role(f"{logical}Role", about, service, "machine", inline, attached)


def file_of(address: str) -> str:
    """Return the name of the file that holds the machine of an address."""
    return f"pipeline.{address}.asl.json" if address else "pipeline.asl.json"


def _logical(address: str) -> str:
    """Return the name of a machine within a bundle: letters and digits, and different for each address."""
    words = "".join(part.capitalize() for part in re.split("[^A-Za-z0-9]+", address))
    # In small letters a part of one letter joins the next part: `a.b` and `ab` would have the same name.
    exact = re.fullmatch("(([a-z][a-z0-9]+[.])*[a-z][a-z0-9]*)?", address) and len(words) <= _WORDS
    if exact and not _OF_A_MACHINE.search(words):
        return f"Machine{words}"
    return f"Machine{words[:_WORDS]}{sha256(address.encode()).hexdigest()[:8]}"


def _of_natives(target: BaseTarget, config: Config, states: Iterable[Any]) -> Iterator[Statement]:
    """Yield what the user says that states of their own may do: the pipeline's once, then each node's."""
    natives = [state.node for state in states if state.kind == "native"]
    lists = [options.common(target, config).get("permissions")] if natives else []
    lists += [own_config(target, node).get("permissions") for node in natives]
    listed = [Permission.model_validate(one) for given in lists for one in given or ()]
    for number, one in enumerate(listed):
        yield Statement(f"Own{number + 1}", tuple(one.actions), tuple(one.resources))
