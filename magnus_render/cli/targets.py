"""`magnus targets`: what a pipeline can be rendered for, and what each target can do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magnus_render.targets.base import CHECKED
from magnus_render.targets.lookup import every
from magnus_render.texts import say

if TYPE_CHECKING:
    from magnus_render.targets.base import BaseTarget


def targets(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    matrix: Annotated[
        bool,
        typer.Option(
            "--matrix",
            help="Show which run log stores, catalogs and secrets work under which executor or target.",
        ),
    ] = False,
) -> None:
    """List what a pipeline can be rendered for: names, node types, and the fields that are honoured on each."""
    if matrix:
        _matrix(as_json)
        return
    found, broken = every()
    for problem in broken:
        say(f"warning: {problem}")
    if as_json:
        typer.echo(json.dumps([_described(target) for target in found], indent=2))
        return
    for target in found:
        other = f" (also {', '.join(target.aliases)})" if target.aliases else ""
        typer.echo(f"{target.name}{other}: {target.summary}")
        columns = max(map(len, target.capabilities), default=0)
        for kind, fields in target.capabilities.items():
            honoured = ", ".join(name for name in CHECKED if name in fields)
            typer.echo(f"  {kind:{columns}}  {honoured}".rstrip())


def _matrix(as_json: bool) -> None:
    from magnus_render.integrations import matrix

    found = matrix.cells()
    if as_json:
        typer.echo(json.dumps([cell._asdict() for cell in found], indent=2))
        return
    rows = matrix.table(found)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        typer.echo("  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip())
    typer.echo()
    for number, note in enumerate(matrix.notes(found), 1):
        typer.echo(f"({number}) {note}")


def _described(target: BaseTarget) -> dict[str, Any]:
    return {
        "name": target.name,
        "aliases": list(target.aliases),
        "summary": target.summary,
        "template": target.template,
        "capabilities": {kind: sorted(fields) for kind, fields in target.capabilities.items()},
    }
