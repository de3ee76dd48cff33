"""`magnus init [DIR]`: a small project that works."""

from __future__ import annotations

import os
import shlex
from typing import Annotated

import typer

from magnus_render.texts import safe


def init(
    folder: Annotated[
        str,
        typer.Argument(help="Where. It is made if it is not there.", metavar="DIR", show_default=False),
    ] = os.curdir,
) -> None:
    """Write a small project that works: a pipeline, its code, cases, configurations, artefacts, and a CI file.

    No file that exists is replaced: if one is in the way, all of them are told, and nothing is written.

    Exit status: 0 written, 65 a file is there already, 75 a file could not be written.
    """
    from magnus_render.project.ci import within_repository
    from magnus_render.project.starter import DEFINITION, make

    for file in make(folder):
        typer.echo(safe(os.path.normpath(os.path.join(folder, file.path))))
    if within := within_repository(folder):
        typer.echo(
            safe(f"No CI file is written, for {within} is not the repository's top folder: see `magnus ci`.")
        )
    typer.echo("\nGo on with:\n")
    if os.path.realpath(folder) != os.path.realpath(os.curdir):
        there = os.path.join(os.curdir, folder) if folder.startswith("-") else folder
        typer.echo(safe(f"    cd {shlex.quote(there)}"))
    typer.echo(f"    magnus execute -f {DEFINITION}   # runs the pipeline here")
    typer.echo("    magnus test                  # tries which way it goes when something fails")
    typer.echo("    magnus render --all          # after a change: writes the artefacts anew")
