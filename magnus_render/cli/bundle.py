"""`magnus bundle FILE --target T -o DIR`: the artefact with all that a platform team needs to deploy it."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render.cli import options
from magnus_render.diagnostics import format_text
from magnus_render.errors import FAILED, Refused, UsageError
from magnus_render.render import folder as folder_of
from magnus_render.render import output
from magnus_render.texts import safe, say

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus_render.render.pipeline import Bundled, Given

_SHOWN = 5
"""How many names of other files in a folder are shown."""


def bundle(
    file: options.Definition,
    target: options.Target,
    config: options.OptionalConfig = None,
    folder: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Write the files into this folder, all or none.", metavar="DIR"),
    ] = None,
    templates: options.Templates = None,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            help="Compare the files with those of this folder. Print a diff and exit with 1 if they differ.",
            metavar="DIR",
        ),
    ] = None,
    strict: options.Strict = False,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            help="Also write a Containerfile of the project, as `magnus image` does. It begins with the image BASE.",
            metavar="BASE",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace files that no bundle wrote.")] = False,
) -> None:
    """Write the artefact with all that its deployment needs: permissions, schedule, alarm, README.

    Without -c, a bundle for Argo is for all environments of the project (magnus.yaml): a base, and an overlay for each.

    The same input gives the same bytes anywhere. What else is in the folder is left alone,
    and a file of the same name that no bundle wrote is replaced only with --force. Diagnostics go to standard error.

    Exit status: 0 written, 1 --check found a difference, 64 wrong usage, 65 refused, 75 a file could not be written.
    """
    if (folder is None) == (check is None):
        raise UsageError(
            "say where to: -o DIR writes the files there, --check DIR compares them with those there"
        )
    if not (folder or check):
        raise UsageError(f"bundle: {'-o' if check is None else '--check'} DIR is empty; '.' is this folder")

    made = _made(file, target, config, templates, strict)
    if image is not None:
        _add_image(made, image, file, target, config, folder or check or "")
    if made.diagnostics:
        print(format_text(made.diagnostics), file=sys.stderr)
    place = folder or check or ""
    others = tell_others(place, made)
    if check is None:
        _write(place, made, force)
        return
    again = ["magnus", "bundle", file, "--target", target]
    given = (("--config", config), ("--templates", templates), ("--image", image), ("--output", check))
    for option, value in given:
        again += [option, value] if value is not None else []
    difference = "".join(_drift(place, made, others, again))
    options.print_text(difference)
    raise typer.Exit(FAILED if difference else 0)


def _made(file: str, target: str, config: str | None, templates: str | None, strict: bool) -> Bundled:
    """Return the bundle: one for all environments of the project, if it names some and no configuration is given."""
    from magnus_render.render import pipeline

    environments = _environments(file, target) if config is None else {}
    if not environments:
        return pipeline.bundle(file, target, config, templates=templates, strict=strict)
    say(f"a base and overlays for the environments of the project: {safe(', '.join(environments))}")
    return pipeline.bundle_environments(file, target, environments, templates=templates, strict=strict)


def _add_image(made: Bundled, base: str, file: str, target: str, config: str | None, folder: str) -> None:
    """Add the files of the project's image; raise `UsageError` where the bundle needs none."""
    from magnus_render.graph.load import load
    from magnus_render.image import bundled, containerfile
    from magnus_render.targets.lookup import find

    if not base.isprintable() or not base.strip() or " " in base or base.startswith("-"):
        raise UsageError(f"--image: {base!r} is no name of an image, such as python:3.12-slim")
    environments = _environments(file, target) if config is None else {}
    given = next(iter(environments.values()), None)
    loaded = load(file, given.config if given else config, environ=given.environ if given else None)
    if reason := find(target).needs_no_image(loaded.config):
        raise UsageError(f"--image: {reason}")
    made.files.update(bundled.files(file, loaded, base, folder, made.files))
    made.marks += (containerfile.MARK,)


def _environments(file: str, target: str) -> dict[str, Given]:
    """Return how the project renders a definition for a target in each environment; {} if it does not."""
    from magnus_render.project.model import variables_of
    from magnus_render.project.read import artefacts_of
    from magnus_render.render.pipeline import Given
    from magnus_render.targets.lookup import find

    found = artefacts_of(file) if find(target).has_overlays() else None
    if found is None:
        return {}
    project, artefacts = found
    own = [
        one for one in artefacts if one.environment.name and find(one.target.name).name == find(target).name
    ]
    if own and project.folder != os.curdir:
        raise UsageError(
            f"{file} belongs to the project {project.file}\n  help: work in its folder; or name one configuration, -c FILE"
        )
    return {
        one.environment.name: Given(one.target.config, variables_of(one.environment, os.environ))
        for one in own
    }


def tell_others(place: str, made: Bundled) -> list[str]:
    """Return the names in a bundle's folder that are not the bundle's, and tell the user that they stay."""
    others = folder_of.others(place, list(made.files))
    if others:
        more = ", ..." if len(others) > _SHOWN else ""
        say(
            f"{safe(place)}: not part of the bundle, and left alone: {safe(', '.join(others[:_SHOWN]))}{more}"
        )
    return others


def _write(folder: str, made: Bundled, force: bool) -> None:
    """Write the files and print their names; without `force`, raise `Refused` if no bundle wrote a file to be replaced."""
    foreign = [] if force else list(folder_of.foreign(folder, made))
    if foreign:
        raise Refused(
            f"these files are there, and no bundle wrote them: {safe(', '.join(foreign))}\n"
            "  help: choose another folder; --force replaces these files"
        )
    files = folder_of.files(folder, made)
    output.write_all(files, make_folders=True)
    for file in files:
        typer.echo(safe(file.path))


def _drift(folder: str, made: Bundled, others: Sequence[str], again: Sequence[str]) -> Iterator[str]:
    """Yield the differences of a folder: files that would be written differently, and files of an older bundle."""
    from magnus_render.image import containerfile

    for file in folder_of.files(folder, made):
        output.check_place(file.path)
        yield output.drift(file.path, file.text, again)
    for path in folder_of.left(folder, others, [folder_of.MARK, containerfile.MARK]):
        yield f"# {safe(path)}: it is no longer part of the bundle: delete it\n"
