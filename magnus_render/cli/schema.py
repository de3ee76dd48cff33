"""`magnus schema`: a JSON schema of definitions and configuration files, for editors."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from magnus_render.errors import UsageError


def schema(
    config: Annotated[
        bool, typer.Option("--config", help="Print the schema of a configuration file (-c) instead.")
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print the schema of what `magnus plan --json` prints instead.")
    ] = False,
) -> None:
    """Print the JSON schema of definitions, for completion and checks in an editor."""
    if config and plan:
        raise UsageError("--config and --plan exclude each other")
    if plan:
        from magnus_render.planning.document import schema as of_plan

        typer.echo(json.dumps(of_plan(), indent=2))
    else:
        typer.echo(json.dumps(build(config), indent=2))


def build(config: bool = False) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a definition, or of a configuration file."""
    from pydantic import TypeAdapter
    from pydantic.json_schema import models_json_schema

    from magnus_render.spec.models import ConfigSpec, DefinitionSpec, GraphSpec, Node

    root = ConfigSpec if config else DefinitionSpec
    _, result = models_json_schema(
        [(root, "validation"), (GraphSpec, "validation")], ref_template="#/$defs/{model}"
    )
    definitions = dict(result["$defs"])
    if config:
        definitions.pop("GraphSpec", None)
    else:
        node = TypeAdapter(Node).json_schema(ref_template="#/$defs/{model}")
        definitions |= node.pop("$defs")
        definitions["Node"] = node
        _as_written(definitions)
    top = definitions.pop(root.__name__)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **top,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def _as_written(definitions: dict[str, Any]) -> None:
    """Add what models do not see: the graphs inside of nodes, and the short forms that validators expand."""
    graph = {"$ref": "#/$defs/GraphSpec"}
    definitions["GraphSpec"]["properties"]["steps"]["additionalProperties"] = {"$ref": "#/$defs/Node"}
    for name in ("ParallelSpec", "ConditionalSpec"):
        definitions[name]["properties"]["branches"]["additionalProperties"] = graph
    definitions["ConditionalSpec"]["properties"]["default"] = graph
    definitions["MapSpec"]["properties"]["branch"] = graph
    definitions["DagSpec"]["properties"]["branch"] = graph
    task = definitions["TaskSpec"]["properties"]
    for key in ("get", "put"):
        globs = definitions["CatalogSpec"]["properties"][key]
        globs["anyOf"] = [{"type": "array", "items": globs.pop("items")}, {"type": "string", "minLength": 1}]
        globs.pop("type")
    attempts = definitions["RetrySpec"]["properties"]["attempts"]
    bounds = {key: attempts[key] for key in ("type", "minimum", "maximum")}
    task["when"] = {"$ref": "#/$defs/WhenSpec", "description": task["when"]["description"]}
    task["retry"] = {"anyOf": [bounds, {"$ref": "#/$defs/RetrySpec"}]}
    names = {"type": "array", "items": {"type": "string", "minLength": 1}}
    task["secrets"] = {**task["secrets"], "anyOf": [names, {"type": "object"}]}
    task["secrets"].pop("type")
    task["secrets"].pop("additionalProperties", None)
    definitions["AsIsSpec"]["properties"]["type"] = {
        "enum": ["as-is", "stub"],
        "title": "Type",
        "type": "string",
    }
