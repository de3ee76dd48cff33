"""`magnus schema`: a JSON schema of definitions, configuration files, project files and plans of changes."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from magnus_render.errors import UsageError


def schema(
    config: Annotated[
        bool, typer.Option("--config", help="Print the schema of a configuration file (-c) instead.")
    ] = False,
    project: Annotated[
        bool, typer.Option("--project", help="Print the schema of a project file (magnus.yaml) instead.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the schema of what `magnus plan --json` prints instead.")
    ] = False,
) -> None:
    """Print the JSON schema of definitions, for completion and checks in an editor."""
    if config + project + plan > 1:
        raise UsageError("--config, --project and --plan exclude each other: each is another schema")
    if plan:
        from magnus_render.planning.document import schema as schema_of_plan

        found = schema_of_plan()
    elif project:
        from magnus_render.project.schema import build as build_project

        found = build_project()
    else:
        from magnus_render.spec.schema import build

        found = build(config)
    typer.echo(json.dumps(found, indent=2))
