"""The JSON schema of a project file (draft 2020-12), for editors and for the reference."""

from __future__ import annotations

from typing import Any

from magnus_render.project.models import ENTRIES, ProjectSpec
from magnus_render.spec.schema import DRAFT, REF, definitions_of


def build() -> dict[str, Any]:
    """Return the schema, with the schemas of the entries of each mapping in their places."""
    definitions = definitions_of(ProjectSpec, *ENTRIES.values())
    top = definitions.pop(ProjectSpec.__name__)
    for holder in (top, definitions["EnvironmentSpec"]):
        for key, field in holder["properties"].items():
            if key in ENTRIES:
                # An entry without required keys may be empty: `bash:` is `bash: {}`.
                entry = {"$ref": REF.format(model=ENTRIES[key].__name__)}
                empty = key != "pipelines"
                field["additionalProperties"] = {"anyOf": [entry, {"type": "null"}]} if empty else entry
            if "default" not in field and field["type"] == "object" and key != "pipelines":
                field["type"] = ["object", "null"]
    return {"$schema": DRAFT, **top, "$defs": definitions}
