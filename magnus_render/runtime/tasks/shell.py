"""Tasks that are shell commands."""

from __future__ import annotations

import os

from magnus_render.errors import PlatformError, is_shortage
from magnus_render.runtime.tasks import folder as files
from magnus_render.runtime.tasks import variables
from magnus_render.runtime.tasks.base import LARGEST_ARGUMENT, BaseTask, TaskFailure, Unsaid
from magnus_render.runtime.tasks.results import python_path
from magnus_render.runtime.tasks.variables import PARAMETER, TRACK, exported, tracked
from magnus_render.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from magnus_render.runtime.tasks.base import Context

DEFAULT_SHELL = "/bin/sh"
_EXPORTS, _COMMAND = "exports", "command"
_CANNOT_RUN = ("126", "127")
"""Statuses by which a shell says that it cannot run a program: there is none, or the variables are more than it can get."""
_UNREADABLE = "exported variables cannot be read: they may be too large; write to $MAGNUS_OUTPUT"
_UNSEEN = (
    "the shell ended without `exit` and before the command's last line: the variables that it exported do not count "
    "(by `command exec` or the like: write to $MAGNUS_OUTPUT)"
)
_POSIX_SHELLS = frozenset(("sh", "bash", "dash", "ash", "busybox", "ksh", "ksh93", "mksh", "yash", "zsh"))

# The command comes as an argument and is evaluated as it is. Its exported variables are written down behind its last line,
# and by an `exit` or `exec` anywhere in it. Those two are aliases with a word more, a substitution which yields nothing: so
# they are the real ones, with their own arguments, status and redirections, and traps are left to the command. Only the
# variables that mean something to us reach the disk, for others may be secret.
# A subshell's `exit` is not the shell's: /proc tells who asks. Braces with their own standard error keep all this out of the
# output of `set -x`; `>|` writes in spite of `set -C`. What cannot be read leaves the status of the reading in the file.
# It is one line, so that line numbers in messages are the command's.
_KEPT = '"^MAGNUS_[PT]R[MA]"'
_ENVIRONMENT = "/proc/self/environ"
_READ = f'LC_ALL=C command -p grep -az {_KEPT} {_ENVIRONMENT} >| "$_magnus_exports"'
_READ_ELSEWHERE = (
    r'command -p env -0 | command -p tr "\n\000" "\000\n" | '
    rf'{{ LC_ALL=C command -p grep -a {_KEPT} || [ "$?" -eq 1 ]; }} | command -p tr "\n\000" "\000\n" >| "$_magnus_exports"'
)
_WRITE = (
    "_magnus_write() { "
    f"if [ -r {_ENVIRONMENT} ]; then {_READ}; elif command -p env >/dev/null; then {_READ_ELSEWHERE}; "
    "else (exit 127); fi || "
    '{ _magnus_read=$?; [ "$_magnus_read" -eq 1 ] || echo "$_magnus_read" >| "$_magnus_exports"; }; return "$1"; }; '
)
_AT_EXIT = (
    '_magnus_at_exit() { set -- "$?"; '
    "IFS=' ' read -r _magnus_pid _magnus_ _magnus_ _magnus_ppid _magnus_ </proc/self/stat || _magnus_pid=$$; "
    'case $$ in "$_magnus_pid" | "${_magnus_ppid-}") _magnus_write "$1" ;; esac; return "$1"; }; '
)
_WORD = "$({ _magnus_at_exit; } 2>/dev/null)"
_WRAPPER = (
    "_magnus_command=$1 _magnus_exports=$2; shift 2; "
    f'{_WRITE}{_AT_EXIT}[ -z "${{BASH_VERSION-}}" ] || shopt -s expand_aliases; '
    f"alias exit='exit {_WORD}' exec='exec {_WORD}'; "
    'eval "$_magnus_command"; { _magnus_=$?; _magnus_write "$_magnus_"; set +x; } 2>/dev/null; '
    'exit "$_magnus_"'
)
_FROM_FILE = '_magnus_file=$1; shift; set -- "$(command -p cat "$_magnus_file")" "$@"; '


class ShellTask(BaseTask):
    """`command` is run by `/bin/sh -c`, or by `command_config.shell`: a program, or a program and its arguments."""

    in_process = False

    def __init__(self, node: Any) -> None:
        super().__init__(node)
        self._given: dict[str, str] = {}

    def environment(self, context: Context) -> dict[str, str]:
        self._given = variables.given(context)
        return {**self._given, "PYTHONPATH": python_path(os.environ)}

    def run(self, context: Context) -> None:
        shell = self.node.get("command_config", {}).get("shell") or DEFAULT_SHELL
        argv = [shell] if isinstance(shell, str) else list(shell)
        argv += self._arguments(context, os.path.basename(argv[0]))
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
            if is_shortage(error):
                raise PlatformError(f"cannot run '{argv[0]}': {reason}") from None
            raise TaskFailure(f"cannot run '{argv[0]}': {reason}") from None

    def _arguments(self, context: Context, shell: str) -> list[str]:
        """Return what the shell is told to run, by a file where the command is too large for an argument."""
        command = self.node["command"]
        large = len(command.encode("utf-8", "surrogateescape")) > LARGEST_ARGUMENT
        if large:
            files.write(context.folder, _COMMAND, command)
        file = os.path.join(context.folder, _COMMAND)
        if shell not in _POSIX_SHELLS:
            return [file] if large else ["-c", command]
        exports = os.path.join(context.folder, _EXPORTS)
        if large:
            return ["-c", _FROM_FILE + _WRAPPER, shell, file, exports]
        return ["-c", _WRAPPER, shell, command, exports]

    def finish(self, context: Context) -> None:
        data = self._exported(context)
        if data and not data.endswith("\0"):
            if data.strip() in _CANNOT_RUN:
                raise TaskFailure(_UNREADABLE)
            raise Unsaid(
                "exported variables cannot be read: no descriptors or processes are left, or no place on the disk"
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

    def _exported(self, context: Context) -> str:
        """Return what the shell has written down at its end, or at its `exit` or `exec`."""
        if os.path.exists(os.path.join(context.folder, _EXPORTS)):
            return files.read(context.folder, _EXPORTS).decode("utf-8", "surrogateescape")
        if self._writes():
            context.warnings.append(_UNSEEN)
        return ""

    def _writes(self) -> bool:
        """Tell whether the shell is one that exports are read from."""
        shell = self.node.get("command_config", {}).get("shell") or DEFAULT_SHELL
        return os.path.basename(shell if isinstance(shell, str) else shell[0]) in _POSIX_SHELLS

    def validate(self, options: Mapping[str, Any]) -> list[str]:
        wrong = [f"a shell task has no option '{name}'" for name in options if name != "shell"]
        shell = options.get("shell", DEFAULT_SHELL)
        words = [shell] if isinstance(shell, str) else shell
        if not isinstance(words, list) or not words or not all(isinstance(w, str) and w for w in words):
            wrong.append("'shell' is a program, or a list of a program and its arguments")
        return wrong
