"""`magnus explain CODE`: what a diagnostic code means."""

from __future__ import annotations

import difflib
from typing import Annotated

import typer

from magnus_render import errors
from magnus_render.cli import completion
from magnus_render.diagnostics import Code, explained
from magnus_render.texts import say


def explain(
    code: Annotated[
        str,
        typer.Argument(
            help="A code such as MR042. Without a code, all codes are listed.",
            metavar="CODE",
            autocompletion=completion.codes,
            show_default=False,
        ),
    ] = "",
) -> None:
    """Explain a diagnostic code, or list all codes."""
    codes = known_codes()
    if not code:
        for entry in sorted(codes.values()):
            typer.echo(f"{entry.code}  {entry.title}")
        return
    wanted = code.strip().upper()
    if wanted not in codes:
        close = difflib.get_close_matches(wanted, codes, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        say(f"there is no code '{code}'.{hint} `magnus explain` lists them all")
        raise typer.Exit(errors.USAGE)
    entry = codes[wanted]
    typer.echo(f"{entry.code}: {entry.title}\n\n{entry.explanation}", nl=False)


def known_codes() -> dict[str, Code]:
    """Return the codes of the language, and of every target that is installed and can be imported."""
    from importlib import import_module

    from magnus_render.targets.lookup import every

    import_module("magnus_render.spec.codes")
    for problem in every()[1]:
        say(f"warning: {problem}")
    return explained()
