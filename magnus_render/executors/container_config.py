"""The configuration of `local-container`: `executor.config`, most keys overridable by a node's own."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr

from magnus_render.spec.blocks import VARIABLE_NAME, VARIABLE_RULE, Scalar, Text, matching
from magnus_render.spec.kinds import ANY, ARGV

Size = Annotated[StrictStr, matching(r"[1-9][0-9]*[bkmgBKMG]?", "is no size, such as 512m or 2g")]
VariableName = Annotated[StrictStr, matching(VARIABLE_NAME.pattern, VARIABLE_RULE)]
PER_RUN = ("engine", "project", "pull", "max_workers")
"""Keys that a node cannot override, because they hold for the whole walk."""


class Resources(BaseModel):
    """Limits of a container; without a limit it may use all that the machine has."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    cpus: Annotated[StrictInt | StrictFloat, Field(gt=0)] | None = Field(default=None, examples=[1.5])
    """Processors."""
    memory: Size = Field(default="", examples=["2g"])
    """Memory: a number with `b`, `k`, `m` or `g`."""
    gpus: Annotated[Literal["all"] | Annotated[StrictInt, Field(gt=0)] | None, ANY] = Field(
        default=None, examples=["all"]
    )
    """Graphics processors: a number, or `all`."""
    shm_size: Size = Field(default="", examples=["512m"])
    """Shared memory, as `memory` is written."""


class ContainerConfig(BaseModel):
    """What a user may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    image: Text = Field(examples=["acme/pipelines:1.4"])
    """The image that steps run in. `magnus` is on its PATH."""
    engine: Annotated[list[Text], ARGV] = Field(default=[], examples=[["podman"]])
    """The command of the engine, such as `podman`; by default the first of docker, podman and nerdctl that is installed."""
    project: Literal["mount", "baked"] = "mount"
    """`mount`: steps see the project's folder, read-only. `baked`: the image has the project in its working folder."""
    magnus_command: Annotated[list[Text], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start in the image."""
    environment: dict[VariableName, Scalar] = Field(default={}, examples=[{"TZ": "UTC"}])
    """Environment variables of every step. Other users can see them in the list of processes."""
    secret_environment: list[VariableName] = Field(default=[], examples=[["DB_PASSWORD"]])
    """Names of variables of this environment that steps get too. No list of processes shows their values."""
    volumes: list[Text] = Field(default=[], examples=[["/data:/data:ro"]])
    """Further folders, as the engine writes them: `/data:/data:ro`."""
    network: Text | Literal[""] = Field(default="", examples=["host"])
    """The network of the containers, as the engine names it."""
    user: Text | Literal[""] = Field(default="", examples=["1000:1000"])
    """`UID:GID`, or a name in the image; `image` leaves it to the image. By default the caller."""
    resources: Resources = Field(default=Resources.model_construct(), examples=[{"memory": "2g"}])
    """What a container may use at most."""
    run_options: Annotated[list[Text], ARGV] = Field(default=[], examples=[["--tmpfs", "/tmp"]])
    """Further options of the engine's `run`."""
    pull: Literal["missing", "always", "never"] = "missing"
    """When images are pulled: once, before the run begins."""
    max_workers: Annotated[StrictInt, Field(ge=1)] | None = Field(default=None, examples=[4])
    """How many steps run at a time; by default as many as there are processors, at least 2."""
