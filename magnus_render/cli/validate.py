"""`magnus validate [FILE...]`: everything that is wrong with definitions, or with a project."""

from __future__ import annotations

import sys
from enum import Enum
from io import TextIOWrapper
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render import errors
from magnus_render.cli import options
from magnus_render.diagnostics import DefinitionError, format_diagnostics, has_errors
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.diagnostics import Diagnostic
    from magnus_render.graph.load import Loaded

    _Checked = tuple[list[Diagnostic], list[tuple[str, Loaded]]]
    """All diagnostics, and the definitions without errors by the names of their files."""


class OutputFormat(str, Enum):
    """How diagnostics are printed."""

    text = "text"
    json = "json"
    sarif = "sarif"
    github = "github"


def validate(
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Definitions to check. Default: all of the project.", metavar="FILE", show_default=False
        ),
    ] = None,
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

    Without FILE, all that the project (magnus.yaml) names is checked, with its configurations, in each environment.

    For an engine that pipelines are rendered for, they are what `magnus render` says. No code of the pipeline's is run,
    unless --imports asks for it: modules are then imported here, as steps would, each in a process of its own.
    """
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names may hold what the terminal cannot show
    found, fine = _of_files(files, config, imports) if files else _of_project(config, imports)
    summaries = [f"{file}: {len(one.plan['nodes'])} nodes, hash {one.plan['dag_hash']}" for file, one in fine]
    found = list(dict.fromkeys(found))
    text = format_diagnostics(found, format.value)
    if text:
        typer.echo(text)
    if format is OutputFormat.text:
        for line in dict.fromkeys(summaries):
            typer.echo(f"{safe(line)}: can be used")
    if has_errors(found):
        raise typer.Exit(errors.REFUSED)


def _of_files(files: list[str], config: str | None, imports: bool) -> _Checked:
    from magnus_render.render.check import check

    found, fine = [], []
    for file in files:
        loaded, diagnostics = check(file, config)
        if imports and loaded is not None:
            from magnus_render.executors.imports import failing

            diagnostics = [*diagnostics, *failing(loaded)]
        found += diagnostics
        if loaded is not None and not has_errors(diagnostics):
            fine.append((file, loaded))
    return found, fine


def _of_project(config: str | None, imports: bool) -> _Checked:
    from magnus_render.cli.project import enter
    from magnus_render.project.check import check_all

    if config is not None:
        raise errors.UsageError(
            "-c is for the definitions that are named; a project names its configurations"
        )
    try:
        found, fine = check_all(enter("name a definition to check"), imports)
    except DefinitionError as error:
        found, fine = error.diagnostics, []
    return found, [] if has_errors(found) else fine
