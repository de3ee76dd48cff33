"""`magnus graph FILE`: a picture of a pipeline, with the outcome of a run if wanted."""

from __future__ import annotations

import sys
from enum import Enum
from typing import Annotated

import typer

from magnus_render.cli import completion, options
from magnus_render.diagnostics import format_text
from magnus_render.errors import MagnusError


class Format(str, Enum):
    """What the picture is made of."""

    mermaid = "mermaid"
    dot = "dot"
    svg = "svg"
    ascii = "ascii"


def graph(
    file: Annotated[str, typer.Argument(help="The definition.", metavar="FILE", show_default=False)],
    format: Annotated[
        Format,
        typer.Option("--format", help="mermaid, dot (for Graphviz), svg (an image) or ascii (a tree)."),
    ] = Format.mermaid,
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            help="Show the outcome of this run: its id.",
            metavar="RUN_ID",
            autocompletion=completion.run_ids,
        ),
    ] = None,
    config: options.OptionalConfig = None,
) -> None:
    """Print a picture of the pipeline. With --run, the pipeline as it was in that run, with what became of each step."""
    try:
        sys.stdout.buffer.write(_picture(file, format.value, run, config).encode())
        sys.stdout.buffer.flush()
    except MagnusError as error:
        print(error.shown(), file=sys.stderr)
        raise typer.Exit(error.status) from None


def _picture(file: str, form: str, run_id: str | None, config: str | None) -> str:
    from magnus_render.graph.load import load
    from magnus_render.render.pictures import FORMATS, picture, statuses

    loaded = load(file, config)
    if loaded.diagnostics:
        print(format_text(loaded.diagnostics), file=sys.stderr)
    if run_id is None:
        return FORMATS[form](picture(loaded.plan))

    from magnus_render.cli import stores
    from magnus_render.runtime.reading import read_folded

    store = stores.open_run_log_store(loaded.config)
    plan, _, _, log = read_folded(store, stores.known_run(store, run_id))
    return FORMATS[form](picture(plan, statuses(plan, log)))
