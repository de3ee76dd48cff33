"""Renders artefacts and bundles of a project in one process, writes all or none, and compares them with those on disk."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from magnus_render import registry
from magnus_render.diagnostics import DefinitionError, Diagnostic
from magnus_render.errors import Refused
from magnus_render.image import containerfile
from magnus_render.project.model import variables_of
from magnus_render.render import folder, output
from magnus_render.render.pipeline import Given, Shared, bundle, bundle_environments, render
from magnus_render.spec import codes
from magnus_render.spec.parameters import load_parameters
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus_render.project.model import Artefact, Environment, Pipeline, Project
    from magnus_render.render.pipeline import Bundled

UPDATE = ["magnus", "render", "--all"]
"""The command that writes all artefacts again."""


class Part(NamedTuple):
    """An artefact with the artefacts of its separate dags, or a bundle."""

    path: str
    """Its file, or the folder of the bundle (`Artefact.path`)."""
    files: list[output.File]
    bundle: Bundled | None = None


class Rendering(NamedTuple):
    """All that was rendered, and its diagnostics."""

    parts: list[Part]
    diagnostics: list[Diagnostic]
    """The diagnostics, each once, in the order of the artefacts."""

    @property
    def files(self) -> list[output.File]:
        """The files of all parts."""
        return [file for part in self.parts for file in part.files]

    @property
    def bundles(self) -> dict[str, Bundled]:
        """The bundles by their folders."""
        return {part.path: part.bundle for part in self.parts if part.bundle is not None}


def render_all(
    project: Project, artefacts: Iterable[Artefact], shared: Shared | None = None, *, strict: bool = False
) -> Rendering:
    """Render artefacts of a project, whose folder must be the working folder. `strict` is that of `render`.

    An artefact that cannot be rendered is left out, and its diagnostics have an error.
    """
    rendering, said = Rendering([], []), dict[Diagnostic, None]()
    shared = shared or Shared()
    for together in _by_path(artefacts):
        first = together[0]
        try:
            part, diagnostics = _rendered(project, together, shared, strict)
            rendering.parts.append(part)
        except DefinitionError as error:
            diagnostics = error.diagnostics
        except Refused as error:
            diagnostics = [Diagnostic(codes.BAD_PROJECT, "error", str(error), first.pipeline.definition)]
        said.update(
            dict.fromkeys(diagnostics) if first.shared else told(diagnostics, project, first.environment)
        )
    said.update(dict.fromkeys(_in_the_place_of_sources(project, rendering.files, shared)))
    return rendering._replace(diagnostics=list(said))


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
    """Return diagnostics, each once, with fixes for a project: a missing variable must be added to the project file."""
    where = f" in the environment '{environment.name}'" if environment.name else ""
    fix = f"add it to 'variables' in {os.path.basename(project.file)}"
    found: dict[Diagnostic, None] = {}
    for one in diagnostics:
        if one.code == codes.UNSET_VARIABLE:
            guess = one.fix.partition(" Or ")[0] + " Or " if one.fix.startswith("did you mean") else ""
            one = replace(one, message=one.message + where, fix=guess + fix)
        found[one] = None
    return found


def write(rendering: Rendering) -> list[str]:
    """Write the files whose content has changed; return their paths. If one cannot be written, none is.

    Raises `Refused` if a bundle would replace a file that no bundle wrote, `PlatformError` if a file cannot be written.
    """
    foreign = [path for place, made in rendering.bundles.items() for path in folder.foreign(place, made)]
    if foreign:
        raise Refused(
            f"these files are there, and no bundle wrote them: {safe(', '.join(foreign))}\n"
            "  help: move them away; nothing is written"
        )
    changed = changing(rendering.files)
    output.write_all(changed, make_folders=True)
    return [file.path for file in changed]


def changing(files: Iterable[output.File]) -> list[output.File]:
    """Return the files whose content on disk differs, or that do not exist."""
    return [file for file in files if output.content(file.path) != file.text.encode()]


def drifts(files: Iterable[output.File]) -> Iterator[str]:
    """Yield the text of `render --check` for each file whose content on disk differs, or that does not exist.

    Raises `PlatformError` for a file that cannot be read.
    """
    for file in files:
        output.check_place(file.path)
        if found := output.drift(file.path, file.text, UPDATE):
            yield found


def left_over(project: Project, rendering: Rendering, environments: Iterable[str] = ("",)) -> Iterator[str]:
    """Yield the old artefacts below their folder: files that magnus once wrote, and that no pipeline makes any more.

    They are known by the mark of an installed target, or of a bundle. `environments` limit the search to their artefacts,
    and to the bundles that were rendered.
    """
    made = {os.path.normpath(file.path) for file in rendering.files}
    marks = [mark for _, target in registry.described("target") for mark in getattr(target, "marks", ())]
    marks += [folder.MARK, containerfile.MARK]
    places = [*(os.path.join(project.rendered, name) for name in environments), *rendering.bundles]
    for path in dict.fromkeys(path for place in places for path in _below(place)):
        if path not in made and output.has_mark(path, marks):
            yield path


def _below(place: str) -> Iterator[str]:
    """Yield the files below a folder, without temporary files that a killed command has left."""
    for there, folders, names in os.walk(place):
        folders.sort()
        yield from (
            os.path.normpath(os.path.join(there, name))
            for name in sorted(names)
            if not output.is_temporary(name)
        )


def _by_path(artefacts: Iterable[Artefact]) -> list[list[Artefact]]:
    """Return artefacts in groups: all artefacts of one bundle are a group."""
    groups: dict[str, list[Artefact]] = {}
    for artefact in artefacts:
        groups.setdefault(artefact.path, []).append(artefact)
    return list(groups.values())


def _rendered(
    project: Project, together: list[Artefact], shared: Shared, strict: bool
) -> tuple[Part, list[Diagnostic]]:
    """Render an artefact, or a bundle. Diagnostics of a bundle for several environments have fixes for the project."""
    artefact = together[0]
    if not artefact.target.bundle:
        return _alone(artefact, shared, strict)
    if artefact.shared:
        made = _for_environments(project, together, shared, strict)
    else:
        target, environ = artefact.target, variables_of(artefact.environment, os.environ)
        made = bundle(
            artefact.pipeline.definition,
            target.name,
            target.config,
            templates=target.templates,
            strict=strict,
            environ=environ,
            shared=shared,
        )
    return Part(artefact.path, folder.files(artefact.path, made), made), made.diagnostics


def _for_environments(project: Project, together: list[Artefact], shared: Shared, strict: bool) -> Bundled:
    by_name = {one.environment.name: one for one in together}
    environs = {name: variables_of(one.environment, os.environ) for name, one in by_name.items()}
    return bundle_environments(
        together[0].pipeline.definition,
        together[0].target.name,
        {name: Given(one.target.config, environs[name]) for name, one in by_name.items()},
        templates=together[0].target.templates,
        strict=strict,
        shared=shared,
        told=lambda name, found: told(found, project, by_name[name].environment),
    )


def _alone(artefact: Artefact, shared: Shared, strict: bool) -> tuple[Part, list[Diagnostic]]:
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
    return Part(artefact.path, files), rendered.diagnostics


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
