"""The configuration of the bash target: `executor.config`, each key overridable by a node's `executor_config.bash`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from magnus_render.spec.kinds import ARGV

Argument = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class BashConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    launcher: Annotated[list[Argument], ARGV] = Field(default=[], examples=[["srun", "--mem=8G"]])
    """A command that is put before every callback that runs a step."""
    magnus_command: Annotated[list[Argument], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start: `magnus`, or what finds it."""
    isolated: StrictBool = False
    """If true, every step works in a folder of its own. Otherwise the steps of a branch share one."""
