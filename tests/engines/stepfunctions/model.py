"""What services of AWS do by themselves with a role, where moto makes no request: a model of ours from their documentation.

Each list of actions names its source. It is what that documentation asks a role to allow: which of them the service really
calls, and when, nobody outside of AWS can see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

from tests.engines.stepfunctions.asked import Call, arn

LOG = (
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
)
"""As a machine with logging is made: Step Functions developer guide, "IAM Policies for logging to CloudWatch Logs"."""
TRACE = (
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
)
"""As an execution of a machine with tracing begins: the same guide, "IAM policies for AWS X-Ray"."""
RULE = ("events:DescribeRule", "events:PutRule", "events:PutTargets")
"""As a machine with a `.sync` state is made, for the rule of its kind: the same guide, "Run a Job (.sync)"."""
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
"""As a container starts, for its repository: Amazon ECS developer guide, "Task execution IAM role"."""
OUTPUT = ("logs:CreateLogStream", "logs:PutLogEvents")
"""As a container starts, for the stream that takes its output: the same."""
STATES, SCHEDULER, TASKS = "states.amazonaws.com", "scheduler.amazonaws.com", "ecs-tasks.amazonaws.com"
"""Who takes on a role. Step Functions and EventBridge Scheduler refuse to make a machine or a schedule with a role that they
may not take on; Amazon ECS does not start a container (`permissions`)."""
_SYNC_RULES = {
    "batch:submitJob.sync": "BatchJobs",
    "ecs:runTask.sync": "ECSTask",
    "sagemaker:createProcessingJob.sync": "SageMakerProcessingJobs",
    "states:startExecution.sync:2": "StepFunctionsExecution",
}


def assume(service: str, account: str = DEFAULT_ACCOUNT_ID) -> Call:
    """Return what a service asks for as it takes on a role, on behalf of an account; its principal is the resource."""
    return "sts:AssumeRole", service, f"aws:SourceAccount={account}"


def of_logging(configuration: Mapping[str, Any]) -> Iterator[Call]:
    """Yield what a machine with this `loggingConfiguration` asks for."""
    for action in LOG if configuration["level"] != "OFF" else ():
        yield action, "*", ""


def of_tracing(configuration: Mapping[str, Any]) -> Iterator[Call]:
    """Yield what an execution of a machine with this `tracingConfiguration` asks for."""
    for action in TRACE if configuration["enabled"] else ():
        yield action, "*", ""


def of_definition(value: Any, machine: str) -> Iterator[Call]:
    """Yield what Step Functions itself asks for, beside the requests of states, of (a part of) a machine's definition.

    It makes the rule that tells of the end of a `.sync` state, and an execution of the machine for each item of a
    distributed map (developer guide, "Map state in Distributed mode").
    """
    if isinstance(value, list):
        for part in value:
            yield from of_definition(part, machine)
    elif isinstance(value, dict):
        rule = _SYNC_RULES.get(str(value.get("Resource", "")).removeprefix("arn:aws:states:::"))
        for action in RULE if rule else ():
            yield action, arn("events", f"rule/StepFunctionsGetEventsFor{rule}Rule"), ""
        if value.get("Mode") == "DISTRIBUTED":
            item = f"{machine.replace(':stateMachine:', ':execution:')}/label:item"
            yield "states:StartExecution", machine, ""
            yield "states:DescribeExecution", item, ""
            yield "states:StopExecution", item, ""
        for part in value.values():
            yield from of_definition(part, machine)


def of_container(properties: Mapping[str, Any], job: str) -> Iterator[Call]:
    """Yield what the agent of a container does before it runs: it pulls the image from Amazon ECR, and opens the stream
    that takes its output."""
    repository = properties["image"].partition("/")[2].partition(":")[0]
    yield "ecr:GetAuthorizationToken", "*", ""
    for action in PULL:
        yield action, arn("ecr", f"repository/{repository}"), ""
    options = properties["logConfiguration"]["options"]
    stream = f"{options['awslogs-stream-prefix']}/default/{job}"
    for action in OUTPUT:
        yield action, arn("logs", f"log-group:{options['awslogs-group']}:log-stream:{stream}"), ""
