"""The changes of a project's artefacts of one definition: each is rendered and compared with its file."""

from __future__ import annotations

import os
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from magnus_render.diagnostics import DefinitionError, has_errors
from magnus_render.planning.outputs import changed_lines
from magnus_render.project.artefacts import render_all
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus_render.project.artefacts import Part
    from magnus_render.project.model import Artefact, Project
    from magnus_render.render.output import File


class Golden(NamedTuple):
    """An artefact on disk, and the number of lines in which it differs from the definition rendered now."""

    path: str
    """Its path, relative to the working folder."""
    added: int
    removed: int
    bundle: str = ""
    """The folder of the bundle that it belongs to, '' for none."""

    @property
    def same(self) -> bool:
        """True if it is as rendered."""
        return not (self.added or self.removed)


def compared(project: Project, artefacts: Sequence[Artefact]) -> list[Golden]:
    """Render artefacts of a project and compare them with their files; a file that does not exist counts as empty.

    Raises `DefinitionError` if one cannot be rendered.
    """
    here = os.getcwd()
    os.chdir(project.folder)
    try:
        rendering = render_all(project, artefacts)
        if has_errors(rendering.diagnostics):
            raise DefinitionError(rendering.diagnostics)
        found = [_compared(project.folder, part, file) for part in rendering.parts for file in part.files]
    finally:
        os.chdir(here)
    return found


def _compared(folder: str, part: Part, file: File) -> Golden:
    """Compare a rendered file with the one on disk; `folder` is the project's, relative to the command's working folder."""
    path, place = (os.path.normpath(os.path.join(folder, one)) for one in (file.path, part.path))
    return Golden(path, *changed_lines(_content(file.path), file.text), place if part.bundle else "")


def lines(goldens: Sequence[Golden]) -> Iterator[str]:
    """Yield lines for people about artefacts; of a bundle, only about files that differ."""
    for bundle, together in groupby(goldens, key=lambda one: one.bundle):
        files = list(together)
        other = [one for one in files if not one.same]
        if bundle:
            changes = f"the bundle changes: {len(other)} of {len(files)} files"
            yield f"{safe(bundle)}: {changes if other else 'as rendered'}"
        for one in other if bundle else files:
            told = f"differs: {one.added} line{'s' * (one.added != 1)} added, {one.removed} removed"
            yield f"{safe(one.path)}: {'as rendered' if one.same else told}"
    other = [one for one in goldens if not one.same]
    if other:
        what = "file" if any(one.bundle for one in goldens) else "artefact"
        yield f"`magnus render --all` writes {len(other)} of {len(goldens)} {what}{'s' * (len(goldens) != 1)} anew."


def _content(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="surrogateescape")
    except (FileNotFoundError, NotADirectoryError):
        return ""
