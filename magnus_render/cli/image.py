"""`magnus image`: the image of a project, for the engines that run steps in containers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render.cli import options
from magnus_render.errors import Refused, UsageError
from magnus_render.texts import safe, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_render.executors.container_engine import Engine
    from magnus_render.graph.load import Loaded
    from magnus_render.image.project import Project

_SHOWN = 5
"""How many names a line of the report shows."""


def image(
    file: options.File = "",
    config: options.Config = "",
    base: Annotated[
        str,
        typer.Option(
            "--base",
            metavar="IMAGE",
            help="The image to begin with; it has Python and pip. Default: python:3.X-slim, X as here.",
        ),
    ] = "",
    requirements: Annotated[
        str,
        typer.Option(
            "--requirements",
            "-r",
            metavar="FILE",
            help="The packages that the project needs. Default: requirements.txt, uv.lock or pyproject.toml.",
        ),
    ] = "",
    magnus: Annotated[
        str,
        typer.Option(
            "--magnus",
            metavar="REQUIREMENT",
            help="How pip installs magnus. Default: this version, with the extras that the pipeline needs.",
        ),
    ] = "",
    build: Annotated[bool, typer.Option("--build", help="Build the image too.")] = False,
    tag: Annotated[
        str,
        typer.Option(
            "--tag",
            "-t",
            metavar="NAME",
            help="The name of the image that is built. Default: `image` of executor.config.",
        ),
    ] = "",
    engine: Annotated[
        str,
        typer.Option(
            "--engine",
            metavar="COMMAND",
            help="What builds it: docker, podman or nerdctl, with options if need be. Default: the first that is there.",
        ),
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace files that were changed by hand.")] = False,
) -> None:
    """Write Containerfile and .containerignore for the project in this folder, and say what goes into the image.

    Only files that git tracks go in, as they are now, and never the file of a `dotenv`. A file that was changed by hand is
    kept, and --build uses it.

    Exit status: 0 written, and built; 1 the image could not be built, 64 wrong usage, 65 refused, 75 a file could not be
    written.
    """
    from magnus_render.graph.load import load
    from magnus_render.image.project import project

    if not build and (tag or engine):
        raise UsageError("--tag and --engine are about the image that --build builds: add --build")
    for option, value in (("--base", base), ("--magnus", magnus), ("--tag", tag)):
        if value and (not value.isprintable() or not value.strip() or value.startswith("-")):
            raise UsageError(f"{option}: {value!r} is no name")
    if " " in base or " " in tag:
        raise UsageError("--base and --tag: an image's name has no blank")
    file, config = options.definition(file), options.configuration(config)
    loaded = load(file, config or None)
    found = project(os.getcwd(), file, loaded, base=base, requirements=requirements, magnus=magnus)
    builder = _engine(engine, loaded) if build else None
    name = _name(tag, loaded) if build else ""
    for line in _left_out(found):
        typer.echo(safe(line))
    _write(found, force, keep=build)
    for line in _taken(found):
        typer.echo(safe(line))
    if builder is not None:
        from magnus_render.image.build import build as run

        run(found, builder, name)
        typer.echo(safe(f"image {name}: built by {builder.called}"))


def _engine(given: str, loaded: Loaded) -> Engine:
    import shlex

    from magnus_render.executors.container_engine import Engine

    try:
        words = shlex.split(given)
    except ValueError as error:
        raise UsageError(f"--engine: {error}") from None
    configured = loaded.config["executor"]["config"].get("engine", [])
    return Engine(words or (shlex.split(configured) if isinstance(configured, str) else configured))


def _name(given: str, loaded: Loaded) -> str:
    name = given or loaded.config["executor"]["config"].get("image", "")
    if not isinstance(name, str) or not name:
        raise UsageError("the image has no name: --tag NAME, or `image` in executor.config")
    return name


def _write(project: Project, force: bool, keep: bool) -> None:
    """Write the project's files, each as a whole. A file that was changed by hand is kept if `keep`, else refused."""
    from magnus_render.image.containerfile import is_sealed
    from magnus_render.render.output import write

    for name in project.texts:
        if os.path.islink(os.path.join(project.folder, name)):
            raise Refused(
                f"{name} is a link: what it leads to is not replaced. Delete the link, or write there yourself"
            )
    there = {name: _read(os.path.join(project.folder, name)) for name in project.texts}
    own = [name for name, text in there.items() if text and not is_sealed(text) and not force]
    own = [name for name in own if there[name] != project.texts[name]]
    if own and not keep:
        raise Refused(
            f"{' and '.join(own)}: changed by hand, and not replaced: --force replaces, --build uses it as it is"
        )
    for name, text in project.texts.items():
        if name in own:
            say(f"{name} is kept: it was changed by hand")
        elif there[name] != text:
            write(os.path.join(project.folder, name), text)
            typer.echo(f"{name}: written")


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}") from error


def _taken(project: Project) -> list[str]:
    """Return lines about the files that go into the image."""
    sizes = [os.lstat(os.path.join(project.folder, name)).st_size for name in project.files]
    none = "no requirements.txt, uv.lock or pyproject.toml is tracked"
    if "pyproject.toml" in project.files:
        none = "pyproject.toml has no dependencies in [project]; name a file with --requirements"
    where = " and ".join(project.packages.files) or f"none: {none}"
    lines = [
        f"files: {_some(project.files)}; {_size(sum(sizes))}",
        f"packages: {where}",
        f"magnus: {project.magnus}",
    ]
    if project.tracked.changed:
        lines.append(f"changed since the last commit: {_some(project.tracked.changed)}")
    return lines


def _left_out(project: Project) -> list[str]:
    """Return lines about files that do not go into the image, although a user may expect them there."""
    found = {
        "left out, since git does not track it": project.tracked.untracked,
        "left out, since no image may have it": project.without,
        "left out, since it is tracked but not there": project.tracked.missing,
    }
    return [f"{why}: {_some(names)}" for why, names in found.items() if names]


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{len(names)} ({shown}{', ...' if len(names) > _SHOWN else ''})"


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
