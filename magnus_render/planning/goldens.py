"""What becomes of a project's artefacts of one definition: each compared with the file that holds it now."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from magnus_render.diagnostics import DefinitionError, has_errors
from magnus_render.planning.outputs import changed_lines
from magnus_render.project.artefacts import render_all
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus_render.project.model import Artefact, Project


class Golden(NamedTuple):
    """An artefact on disk, and by how many lines it differs from what the definition is rendered to now."""

    path: str
    """From the working folder."""
    added: int
    removed: int

    @property
    def same(self) -> bool:
        """True if it is as rendered."""
        return not (self.added or self.removed)


def compared(project: Project, artefacts: Sequence[Artefact]) -> list[Golden]:
    """Render artefacts of a project and compare them with what is on disk; a file that is not there is empty.

    Raises `DefinitionError` if one cannot be rendered.
    """
    here = os.getcwd()
    os.chdir(project.folder)
    try:
        rendering = render_all(project, artefacts)
        if has_errors(rendering.diagnostics):
            raise DefinitionError(rendering.diagnostics)
        found = []
        for file in rendering.files:
            added, removed = changed_lines(_content(file.path), file.text)
            found.append(Golden(os.path.normpath(os.path.join(project.folder, file.path)), added, removed))
    finally:
        os.chdir(here)
    return found


def lines(goldens: Sequence[Golden]) -> Iterator[str]:
    """Yield what people are told of artefacts."""
    for one in goldens:
        told = f"differs: {one.added} line{'s' * (one.added != 1)} added, {one.removed} removed"
        yield f"{safe(one.path)}: {'as rendered' if one.same else told}"
    other = sum(not one.same for one in goldens)
    if other:
        yield f"`magnus render --all` writes {other} of {len(goldens)} artefact{'s' * (len(goldens) != 1)} anew."


def _content(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""
