"""Finds classes by name: targets, executors, stores, task types and others, those of magnus and of other packages.

Each class describes itself (`Described`), and its facts stand nowhere else. This module knows only where the classes are. A
class may belong to a layer above, because it is imported only when it is asked for.

All register as entry points. Those of magnus stand in a table as well, because to read the metadata of installed packages
takes several times as long as the start of a callback. A test holds the table and the entry points equal.
"""

from __future__ import annotations

import os
import sys

from magnus_render.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, ClassVar

BUILT_IN: dict[str, dict[str, str]] = {
    "target": {
        "aws-step-functions": "magnus_render.targets.stepfunctions:StepFunctionsTarget",
        "bash": "magnus_render.targets.bash:BashTarget",
        "argo": "magnus_render.targets.argo:ArgoTarget",
    },
    "executor": {
        "local": "magnus_render.executors.local:LocalExecutor",
        "local-container": "magnus_render.executors.container:LocalContainerExecutor",
        "local-aws-batch": "magnus_render.executors.aws_batch:BatchExecutor",
        "slurm": "magnus_render.executors.slurm:SlurmExecutor",
        "mocked": "magnus_render.executors.mocked:MockedExecutor",
    },
    "run_log_store": {
        "file-system": "magnus_render.services.run_log_store:FileSystemRunLogStore",
        "buffered": "magnus_render.services.run_log_store:BufferedRunLogStore",
        "s3": "magnus_render.services.s3:S3RunLogStore",
    },
    "catalog": {
        "file-system": "magnus_render.services.catalog:FileSystemCatalog",
        "do-nothing": "magnus_render.services.catalog:DoNothingCatalog",
        "s3": "magnus_render.services.s3:S3Catalog",
    },
    "secrets": {
        "do-nothing": "magnus_render.services.secrets:DoNothingSecrets",
        "env": "magnus_render.services.secrets:EnvSecrets",
        "dotenv": "magnus_render.services.secrets:DotenvSecrets",
        "aws-secrets-manager": "magnus_render.services.aws_secrets:AwsSecretsManager",
    },
    "task": {
        "python": "magnus_render.runtime.tasks.python:PythonTask",
        "python-lambda": "magnus_render.runtime.tasks.python:PythonLambdaTask",
        "shell": "magnus_render.runtime.tasks.shell:ShellTask",
        "notebook": "magnus_render.runtime.tasks.notebook:NotebookTask",
        "mocked": "magnus_render.runtime.tasks.mocked:MockedTask",
    },
    "integration": {},
    "export": {
        "openlineage": "magnus_render.exports.openlineage:OpenLineage",
        "otlp": "magnus_render.exports.otlp:Otlp",
        "rocrate": "magnus_render.exports.rocrate:RoCrate",
    },
}
"""Kind -> name -> `module:class`. The entry-point group of a kind is `magnus_render.KIND`."""

DEFAULT = {
    "executor": "local",
    "run_log_store": "file-system",
    "catalog": "file-system",
    "secrets": "do-nothing",
}
"""The type of each configuration block that the user left out."""


class Described:
    """The base of classes that a definition or a configuration can name: their description of themselves."""

    summary: ClassVar[str] = ""
    """What it is, in one line."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names for it, accepted wherever its own name is. A plan has only its own name."""
    keys: ClassVar[Mapping[str, str] | None] = None
    """Keys of its `config`, each with a kind of value (`spec/kinds.py`); None leaves them to `configuration`."""
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {}
    """The meaning of each of `keys`, and an example. Fields of a `configuration` have them in its source."""
    needed: ClassVar[tuple[str, ...]] = ()
    """Keys that must be given."""
    defaults: ClassVar[Mapping[str, Any]] = {}
    """Values of keys that are recorded even if the user does not give them."""
    older_keys: ClassVar[Mapping[str, str]] = {}
    """Names of keys in older versions -> their names now."""
    extra: ClassVar[str] = ""
    """The extra of magnus-render with the libraries that it needs, '' if it needs none."""

    @classmethod
    def configuration(cls) -> Any:
        """Return the pydantic model of its `config`, None if it has none. Imported here: no step of a run needs it."""
        return None

    @classmethod
    def translated(cls, config: Any) -> Any:
        """Return a `config` (`spec.tree.Map`) of older versions in today's form, where `older_keys` do not suffice."""
        return config


def install(extra: str) -> str:
    """Return the command that installs the libraries of an extra."""
    return f"pip install 'magnus-render[{extra}]'"


def names(*kinds: str) -> list[str]:
    """Return the names of all that is built in or installed of some kinds, without aliases, sorted."""
    return sorted({name for kind in kinds for name in (*BUILT_IN[kind], *_installed(kind))})


def canonical(kind: str, name: str) -> str:
    """Return the registered name for a name or an alias; '' if there is none."""
    if name in BUILT_IN[kind]:
        return name
    installed = _installed(kind)
    if name in installed:
        return name
    return next((known for known, found in _described(kind, installed) if name in found.aliases), "")


def described(kind: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, class) of all of a kind that can be imported and describe themselves, those of magnus first."""
    yield from _described(kind, _installed(kind))


def find(kind: str, name: str) -> Any:
    """Return the class of a registered name (no alias), None if there is none.

    Raise `errors.Refused` if it cannot be imported; the message names it and where it should be.
    """
    place = BUILT_IN[kind].get(name) or _installed(kind).get(name)
    return None if place is None else _load(kind, name, place)


def _described(kind: str, installed: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for name, place in {**BUILT_IN[kind], **installed}.items():
        try:
            found = _load(kind, name, place)
        except Refused:  # the user is told when it is asked for by its name
            continue
        if isinstance(found, type) and issubclass(found, Described):
            yield name, found


def _load(kind: str, name: str, place: str) -> Any:
    module, _, attribute = place.partition(":")
    if name in BUILT_IN[kind]:
        __import__(module)
        return getattr(sys.modules[module], attribute)
    try:
        __import__(module)
        found: Any = sys.modules[module]
        for part in attribute.split("."):
            found = getattr(found, part)
        return found
    except Exception as error:  # other people's code may raise anything at import
        reason = f"{type(error).__name__}: {error}"
        raise Refused(f"{_WORDS.get(kind, kind)} '{name}' ({place}) cannot be loaded: {reason}") from error


def _installed(kind: str) -> dict[str, str]:
    """Return (name -> `module:class`) of the classes of a kind that other packages register."""
    group = f"magnus_render.{kind}"
    if not _somebody_registers(group):
        return {}
    from importlib.metadata import entry_points

    ours = BUILT_IN[kind]
    return {point.name: point.value for point in entry_points(group=group) if point.name not in ours}


def _somebody_registers(group: str) -> bool:
    """Tell whether another package may register something in an entry-point group.

    It finds a quick no: folders are searched for files that name the group. If packages may be found in other ways
    (archives, finders of their own), the answer is yes. The folders are searched once in a process.
    """
    finders = [one for one in sys.meta_path if hasattr(one, "find_distributions")]
    if any(getattr(one, "__module__", "") != "_frozen_importlib_external" for one in finders):
        return True
    looked = (group, *sys.path)
    if looked not in _found:
        _found[looked] = _is_named(group)
    return _found[looked]


_found: dict[tuple[str, ...], bool] = {}


def _is_named(group: str) -> bool:
    mark = f"[{group}]".encode()
    for path in sys.path:
        folder = path or os.curdir
        try:
            entries = os.listdir(folder)
        except NotADirectoryError:
            return True
        except OSError:
            continue
        if folder.endswith(".egg"):
            return True
        for entry in entries:
            if entry.endswith((".dist-info", ".egg-info")) and not entry.startswith(_OURS):
                try:
                    with open(os.path.join(folder, entry, "entry_points.txt"), "rb") as file:
                        if mark in file.read():
                            return True
                except OSError:
                    continue
    return False


_WORDS = {"task": "task type", "export": "export format"}
_OURS = ("magnus_render-", "magnus_render.egg-info")
"""Prefixes of the folder with the metadata of magnus itself."""
