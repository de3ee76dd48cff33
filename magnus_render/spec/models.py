"""What users write, as pydantic models: one per node type, discriminated by `type`.

A model sees one node at a time: the graphs inside of composites are opaque to it and are read in their turn, so that
nesting costs no recursion. Validators raise `PydanticCustomError` with one of our codes as its type; `problems.py` turns
all errors into diagnostics.
"""

from __future__ import annotations

import ast
import re
import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from magnus_render.spec import codes
from magnus_render.spec.tree import kind

TEN_YEARS = 315_360_000
NO_TASK = "only a task has a condition: write it at the tasks inside, or use a conditional"
"""The fix for `when` at another node."""
_DOTTED = re.compile(r"[^\s./\\'\"()]+(?:\.[^\s./\\'\"()]+)+\Z")
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


def _no_default(schema: dict[str, Any]) -> None:
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


class Spec(BaseModel):
    """What all models share: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), defer_build=True)
    mistakes: ClassVar[Mapping[str, str] | None] = None
    """Fields that it does not know, but that people write -> the likely fix. None: it is (part of) a node."""


class CatalogSpec(Spec):
    """Files a task takes from the catalog before it runs, and puts there when it has succeeded."""

    get: Globs = Field(
        default_factory=list, description="Globs of files to fetch, relative to compute_data_folder."
    )
    put: Globs = Field(
        default_factory=list, description="Globs of files to keep, relative to compute_data_folder."
    )
    compute_data_folder: Folder | None = Field(
        default=None, description="Folder of the data, relative to the project; 'data' by default."
    )


class RetrySpec(Spec):
    """How often a task is attempted, in all, and the pauses between attempts in seconds."""

    attempts: Attempts = 1
    delay: Pause = 0.0
    backoff: Factor = 1.0
    max_delay: Pause | None = None


class NodeSpec(Spec):
    """What every node but `success` and `fail` has."""

    description: str = ""
    next: Text = Field(description="The step that follows a success.")
    on_failure: Text | None = Field(
        default=None, description="The step that follows the last failed attempt; the fail node by default."
    )
    executor_config: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="By executor type: overrides of that executor's config for this node.",
    )


class WhenSpec(Spec):
    """A condition of a task: the value of a parameter. Where it does not hold the task is skipped.

    Null is a value: `model_fields_set` tells which of the three tests is given.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [name]} for name in ("is", "is_not", "in")]}
    )

    parameter: Text = Field(description="The parameter that is looked at.")
    is_: Any = Field(
        default=None,
        alias="is",
        description="The value with which the task runs.",
        json_schema_extra=_no_default,
    )
    is_not: Any = Field(
        default=None, description="The value with which it is skipped.", json_schema_extra=_no_default
    )
    in_: Annotated[list[Any], BeforeValidator(_several)] = Field(
        default=[],
        alias="in",
        min_length=1,
        description="The values with which it runs.",
        json_schema_extra=_no_default,
    )

    @model_validator(mode="after")
    def _one_test(self) -> WhenSpec:
        tests = self.model_fields_set - {"parameter"}
        if not tests:
            fix = "add the value with which the task runs, such as 'is: good'"
            raise wrong(codes.MISSING_FIELD, "must have one of 'is', 'is_not' and 'in'", fix)
        if len(tests) > 1:
            fix = "leave one of them; for several values use 'in'"
            raise wrong(codes.WRONG_TYPE, "must have only one of 'is', 'is_not' and 'in'", fix)
        return self


class TaskSpec(NodeSpec):
    """One command: a Python function or lambda, a shell command or a notebook."""

    type: Literal["task"]
    command: Text
    command_type: Text = "python"
    command_config: dict[str, Any] = Field(default_factory=dict)
    catalog: CatalogSpec | None = None
    retry: Annotated[RetrySpec, BeforeValidator(_retry)] | None = None
    timeout: Seconds | None = Field(default=None, description="Seconds per attempt.")
    secrets: Secrets = Field(default_factory=dict, description="Secrets to set as environment variables.")
    when: Annotated[WhenSpec | None, BeforeValidator(_condition)] = Field(
        default=None, description="The condition without which the task is skipped."
    )

    @model_validator(mode="after")
    def _command_fits(self) -> TaskSpec:
        check = _COMMANDS.get(self.command_type)
        if check:
            check(self.command)
        return self


class ParallelSpec(NodeSpec):
    """Branches that run at the same time."""

    type: Literal["parallel"]
    branches: dict[str, Any] = Field(min_length=1, description="Graphs by name.")
    max_concurrency: Bound | None = None
    fail_fast: bool = False


class MapSpec(NodeSpec):
    """One branch, run for each item of a list known at run time."""

    type: Literal["map"]
    iterate_on: Text = Field(description="The parameter that holds the list.")
    iterate_as: Text = Field(description="The name each item has inside the branch.")
    branch: dict[str, Any]
    max_concurrency: Bound | None = None
    fail_fast: bool = False


class DagSpec(NodeSpec):
    """A graph of another file, or an inline one."""

    type: Literal["dag"]
    dag_definition: Text | None = Field(
        default=None, description="A file, relative to the one that names it."
    )
    branch: dict[str, Any] | None = None
    separate: bool = False

    @model_validator(mode="after")
    def _one_graph(self) -> DagSpec:
        if (self.dag_definition is None) == (self.branch is None):
            both = "both 'dag_definition' and 'branch'" if self.branch is not None else "no graph"
            raise wrong(codes.DAG_SOURCE, "has {both}", "give either 'dag_definition' or 'branch'", both=both)
        return self


class ConditionalSpec(NodeSpec):
    """Branches of which one runs: the one that has the value of a parameter for its name."""

    type: Literal["conditional"]
    parameter: Text = Field(description="The parameter whose value names the branch that runs.")
    branches: dict[str, Any] = Field(
        min_length=1, description="Graphs by value: a text as it is, any other value as JSON."
    )
    default: Annotated[dict[str, Any] | None, BeforeValidator(_graph)] = Field(
        default=None, description="The graph that runs if no branch is named by the value."
    )


class AsIsSpec(NodeSpec):
    """Text for an engine, injected as it is; without text for an engine, a success that does nothing."""

    model_config = ConfigDict(extra="allow")

    type: Literal["as-is", "stub"]
    render_string: Annotated[Any, BeforeValidator(_render), WithJsonSchema(_RENDER_SCHEMA)] = Field(
        default=None, description="Text, or a mapping of targets to text or a native mapping."
    )

    @model_validator(mode="after")
    def _no_condition(self) -> AsIsSpec:
        if "when" in (self.model_extra or {}):
            raise wrong(codes.UNKNOWN_FIELD, "unknown field 'when'", NO_TASK, field="when")
        return self


class SuccessSpec(Spec):
    """The end of a graph that succeeded."""

    type: Literal["success"]


class FailSpec(Spec):
    """The end of a graph that failed."""

    type: Literal["fail"]


Node = Annotated[
    TaskSpec | ParallelSpec | MapSpec | DagSpec | ConditionalSpec | AsIsSpec | SuccessSpec | FailSpec,
    Field(discriminator="type"),
]


class GraphSpec(Spec):
    """A graph: where it begins, and its steps."""

    name: Name | None = Field(default=None, description="Root graph only; the file's stem by default.")
    description: str = ""
    max_time: Seconds | None = Field(default=None, description="Seconds for the whole run; root graph only.")
    start_at: Text
    steps: dict[str, Any] = Field(description="Nodes by name.")


class ServiceSpec(Spec):
    """An executor or a service, and its configuration."""

    type: Text
    config: dict[str, Any] = Field(default_factory=dict)


class ConfigSpec(Spec):
    """A configuration file: what may stand beside `dag` too."""

    executor: ServiceSpec | None = None
    run_log_store: ServiceSpec | None = None
    catalog: ServiceSpec | None = None
    secrets: ServiceSpec | None = None


class DefinitionSpec(ConfigSpec):
    """A definition file."""

    dag: GraphSpec


MODELS: dict[str, type[Spec]] = {
    "task": TaskSpec,
    "parallel": ParallelSpec,
    "map": MapSpec,
    "dag": DagSpec,
    "conditional": ConditionalSpec,
    "as-is": AsIsSpec,
    "success": SuccessSpec,
    "fail": FailSpec,
}


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
