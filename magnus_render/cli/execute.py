"""`magnus execute`, and the commands that execute one step: they run a pipeline with an executor.

The command line and the definition are read in a process of their own. The libraries for that cost several times as much
as a walk. Every step is a fork of this process, and at its end would have to clean up all modules imported here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn, TypedDict

from magnus_render.errors import PLATFORM, UsageError
from magnus_render.executors import base
from magnus_render.runtime import workspace
from magnus_render.runtime.process import Started
from magnus_render.texts import flushed

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus_render.plan import Config, Json, Plan


class Request(TypedDict):
    """The request of a command line, and the definition that it names. A text is '' if it was not given."""

    plan: Plan
    config: Config
    run_id: str
    file: str
    config_file: str
    parameters: dict[str, Json]
    """Parameters of the parameters file."""
    param: list[str]
    tag: str
    use_cached: str
    resume: bool
    max_workers: int | None
    isolated: bool
    detach: bool
    form: str
    """`quiet`, `json` or ''."""


def main(front: Callable[[Callable[[Request], None]], int]) -> int:
    """Run the pipeline that a command line names, and return the exit status.

    `front` reads the command line and the definition. It calls the function that it gets with the request, and returns
    its exit status. It does not call it if there is nothing to run, after an error or for `--help`.
    Raises `MagnusError`, and `OSError` if the system gives no process.
    """
    request, status = _read(front)
    if request is None:
        return status
    if request["isolated"]:
        os.environ[workspace.ISOLATED] = "1"
    return _execute(request)


def new_run_id() -> str:
    """Return an id that sorts by time (UTC) and is not used twice."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{os.urandom(4).hex()}"


def _execute(request: Request) -> int:
    executor = request["config"]["executor"]
    keys = dict(executor["config"])
    if request["max_workers"] is not None:
        keys["max_workers"] = request["max_workers"]
    order = base.Order(
        request["plan"],
        request["config"],
        request["run_id"] or new_run_id(),
        request["file"],
        config_file=request["config_file"],
        parameters=request["parameters"],
        param=request["param"],
        tag=request["tag"],
        use_cached=request["use_cached"],
        resume=request["resume"],
        detach=request["detach"],
        form=request["form"],
    )
    engine = base.load(executor["type"], keys, request["file"])
    if order.detach and not engine.decentral:
        raise UsageError(
            f"--detach: executor '{engine.name}' walks the run by this process, which cannot leave"
        )
    return engine.execute(order)


def _read(front: Callable[[Callable[[Request], None]], int]) -> tuple[Request | None, int]:
    """Run the front in a process of its own; return the request (None if there is nothing to run) and its exit status."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with Started() as started:
        reader, writer = started.pipe()
        pid = started.fork()
    if pid == 0:
        os.close(reader)
        _in_child(front, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as stream:
        data = stream.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0 or not data:
        return None, status if status >= 0 else 128 - status
    request: Request = json.loads(data)
    return request, 0


def _in_child(front: Callable[[Callable[[Request], None]], int], writer: int) -> NoReturn:
    status, handed = PLATFORM, False

    def hand_over(request: Request) -> None:
        nonlocal handed
        with os.fdopen(writer, "w", encoding="ascii") as stream:
            json.dump(request, stream)
        handed = True

    try:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, _interrupted)
        status = front(hand_over)
        said = flushed(status)
        # If the warnings could not be written, the run goes on all the same.
        status = status if handed else said
    except BaseException:  # a bug of magnus: the child must not return into the parent's stack
        import traceback

        os.write(2, traceback.format_exc().encode("utf-8", "replace"))
    finally:
        os._exit(status)


def _interrupted(number: int, frame: object) -> NoReturn:
    sys.exit(128 + number)
