"""Task types: what the `command` of a task node means."""

from __future__ import annotations

from magnus_render import registry
from magnus_render.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.runtime.tasks.base import BaseTask


def load(command_type: str) -> type[BaseTask]:
    """Return the class of a task type; raise `errors.Refused` if there is none, or if it cannot be loaded."""
    found: type[BaseTask] | None = registry.find("task", registry.canonical("task", command_type))
    if found is None:
        raise Refused(
            f"there is no task type '{command_type}'; there are {', '.join(registry.names('task'))}"
        )
    return found
