"""The rights of a state machine and of its jobs, as statements of IAM policies: those that they use, and no others.

In goes a machine (`model.py`), or the plan with its stores. Out come statements whose resources are ARNs as
CloudFormation's `Fn::Sub` takes them: `arn:${AWS::Partition}:s3:::churn-runs/run_log/*`. A name that the configuration
leaves open (`${Bucket}`) stays open there.

Actions are those of the services' pages "IAM policies for ..." in the Step Functions developer guide, resources those of
the Service Authorization Reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.services.s3 import DEFAULT_PREFIX, Place
from magnus_render.targets.stepfunctions.model import all_states
from magnus_render.targets.stepfunctions.names import machine_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from magnus_render.plan import Config, Plan
    from magnus_render.targets.stepfunctions.config import StepFunctionsConfig
    from magnus_render.targets.stepfunctions.model import Machine, State

HERE = "${AWS::Region}:${AWS::AccountId}"
JOB_DEFINITION = "${JobDefinition}"
"""The job definition that a bundle makes itself; its name is that of the machine."""
READERS = frozenset(("count", "choice"))
"""Kinds of states that read a decision from a record."""
_RULE_ACTIONS = ("events:DescribeRule", "events:PutRule", "events:PutTargets")
ANY_JOB = "AWS Batch knows no resource of DescribeJobs (Service Authorization Reference, AWS Batch)"
ANY_DELIVERY = (
    "CloudWatch Logs knows no resource of log deliveries and resource policies (Step Functions, Logging)"
)
ANY_TRACE = "AWS X-Ray knows no resource of these (Step Functions, IAM policies for AWS X-Ray)"
ANY_REGISTRY = (
    "Amazon ECR knows no resource of GetAuthorizationToken (Service Authorization Reference, Amazon ECR)"
)


@dataclass(frozen=True)
class Statement:
    """One statement of a policy: actions, and the resources on which they are allowed."""

    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    condition: Mapping[str, Any] | None = None
    reason: str = ""
    """The reason in the service's documentation for the resource `*`; '' if the resource is another."""


def of_machine(
    machine: Machine, name: str, plan: Plan, config: Config, extra: Iterable[Statement] = ()
) -> list[Statement]:
    """Return what a machine, deployed under a name, may do.

    `extra` are the rights of the user's own states, from the configuration. Logging and tracing are among the others.
    """
    states = list(all_states(machine))
    found = [*_of_records(states, config)]
    for compute, make in _OF_COMPUTE.items():
        jobs = [state.job for state in states if state.job is not None and state.job.compute == compute]
        if jobs:
            tagged = any(job.tags for job in jobs)
            found += make([job.config for job in jobs], tagged, plan)
    found += _of_children(states)
    if any(state.distributed for state in states):
        found += _of_items(name)
    return [*found, *extra, *_watching()]


def of_jobs(plan: Plan, config: Config) -> list[Statement]:
    """Return what the callbacks of a pipeline may do: reach its stores, and read the secrets that its steps declare.

    A job may not delete anything: only `magnus runs prune` deletes, with the rights of whoever calls it.
    """
    stores = [block for block in ("run_log_store", "catalog") if config[block]["type"] == "s3"]
    objects = _unique(_objects(block, config, "*") for block in stores)
    found = [
        Statement("Stores", ("s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"), objects),
        # Without this right S3 answers "forbidden" instead of "not found" (Amazon S3 API reference, GetObject).
        Statement("Buckets", ("s3:ListBucket",), _unique(_bucket(block, config) for block in stores)),
    ]
    keys = [key for block in stores if (key := config[block]["config"].get("kms_key"))]  # type: ignore[literal-required]
    found += _of_keys(keys, ("kms:Decrypt", "kms:GenerateDataKey"))
    names = {name for node in plan["nodes"].values() for name in (node.get("secrets") or {}).values()}
    if names and config["secrets"]["type"] == "aws-secrets-manager":
        given = config["secrets"]["config"]
        region = given.get("region") or "${AWS::Region}"
        # The ARN of a secret ends in six characters that nobody chooses (AWS Secrets Manager user guide, "Secret ARN").
        secret = f"arn:${{AWS::Partition}}:secretsmanager:{region}:${{AWS::AccountId}}:secret:{given.get('prefix', '')}"
        arns = (f"{secret}{name}-??????" for name in sorted(names))
        found.append(Statement("Secrets", ("secretsmanager:GetSecretValue",), tuple(arns)))
    return found


def of_execution(repository: str, log_group: str) -> list[Statement]:
    """Return what starts a job's container: the rights to pull its image from Amazon ECR and to write its output."""
    return [
        Statement("Registry", ("ecr:GetAuthorizationToken",), ("*",), reason=ANY_REGISTRY),
        Statement(
            "Image",
            ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"),
            (_arn(repository, "ecr", "repository/"),),
        ),
        Statement(
            "Output",
            ("logs:CreateLogStream", "logs:PutLogEvents"),
            (f"{_arn(log_group, 'logs', 'log-group:')}:log-stream:*",),
        ),
    ]


def of_schedule(name: str, dead_letters: str) -> list[Statement]:
    """Return what a schedule may do: start runs of a machine, and put the starts that were lost into a queue."""
    return [
        Statement("StartRun", ("states:StartExecution",), (_arn(name, "states", "stateMachine:"),)),
        Statement("KeepLost", ("sqs:SendMessage",), (dead_letters,)),
    ]


# ---- of the machine itself ----


def _of_records(states: list[State], config: Config) -> Iterator[Statement]:
    starts = any(state.kind == "start" for state in states)
    reads = any(state.kind in READERS for state in states)
    if starts:
        yield Statement("Start", ("s3:PutObject",), (_objects("run_log_store", config, "*/start.json"),))
    if reads:
        yield Statement(
            "Records", ("s3:GetObject",), (_objects("run_log_store", config, "*/steps/*/start.json"),)
        )
    key = config["run_log_store"]["config"].get("kms_key")
    actions = (*(("kms:Decrypt",) if reads else ()), *(("kms:GenerateDataKey",) if starts else ()))
    if key and actions:
        yield from _of_keys([key], actions)


def _of_batch(configs: list[StepFunctionsConfig], tagged: bool, plan: Plan) -> Iterator[Statement]:
    queues = _unique(_arn(one.job_queue, "batch", "job-queue/") for one in configs)
    own = machine_name(plan)
    names = (own if one.job_definition == JOB_DEFINITION else one.job_definition for one in configs)
    definitions = _unique(_revisions(_arn(name, "batch", "job-definition/")) for name in names)
    any_job = (_arn("*", "batch", "job/"),)
    yield Statement("Submit", ("batch:SubmitJob",), (*definitions, *queues))
    yield Statement("Follow", ("batch:DescribeJobs",), ("*",), reason=ANY_JOB)
    yield Statement("Stop", ("batch:TerminateJob",), any_job)
    if tagged:
        yield Statement("Tag", ("batch:TagResource",), any_job)
    yield _rule("BatchJobs")


def _of_ecs(configs: list[StepFunctionsConfig], tagged: bool, plan: Plan) -> Iterator[Statement]:
    definitions = _unique(_revisions(_arn(one.task_definition, "ecs", "task-definition/")) for one in configs)
    tasks = _unique(_arn(one.cluster.rpartition("/")[2], "ecs", "task/") + "/*" for one in configs)
    yield Statement("RunTask", ("ecs:RunTask",), definitions)
    yield Statement("FollowTask", ("ecs:DescribeTasks", "ecs:StopTask"), tasks)
    if tagged:
        yield Statement("TagTask", ("ecs:TagResource",), tasks)
    yield _pass_role("PassTaskRoles", ("${TaskExecutionRoleArn}", "${TaskRoleArn}"), "ecs-tasks")
    yield _rule("ECSTask")


def _of_sagemaker(configs: list[StepFunctionsConfig], tagged: bool, plan: Plan) -> Iterator[Statement]:
    # SageMaker writes the names of jobs in small letters into their ARNs.
    name = naming.slug(plan["name"])
    jobs = _unique(_arn(f"{one}-*", "sagemaker", "processing-job/") for one in (name, name.lower()))
    # Step Functions puts a tag of its own on each job, and its guide has ListTags beside the actions of every job.
    actions = ["CreateProcessingJob", "DescribeProcessingJob", "StopProcessingJob", "AddTags", "ListTags"]
    yield Statement("Process", tuple(sorted(f"sagemaker:{action}" for action in actions)), jobs)
    yield _pass_role("PassProcessingRole", _unique(one.role for one in configs), "sagemaker")
    yield _rule("SageMakerProcessingJobs")


def _of_lambda(configs: list[StepFunctionsConfig], tagged: bool, plan: Plan) -> Iterator[Statement]:
    functions = _unique(_function(one.function) for one in configs)
    yield Statement("Invoke", ("lambda:InvokeFunction",), functions)


_OF_COMPUTE = {"batch": _of_batch, "ecs": _of_ecs, "sagemaker": _of_sagemaker, "lambda": _of_lambda}


def _of_children(states: list[State]) -> Iterator[Statement]:
    machines = _unique(
        _arn(state.target, "states", "stateMachine:") for state in states if state.kind == "child"
    )
    if machines:
        executions = tuple(f"{one.replace(':stateMachine:', ':execution:')}:*" for one in machines)
        yield Statement("StartChild", ("states:StartExecution",), machines)
        yield Statement("FollowChild", ("states:DescribeExecution", "states:StopExecution"), executions)
        yield _rule("StepFunctionsExecution")


def _of_items(name: str) -> Iterator[Statement]:
    """Yield what a machine with distributed maps may do with itself: the execution of an item is `NAME/LABEL:ID`."""
    yield Statement("StartItem", ("states:StartExecution",), (_arn(name, "states", "stateMachine:"),))
    yield Statement(
        "FollowItem",
        ("states:DescribeExecution", "states:StopExecution"),
        (_arn(name, "states", "execution:") + "/*",),
    )


def _watching() -> Iterator[Statement]:
    deliveries = ("CreateLogDelivery", "DeleteLogDelivery", "DescribeLogGroups", "DescribeResourcePolicies")
    more = ("GetLogDelivery", "ListLogDeliveries", "PutResourcePolicy", "UpdateLogDelivery")
    yield Statement("Log", tuple(f"logs:{one}" for one in (*deliveries, *more)), ("*",), reason=ANY_DELIVERY)
    traces = ("GetSamplingRules", "GetSamplingTargets", "PutTelemetryRecords", "PutTraceSegments")
    yield Statement("Trace", tuple(f"xray:{one}" for one in traces), ("*",), reason=ANY_TRACE)


# ---- resources ----


def _arn(name: str, service: str, kind: str) -> str:
    """Return the ARN of a name in this account and region; an ARN as it is."""
    return name if name.startswith("arn:") else f"arn:${{AWS::Partition}}:{service}:{HERE}:{kind}{name}"


def _revisions(arn: str) -> str:
    """Return the ARN of all revisions, if none is named: the service asks for the right to the revision that it takes (AWS
    Batch, "Accounting for job definition revisions"; Amazon ECS API reference, RunTask)."""
    return arn if ":" in arn.rpartition("/")[2] else f"{arn}:*"


def _function(name: str) -> str:
    account, colon, rest = name.partition(":function:")
    if colon and not name.startswith("arn:"):
        return f"arn:${{AWS::Partition}}:lambda:${{AWS::Region}}:{account}:function:{rest}"
    return _arn(name, "lambda", "function:")


def _bucket(block: str, config: Config) -> str:
    bucket: str = config[block]["config"]["bucket"]  # type: ignore[literal-required]
    return bucket if bucket.startswith("arn:") else f"arn:${{AWS::Partition}}:s3:::{bucket}"


def _objects(block: str, config: Config, pattern: str) -> str:
    """Return the ARN of the objects below a store's prefix; those of an access point have `object/` in front."""
    store = config[block]["config"]  # type: ignore[literal-required]
    prefix = Place(block, store, DEFAULT_PREFIX[block]).prefix
    between = "/object/" if store["bucket"].startswith("arn:") else "/"
    return f"{_bucket(block, config)}{between}{prefix}/{pattern}"


def _of_keys(keys: Iterable[str], actions: tuple[str, ...]) -> Iterator[Statement]:
    """Yield the rights to keys. For a key named by its alias the right is tied to that alias (AWS KMS developer guide, "Use
    aliases to control access to KMS keys")."""
    for number, key in enumerate(dict.fromkeys(keys)):
        sid = f"Key{number + 1}" if number else "Key"
        if "alias/" in key:
            account, _, name = key.partition("alias/")
            alias = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": f"alias/{name}"}}
            keys_there = f"{account}key/*" if account else _arn("*", "kms", "key/")
            yield Statement(sid, actions, (keys_there,), alias)
        else:
            yield Statement(sid, actions, (_arn(key, "kms", "key/"),))


def _pass_role(sid: str, roles: tuple[str, ...], service: str) -> Statement:
    condition = {"StringEquals": {"iam:PassedToService": f"{service}.amazonaws.com"}}
    return Statement(sid, ("iam:PassRole",), roles, condition)


def _rule(what: str) -> Statement:
    """Return the right to the EventBridge rule by which `.sync` learns that a job has ended."""
    rule = _arn(f"StepFunctionsGetEventsFor{what}Rule", "events", "rule/")
    return Statement(f"{what}Rule", _RULE_ACTIONS, (rule,))


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))
