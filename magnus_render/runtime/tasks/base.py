"""What a task type must do. Task types register in the entry-point group `magnus_render.task`.

A task runs in a process of its own, forked by the callback, with its working folder, environment, standard input
(empty), output and error already in place. It talks back through files in `context.folder` only, so that what it says
is the same for Python, a shell or a notebook kernel, and survives a crash:

- `parameters.json`: visible parameters and map variables, one JSON object (`$MAGNUS_PARAMETERS`)
- `output`: lines of `name=value` or JSON objects; later lines win (`$MAGNUS_OUTPUT`)
- `metrics`: lines of JSON objects, merged (`$MAGNUS_METRICS`)
- `catalog`: lines of JSON objects `{"stage", "path", "sha256", "size", "mode"}` by put_in_catalog and get_from_catalog
- `secrets`: names of secrets read, one a line, written before the value is returned
- `message`: why the task failed, when it can say so itself
- `final`: is there if no further attempt can succeed
- `platform`: is there if the platform failed and not the task: a link that leads to the reason, for it takes no descriptor
- `context.json`: what the user API needs (services, visible files, map variables, data folder)
"""

from __future__ import annotations

from magnus_render.registry import Described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from magnus_render.plan import Node


LARGEST_ARGUMENT = 96 * 1024
"""Bytes of a text that may be an argument or a variable of a program: Linux refuses those of 128 KiB
(MAX_ARG_STRLEN of execve(2)). What is larger comes in a file."""


class TaskFailure(Exception):
    """The task failed for a reason it can name; `str(error)` is the attempt's message (docs/semantics.md)."""


class FinalFailure(TaskFailure):
    """The task failed, and no further attempt would change that: what its command names is not there.

    `__cause__` is the exception of the user's code that is the reason, if there is one.
    """


class Unsaid(TaskFailure):
    """A task has ended, but its results cannot be had: the platform has no descriptors left, or no place on a disk."""


class Context:
    """What one attempt of a task knows."""

    __slots__ = (
        "address",
        "attempt",
        "folder",
        "map_variables",
        "node",
        "parameters",
        "run_id",
        "warnings",
        "workdir",
    )

    def __init__(
        self,
        *,
        run_id: str,
        address: str,
        attempt: int,
        node: Node,
        parameters: dict[str, Any],
        map_variables: dict[str, Any],
        folder: str,
        workdir: str,
    ) -> None:
        self.run_id = run_id
        self.address = address
        self.attempt = attempt
        """The user's attempt, from 1."""
        self.node = node
        self.parameters = parameters
        """Visible parameters, without those a map variable shadows."""
        self.map_variables = map_variables
        """Values of the enclosing maps' variables by name; the innermost wins."""
        self.folder = folder
        """Absolute path of the private folder described above."""
        self.workdir = workdir
        """Absolute path of the working folder."""
        self.warnings: list[str] = []
        """What `finish` has to say of an attempt that succeeded; the step's message."""


class BaseTask(Described):
    """One task type."""

    in_process = True
    """The user's code runs in the forked process itself; False where that starts another program in its place."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def told(self, attempt: int) -> dict[str, Any] | None:
        """Return what an attempt sets if that is told beforehand: then nothing is run, and no file is got or put.

        Raise `TaskFailure` if it is told to fail. None if the task is to be run.
        """
        return None

    def environment(self, context: Context) -> dict[str, str]:
        """Return variables to add to the step's environment, besides those every step gets. Called in the callback."""
        return {}

    def run(self, context: Context) -> None:
        """Do the work, in the forked process; may `os.exec*`.

        Raise `TaskFailure`, or any other exception (its type and first line become the message, its traceback goes to
        standard error). Parameters are set by appending to the file `output`.
        """
        raise NotImplementedError

    def finish(self, context: Context) -> None:
        """Complete the files after the process has ended with status 0. Called in the callback.

        Raise `TaskFailure` to fail the attempt.
        """

    def validate(self, options: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with the node's `command_config`, one sentence each; for `magnus validate`."""
        return []
