"""`magnus render --all`: every artefact of a project. `cli/main.py` comes here where `--all` is given."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render.cli import completion
from magnus_render.cli.bundle import tell_others
from magnus_render.cli.options import Strict
from magnus_render.cli.project import enter, environments
from magnus_render.diagnostics import DefinitionError, format_text, has_errors
from magnus_render.errors import FAILED, UsageError
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.project.artefacts import Rendering
    from magnus_render.project.model import Artefact, Environment, Project


def render_all(
    all_: Annotated[  # always given: without it, `cli/main.py` does not come here
        bool, typer.Option("--all", help="Render every pipeline of the project for every target.")
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Write nothing. Compare with the artefacts on disk, print a diff and exit with 1 if one differs.",
        ),
    ] = False,
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            help="Only this environment. May be repeated.",
            metavar="NAME",
            autocompletion=completion.environments,
        ),
    ] = None,
    strict: Strict = False,
) -> None:
    """Render all artefacts and bundles of the project: that of the working folder, or of the nearest folder above with one.

    Before artefacts change, it tells what has changed in definitions since git has committed them, as `magnus plan` does.
    An artefact that is as rendered is not touched. If anything is wrong, all of it is told, and no artefact is changed.
    Nothing is deleted: --check tells of artefacts that no pipeline of the project makes any more. A file in the place of
    a bundle's that no bundle wrote is not replaced, and then no file is written.

    Exit status: 0 rendered, 1 --check found a difference, 64 wrong usage, 65 refused, 75 a file could not be written.
    """
    from magnus_render.project import artefacts

    project = enter()
    chosen = environments(project, env)
    wanted = list(project.artefacts(chosen))
    if not wanted:
        raise UsageError(
            f"nothing is rendered: {project.file} names no targets, such as 'targets: {{bash: {{}}}}'"
        )
    rendering = artefacts.render_all(project, wanted, strict=strict)
    found = [*artefacts.bad_parameters(one.pipeline for one in wanted), *rendering.diagnostics]
    if has_errors(found) or (strict and found):
        raise DefinitionError(found)
    if found:
        print(format_text(found), file=sys.stderr)
    for place, made in rendering.bundles.items():
        tell_others(place, made)
    if check:
        _check(project, rendering, chosen if env else None)
        return
    _tell_changes(wanted, rendering)
    written = artefacts.write(rendering)
    for path in written:
        typer.echo(f"{safe(path)}: written")
    rest = len(rendering.files) - len(written)
    typer.echo(f"{_count(rendering)}: {len(written)} written, {rest} as before")


def _tell_changes(wanted: list[Artefact], rendering: Rendering) -> None:
    """Print the changes since the last commit of each definition whose artefacts are about to change.

    A bundle may change through its configuration alone, so each changed bundle is named too.
    """
    from magnus_render.cli.plan import since_committed
    from magnus_render.project import artefacts
    from magnus_render.project.model import variables_of

    changes = {part.path: (part, artefacts.changing(part.files)) for part in rendering.parts}
    changing = {path for path, (_, files) in changes.items() if files}
    told: set[str] = set()
    for one in wanted:
        file = one.pipeline.definition
        if one.path in changing and file not in told:
            told.add(file)
            if lines := list(since_committed(file, variables_of(one.environment, os.environ))):
                typer.echo("\n".join(lines))
    for path, (part, files) in changes.items():
        if part.bundle is not None and files:
            typer.echo(f"{safe(path)}: the bundle changes: {len(files)} of {_files(len(part.files))}")


def _check(project: Project, rendering: Rendering, chosen: list[Environment] | None) -> None:
    """Print the differences, and exit with 1 if there are any; `chosen` are the environments that `--env` names."""
    from magnus_render.project import artefacts

    found = list(artefacts.drifts(rendering.files))
    for difference in found:
        sys.stdout.flush()
        sys.stdout.buffer.write(difference.encode(errors="surrogateescape"))
        sys.stdout.buffer.flush()
    names = [environment.name for environment in chosen] if chosen else [""]
    left = list(artefacts.left_over(project, rendering, names))
    for path in left:
        typer.echo(f"# {safe(path)}: no pipeline of the project makes it any more: delete it")
    if found or left:
        parts = [f"{len(found)} of {_count(rendering)} differ{'s' * (len(found) == 1)}"]
        parts += [f"{len(left)} left over"] if left else []
        typer.echo(f"# {', '.join(parts)}")
        raise typer.Exit(FAILED)
    typer.echo(f"{_count(rendering)}: as rendered")


def _count(rendering: Rendering) -> str:
    """Return the number of files in words: of artefacts or, if there are bundles, of files."""
    number = len(rendering.files)
    return _files(number) if rendering.bundles else f"{number} artefact{'s' * (number != 1)}"


def _files(number: int) -> str:
    return f"{number} file{'s' * (number != 1)}"
