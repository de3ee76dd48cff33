"""The configuration of `local-aws-batch`: `executor.config`, most keys overridable by a node's own.

The target `aws-step-functions` has some of these keys too, with the same names and meanings.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from magnus_render import texts
from magnus_render.executors import aws_batch_rules as rules
from magnus_render.spec import blocks
from magnus_render.spec.blocks import VARIABLE_NAME, VARIABLE_RULE, Scalar, Text, matching
from magnus_render.spec.kinds import ARGV

PER_RUN = ("region", "mounts")
"""Keys that a node cannot override, because they hold for the whole run."""


def _variable(name: str) -> str:
    if refused := rules.refuses_variable(name):
        raise ValueError(f"holds a variable that is reserved: {refused}")
    return name


def _tags(tags: dict[str, object]) -> dict[str, object]:
    most = rules.MOST_TAGS - len(rules.OWN_TAGS)
    if len(tags) > most:
        raise ValueError(f"has {len(tags)} tags, AWS Batch takes {most} besides those of magnus")
    for key, value in tags.items():
        parts = (("key", key), ("value", texts.scalar(value)))
        for wrong, fix in (one for part, text in parts for one in rules.wrong_tag(part, text)):
            raise ValueError(f"has the tag '{blocks.short(key)}': {wrong}: {fix}")
        if key in rules.OWN_TAGS:
            raise ValueError(f"has the tag '{key}', which magnus gives each job itself")
    return tags


def _named(name: rules.Name) -> AfterValidator:
    return matching(name.pattern, f"is not {name.rule}, such as {name.example}")


VariableName = Annotated[StrictStr, matching(VARIABLE_NAME.pattern, VARIABLE_RULE), AfterValidator(_variable)]


class Resources(BaseModel):
    """The resources of a job; by default those of its job definition."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    vcpus: Annotated[StrictInt | StrictFloat, Field(gt=0)] | None = Field(default=None, examples=[2])
    """Virtual processors; by default those of the job definition."""
    memory: Annotated[StrictInt, Field(gt=0)] | None = Field(default=None, examples=[4096])
    """MiB of memory; by default that of the job definition."""
    gpus: Annotated[StrictInt, Field(gt=0)] | None = Field(default=None, examples=[1])
    """Graphics processors."""


class BatchConfig(BaseModel):
    """What a user may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    job_queue: Annotated[Text, _named(rules.JOB_QUEUE)] = Field(examples=["churn-queue"])
    """Name or ARN of the job queue."""
    job_definition: Annotated[Text, _named(rules.JOB_DEFINITION)] = Field(examples=["churn-job:3"])
    """Name or ARN of the job definition. `magnus` is on the PATH of its image, and the project in its working folder."""
    region: Text | None = Field(default=None, examples=["eu-west-1"])
    """The region of the queue; by default that of the AWS settings of this machine. Jobs get it as AWS_REGION."""
    resources: Resources = Field(default=Resources.model_construct(), examples=[{"vcpus": 2, "memory": 4096}])
    """What a step asks for."""
    timeout: Annotated[StrictInt, Field(ge=rules.SHORTEST_TIMEOUT)] | None = Field(
        default=None, examples=[86400]
    )
    """Seconds after which AWS Batch ends a job that hangs, at least 60. The run then stands still."""
    environment: dict[VariableName, Scalar] = Field(default={}, examples=[{"TZ": "UTC"}])
    """Environment variables of every step. Whoever may describe the job can read them."""
    tags: Annotated[dict[Text, Scalar], AfterValidator(_tags)] = Field(
        default={}, examples=[{"team": "pricing"}]
    )
    """Tags of the jobs. AWS Batch propagates them to the tasks that jobs run as."""
    share_identifier: (
        Annotated[Text, matching(r"[A-Za-z0-9]{1,255}", "is not at most 255 letters and digits")] | None
    ) = Field(default=None, examples=["research"])
    """The share of the queue to which the jobs count. A queue with fair-share scheduling needs it, others refuse it."""
    scheduling_priority: Annotated[StrictInt, Field(ge=0, le=9999)] | None = Field(
        default=None, examples=[10]
    )
    """Priority within a share: jobs with a higher number run first. By default that of the job definition."""
    magnus_command: Annotated[list[Text], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that jobs start in the image."""
    mounts: list[Text] = Field(default=[], examples=[["/mnt/shared"]])
    """Folders that every job mounts from one shared file system (EFS): stores may lie there."""
