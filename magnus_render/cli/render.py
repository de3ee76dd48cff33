"""`magnus render FILE --target T`: the pipeline for another engine."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from magnus_render.cli import options
from magnus_render.diagnostics import format_text
from magnus_render.errors import FAILED, MagnusError, UsageError


def render(
    file: options.Definition,
    target: options.Target,
    config: options.OptionalConfig = None,
    parameters: Annotated[
        str | None,
        typer.Option(
            "--parameters-file",
            "-p",
            help="Check this file of initial parameters (YAML or JSON) too.",
            metavar="FILE",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            help="Write the output to this file, whole or not at all. Default: standard output.",
            metavar="OUT",
        ),
    ] = None,
    templates: options.Templates = None,
    check: Annotated[
        str | None,
        typer.Option(
            "--check",
            help="Compare the output with this file instead of printing it. Print a diff and exit with 1 if they differ.",
            metavar="GOLDEN",
        ),
    ] = None,
    strict: options.Strict = False,
    compact: Annotated[
        bool,
        typer.Option(
            "--compact",
            help="Use few bytes: JSON without blanks and line breaks. A script stays as it is.",
        ),
    ] = False,
    plan: Annotated[
        str | None,
        typer.Option(
            "--plan",
            help="Also write the plan and its stores to this file, for an image whose callbacks read it (MAGNUS_PLAN).",
            metavar="PLAN",
        ),
    ] = None,
    mock: Annotated[
        str | None,
        typer.Option(
            "--mock",
            help="Run no task: this file has the results of tasks ({TASK: {set: ..., fail: N}}). Needs --plan.",
            metavar="FILE",
        ),
    ] = None,
) -> None:
    """Print the pipeline for another engine: the same input gives the same bytes anywhere.

    `magnus render --all` renders all artefacts of a project, and has options of its own: `magnus render --all --help`.

    Diagnostics go to standard error. Exit status: 0 rendered, 1 --check found a difference, 64 wrong usage, 65 refused,
    75 a file could not be written.
    """
    try:
        status = _render(
            file, target, config, parameters, output, templates, check, strict, compact, plan, mock
        )
    except MagnusError as error:
        print(error.shown(), file=sys.stderr)
        status = error.status
    raise typer.Exit(status)


def _render(
    file: str,
    target: str,
    config: str | None,
    parameters: str | None,
    output: str | None,
    templates: str | None,
    check: str | None,
    strict: bool,
    compact: bool,
    plan: str | None,
    mock: str | None,
) -> int:
    if check is not None and output is not None:
        raise UsageError("--check and --output exclude each other: one compares, the other writes")
    if mock is not None and plan is None:
        raise UsageError("--mock needs --plan FILE: the callbacks read there that nothing is to be run")

    from magnus_render.render import output as files
    from magnus_render.render.pipeline import Shared, plan_json
    from magnus_render.render.pipeline import render as run

    if parameters is not None:
        from magnus_render.graph.load import load_parameters

        load_parameters(parameters)
    shared = Shared()
    rendered = run(
        file, target, config, templates=templates, strict=strict, compact=compact, mock=mock, shared=shared
    )
    if rendered.diagnostics:
        print(format_text(rendered.diagnostics), file=sys.stderr)
    named = check if check is not None else output
    if rendered.others and named is None:
        raise UsageError(
            f"there are {len(rendered.others)} separate outputs besides the pipeline's own: name a file with -o, "
            "and each is written beside it"
        )
    texts = {named: rendered.text} if named is not None else {}
    texts.update(
        {files.beside(named, name): text for name, text in rendered.others.items() if named is not None}
    )
    for path in (*(texts if check is None else ()), *([plan] if plan is not None else [])):
        if shared.files.has_read(path):
            raise UsageError(
                f"the output would replace {path}, which the pipeline is made of: name another file"
            )
    if plan is not None:
        files.write(plan, plan_json(rendered.plan, rendered.config))
    if check is not None:
        again = ["magnus", "render", file, "--target", target]
        for option, value in (
            ("--config", config),
            ("--templates", templates),
            ("--plan", plan),
            ("--mock", mock),
            ("--output", check),
        ):
            again += [option, value] if value is not None else []
        again += ["--compact"] if compact else []
        difference = "".join(files.drift(path, text, again) for path, text in texts.items())
        options.print_text(difference)
        return FAILED if difference else 0
    for path, text in texts.items():
        files.write(path, text, executable=rendered.executable)
    if output is None:
        options.print_text(rendered.text)
    return 0
