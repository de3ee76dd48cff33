"""Functions of magnus 0.2 to 0.5 that code inside a step may still call: they work, or say what to use instead."""

from __future__ import annotations

import sys

from magnus_render import api

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import Any

__all__ = ["get_experiment_tracker_context", "get_run_log", "get_tag", "store_parameter"]


def store_parameter(update: bool = True, **parameters: Any) -> None:
    """Set parameters, as `set_parameter` does; without `update`, only those that the step does not see yet."""
    if not update:
        visible = api.get_parameter()
        parameters = {name: value for name, value in parameters.items() if name not in visible}
    api.set_parameter(**parameters)


def get_tag() -> str:
    """Return the tag that the run was started with, '' if it has none."""
    tag: str = api._step("get_tag").data.get("tag", "")
    return tag


def get_run_log() -> dict[str, Any]:
    """Raise `NotImplementedError`: the run log is made of what steps leave behind, and this one has not ended."""
    raise NotImplementedError(
        "get_run_log is not there any more: `magnus runs show RUN_ID --json` prints the run log, get_run_id() tells the id"
    )


def get_experiment_tracker_context() -> AbstractContextManager[None]:
    """Return a context that does nothing, and say so: metrics are part of the run log."""
    from contextlib import nullcontext

    api._step("get_experiment_tracker_context")
    print("magnus: there is no experiment tracker any more: track_this records metrics", file=sys.stderr)
    return nullcontext()
