"""The files of a new project: a small pipeline that works, and its artefacts."""

from __future__ import annotations

import os
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from magnus_render.diagnostics import DefinitionError
from magnus_render.errors import Refused
from magnus_render.project.artefacts import render_all
from magnus_render.project.ci import GITHUB, snippet, within_repository
from magnus_render.project.read import YAML, find, read
from magnus_render.render.output import File, write_all
from magnus_render.render.templates import from_folders
from magnus_render.targets.base import BaseTarget

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITION = "dag.yaml"
_TEMPLATES = {
    YAML: "magnus.yaml",
    DEFINITION: "dag.yaml",
    "prices.py": "prices.py",
    "cases.yaml": "cases.yaml",
    "config/aws.yaml": "aws.yaml",
    "config/argo.yaml": "argo.yaml",
    ".gitignore": "gitignore",
}
"""File of the project -> its template in templates/project."""


def make(folder: str) -> list[File]:
    """Write a new project into a folder, which may be missing; return its files, by their paths within.

    If files exist already, it raises `Refused` with their names, and writes nothing. It raises `PlatformError` if a file
    cannot be written.
    """
    files = _files(ci=not within_repository(folder))
    if there := list(_there(folder, files)):
        raise Refused(
            f"nothing is written: {', '.join(there)} {'is' if len(there) == 1 else 'are'} there already\n"
            "  help: `magnus init DIR` writes into a folder of its own"
        )
    placed = [file._replace(path=os.path.join(folder, file.path)) for file in files]
    write_all(placed, make_folders=True)
    return files


def _files(ci: bool) -> list[File]:
    """Return the files of a new project, its artefacts included."""
    environment = from_folders(os.path.join(BaseTarget.templates(), "project"))
    files = [File(path, environment.get_template(f"{name}.j2").render()) for path, name in _TEMPLATES.items()]
    with TemporaryDirectory(prefix="magnus-init-") as folder, _working_in(folder):
        write_all(files, make_folders=True)
        project = read(YAML)
        rendering = render_all(project, project.artefacts())
        if rendering.diagnostics:
            raise DefinitionError(rendering.diagnostics)
        if ci:
            files.append(File(GITHUB, snippet(project, "github")))
    return [*files, *rendering.files]


def _there(folder: str, files: list[File]) -> Iterator[str]:
    """Yield what is in the way of the files: files that exist already, and files where a folder must be."""
    found = find(folder) if os.path.isdir(folder) else None
    own = os.path.join(os.path.realpath(folder), os.path.basename(found or YAML))
    if found is not None and os.path.realpath(found) == own and os.path.basename(found) != YAML:
        yield f"{os.path.normpath(os.path.join(folder, os.path.basename(found)))} with [tool.magnus]"
    said = set()
    for file in files:
        path = whole = os.path.join(folder, file.path)
        while not os.path.lexists(path) and os.path.dirname(path) != path:
            path = os.path.dirname(path)
        in_the_way = path == whole or (path and not os.path.isdir(path))
        if in_the_way and path not in said:
            said.add(path)
            yield os.path.normpath(path)


@contextmanager
def _working_in(folder: str) -> Iterator[None]:
    here = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(here)
