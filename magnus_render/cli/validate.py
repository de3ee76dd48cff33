"""`magnus validate FILE...`: everything that is wrong with definitions."""

from __future__ import annotations

import sys
from enum import Enum
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render import errors
from magnus_render.cli import options
from magnus_render.diagnostics import format_diagnostics, has_errors
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.diagnostics import Diagnostic


class OutputFormat(str, Enum):
    """How diagnostics are printed."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


def validate(
    files: Annotated[
        list[str], typer.Argument(help="Definitions to check.", metavar="FILE...", show_default=False)
    ],
    config: options.OptionalConfig = None,
    imports: Annotated[
        bool,
        typer.Option(
            "--imports",
            help="Import the modules of Python tasks too, which runs their code, and read notebooks.",
        ),
    ] = False,
    format: Annotated[
        OutputFormat, typer.Option("--format", help="text, json, sarif (2.1) or github (annotations).")
    ] = OutputFormat.text,
) -> None:
    """Print all diagnostics of definitions, and of their configuration; exit 65 if there is an error.

    For an engine that pipelines are rendered for, they are what `magnus render` says. No code of the pipeline's is run,
    unless --imports asks for it: modules are then imported here, as steps would, each in a process of its own.
    """
    from magnus_render.render.check import check

    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may hold what the terminal cannot show
    found: list[Diagnostic] = []
    summaries = []
    for file in files:
        loaded, diagnostics = check(file, config)
        if imports and loaded is not None:
            from magnus_render.executors.imports import failing

            diagnostics = [*diagnostics, *failing(loaded)]
        found += diagnostics
        if loaded is not None and not has_errors(diagnostics):
            summaries.append(f"{file}: {len(loaded.plan['nodes'])} nodes, hash {loaded.plan['dag_hash']}")
    found = list(dict.fromkeys(found))
    text = format_diagnostics(found, format.value)
    if text:
        typer.echo(text)
    if format is OutputFormat.text:
        for line in summaries:
            typer.echo(f"{safe(line)}: can be used")
    if has_errors(found):
        raise typer.Exit(errors.REFUSED)
