"""Tasks that are shell commands."""

from __future__ import annotations

import json
import os
import signal

from magnus_render.runtime.tasks import folder as files
from magnus_render.runtime.tasks.base import BaseTask, TaskFailure
from magnus_render.runtime.tasks.results import PARAMETER, TRACK, exported, python_path, tracked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from magnus_render.runtime.tasks.base import Context

DEFAULT_SHELL = "/bin/sh"
LONGEST = 64 * 1024
"""Bytes of a parameter's text that still becomes a variable (DESIGN §3.6)."""
ALTOGETHER = 512 * 1024
"""Bytes of all variables of parameters: the kernel refuses to start programs with much more. The smaller go first."""

_EXPORTS = "exports"
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_POSIX_SHELLS = frozenset(("sh", "bash", "dash", "ash", "busybox", "ksh", "ksh93", "mksh", "yash", "zsh"))

# The command comes as an argument and is evaluated as it is. What it has exported is written down when the shell ends well:
# by the trap after an `exit`, else by the last line, in case the command has set an exit trap of its own. Braces with their
# own standard error keep all this out of the output of `set -x`; `>|` writes in spite of `set -C`. It is one line, so that
# line numbers in error messages are the command's.
_WRITE_EXPORTS = (
    "{ _magnus_status=$?; "
    '[ "$_magnus_status" -ne 0 ] || [ -z "$_magnus_exports" ] || command -p env -0 >| "$_magnus_exports" || :; '
    "_magnus_exports=; set +x; } 2>/dev/null"
)
_WRAPPER = (
    f"_magnus_command=$1 _magnus_exports=$2; shift 2; trap '{_WRITE_EXPORTS}' EXIT; "
    f'eval "$_magnus_command"; {_WRITE_EXPORTS}; exit "$_magnus_status"'
)


class ShellTask(BaseTask):
    """`command` is run by `/bin/sh -c`, or by `command_config.shell`: a program, or a program and its arguments."""

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        self._given: dict[str, str] = {}

    def environment(self, context: Context) -> dict[str, str]:
        self._given = _variables({**context.parameters, **context.map_variables})
        return {**self._given, "PYTHONPATH": python_path(os.environ)}

    def run(self, context: Context) -> None:
        shell = self.node.get("command_config", {}).get("shell") or DEFAULT_SHELL
        argv = [shell] if isinstance(shell, str) else list(shell)
        command = self.node["command"]
        name = os.path.basename(argv[0])
        if name in _POSIX_SHELLS:
            argv += ["-c", _WRAPPER, name, command, os.path.join(context.folder, _EXPORTS)]
        else:
            argv += ["-c", command]
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith((PARAMETER, TRACK))
        }
        environment.update(self._given)
        for number in (
            signal.SIGPIPE,
            signal.SIGXFSZ,
        ):  # Python ignores them, and programs would inherit that
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvpe(argv[0], argv, environment)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise TaskFailure(f"cannot run '{argv[0]}': {reason}") from None

    def finish(self, context: Context) -> None:
        if not os.path.exists(os.path.join(context.folder, _EXPORTS)):
            return
        data = files.read(context.folder, _EXPORTS).decode("utf-8", "surrogateescape")
        if not data.endswith("\0"):
            raise TaskFailure(
                "exported variables cannot be read: they may be too large; write to $MAGNUS_OUTPUT"
            )
        environment = {}
        for entry in data.split("\0"):
            name, _, value = entry.partition("=")
            environment[name] = value
        parameters = exported(context, environment, self._given)
        if parameters:
            files.append_json(context.folder, files.OUTPUT, parameters)
        metrics = tracked(environment, {})
        if metrics:
            files.append_json(context.folder, files.METRICS, metrics)

    def validate(self, options: Mapping[str, Any]) -> list[str]:
        wrong = [f"a shell task has no option '{name}'" for name in options if name != "shell"]
        shell = options.get("shell", DEFAULT_SHELL)
        words = [shell] if isinstance(shell, str) else shell
        if not isinstance(words, list) or not words or not all(isinstance(w, str) and w for w in words):
            wrong.append("'shell' is a program, or a list of a program and its arguments")
        return wrong


def _variables(values: Mapping[str, Any]) -> dict[str, str]:
    """Return parameters as environment variables: strings as they are, other values as JSON."""
    texts = []
    for name, value in values.items():
        if not name or not _LETTERS.issuperset(name):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        try:
            size = len(text.encode())
        except UnicodeEncodeError:  # half of a surrogate pair
            continue
        if size <= LONGEST and "\0" not in text:
            texts.append((size + len(name), name, text))
    room = ALTOGETHER
    given = {}
    for size, name, text in sorted(texts):
        room -= size
        if room >= 0:
            given[PARAMETER + name] = text
    return given
