"""Task types: what the `command` of a task node means."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.runtime.tasks.base import BaseTask

GROUP = "magnus_render.task"
_PACKAGE = "magnus_render.runtime.tasks."
# The built-in ones are registered as entry points too, but reading entry points takes longer than running a step.
BUILT_IN = {
    "python": ("python", "PythonTask"),
    "python-function": ("python", "PythonTask"),
    "python-lambda": ("python", "PythonLambdaTask"),
    "shell": ("shell", "ShellTask"),
    "notebook": ("notebook", "NotebookTask"),
}


def load(command_type: str) -> type[BaseTask]:
    """Return the class of a task type: a built-in one, else the entry point of that name.

    Raises `errors.Refused` if there is none, or if it cannot be loaded.
    """
    if command_type in BUILT_IN:
        module, name = BUILT_IN[command_type]
        __import__(_PACKAGE + module)
        import sys

        found: type[BaseTask] = getattr(sys.modules[_PACKAGE + module], name)
        return found
    from importlib.metadata import entry_points

    from magnus_render.errors import Refused

    registered = {point.name: point for point in entry_points(group=GROUP)}
    if command_type not in registered:
        known = ", ".join(sorted({*BUILT_IN, *registered}))
        raise Refused(f"there is no task type '{command_type}'; there are {known}")
    try:
        loaded: type[BaseTask] = registered[command_type].load()
    except (ImportError, AttributeError) as error:
        raise Refused(f"task type '{command_type}' cannot be loaded: {error}") from error
    return loaded
