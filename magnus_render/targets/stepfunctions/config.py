"""The configuration of the Step Functions target.

`executor.config`, each key overridable by a node's `executor_config.aws-step-functions`. Defaults make every definition
renderable; `computes.py` names those that a platform team must replace.
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

    vcpus: Annotated[StrictInt | StrictFloat, Field(gt=0)] | None = None
    memory: Annotated[StrictInt, Field(gt=0)] | None = None
    """MiB."""
    gpus: Annotated[StrictInt, Field(gt=0)] | None = None


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
    """What a state that the user wrote may do."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    actions: Annotated[list[Action], Field(min_length=1)]
    resources: Annotated[list[Text], Field(min_length=1)]
    """ARNs; `${AWS::Region}` and the like are CloudFormation's to fill in."""


class Bundle(BaseModel):
    """What `magnus bundle` makes besides what the pipeline asks for."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    schedule: Schedule | None = None
    """When runs start; none if nobody says it."""
    timezone: Text = "UTC"
    """That the schedule is in."""
    platform: Literal["FARGATE", "EC2"] = "FARGATE"
    """What the job queue runs jobs on."""
    log_retention_days: Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731] = 30
    """How long log groups keep what they get."""


class StepFunctionsConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    compute: Literal["batch", "ecs", "sagemaker", "lambda"] = "batch"
    """Where a step runs."""
    magnus_command: Annotated[list[Text], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start in the image."""
    plan: Text = ""
    """Path in the image of the file that `magnus render --plan` wrote: with it no callback reads YAML."""
    environment: dict[Text, Scalar] = {}
    """Environment variables of every step."""
    secret_environment: list[Text] = []
    """Variables that the job definition, task definition or function sets from secrets: nothing is rendered of them."""
    tags: dict[Text, Scalar] = {}
    resources: Resources = Resources()
    distributed: StrictBool = False
    """Run each item of a map as an execution of its own: for more than 40 at a time, or long histories."""
    mounts: list[Text] = []
    """Folders that every job mounts from one shared file system (EFS): stores may lie there."""

    job_queue: Text = "magnus"
    job_definition: Text = "magnus"

    cluster: Text = "magnus"
    task_definition: Text = "magnus"
    container: Text = "magnus"
    """Name of the container in the task definition that runs the step."""
    launch_type: Literal["FARGATE", "EC2", "EXTERNAL"] = "FARGATE"
    subnets: list[Text] = []
    security_groups: list[Text] = []
    assign_public_ip: StrictBool = False

    image: Text = "magnus"
    """Of a SageMaker processing job."""
    role: Text = "magnus"
    """ARN of the role that a SageMaker processing job runs with."""
    instance_type: Text = "ml.m5.large"
    volume_size: Annotated[StrictInt, Field(ge=1, le=16384)] = 30
    """GiB."""

    function: Text = "magnus"
    """Name or ARN of the Lambda function, whose handler is `magnus_render.lambda_handler.handler`."""

    permissions: list[Permission] | None = None
    """In a bundle, what states of the user may do: of an as-is, or of all."""
    bundle: Bundle = Bundle()

    state_machine: Text = ""
    """Of a `separate` dag: ARN of its state machine; '' for pipeline and path joined by `_`, beside the parent's."""
