"""Blocks of a configuration that a pydantic model describes: kinds of values that models share, and what is wrong."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, Field, StrictStr, ValidationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic_core import ErrorDetails

Path = tuple[int | str, ...]
"""Keys that lead to a value."""


VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
VARIABLE_RULE = "is no variable's name: letters, digits, '_', '-' and '.', with no digit at the front"


def matching(pattern: str, rule: str) -> AfterValidator:
    """Return a validator of texts that match a pattern as a whole; `rule` says in words what they must be."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(rule)
        return value

    return AfterValidator(check)


Text = Annotated[StrictStr, Field(min_length=1), matching(r"[^\x00-\x1f\x7f]*", "holds a control character")]
"""A text of one line."""


def _scalar(value: Any) -> Any:
    if not isinstance(value, str | int | float):
        raise ValueError("is not a text, a number, true or false")
    return value


Scalar = Annotated[Any, AfterValidator(_scalar)]
"""A value that an environment variable may have."""


_KINDS = {
    "string_type": "is not a text",
    "list_type": "is not a list",
    "dict_type": "is not a mapping",
    "model_type": "is not a mapping",
    "int_type": "is not a whole number",
    "float_type": "is not a number",
    "bool_type": "is not true or false",
}
_BOUNDS = {
    "greater_than": ("more than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than_equal": ("at most", "le"),
}


class Problem(NamedTuple):
    """One mistake in a configuration block."""

    text: str
    fix: str
    path: Path


def problems(
    model: type[BaseModel], values: Mapping[str, Any], only: Mapping[str, Any] | None = None
) -> list[Problem]:
    """Return what is wrong with a block; `only` leaves out what is wrong with keys that are not in it."""
    if not values:
        return []
    try:
        model.model_validate(dict(values))
    except ValidationError as error:
        return [
            _problem(model, values, item)
            for item in error.errors(include_url=False)
            if only is None or not item["loc"] or item["loc"][0] in only
        ]
    return []


def _problem(model: type[BaseModel], values: Mapping[str, Any], item: ErrorDetails) -> Problem:
    error, context = item["type"], item.get("ctx", {})
    path = _written(values, item["loc"])
    name = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
    if error == "extra_forbidden":
        return Problem(f"unknown key '{name}'", _near(model, path), path)
    if error == "missing":
        return Problem(f"'{name}.{item['loc'][-1]}' is missing", "", path)
    if error == "literal_error":
        what = f"is {item['input']!r}, not {context['expected']}"
    elif error in _BOUNDS:
        word, key = _BOUNDS[error]
        what = f"must be {word} {context[key]:,}, not {item['input']:,}"
    elif error in ("too_short", "string_too_short"):
        what = "is empty"
    elif error == "string_pattern_mismatch":
        what = "holds a control character"
    elif error == "value_error":
        what = str(context["error"])
    else:
        what = _KINDS.get(error, f": {item['msg']}")
    fix = "put it in quotes" if error == "string_type" and isinstance(item["input"], int | float) else ""
    return Problem(f"'{name or 'config'}' {what}", fix, path)


def _written(values: Any, place: Path) -> Path:
    """Return the parts of a place that the user has written: pydantic adds others, for members of unions and for keys."""
    path: list[int | str] = []
    for part in place:
        known = range(len(values)) if isinstance(values, list) else values
        if isinstance(known, dict | range) and part in known:
            values = values[part]
            path.append(part)
    return tuple(path)


def _near(model: type[BaseModel], path: Path) -> str:
    """Return the key that was likely meant, or those that are known."""
    import difflib

    fields = model.model_fields
    for part in path[:-1]:
        annotation = fields[str(part)].annotation if part in fields else None
        inner = (annotation, *getattr(annotation, "__args__", ()))
        fields = next((one.model_fields for one in inner if hasattr(one, "model_fields")), fields)
    close = difflib.get_close_matches(str(path[-1]), fields, n=1)
    return f"did you mean '{close[0]}'?" if close else f"known keys: {', '.join(fields)}"


def short(text: str) -> str:
    """Return a text for a message, cut where it is long."""
    return text if len(text) <= 60 else f"{text[:57]}..."
