"""The meaning of each field of a pydantic model: the text that stands below the field in the source.

Pydantic could read these texts itself while a class is made. But that takes longer than all the rest of a small rendering,
so they are read here, only for commands that show them.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import TYPE_CHECKING, Any

from pydantic.json_schema import GenerateJsonSchema

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core.core_schema import ModelSchema


def of(model: type[BaseModel]) -> dict[str, str]:
    """Return the meaning of each field of a model: its `description`, else the text below it in the source of its class."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if "__annotations__" in vars(cls) and cls.__module__ != "pydantic.main":
            found |= _below(cls)
    given = {name: field.description for name, field in model.model_fields.items() if field.description}
    return {name: text for name, text in {**found, **given}.items() if name in model.model_fields}


class Described(GenerateJsonSchema):
    """Makes JSON schemas in which every field has its description."""

    def model_schema(self, schema: ModelSchema) -> JsonSchemaValue:
        """Return the schema of a model, with a description of each property."""
        made = super().model_schema(schema)
        model: type[BaseModel] = schema["cls"]
        properties = made.get("properties", {})
        for name, text in of(model).items():
            key = model.model_fields[name].alias or name
            if key in properties:
                properties[key].setdefault("description", text)
                properties[key].pop("title", None)
        return made


def _below(cls: type[Any]) -> dict[str, str]:
    """Return the texts below the annotated names of a class; none if its source cannot be read."""
    try:
        source = textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        return {}
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    for before, after in zip(body.body, body.body[1:], strict=False):
        named = isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name)
        text = after.value if isinstance(after, ast.Expr) else None
        if named and isinstance(text, ast.Constant) and isinstance(text.value, str):
            found[before.target.id] = inspect.cleandoc(text.value)  # type: ignore[attr-defined]
    return found
