"""`magnus schema`: a JSON schema of definitions and configuration files, for editors."""

from __future__ import annotations

import json
from typing import Annotated

import typer


def schema(
    config: Annotated[
        bool, typer.Option("--config", help="Print the schema of a configuration file (-c) instead.")
    ] = False,
) -> None:
    """Print the JSON schema of definitions, for completion and checks in an editor."""
    from magnus_render.spec.schema import build

    typer.echo(json.dumps(build(config), indent=2))
