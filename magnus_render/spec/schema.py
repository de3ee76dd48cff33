"""The JSON schemas of definitions and configuration files (draft 2020-12), for editors and for the reference.

A model knows one node, and says nothing of a block's `config`. Three things are added here: the graphs inside nodes, the
short forms that validators expand, and the keys of each installed executor, target and store.
"""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from magnus_render import registry
from magnus_render.spec import descriptions, kinds
from magnus_render.spec.config import BLOCKS, types_of
from magnus_render.spec.models import ConfigSpec, DefinitionSpec, GraphSpec, Node

DRAFT = "https://json-schema.org/draft/2020-12/schema"
REF = "#/$defs/{model}"
_VARIABLE = {"type": "string", "pattern": r"\$\{|^[0-9]+$|^(true|false)$"}
"""A text that holds a variable, or that stands for a number or for true or false."""
_OF_KIND: dict[str, dict[str, Any]] = {
    "text": {"type": "string", "minLength": 1},
    "flag": {"type": "boolean"},
    "count": {"type": "integer", "minimum": 1},
    "seconds": {"type": "integer", "minimum": 0},
    "list": {"type": "array"},
    "mapping": {"type": "object"},
    kinds.ARGV: {"type": "array", "items": {"type": "string"}},
    kinds.ANY: {},
}


def build(config: bool = False) -> dict[str, Any]:
    """Return the JSON schema of a definition, or of a configuration file."""
    root = ConfigSpec if config else DefinitionSpec
    definitions = definitions_of(root, GraphSpec)
    if config:
        definitions.pop("GraphSpec")
    else:
        node = TypeAdapter(Node).json_schema(ref_template=REF, schema_generator=descriptions.Described)
        definitions |= node.pop("$defs")
        definitions["Node"] = node
        _as_written(definitions)
        _node_overrides(definitions)
    top = definitions.pop(root.__name__)
    definitions.pop("ServiceSpec")
    for block in BLOCKS:
        top["properties"][block] = _block(block, top["properties"][block], definitions)
    return {
        "$schema": DRAFT,
        **top,
        "$defs": {name: definitions[name] for name in sorted(definitions)},
    }


def keys(described: type[registry.Described]) -> dict[str, dict[str, Any]]:
    """Return the schema of each key that an executor, target or store takes in its `config`, by key."""
    model = described.configuration()
    if model is None:
        return {key: _told(_OF_KIND[kind], described, key) for key, kind in (described.keys or {}).items()}
    own = model.model_json_schema(ref_template=REF, schema_generator=descriptions.Described)
    inner = own.get("$defs", {})
    return {key: _inlined(schema, inner) for key, schema in own["properties"].items()}


def definitions_of(*models: Any) -> dict[str, Any]:
    """Return the schemas of models by their names, those of models within them too."""
    _, result = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=REF,
        schema_generator=descriptions.Described,
    )
    return dict(result["$defs"])


def _told(schema: dict[str, Any], described: type[registry.Described], key: str) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if key in described.meanings:
        text, example = described.meanings[key]
        told = {"description": text, "examples": [example]}
    if key in described.defaults:
        told["default"] = described.defaults[key]
    return {**schema, **told}


def _inlined(schema: Any, inner: dict[str, Any]) -> Any:
    """Return a schema with the schemas that it refers to put in place. That ends, for no model contains itself."""
    if isinstance(schema, list):
        return [_inlined(one, inner) for one in schema]
    if not isinstance(schema, dict):
        return schema
    referred = inner[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else {}
    own = {key: value for key, value in schema.items() if key != "$ref"}
    return {key: _inlined(value, inner) for key, value in {**referred, **own}.items()}


def _block(block: str, property_: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a configuration block: one alternative for each type that there is."""
    choices = []
    for name, described in types_of(block):
        definitions[f"{block}.{name}"] = {
            "type": "object",
            "description": described.summary,
            "additionalProperties": False,
            "required": ["type", "config"] if described.needed else ["type"],
            "properties": {
                "type": {"enum": [name, *described.aliases]},
                "config": _config(block, described),
            },
        }
        choices.append({"$ref": REF.format(model=f"{block}.{name}")})
    return {"description": property_["description"], "anyOf": choices}


def _config(block: str, described: type[registry.Described]) -> dict[str, Any]:
    known = kinds.of(described)
    if known is None:
        return {"type": "object"}
    properties = {
        key: _or_variable(schema, known.get(key, kinds.ANY)) for key, schema in keys(described).items()
    }
    for older, key in described.older_keys.items():
        properties[older] = {"description": f"The older name of `{key}`.", "deprecated": True}
    if block == "catalog":
        properties["compute_data_folder"] = {
            "type": "string",
            "description": "Folder of the data of tasks that name none, relative to the project; `data` by default.",
            "examples": ["data"],
        }
    made: dict[str, Any] = {
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": False,
    }
    if described.needed:
        made["required"] = list(described.needed)
    if block == "executor":
        properties["overrides"] = {"type": "object", "deprecated": True}
    return made


def _or_variable(schema: dict[str, Any], kind: str) -> dict[str, Any]:
    """Return the schema of a key whose value may also be a variable."""
    if kind == kinds.ARGV:
        other: dict[str, Any] = {"type": "string"}
    elif kind in ("flag", "count", "seconds"):
        other = _VARIABLE
    else:
        return schema
    told = {key: value for key, value in schema.items() if key in ("description", "examples", "default")}
    plain = {key: value for key, value in schema.items() if key not in told}
    return {**told, "anyOf": [*plain.pop("anyOf", [plain]), other]}


def _node_overrides(definitions: dict[str, Any]) -> None:
    """Let `executor_config` of a node have the keys of every executor and target."""
    own: dict[str, Any] = {}
    for name, described in types_of("executor"):
        config = _config("node", described)
        config.pop("required", None)
        for key in (name, *described.aliases):
            own[key] = {"$ref": REF.format(model=f"node.{name}")}
        definitions[f"node.{name}"] = config
    for definition in definitions.values():
        field = definition.get("properties", {}).get("executor_config")
        if field is not None:
            field["properties"] = own
            field["additionalProperties"] = True  # the flat form of older files


def _as_written(definitions: dict[str, Any]) -> None:
    """Add the parts that models do not have: the graphs inside nodes, and the short forms that validators expand."""
    graph = {"$ref": "#/$defs/GraphSpec"}
    definitions["GraphSpec"]["properties"]["steps"]["additionalProperties"] = {"$ref": "#/$defs/Node"}
    for name in ("ParallelSpec", "ConditionalSpec"):
        definitions[name]["properties"]["branches"]["additionalProperties"] = graph
    for name, field in (("ConditionalSpec", "default"), ("MapSpec", "branch"), ("DagSpec", "branch")):
        written = definitions[name]["properties"][field]
        definitions[name]["properties"][field] = {**graph, "description": written["description"]}
    task = definitions["TaskSpec"]["properties"]
    for key in ("get", "put"):
        globs = definitions["CatalogSpec"]["properties"][key]
        globs["anyOf"] = [{"type": "array", "items": globs.pop("items")}, {"type": "string", "minLength": 1}]
        globs.pop("type")
    attempts = definitions["RetrySpec"]["properties"]["attempts"]
    bounds = {key: attempts[key] for key in ("type", "minimum", "maximum")}
    task["when"] = {"$ref": "#/$defs/WhenSpec", "description": task["when"]["description"]}
    task["retry"]["anyOf"] = [bounds, {"$ref": "#/$defs/RetrySpec"}]
    names = {"type": "array", "items": {"type": "string", "minLength": 1}}
    task["secrets"] = {**task["secrets"], "anyOf": [names, {"type": "object"}]}
    task["secrets"].pop("type")
    task["secrets"].pop("additionalProperties", None)
    definitions["AsIsSpec"]["properties"]["type"]["type"] = "string"
