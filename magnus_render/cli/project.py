"""The project of a command that names no definition."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus_render.errors import UsageError
from magnus_render.texts import say

if TYPE_CHECKING:
    from magnus_render.project.model import Environment, Project


def enter(missing: str = "") -> Project:
    """Read the project of the working folder, and change to its folder; tell the user if that is another folder.

    Raises `UsageError` if there is none, with `missing` before the reason, and `DefinitionError` if it has mistakes.
    """
    from magnus_render.project.read import TOML, YAML, find, read

    file = find()
    if file is None:
        raise UsageError(
            f"{missing + ': ' if missing else ''}there is no project here or in a folder above: no {YAML}, and no {TOML} "
            "with [tool.magnus]\n  help: `magnus init` makes a project"
        )
    folder, name = os.path.split(file)
    if folder:
        say(f"the project is {file}; paths are relative to its folder")
        os.chdir(folder)
    return read(name)


def environments(project: Project, names: list[str] | None) -> list[Environment]:
    """Return the named environments, or all if none is named; raise `UsageError` for an unknown name."""
    known = {environment.name: environment for environment in project.environments if environment.name}
    for name in names or ():
        if name not in known:
            listed = f"it has {', '.join(known)}" if known else "it names none"
            raise UsageError(f"the project has no environment '{name}'; {listed}")
    return [known[name] for name in dict.fromkeys(names)] if names else project.environments
