"""Types of fields for pydantic models: which values they accept, and the short forms that they expand.

A validator raises `PydanticCustomError` with one of our codes as its type; `problems.py` turns all errors into diagnostics.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from magnus_render.spec import codes
from magnus_render.spec.tree import kind

TEN_YEARS = 315_360_000
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def control_characters(name: str) -> bool:
    """Tell whether a name holds characters that no name may hold: controls, and halves of surrogate pairs."""
    return not name.isprintable() and any(unicodedata.category(c) in ("Cc", "Cs") for c in name)


def wrong(code: str, message: str, fix: str = "", **values: Any) -> PydanticCustomError:
    """Return an error for a validator to raise; `{name}` in the message is filled in from `values`."""
    return PydanticCustomError(code, message, {**values, "fix": fix})


def _no_bool(value: Any) -> Any:
    if isinstance(value, bool):
        raise wrong(codes.WRONG_TYPE, "must be a number, not {value}", value=str(value).lower())
    return value


def _inside(path: str) -> str:
    """Check a path below the project's or the data folder; return it without a trailing slash."""
    parts = path.replace("\\", "/").split("/")
    if path.startswith(("/", "~")) or ".." in parts or re.match(r"[A-Za-z]:", path):
        raise wrong(
            codes.OUTSIDE, "'{path}' leaves the folder", "write a path below it, without '..'", path=path
        )
    if "\0" in path:
        raise wrong(codes.OUTSIDE, "a path cannot contain NUL")
    return path


def _folder(path: str) -> str:
    kept = [part for part in _inside(path).split("/") if part not in ("", ".")]
    return "/".join(kept) or "."


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _secrets(value: Any) -> Any:
    if isinstance(value, list) and all(isinstance(name, str) for name in value):
        return {name: name for name in value}
    if not isinstance(value, dict):
        raise wrong(
            codes.WRONG_TYPE, "must be a list of names, or a mapping of environment variables to names"
        )
    return value


def _variable_names(value: dict[str, str]) -> dict[str, str]:
    for name in value:
        if "${" in name:
            continue  # reported as a variable that is not set
        if not _VARIABLE_NAME.match(name) or name.startswith("MAGNUS_"):
            fix = "map it: {MY_VARIABLE: '" + name + "'}"
            raise wrong(
                codes.BAD_VARIABLE_NAME, "'{name}' cannot name an environment variable", fix, name=name
            )
    return value


def _retry(value: Any) -> Any:
    return value if isinstance(value, dict) else {"attempts": value}


def _render(value: Any) -> Any:
    fine = isinstance(value, (str, dict))
    if isinstance(value, dict):
        fine = all(isinstance(text, (str, dict)) for text in value.values())
    if not fine:
        raise wrong(
            codes.WRONG_TYPE, "must be a text, or a mapping from targets to a text or a native mapping"
        )
    return value


def _graph(value: Any) -> Any:
    if not isinstance(value, dict):
        fix = "write the graph that runs for all other values"
        raise wrong(
            codes.WRONG_TYPE, "must be a graph with 'start_at' and 'steps', not {kind}", fix, kind=kind(value)
        )
    return value


def _several(value: Any) -> Any:
    if not isinstance(value, list):
        raise wrong(
            codes.WRONG_TYPE,
            "must be a list of values, not {kind}",
            "for one value use 'is'",
            kind=kind(value),
        )
    return value


def _condition(value: Any) -> Any:
    if not isinstance(value, dict):
        fix = "such as 'when: {parameter: quality, is: good}'"
        raise wrong(codes.WRONG_TYPE, "must be a mapping, not {kind}", fix, kind=kind(value))
    return value


def without_default(schema: dict[str, Any]) -> None:
    """Take the default out of a field's JSON schema: null is a value there, which a default would hide."""
    del schema["default"]


def _one_line(name: str) -> str:
    if control_characters(name):
        raise wrong(codes.BAD_NAME, "a name contains no control characters", "choose another name")
    return name


Text = Annotated[str, Field(min_length=1)]
Name = Annotated[Text, AfterValidator(_one_line)]
Seconds = Annotated[float, Field(gt=0, le=TEN_YEARS, allow_inf_nan=False), BeforeValidator(_no_bool)]
Pause = Annotated[float, Field(ge=0, le=TEN_YEARS, allow_inf_nan=False), BeforeValidator(_no_bool)]
Factor = Annotated[float, Field(ge=1, le=1000, allow_inf_nan=False), BeforeValidator(_no_bool)]
Attempts = Annotated[int, Field(ge=1, le=1000), BeforeValidator(_no_bool)]
Bound = Annotated[int, Field(ge=1, le=1_000_000), BeforeValidator(_no_bool)]
Glob = Annotated[Text, AfterValidator(_inside)]
Globs = Annotated[list[Glob], BeforeValidator(_listed)]
Folder = Annotated[Text, AfterValidator(_folder)]
_RENDER_SCHEMA = {
    "anyOf": [
        {"type": "string"},
        {"type": "object", "additionalProperties": {"type": ["string", "object"]}},
    ]
}
Secrets = Annotated[dict[str, Text], BeforeValidator(_secrets), AfterValidator(_variable_names)]
Native = Annotated[Any, BeforeValidator(_render), WithJsonSchema(_RENDER_SCHEMA)]
"""The text of an as-is, which an engine gets unchanged."""
Several = Annotated[list[Any], BeforeValidator(_several)]
FROM_ATTEMPTS = BeforeValidator(_retry)
"""Expands a number to a mapping: `3` to `{attempts: 3}`."""
GRAPH = BeforeValidator(_graph)
CONDITION = BeforeValidator(_condition)


def _check_python(command: str) -> None:
    parts = command.replace(":", ".", 1).split(".")
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        fix = "write package.module.function; for a shell command add 'command_type: shell'"
        raise wrong(
            codes.BAD_COMMAND,
            "command '{command}' is not the dotted path of a function",
            fix,
            field="command",
            command=command,
        )


def _check_lambda(command: str) -> None:
    fix = "write one lambda expression in quotes, such as \"lambda x: {'x': x + 1}\""
    try:
        tree = ast.parse(command.strip(), mode="eval")
    except SyntaxError as error:
        reason = str(error.msg)
        raise wrong(
            codes.BAD_COMMAND, "command is not Python: {reason}", fix, field="command", reason=reason
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        reason = str(error)
        raise wrong(
            codes.BAD_COMMAND, "command is not Python: {reason}", fix, field="command", reason=reason
        ) from None
    if not isinstance(tree.body, ast.Lambda):
        raise wrong(codes.BAD_COMMAND, "command is not a lambda expression", fix, field="command")


_COMMANDS = {
    "python": _check_python,
    "python-function": _check_python,
    "python-lambda": _check_lambda,
}


def check_command(command_type: str, command: str) -> None:
    """Raise `PydanticCustomError` if a command is not what its type asks for, as far as its text tells."""
    if check := _COMMANDS.get(command_type):
        check(command)
