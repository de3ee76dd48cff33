"""Tasks that are Python functions or lambda expressions."""

from __future__ import annotations

import os
import sys

from magnus_render.errors import PlatformError, is_shortage
from magnus_render.runtime.tasks import folder as files
from magnus_render.runtime.tasks import variables
from magnus_render.runtime.tasks.arguments import bind, meant
from magnus_render.runtime.tasks.base import BaseTask, FinalFailure, TaskFailure
from magnus_render.runtime.tasks.modules import forget_hidden
from magnus_render.runtime.tasks.results import python_path, shims
from magnus_render.runtime.tasks.values import check, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, ClassVar

    from magnus_render.runtime.tasks.base import Context


class PythonTask(BaseTask):
    """`command: package.module.function`, or `package.module:object.function`.

    The working folder comes first on `sys.path`. Arguments are taken by name from the visible parameters and map
    variables; a returned dict or pydantic model sets parameters. A coroutine function is run to its end.
    """

    aliases: ClassVar[tuple[str, ...]] = ("python-function",)

    def environment(self, context: Context) -> dict[str, str]:
        return {**variables.given(context), "PYTHONPATH": python_path(os.environ)}

    def run(self, context: Context) -> None:
        look_first_in(context.workdir)
        sys.argv[:] = [self.node["command"]]
        function = self.function()
        args, kwargs = bind(function, {**context.parameters, **context.map_variables})
        result = function(*args, **kwargs)
        if hasattr(type(result), "__await__"):
            result = _wait_for(result)
        values = _values(result)
        if values:
            values = {name: plain(value) for name, value in values.items()}
            check(values, context.map_variables)
            files.append_json(context.folder, files.OUTPUT, values)

    def function(self) -> Callable[..., Any]:
        """Return what the command names; raise `TaskFailure` if it names nothing that can be called."""
        module, name = named(self.node["command"])
        load_module(module, name)
        found: Any = sys.modules[module]
        for part in name.split("."):
            found = getattr(found, part, None)
        if not callable(found):
            names = [key for key, value in vars(sys.modules[module]).items() if callable(value)]
            raise FinalFailure(f"module '{module}' has no function '{name}'{meant(name, names)}")
        return found  # type: ignore[no-any-return]

    def validate(self, options: Mapping[str, Any]) -> list[str]:
        return [f"a python task has no option '{name}'" for name in options]


class PythonLambdaTask(PythonTask):
    """`command: "lambda x: {'y': x + 1}"`: an expression that sees the builtins alone.

    What it needs it imports by `__import__`.
    """

    aliases = ()

    def function(self) -> Callable[..., Any]:
        import builtins

        source = self.node["command"].strip()
        found = eval(
            compile(source, "<command>", "eval"), {"__builtins__": builtins, "__name__": "<command>"}
        )
        if not callable(found):
            raise FinalFailure(f"the command is of type {type(found).__name__}, not a lambda expression")
        return found  # type: ignore[no-any-return]


def named(command: str) -> tuple[str, str]:
    """Return the module and the function that a command names; raise `FinalFailure` if it does not have that form."""
    command = command.strip()
    module, _, name = command.rpartition(":" if ":" in command else ".")
    if not module or not name or "" in module.split("."):
        raise FinalFailure(f"'{command}' names no function: write module.function")
    return module, name


def look_first_in(workdir: str) -> None:
    """Have this process find the modules of the working folder first, whatever it has loaded.

    Our `magnus` comes next: a module of the user's wins over it, an installed one does not.
    """
    sys.path[:0] = [workdir, shims()]
    # The parent may have listed the folder before a step before this one wrote a module there.
    sys.path_importer_cache.pop(workdir, None)
    forget_hidden(_before_others(workdir))


def load_module(module: str, wanted: str) -> None:
    """Import the module of a function `wanted`, by the path of this process.

    Raises `FinalFailure` with the reason if it is not there or cannot be imported, and what else the module itself raises.
    """
    try:
        # Unlike importlib's function, the built-in one leaves the import system out of tracebacks.
        __import__(module)
    except ModuleNotFoundError as error:
        if error.name and f"{module}.".startswith(f"{error.name}."):
            parent, _, _ = error.name.rpartition(".")
            folders = getattr(sys.modules.get(parent), "__path__", ()) if parent else sys.path[:1]
            raise FinalFailure(not_found(module, error.name, folders)) from None
        raise FinalFailure(f"cannot import '{module}': {type(error).__name__}: {error}") from error
    except SystemExit as end:
        what = f"module '{module}' ended the program while it was imported, before '{wanted}' was defined"
        raise FinalFailure(f"{what}: put what it runs under `if __name__ == '__main__':`") from end
    except OSError as error:
        if is_shortage(error) and _by_import_system(error):
            raise PlatformError(f"cannot import '{module}': {error.strerror}") from None
        raise
    except (ImportError, SyntaxError) as error:
        if is_shortage(error):
            raise PlatformError(f"cannot import '{module}': {error}") from None
        raise FinalFailure(f"cannot import '{module}': {type(error).__name__}: {error}") from error


def _by_import_system(error: OSError) -> bool:
    """Tell whether an error arose as a module was looked for or read, and not in what it does."""
    frames = error.__traceback__
    while frames is not None and frames.tb_next is not None:
        frames = frames.tb_next
    return frames is None or frames.tb_frame.f_code.co_filename.startswith("<frozen importlib")


def not_found(module: str, missing: str, folders: Iterable[str]) -> str:
    """Return the message for a part of a module's name that is not there, with the likely fix.

    `folders` are those that a name like it may stand in: of the package before it, else the project's.
    """
    parent, _, last = missing.rpartition(".")
    place = f"'{parent}'" if parent else "the project's folder, on PYTHONPATH or installed"
    fix = (
        meant(last, _modules_in(folders)) or ": check the name, or set PYTHONPATH to the folder that it is in"
    )
    return f"cannot import '{module}': there is no '{missing}' in {place}{fix}"


def _modules_in(folders: Iterable[str]) -> list[str]:
    entries = [entry for folder in folders if os.path.isdir(folder) for entry in os.listdir(folder)]
    return [entry.removesuffix(".py") for entry in entries if entry.endswith(".py") or "." not in entry]


def _before_others(workdir: str) -> list[str]:
    """Return the folders that come before the standard library on `sys.path`, as in any program."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [workdir, *(folder for folder in given if folder and folder != shims())]


def _wait_for(awaitable: Any) -> Any:
    import asyncio

    async def run() -> Any:
        return await awaitable

    return asyncio.run(run())


def _values(result: Any) -> dict[Any, Any]:
    """Return the parameters that a function's result sets."""
    if result is None:
        return {}
    if isinstance(result, dict):
        return result
    pydantic = sys.modules.get("pydantic")
    if pydantic is not None and isinstance(result, pydantic.BaseModel):
        dumped = result.model_dump(mode="json")
        if isinstance(dumped, dict):
            return dumped
    kind = type(result).__name__
    raise TaskFailure(f"returned {kind}: a task returns a dict, a pydantic model or None")
