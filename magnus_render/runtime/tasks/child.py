"""The inside of a task's process: what the child that the supervisor forks does until it exits."""

from __future__ import annotations

import os
import sys

from magnus_render.errors import PLATFORM, MagnusError, PlatformError, is_shortage
from magnus_render.runtime.tasks import folder as files
from magnus_render.runtime.tasks.base import FinalFailure, TaskFailure
from magnus_render.runtime.tasks.variables import exported, tracked
from magnus_render.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from magnus_render.runtime.tasks.base import BaseTask, Context

MESSAGE_LENGTH = 2000
"""Characters of an exception's text that a message keeps."""

# Frames at the top of a traceback that are not the user's: this package, and what it calls the user's code through.
_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))) + os.sep
_NOT_USERS = (_PACKAGE, os.path.join(os.path.dirname(os.__file__), "asyncio") + os.sep, "<frozen ")


def run_in_child(task: BaseTask, context: Context) -> int:
    """Run a task to its end, in the process forked for it, and return the process's exit status.

    Why it failed goes to the file `message`, the traceback of a user's exception to standard error. A task that is Python
    code ends the process itself, as the interpreter ends any program: only so is everything written that the code left open.
    """
    _set_up()
    before = dict(os.environ)
    status, reason, final = 0, "", False
    leave: Callable[[int], object] = _flush_files
    try:
        if task.in_process:
            leave = _leaving()
        task.run(context)
    except SystemExit as error:
        status, reason = _system_exit(error)
    except BaseException as error:
        if _is_the_platforms(error):
            status, reason = PLATFORM, _platform_failed(context, error)
        else:
            status, reason = 1, reason_of(error)
            _show(error)
        final = isinstance(error, FinalFailure)
    try:
        _run_exit_functions()
        parameters = exported(context, os.environ, before) if status == 0 else {}
        if parameters:
            files.append_json(context.folder, files.OUTPUT, parameters)
        metrics = tracked(os.environ, before)
        if metrics:
            files.append_json(context.folder, files.METRICS, metrics)
        if reason:
            files.write(context.folder, files.MESSAGE, reason)
        if final:
            files.write(context.folder, files.FINAL, "")
    except OSError as error:  # what the task has set, or why it failed, cannot be written
        status = PLATFORM
        _platform_failed(context, error)
    finally:
        leave(status)
    return status


def _is_the_platforms(error: BaseException) -> bool:
    """Tell whether the platform failed: a store in a call of the user API, or the system outside of the user's code."""
    if isinstance(error, PlatformError):
        return True
    return is_shortage(error) and users_frames(error.__traceback__) is None


def _platform_failed(context: Context, error: BaseException) -> str:
    """Leave word that the platform failed; return the reason."""
    reason = reason_of(error)
    if isinstance(error, OSError):
        reason = f"the step cannot go on: {error.strerror or error}"
    files.platform_failed(context.folder, reason)
    print(f"magnus: {reason}", file=sys.stderr)
    return reason


def _set_up() -> None:
    # The parent's stream objects may hold text that is not ours to print, and must not be closed: they stay referenced
    # by sys.__stdout__ and the like. Lines are passed on as they are printed.
    sys.stdin = open(0, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", 1, "utf-8", "backslashreplace", closefd=False)  # noqa: SIM115
    sys.excepthook, sys.unraisablehook = sys.__excepthook__, sys.__unraisablehook__
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)  # as in any Python process: BrokenPipeError instead
    _forget_exit_functions()


def _forget_exit_functions() -> None:
    """Leave what the parent registered for its end to the parent: it would tidy up what is still in use there.

    Modules register their own functions once, when they are loaded. Where the parent has loaded them, they are registered
    again for what the task leaves to them: handlers that hold lines back, objects with a finaliser, queues and pools.
    """
    import atexit

    atexit._clear()
    weakref, logging = sys.modules.get("weakref"), sys.modules.get("logging")
    if weakref is not None:
        weakref.finalize._registry.clear()
        weakref.finalize._registered_with_atexit = False
    if logging is not None:
        atexit.register(logging.shutdown)
    processes = sys.modules.get("multiprocessing.util")
    if processes is not None:
        sys.modules["multiprocessing.process"]._children.clear()
        processes._finalizer_registry.clear()
        atexit.register(processes._exit_function)


def _run_exit_functions() -> None:
    """Wait for threads and run exit functions, as the interpreter does first of all: what they set counts."""
    threading = sys.modules.get("threading")
    if threading is not None:
        threading._shutdown()
    import atexit

    atexit._run_exitfuncs()


def _leaving() -> Callable[[int], object]:
    """Return how to end this process, or to flush what Python code still holds where there is no better way.

    `Py_Exit` finalises the interpreter, whatever called it, and then ends the program as C does (Python/C API, "Process
    Control"): objects are destroyed, and the buffers of open files and of C's streams are written.

    What is there before the task is frozen: the last search for garbage leaves it out, which would copy all pages that are
    shared with the parent. It is searched if the task leaves what has a finaliser, for that may hang on a class of ours.
    """
    try:
        from ctypes import pythonapi
    except (ImportError, OSError) as error:
        if is_shortage(error):
            raise PlatformError(f"the step cannot be started: {error}") from None
        return _flush_files  # a Python that was built without it
    import gc

    gc.freeze()

    def leave(status: int) -> None:
        if any(hasattr(kind, "__del__") for kind in set(map(type, gc.get_objects()))):
            gc.unfreeze()
        pythonapi.Py_Exit(status)

    return leave


def _flush_files(status: int) -> None:
    import gc
    import io

    for found in gc.get_objects():
        if isinstance(found, io.IOBase):
            try:
                found.flush()
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


def reason_of(error: BaseException) -> str:
    """Return the message of an attempt that ended by an exception: one line of bounded length."""
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
    if isinstance(error, FinalFailure) and error.__cause__ is not None:
        error = error.__cause__
    users = users_frames(error.__traceback__)
    if users is None and isinstance(error, TaskFailure):
        return
    # Python's own hook imports nothing: a module of the project might be in the way of what it would need.
    sys.__excepthook__(type(error), error.with_traceback(users), users)


def users_frames(frames: TracebackType | None) -> TracebackType | None:
    """Return the traceback from the user's first frame on, None if there is no such frame."""
    while frames is not None:
        if not frames.tb_frame.f_code.co_filename.startswith(_NOT_USERS):
            break
        frames = frames.tb_next
    return frames
