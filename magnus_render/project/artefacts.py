"""Renders the artefacts of a project in one process, writes them all or none, and compares them with those on disk."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from magnus_render import registry
from magnus_render.diagnostics import DefinitionError, Diagnostic
from magnus_render.errors import Refused
from magnus_render.project.model import variables_of
from magnus_render.render import output
from magnus_render.render.pipeline import Shared, render
from magnus_render.spec import codes
from magnus_render.spec.parameters import load_parameters

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus_render.plan import Plan
    from magnus_render.project.model import Artefact, Environment, Project

UPDATE = ["magnus", "render", "--all"]
"""The command that writes all artefacts anew."""
_BEGINNING = 65536
"""How much of a file is looked through for the mark of a target."""


class Made(NamedTuple):
    """What an artefact's pipeline is rendered to."""

    artefact: Artefact
    files: list[output.File]
    """The artefact, and those of separate dags."""
    plan: Plan


@dataclass
class Rendering:
    """All that was rendered, and what is to be said about it."""

    made: list[Made] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    """Each once, in the order of the artefacts."""

    @property
    def files(self) -> list[output.File]:
        """All files, in the order of the artefacts."""
        return [file for made in self.made for file in made.files]


def render_all(
    project: Project, artefacts: Iterable[Artefact], strict: bool = False, shared: Shared | None = None
) -> Rendering:
    """Render artefacts of a project, whose folder must be the working folder; look at files of parameters too.

    One that cannot be rendered is left out, and its diagnostics have an error. `strict` makes warnings errors.
    """
    found, said = Rendering(), dict[Diagnostic, None]()
    shared, looked_at = shared or Shared(), set[str]()
    for artefact in artefacts:
        parameters = artefact.pipeline.parameters
        try:
            if parameters is not None and parameters not in looked_at:
                looked_at.add(parameters)
                load_parameters(parameters)
            made, diagnostics = _rendered(artefact, strict, shared)
            found.made.append(made)
        except DefinitionError as error:
            diagnostics = error.diagnostics
        except Refused as error:
            diagnostics = [Diagnostic(codes.BAD_PROJECT, "error", str(error), artefact.pipeline.definition)]
        said.update(told(diagnostics, project, artefact.environment))
    found.diagnostics = list(said)
    return found


def told(
    diagnostics: Iterable[Diagnostic], project: Project, environment: Environment
) -> dict[Diagnostic, None]:
    """Return diagnostics in the words of a project, each once: a variable that is not set belongs into the project file."""
    where = f" in the environment '{environment.name}'" if environment.name else ""
    fix = f"add it to 'variables' in {os.path.basename(project.file)}"
    found: dict[Diagnostic, None] = {}
    for one in diagnostics:
        if one.code == codes.UNSET_VARIABLE:
            guess = one.fix.partition(" Or ")[0] + " Or " if one.fix.startswith("did you mean") else ""
            one = replace(one, message=one.message + where, fix=guess + fix)
        found[one] = None
    return found


def write(files: list[output.File]) -> list[str]:
    """Write those files that hold something else; return their paths. None is written if one cannot be.

    Raises `PlatformError` if one cannot be.
    """
    changed = [file for file in files if _content(file.path) != file.text.encode()]
    for file in changed:
        os.makedirs(os.path.dirname(file.path), exist_ok=True)
    output.write_all(changed)
    return [file.path for file in changed]


def drifts(files: Iterable[output.File]) -> Iterator[str]:
    """Yield for each file that holds something else, or is not there, what `render --check` says of it."""
    for file in files:
        if found := output.drift(file.path, file.text, UPDATE):
            yield found


def left_over(project: Project, files: Iterable[output.File], environment: str = "") -> Iterator[str]:
    """Yield the files below the folder of the artefacts that the renderer wrote once, and that nothing makes any more.

    Only a file with the mark of a target that is installed is one. `environment` limits the search to one.
    """
    made = {os.path.normpath(file.path) for file in files}
    marks = [
        mark.encode() for _, target in registry.described("target") for mark in getattr(target, "marks", ())
    ]
    for folder, folders, names in os.walk(os.path.join(project.rendered, environment)):
        folders.sort()
        for name in sorted(names):
            path = os.path.normpath(os.path.join(folder, name))
            if path not in made and any(mark in (_content(path, _BEGINNING) or b"") for mark in marks):
                yield path


def _rendered(artefact: Artefact, strict: bool, shared: Shared) -> tuple[Made, list[Diagnostic]]:
    target = artefact.target
    rendered = render(
        artefact.pipeline.definition,
        target.name,
        target.config,
        templates=target.templates,
        strict=strict,
        compact=target.compact,
        environ=variables_of(artefact.environment, os.environ),
        shared=shared,
    )
    files = [output.File(artefact.path, rendered.text, rendered.executable)]
    files += [
        output.File(output.beside(artefact.path, name), text, rendered.executable)
        for name, text in rendered.others.items()
    ]
    return Made(artefact, files, rendered.plan), rendered.diagnostics


def _content(path: str, size: int = -1) -> bytes | None:
    """Return what a file holds, or how it begins; None if it is none, or cannot be read."""
    if not os.path.isfile(path):
        return None
    try:
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return None
