"""The configuration of the bash target: `executor.config`, each key overridable by a node's `executor_config.bash`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from magnus_render.spec.blocks import matching
from magnus_render.spec.kinds import ARGV

Argument = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


OnCalendar = Annotated[
    str,
    matching(
        r"[A-Za-z0-9*.,:/~_+-]+( [A-Za-z0-9*.,:/~_+-]+)*",
        "is no OnCalendar of systemd, such as Mon..Fri 03:00, daily, or *-*-01 04:30 Europe/Berlin",
    ),
]
"""It allows all characters that have a meaning there (systemd.time, "Calendar Events")."""
Folder = Annotated[
    str,
    matching(
        r"(/(?!\.\.?(/|$))[A-Za-z0-9_.-]+)+",
        "is no folder for a bundle: a path from the root, of letters, digits, '_', '-', '.' and '/', without '..'",
    ),
]
User = Annotated[str, matching(r"[a-z_][a-z0-9_-]*", "is no user: lowercase letters, digits, '_' and '-'")]


class Bundle(BaseModel):
    """Where and when `magnus bundle` lets the script run."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    folder: Folder = "/srv/magnus"
    """The project's folder on the machine that runs it, with the script in it."""
    user: User = "magnus"
    """The user that the script runs as."""
    on_calendar: OnCalendar | None = Field(default=None, examples=["Mon..Fri 03:00"])
    """When systemd starts the script, in the form of systemd's `OnCalendar`. Without it there is no timer."""
    cron: (
        Annotated[
            str, matching(r"[0-9A-Za-z*,/-]+( [0-9A-Za-z*,/-]+){4}", "is no schedule of cron: five fields")
        ]
        | None
    ) = Field(default=None, examples=["0 3 * * 1-5"])
    """When cron starts the script, in cron's five fields. Without it there is no crontab."""


class BashConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    launcher: Annotated[list[Argument], ARGV] = Field(default=[], examples=[["srun", "--mem=8G"]])
    """A command that is put before every callback that runs a step."""
    magnus_command: Annotated[list[Argument], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start: `magnus`, or what finds it."""
    isolated: StrictBool = False
    """If true, every step works in a folder of its own. Otherwise the steps of a branch share one."""
    bundle: Bundle = Field(default=Bundle(), examples=[{"on_calendar": "Mon..Fri 03:00"}])
    """What `magnus bundle` makes besides the script."""
