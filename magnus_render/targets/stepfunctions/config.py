"""The configuration of the Step Functions target.

It is `executor.config`. A node's `executor_config.aws-step-functions` overrides each key. Every key has a default, so every
definition can be rendered. `computes.py` names the defaults that must be replaced.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
)

from magnus_render.spec.blocks import Scalar, Text, matching
from magnus_render.spec.kinds import ARGV


class Resources(BaseModel):
    """What a step asks for."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    vcpus: Annotated[StrictInt | StrictFloat, Field(gt=0)] | None = Field(default=None, examples=[2])
    """Virtual processors; by default those of the job definition."""
    memory: Annotated[StrictInt, Field(gt=0)] | None = Field(default=None, examples=[4096])
    """MiB of memory; by default that of the job definition."""
    gpus: Annotated[StrictInt, Field(gt=0)] | None = Field(default=None, examples=[1])
    """Graphics processors."""


Action = Annotated[
    Text,
    matching(
        r"[a-z0-9-]+:[A-Za-z0-9]+", "is no action: a service's prefix, ':' and one name, such as sns:Publish"
    ),
]
Schedule = Annotated[
    Text,
    matching(
        r"(cron|rate|at)\(.+\)", "is no schedule of EventBridge, such as cron(0 3 * * ? *) or rate(1 day)"
    ),
]


class Permission(BaseModel):
    """Rights of a state that the user wrote."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    actions: list[Action] = Field(min_length=1, examples=[["sns:Publish"]])
    """What the state may do, such as `sns:Publish`."""
    resources: list[Text] = Field(min_length=1, examples=[["arn:aws:sns:eu-west-1:123456789012:alerts"]])
    """ARNs of the resources that it may do that to. CloudFormation replaces `${AWS::Region}` and the like."""


class Bundle(BaseModel):
    """What `magnus bundle` makes besides what the pipeline asks for."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    format: Literal["cloudformation", "terraform"] = "cloudformation"
    """What the bundle is deployed with: a template of CloudFormation, or a module of Terraform."""
    schedule: Schedule | None = Field(default=None, examples=["cron(0 3 * * ? *)"])
    """When runs start, in the form of EventBridge. Without it there is no schedule."""
    timezone: Text = "UTC"
    """The time zone of the schedule."""
    platform: Literal["FARGATE", "EC2"] = "FARGATE"
    """The platform of the job queue."""
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731] = 30
    """Days for which log groups keep their logs."""


class StepFunctionsConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    compute: Literal["batch", "ecs", "sagemaker", "lambda"] = "batch"
    """The service that runs a step."""
    magnus_command: Annotated[list[Text], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start in the image."""
    plan: Text = Field(default="", examples=["/app/plan.json"])
    """Path in the image of the file that `magnus render --plan` wrote: with it no callback reads YAML."""
    environment: dict[Text, Scalar] = Field(default={}, examples=[{"TZ": "UTC"}])
    """Environment variables of every step."""
    secret_environment: list[Text] = Field(default=[], examples=[["DB_PASSWORD"]])
    """Variables that the job definition, task definition or function sets from secrets. They are not rendered."""
    tags: dict[Text, Scalar] = Field(default={}, examples=[{"team": "pricing"}])
    """Tags of the jobs and tasks that steps run as."""
    resources: Resources = Field(default=Resources(), examples=[{"vcpus": 2, "memory": 4096}])
    """What a step asks for."""
    distributed: StrictBool = False
    """Run each item of a map as an execution of its own: for more than 40 at a time, or long histories."""
    mounts: list[Text] = Field(default=[], examples=[["/mnt/shared"]])
    """Folders that every job mounts from one shared file system (EFS): stores may lie there."""

    job_queue: Text = "magnus"
    """Of `batch`: name or ARN of the job queue."""
    job_definition: Text = "magnus"
    """Of `batch`: name or ARN of the job definition."""

    cluster: Text = "magnus"
    """Of `ecs`: name or ARN of the cluster."""
    task_definition: Text = "magnus"
    """Of `ecs`: family, or ARN, of the task definition."""
    container: Text = "magnus"
    """Of `ecs`: name of the container in the task definition that runs the step."""
    launch_type: Literal["FARGATE", "EC2", "EXTERNAL"] = "FARGATE"
    """Of `ecs`: what the task runs on."""
    subnets: list[Text] = Field(default=[], examples=[["subnet-0a1b2c3d"]])
    """Of `ecs` and `sagemaker`: the subnets that steps run in."""
    security_groups: list[Text] = Field(default=[], examples=[["sg-0a1b2c3d"]])
    """Of `ecs` and `sagemaker`: the security groups of steps."""
    assign_public_ip: StrictBool = False
    """Of `ecs`: give each task a public address."""

    image: Text = "magnus"
    """Of `sagemaker`: the image of a processing job."""
    role: Text = "magnus"
    """Of `sagemaker`: ARN of the role that a processing job runs with."""
    instance_type: Text = "ml.m5.large"
    """Of `sagemaker`: the type of machine."""
    volume_size: Annotated[StrictInt, Field(ge=1, le=16384)] = 30
    """Of `sagemaker`: GiB of disk."""

    function: Text = "magnus"
    """Of `lambda`: name or ARN of the function, whose handler is `magnus_render.lambda_handler.handler`."""

    permissions: list[Permission] | None = Field(
        default=None,
        examples=[[{"actions": ["sns:Publish"], "resources": ["arn:aws:sns:eu-west-1:123456789012:alerts"]}]],
    )
    """In a bundle, what states of the user may do: of an as-is, or of all."""
    bundle: Bundle = Field(default=Bundle(), examples=[{"schedule": "rate(1 day)"}])
    """What `magnus bundle` makes besides what the pipeline asks for."""

    state_machine: Text = Field(
        default="", examples=["arn:aws:states:eu-west-1:123456789012:stateMachine:billing"]
    )
    """Of a `separate` dag: ARN of its state machine. By default the name is pipeline and path, joined by `_`."""
