"""The functions of magnus for code inside a step: parameters, files, secrets, metrics.

They work in any process of a step: in Python tasks, notebooks and Python programs that shell tasks start. They are the
same on every engine. Other steps see what a step sets, catalogues or tracks only if the step succeeds.
"""

from __future__ import annotations

import json
import os

from magnus_render.errors import PlatformError, is_shortage
from magnus_render.plan import file_entry
from magnus_render.runtime import exchange
from magnus_render.runtime.names import name_of
from magnus_render.runtime.tasks import folder as files
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.runtime.tasks.results import output_lines
from magnus_render.runtime.tasks.values import check, is_json, misfit, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, overload

    from magnus_render.plan import FileEntry
    from magnus_render.services.base import BaseCatalog

CONTEXT = "MAGNUS_CONTEXT"
"""The variable with the path of a file that describes the step of a process."""

__all__ = [
    "MissingError",
    "OutsideStepError",
    "get_from_catalog",
    "get_object",
    "get_parameter",
    "get_run_id",
    "get_secret",
    "put_in_catalog",
    "put_object",
    "set_parameter",
    "track_this",
]


class OutsideStepError(RuntimeError):
    """The process does not belong to a step."""


class MissingError(TaskFailure, KeyError):
    """There is no parameter, file or secret of that name. Caught as `KeyError` too; uncaught, it is the step's message."""

    __str__ = Exception.__str__


class _Step:
    """The content of `context.json`, read once."""

    def __init__(self, path: str) -> None:
        self.path = path
        try:
            with open(path, "rb") as file:
                self.data: dict[str, Any] = json.load(file)
        except OSError as error:
            if is_shortage(error):
                raise PlatformError(f"cannot read '{path}': {error.strerror}") from None
            raise OutsideStepError(
                f"{CONTEXT} names '{path}', which cannot be read: {error.strerror}"
            ) from None
        self.folder: str = self.data["folder"]
        self.map_variables: dict[str, Any] = self.data["map_variables"]
        with open(os.path.join(self.folder, files.PARAMETERS), "rb") as file:
            self.parameters: dict[str, Any] = json.load(file)


_current: _Step | None = None


def _step(function: str) -> _Step:
    global _current
    path = os.environ.get(CONTEXT)
    if not path:
        raise OutsideStepError(
            f"{function} works inside a step only; this process was not started by magnus ({CONTEXT} is not set). "
            "To try one function, use: magnus execute_function module.function"
        )
    if _current is None or _current.path != path:
        _current = _Step(path)
    return _current


def get_run_id() -> str:
    """Return the id of the run that this step belongs to."""
    run_id: str = _step("get_run_id").data["run_id"]
    return run_id


def data_folder() -> str:
    """Return the absolute path of the step's data folder."""
    path: str = _step("data_folder").data["data_folder"]
    return path


# ---- parameters ----


def get_parameter(name: str | None = None, cast_as: Any = None) -> Any:
    """Return a parameter or map variable that this step sees, or a dict of all of them if no name is given.

    Values that this step has set before are seen too. `cast_as` is a type as in the annotation of an argument: the value
    is converted to it. Raises `MissingError` if there is none of that name, `TaskFailure` if it cannot be converted.
    """
    step = _step("get_parameter")
    visible = dict(step.parameters)
    for values in output_lines(files.read(step.folder, files.OUTPUT), lenient=True):
        visible.update(values)
    visible.update(step.map_variables)
    if name is None:
        return visible
    if name not in visible:
        raise MissingError(f"parameter '{name}' is missing")
    if cast_as is None:
        return visible[name]
    from magnus_render.runtime.tasks.arguments import made

    return made(f"parameter '{name}'", cast_as, visible[name])


def set_parameter(**parameters: Any) -> None:
    """Set parameters: JSON values, seen by the steps after this one if it succeeds.

    Raises `TaskFailure` for a value that is not JSON, and for the variable of an enclosing map.
    """
    step = _step("set_parameter")
    parameters = {name: plain(value) for name, value in parameters.items()}
    check(parameters, step.map_variables)
    if parameters:
        files.append_json(step.folder, files.OUTPUT, parameters)


def track_this(step: int | None = None, **metrics: Any) -> None:
    """Record metrics of this step: JSON values; a later value of one name replaces the earlier.

    With `step`, such as an epoch, a metric becomes an object of its values by step: `{"loss": {"1": 0.7, "2": 0.4}}`.
    Raises `TaskFailure` for a value that is not JSON.
    """
    here = _step("track_this")
    metrics = {name: plain(value) for name, value in metrics.items()}
    for name, value in metrics.items():
        if not is_json(value):
            raise TaskFailure(f"metric '{name}' is not JSON: {misfit(name, value)}")
    if metrics:
        line = metrics if step is None else {name: {str(step): value} for name, value in metrics.items()}
        files.append_json(here.folder, files.METRICS, line)


# ---- secrets ----


if TYPE_CHECKING:

    @overload
    def get_secret(name: str) -> str: ...
    @overload
    def get_secret(name: None = None) -> dict[str, str]: ...


def get_secret(name: str | None = None) -> str | dict[str, str]:
    """Return a secret's value, or a dict of all that the provider can list, if no name is given.

    From now on these values are masked in the step's output. Raises `MissingError` if the provider does not have the secret.
    """
    from magnus_render.services import lookup

    step = _step("get_secret")
    provider = lookup.load("secrets", step.data["services"]["secrets"])
    if name is None:
        return {known: get_secret(known) for known in provider.known()}
    try:
        value: str = provider.get(name)
    except KeyError:
        from magnus_render.runtime.masking import not_there

        raise MissingError(not_there(name, step.data["secrets_where"])) from None
    files.append(step.folder, files.SECRETS, name)
    return value


# ---- catalog ----


def put_in_catalog(filepath: str | os.PathLike[str]) -> None:
    """Catalogue a file, under its path relative to the step's data folder.

    `filepath` is relative to the working folder, or else to the data folder. A file outside the data folder is named
    by its path in the working folder, one outside both by its base name. Unlike a step's `put`, this takes a file of
    any age: it is named by the step itself. Raises `MissingError` if there is no such file.
    """
    step = _step("put_in_catalog")
    path = os.fspath(filepath)
    data = step.data["data_folder"]
    found = next((p for p in (path, os.path.join(data, path)) if os.path.isfile(p)), None)
    if found is None:
        raise MissingError(f"catalog: nothing to put for '{path}'")
    _put(step, found, _name(found, data))


def get_from_catalog(name: str, destination_folder: str | os.PathLike[str] = "") -> str:
    """Bring a catalogued file that this step sees into a folder (default: its data folder) and return its path.

    It has the mode it was put with. Raises `MissingError` if there is none of that name, `TaskFailure` if the name leads
    out of the folder.
    """
    step = _step("get_from_catalog")
    folder, name = os.fspath(destination_folder) or step.data["data_folder"], name_of(name)
    target = os.path.join(folder, name)
    catalog = _catalog(step)
    if not catalog.keeps and os.path.isfile(target):
        return target  # without a catalog, a file is where an earlier step has left it
    _get(step, catalog, name, folder, name)
    return target


def put_object(data: Any, name: str) -> None:
    """Catalogue any Python object, pickled, as the file `<name>.pickle`.

    Raises `TaskFailure` for a name that leads out of the data folder.
    """
    import pickle

    step, name = _step("put_object"), name_of(name)
    path = os.path.join(step.folder, f"object-{os.getpid()}")
    try:
        with open(path, "wb") as file:
            pickle.dump(data, file)
        _put(step, path, f"{name}.pickle")
    finally:
        if os.path.exists(path):
            os.unlink(path)


def get_object(name: str) -> Any:
    """Return an object that `put_object` has catalogued in this run, on this step's path.

    Unpickling runs code that the other step has chosen. Raises `MissingError` if there is no object of that name.
    """
    import pickle

    step, name = _step("get_object"), name_of(name)
    path = os.path.join(step.folder, f"object-{os.getpid()}")
    try:
        _get(step, _catalog(step), f"{name}.pickle", step.folder, os.path.basename(path))
        with open(path, "rb") as file:
            return pickle.load(file)
    finally:
        if os.path.exists(path):
            os.unlink(path)


def _catalog(step: _Step) -> BaseCatalog:
    from magnus_render.services import lookup

    catalog: BaseCatalog = lookup.load("catalog", step.data["services"]["catalog"])
    return catalog


def _put(step: _Step, path: str, name: str) -> None:
    catalog = _catalog(step)
    if catalog.keeps:
        _note(step, "put", name_of(name), exchange.store(catalog, path))


def _get(step: _Step, catalog: BaseCatalog, name: str, folder: str, target: str) -> None:
    """Bring a catalogued file into a folder, under the name `target`."""
    entry: FileEntry | None = step.data["files"].get(name)
    for line in files.read(step.folder, files.CATALOG).splitlines():
        noted = json.loads(line)
        if noted["stage"] == "put" and noted["path"] == name:
            entry = noted
    if entry is None:
        raise MissingError(f"catalog: nothing to get for '{name}'")
    exchange.restore(catalog, entry, folder, target)
    _note(step, "get", name, file_entry(entry))


def _note(step: _Step, stage: str, name: str, entry: FileEntry) -> None:
    files.append_json(step.folder, files.CATALOG, {"stage": stage, "path": name, **entry})


def _name(path: str, data: str) -> str:
    """Return the catalog's name of a file: its path in the data folder, else in the working folder, else its base name."""
    base = os.path.basename(path)
    places = (os.path.abspath(path), os.path.join(os.path.realpath(os.path.dirname(path) or "."), base))
    for folder in (data, os.path.realpath(data), os.getcwd()):
        for place in places:
            if place.startswith(folder.rstrip("/") + "/"):
                return os.path.relpath(place, folder)
    return base
