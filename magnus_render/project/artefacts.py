"""Renders the artefacts of a project in one process, writes them all or none, and compares them with those on disk."""

from __future__ import annotations

import os
from dataclasses import replace
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

    from magnus_render.project.model import Artefact, Environment, Pipeline, Project

UPDATE = ["magnus", "render", "--all"]
"""The command that writes all artefacts anew."""


class Rendering(NamedTuple):
    """All that was rendered, and what is to be said about it."""

    files: list[output.File]
    """The artefacts, each followed by those of its separate dags."""
    diagnostics: list[Diagnostic]
    """Each once, in the order of the artefacts."""


def render_all(
    project: Project, artefacts: Iterable[Artefact], shared: Shared | None = None, *, strict: bool = False
) -> Rendering:
    """Render artefacts of a project, whose folder must be the working folder. `strict` is that of `render`.

    One that cannot be rendered is left out, and its diagnostics have an error.
    """
    files, said = list[output.File](), dict[Diagnostic, None]()
    shared = shared or Shared()
    for artefact in artefacts:
        try:
            made, diagnostics = _rendered(artefact, shared, strict)
            files += made
        except DefinitionError as error:
            diagnostics = error.diagnostics
        except Refused as error:
            diagnostics = [Diagnostic(codes.BAD_PROJECT, "error", str(error), artefact.pipeline.definition)]
        said.update(told(diagnostics, project, artefact.environment))
    said.update(dict.fromkeys(_in_the_place_of_sources(project, files, shared)))
    return Rendering(files, list(said))


def bad_parameters(pipelines: Iterable[Pipeline]) -> list[Diagnostic]:
    """Return what is wrong with the files of initial parameters that pipelines have."""
    found: list[Diagnostic] = []
    for path in dict.fromkeys(one.parameters for one in pipelines if one.parameters is not None):
        try:
            load_parameters(path)
        except DefinitionError as error:
            found += error.diagnostics
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
    changed = changing(files)
    output.write_all(changed, make_folders=True)
    return [file.path for file in changed]


def changing(files: Iterable[output.File]) -> list[output.File]:
    """Return those files that hold something else, or are not there."""
    return [file for file in files if output.content(file.path) != file.text.encode()]


def drifts(files: Iterable[output.File]) -> Iterator[str]:
    """Yield for each file that holds something else, or is not there, what `render --check` says of it.

    Raises `PlatformError` for one that cannot be read.
    """
    for file in files:
        output.check_place(file.path)
        if found := output.drift(file.path, file.text, UPDATE):
            yield found


def left_over(project: Project, files: Iterable[output.File], environment: str = "") -> Iterator[str]:
    """Yield the files below the folder of the artefacts that the renderer wrote once, and that nothing makes any more.

    Only a file with the mark of a target that is installed is one. `environment` limits the search to one.
    """
    made = {os.path.normpath(file.path) for file in files}
    marks = [mark for _, target in registry.described("target") for mark in getattr(target, "marks", ())]
    for folder, folders, names in os.walk(os.path.join(project.rendered, environment)):
        folders.sort()
        for name in sorted(names):
            path = os.path.normpath(os.path.join(folder, name))
            if path not in made and output.has_mark(path, marks):
                yield path


def _rendered(artefact: Artefact, shared: Shared, strict: bool) -> tuple[list[output.File], list[Diagnostic]]:
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
    texts = {artefact.path: rendered.text}
    texts |= {output.beside(artefact.path, name): text for name, text in rendered.others.items()}
    files = [output.File(path, text, rendered.executable) for path, text in texts.items()]
    return files, rendered.diagnostics


def _in_the_place_of_sources(
    project: Project, files: Iterable[output.File], shared: Shared
) -> Iterator[Diagnostic]:
    """Yield an error for each artefact that would replace a file that the project is made of."""
    named = {os.path.basename(project.file)}
    for pipeline in project.pipelines:
        named |= {pipeline.definition, pipeline.parameters or "", pipeline.cases or ""} - {""}
    own = set(map(shared.files.identity, named))
    for file in files:
        if shared.files.identity(file.path) in own or shared.files.has_read(file.path):
            what = f"the artefact {file.path} would replace a file that the project reads"
            fix = "name a folder of its own in 'rendered', and put no links to such files there"
            yield Diagnostic(codes.BAD_PROJECT, "error", what, os.path.basename(project.file), fix=fix)
