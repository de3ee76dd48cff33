"""Checks the modules of Python tasks: whether they can be found and, if asked for, whether they can be imported.

Finding a module runs no code of the user. Importing one does, so it happens in a process of its own for each command, as
in a step.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import sys
import time
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, NoReturn

from magnus_render import registry
from magnus_render.errors import MagnusError
from magnus_render.plan import TASK, failure_target
from magnus_render.runtime import tasks
from magnus_render.runtime.process import Started
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.runtime.tasks.child import reason_of, users_frames
from magnus_render.runtime.tasks.notebook import NotebookTask, read_metadata
from magnus_render.runtime.tasks.python import (
    PythonLambdaTask,
    PythonTask,
    load_module,
    look_first_in,
    named,
    not_found,
)
from magnus_render.runtime.tasks.results import shims
from magnus_render.spec import codes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

    from magnus_render.diagnostics import Diagnostic, Severity
    from magnus_render.graph.load import Loaded
    from magnus_render.plan import Node, Plan

LONGEST = 60.0
"""Seconds that a module may take to be imported."""


# ---- found, without running anything ----


def unfound(loaded: Loaded, *, again: bool = False) -> list[Diagnostic]:
    """Return a diagnostic for each Python task whose module cannot be found by the path that its process will have.

    It is an error only if the run is sure to fail by it: at the first step, if its failure has no handler. For any other
    step, an earlier one may write the module. `again` makes all of them warnings, because steps may not be run again.
    """
    found = []
    for address, node in _nodes(loaded.plan, PythonTask):
        message, where = _missing(node["command"])
        if message:
            sure = not again and _first_and_unhandled(loaded.plan, node)
            severity: Severity = "error" if sure else "warning"
            what = f"step '{node['path']}': {message}"
            found.append(loaded.diagnostic(codes.NO_MODULE, severity, address, what, where, field="command"))
    return found


def _first_and_unhandled(plan: Plan, node: Node) -> bool:
    root = plan["graphs"][""]
    return node["address"] == root["start"] and failure_target(node) == root["fail"]


def _missing(command: str) -> tuple[str, str]:
    """Return the part of a command's module that is not there, and where it was looked for.

    Both are empty if the module is found, or if only an import could tell.
    """
    module, _ = named(command)
    parts = module.split(".")
    folders = [os.getcwd()]
    path = [*folders, shims(), *sys.path]
    where = _looked_everywhere()
    for number in range(len(parts)):
        name = ".".join(parts[: number + 1])
        try:
            spec = _spec(name, path, None if number == 0 else path)
        except Exception:  # an installed finder failed: it may work when the step runs
            break
        if name == "__main__":
            break
        if spec is None:
            return not_found(module, name, folders), where
        if spec.submodule_search_locations is None or not _is_plain(spec):
            break  # the code of a package may define modules that no finder finds
        folders = path = list(dict.fromkeys(spec.submodule_search_locations))
        where = f"looked in {os.pathsep.join(folders)}"
    return "", ""


def _spec(name: str, path: list[str], within: list[str] | None) -> ModuleSpec | None:
    """Return where a module is, by the finders of this process; `within` are the folders of the package that it is in."""
    for finder in sys.meta_path:
        found = finder.find_spec(name, path if finder is PathFinder else within)
        if found is not None:
            return found
    return None


def _is_plain(spec: ModuleSpec) -> bool:
    """Tell whether a package has no code of its own. It then has only the modules in its folders."""
    if spec.origin is None:
        return True
    try:
        with open(spec.origin, "rb") as file:
            return not file.read().strip()
    except OSError:
        return False


# ---- imported ----


def failing(loaded: Loaded) -> list[Diagnostic]:
    """Import the modules of all Python tasks, each command's in a process of its own, and return what is wrong with them.

    Notebooks are read. A file or module that an earlier step would write counts as missing.
    """
    results: dict[str, dict[str, str]] = {}
    found = []
    for address, node in _nodes(loaded.plan, PythonTask):
        command = node["command"].strip()
        if command not in results:
            results[command] = _tried(command)
        if result := results[command]:
            what, fix = f"step '{node['path']}': {result['message']}", result["fix"]
            found.append(loaded.diagnostic(result["code"], "error", address, what, fix, field="command"))
    for address, node in _nodes(loaded.plan, NotebookTask):
        try:
            read_metadata(node["command"])
        except TaskFailure as failure:
            what = f"step '{node['path']}': {failure}"
            found.append(loaded.diagnostic(codes.NO_NOTEBOOK, "warning", address, what, field="command"))
    return found


def _tried(command: str) -> dict[str, str]:
    """Import a command's module; return {} if it has the function, else code, message and fix."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    with Started() as started:
        reader, writer = started.pipe()
        pid = started.fork()
    if pid == 0:
        os.close(reader)
        _import_and_exit(command, writer)
    os.close(writer)
    data, in_time = _line(reader, LONGEST)
    os.close(reader)
    if not in_time:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if data.endswith(b"\n"):
        result: dict[str, str] = json.loads(data)
        return result
    how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
    why = f"the process that imported it {how}" if in_time else f"that takes more than {LONGEST:g} s"
    fix = "call what it runs in the function, or put it under `if __name__ == '__main__':`"
    return {"code": codes.NO_MODULE, "message": f"cannot import '{named(command)[0]}': {why}", "fix": fix}


def _line(descriptor: int, seconds: float) -> tuple[bytes, bool]:
    """Read a line from a pipe, or the rest of it; tell whether that came in time."""
    data, until = b"", time.monotonic() + seconds
    while not data.endswith(b"\n"):
        left = until - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            return data, False
        more = os.read(descriptor, 65536)
        if not more:
            break
        data += more
    return data, True


def _import_and_exit(command: str, writer: int) -> NoReturn:
    """Import a module as a step's process does, and write the result; output of the module is thrown away."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        gc.enable()
        os.write(writer, f"{json.dumps(_outcome(command))}\n".encode())
    finally:
        os._exit(0)


def _outcome(command: str) -> dict[str, str]:
    module, name = named(command)
    code = codes.NO_MODULE
    try:
        look_first_in(os.getcwd())
        load_module(module, name)
        code = codes.NO_FUNCTION
        node: Any = {"command": command}
        PythonTask(node).function()
    except (TaskFailure, MagnusError) as failure:
        fix = _arises(failure.__cause__) or (_missing(command)[1] if code == codes.NO_MODULE else "")
        return {"code": code, "message": reason_of(failure), "fix": fix}
    except BaseException as error:
        what = f"cannot import '{module}': {reason_of(error)}"
        return {"code": code, "message": what, "fix": _arises(error)}
    return {}


def _arises(error: BaseException | None) -> str:
    """Return where in the user's code an exception arises; '' if that is not known."""
    frames = users_frames(error.__traceback__) if error is not None else None
    place = ""
    while frames is not None:
        file = frames.tb_frame.f_code.co_filename
        if not file.startswith("<"):
            shown = os.path.relpath(file)
            place = f"it arises in {file if shown.startswith('..') else shown}, line {frames.tb_lineno}"
        frames = frames.tb_next
    return place


# ---- both ----


def _nodes(plan: Plan, kind: type[Any]) -> Iterator[tuple[str, Node]]:
    """Yield the tasks of a built-in type, by address; lambda expressions have no module."""
    for address, node in plan["nodes"].items():
        if node["type"] == TASK and node["command_type"] in registry.BUILT_IN["task"]:
            task = tasks.load(node["command_type"])
            if issubclass(task, kind) and not issubclass(task, PythonLambdaTask):
                yield address, node


def _looked_everywhere() -> str:
    given = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    on_path = f"on PYTHONPATH ({os.pathsep.join(given)})" if given else "on PYTHONPATH (not set)"
    return f"looked in {os.getcwd()}, {on_path} and in what {sys.executable} has installed"
