"""The configuration of the bash target: `executor.config`, each key overridable by a node's `executor_config.bash`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, StrictBool, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping


Argument = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]


class BashConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid")

    launcher: list[Argument] = []
    """Put before every callback that runs a step: `[srun, --mem=8G]`."""
    magnus_command: list[Argument] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start."""
    isolated: StrictBool = False
    """Give every step a workspace of its own, not only every branch."""


class Problem(NamedTuple):
    """One mistake in a configuration block."""

    text: str
    fix: str


def problems(values: Mapping[str, Any]) -> list[Problem]:
    """Return what is wrong with a block, whole or partial."""
    try:
        BashConfig.model_validate(dict(values))
    except ValidationError as error:
        return [_problem(item["type"], item["loc"], item["msg"]) for item in error.errors(include_url=False)]
    return []


def _problem(kind: str, place: tuple[int | str, ...], message: str) -> Problem:
    name = str(place[0])
    if kind == "extra_forbidden":
        import difflib

        close = difflib.get_close_matches(name, BashConfig.model_fields, n=1)
        known = ", ".join(BashConfig.model_fields)
        return Problem(
            f"unknown key '{name}'", f"did you mean '{close[0]}'?" if close else f"known keys: {known}"
        )
    if kind == "string_pattern_mismatch":
        return Problem(f"'{name}' holds an argument with a control character", "")
    if kind in ("list_type", "string_type"):
        return Problem(f"'{name}' is not a list of arguments", f"write {name}: [first, second]")
    return Problem(f"'{name}': {message[0].lower()}{message[1:]}", "")
