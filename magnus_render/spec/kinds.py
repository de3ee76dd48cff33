"""Kinds of values in a configuration. Variables are texts, and the kind of a key says how such a text is read.

A class gives the kinds of its keys itself (`Described.keys`), or by its pydantic model. Further rules of a model are
checked by the target, which knows the whole configuration.
"""

from __future__ import annotations

from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from magnus_render.registry import Described
from magnus_render.spec.tree import Value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import BaseModel

ARGV = "argv"
"""In a model, `Annotated[list[...], ARGV]` is a command: it may be given as one text, which is split as a shell does."""
ANY = "any"
"""In a model, `Annotated[..., ANY]` leaves it to the model what a value may be."""
ARGV_RULE = "a command and its arguments, all texts"
_BOUNDS = {"count": (1, 10**9 - 1), "seconds": (0, 2**31 - 1)}
"""The least and the most of each kind of whole number; Kubernetes keeps seconds in 32 bits."""
_SIMPLE = {bool: "flag", str: "text", list: "list", dict: "mapping"}


def of(found: Any) -> Mapping[str, str] | None:
    """Return the keys that a class takes in its `config`, each with its kind; None if the class does not describe them."""
    if not (isinstance(found, type) and issubclass(found, Described)):
        return None
    if found.keys is not None:
        return found.keys
    model: type[BaseModel] | None = found.configuration()
    if model is None:
        return None
    return {name: _kind(field.annotation, field.metadata) for name, field in model.model_fields.items()}


def read(kind: str, value: Value) -> tuple[str, Value]:
    """Return what a value should have been ('' if it is right), and the value converted to its kind."""
    if kind == "text":
        return "" if isinstance(value, str) and value else "a text", value
    if kind == "flag":
        value = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
        return "" if isinstance(value, bool) else "true or false", value
    if kind in _BOUNDS:
        least, most = _BOUNDS[kind]
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 11:
            value = int(value)
        fine = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
        return "" if fine else f"a whole number from {least} to {most:,}", value
    if kind == ARGV:
        words = _words(value) if isinstance(value, str) else value
        fine = isinstance(words, list) and all(isinstance(word, str) and "\0" not in word for word in words)
        return "" if fine else ARGV_RULE, words
    if kind == "list":
        return "" if isinstance(value, list) else "a list", value
    if kind == "mapping":
        return "" if isinstance(value, dict) else "a mapping", value
    return "", value


def _kind(annotation: Any, metadata: Any = ()) -> str:
    """Return the kind of a model's field, `ANY` for one that takes values of several kinds."""
    for marked in (ARGV, ANY):
        if marked in metadata:
            return marked
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _kind(inner, more)
    if origin in (Union, UnionType):
        kinds = {_kind(one) for one in get_args(annotation) if one is not type(None)}
        return kinds.pop() if len(kinds) == 1 else ANY
    if annotation is int:
        return "seconds" if _may_be_zero(metadata) else "count"
    if origin is not None:
        return _SIMPLE.get(origin, "text")  # all other annotations are a Literal of texts
    if isinstance(annotation, type):
        return _SIMPLE.get(annotation, "mapping" if hasattr(annotation, "model_fields") else ANY)
    return ANY


def _may_be_zero(metadata: Any) -> bool:
    """Tell whether a bound of a whole number is `ge=0`, however deep in its annotation it stands."""
    return any(
        getattr(one, "ge", None) == 0 or _may_be_zero(getattr(one, "metadata", ())) for one in metadata
    )


def _words(command: str) -> list[str] | None:
    import shlex

    try:
        return shlex.split(command)
    except ValueError:
        return None
