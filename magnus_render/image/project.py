"""The image of a project: its files, the version of magnus that it needs, and the texts of the files that build it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

from magnus_render import __version__, registry
from magnus_render.errors import Refused
from magnus_render.image import containerfile
from magnus_render.image.tracked import Tracked, tracked
from magnus_render.plan import SERVICES
from magnus_render.render.folder import MARK
from magnus_render.render.output import has_mark
from magnus_render.services import lookup
from magnus_render.targets.base import BaseTarget

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from magnus_render.graph.load import Loaded

_NEVER = frozenset((".env", ".magnus"))
"""Files and folders that no image gets, tracked or not: usual files of secrets, and those of magnus itself."""


class Project(NamedTuple):
    """The files that go into the image of a project, and those that do not."""

    folder: str
    tracked: Tracked
    files: list[str]
    """Files of the project that the image gets."""
    without: list[str]
    """Tracked files that the image does not get, because they have secrets."""
    packages: containerfile.Packages
    magnus: str
    """The requirement of magnus itself."""
    texts: dict[str, str]
    """Name -> text of the files that are written into the project."""


def project(
    folder: str,
    file: str,
    loaded: Loaded,
    *,
    base: str = "",
    requirements: str = "",
    magnus: str = "",
    besides: Collection[str] = (),
) -> Project:
    """Look at a project's folder, whose definition is `file`, a path from there.

    `base` is the image to begin with, by default Python as it runs here; `requirements` the file of the packages that the
    project needs; `magnus` the requirement of magnus, by default this version with the extras that the pipeline needs;
    `besides` are files that the image does not take, tracked or not.
    Raises `Refused` if git does not track the definition, and as `tracked` and `containerfile.packages` do.
    """
    found = tracked(folder)
    meant = os.path.relpath(os.path.realpath(file), os.path.realpath(folder))
    for name in dict.fromkeys((os.path.normpath(file), meant)):
        if name not in found.files and not os.path.isabs(name):
            raise Refused(
                f"git does not track {name}, so that the image would have no definition: git add {name}"
            )
    plan = loaded.config["executor"]["config"].get("plan")
    if isinstance(plan, str) and not os.path.isabs(plan) and os.path.normpath(plan) not in found.files:
        raise Refused(f"git does not track {plan}, which `plan` of executor.config names: git add {plan}")
    secrets = _secrets(folder, loaded)
    own = {containerfile.CONTAINERFILE, containerfile.IGNORE, *besides, *_of_bundles(folder, found.files)}
    without = [one for one in found.files if one in secrets or not _NEVER.isdisjoint(one.split("/"))]
    files = [one for one in found.files if one not in without and one not in own]
    needed = containerfile.packages(folder, files, requirements)
    magnus = magnus or f"magnus-render{_extras(loaded)}=={__version__}"
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    texts = {
        containerfile.CONTAINERFILE: containerfile.containerfile(
            BaseTarget.templates(), base or f"python:{version}-slim", magnus, needed
        ),
        containerfile.IGNORE: containerfile.ignore(
            files, [*map(containerfile.pattern, secrets), *(f"**/{name}" for name in sorted(_NEVER))]
        ),
    }
    found = found._replace(
        changed=[one for one in found.changed if one in files],
        untracked=[one for one in found.untracked if one not in own],
    )
    return Project(folder, found, files, without, needed, magnus, texts)


def _of_bundles(folder: str, names: Sequence[str]) -> Iterator[str]:
    """Yield those of a folder's files that bundles are made of: no step needs them, and each would change the image.

    A file of a bundle says what wrote it, or is the artefact or the part of an image that lies beside one that does.
    """
    bundles = {os.path.dirname(name) for name in names if has_mark(os.path.join(folder, name), [MARK])}
    marks = [MARK, containerfile.MARK]
    marks += [mark for _, target in registry.described("target") for mark in getattr(target, "marks", ())]
    for name in names:
        if os.path.dirname(name) in bundles and has_mark(os.path.join(folder, name), marks):
            yield name


def _secrets(folder: str, loaded: Loaded) -> list[str]:
    """Return the paths, from a folder, of the files within it that hold the pipeline's secrets, links included."""
    paths = lookup.load("secrets", loaded.config["secrets"]).files()
    named = {os.path.relpath(path, folder) for path in paths}
    meant = {os.path.relpath(os.path.realpath(path), os.path.realpath(folder)) for path in paths}
    return sorted(name for name in named | meant if name.split(os.sep)[0] != os.pardir)


def _extras(loaded: Loaded) -> str:
    """Return the extras of magnus that a pipeline's stores and tasks need, as in a requirement."""
    classes = [registry.find(kind, loaded.config[kind]["type"]) for kind in SERVICES]
    types = {node["command_type"] for node in loaded.plan["nodes"].values() if "command_type" in node}
    classes += [registry.find("task", name) for name in types]
    extras = sorted({found.extra for found in classes if getattr(found, "extra", "")})
    return f"[{','.join(extras)}]" if extras else ""
