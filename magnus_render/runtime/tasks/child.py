"""The inside of a task's process: what the child that the supervisor forks does until it exits."""

from __future__ import annotations

import os
import signal
import sys

from magnus_render.errors import PLATFORM, MagnusError, PlatformError
from magnus_render.runtime.tasks import folder as files
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.runtime.tasks.results import tracked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType

    from magnus_render.runtime.tasks.base import BaseTask, Context

MESSAGE_LENGTH = 2000
"""Characters of an exception's text that a message keeps."""

# Frames at the top of a traceback that are not the user's: this package, and what it calls the user's code through.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_NOT_USERS = (_PACKAGE, os.path.join(os.path.dirname(os.__file__), "asyncio") + os.sep, "<frozen ")


def run_in_child(task: BaseTask, context: Context) -> int:
    """Run a task to its end, in the process forked for it, and return the process's exit status.

    Why it failed goes to the file `message`, the traceback of a user's exception to standard error. Threads are waited
    for and exit functions run, as at the end of any Python process; the caller then ends it by `os._exit`.
    """
    _set_up()
    before = dict(os.environ)
    status, reason = 0, ""
    try:
        task.run(context)
    except SystemExit as error:
        status, reason = _system_exit(error)
    except PlatformError as error:  # of a store, in a call of the user API
        status, reason = PLATFORM, _reason(error)
        files.write(context.folder, files.PLATFORM, "")
        print(f"magnus: {error}", file=sys.stderr)
    except BaseException as error:
        status, reason = 1, _reason(error)
        _show(error)
    try:
        metrics = tracked(os.environ, before)
        if metrics:
            files.append_json(context.folder, files.METRICS, metrics)
        if reason:
            files.write(context.folder, files.MESSAGE, reason)
    finally:
        _end()
    return status


def _set_up() -> None:
    # The parent's stream objects may hold text that is not ours to print, and must not be closed: they stay referenced
    # by sys.__stdout__ and the like. Lines are passed on as they are printed.
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as in any Python process: BrokenPipeError instead
    import atexit

    atexit._clear()  # what the parent registered is for the parent to do


def _end() -> None:
    """Do what the interpreter does before it exits."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    import atexit

    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            pass


def _system_exit(error: SystemExit) -> tuple[int, str]:
    code = error.code
    if code is None or code == 0:
        return 0, ""
    if isinstance(code, int):
        return (code & 255) or 1, f"exited with status {int(code)}"
    print(code, file=sys.stderr)
    return 1, "exited with status 1"


def _reason(error: BaseException) -> str:
    try:
        text = str(error).strip().split("\n", 1)[0].rstrip()
    except Exception:
        text = "<exception str() failed>"
    if len(text) > MESSAGE_LENGTH:
        text = text[: MESSAGE_LENGTH - 1] + "…"
    if isinstance(error, TaskFailure | MagnusError):
        return text
    name = type(error).__name__
    return f"{name}: {text}" if text else name


def _show(error: BaseException) -> None:
    """Print an exception as Python does, without the frames that led to the user's code."""
    users = _users(error.__traceback__)
    if users is None and isinstance(error, TaskFailure):
        return
    import traceback

    traceback.print_exception(type(error), error, users)


def _users(frames: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the user's first frame on."""
    while frames is not None:
        if not frames.tb_frame.f_code.co_filename.startswith(_NOT_USERS):
            break
        frames = frames.tb_next
    return frames
