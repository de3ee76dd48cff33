"""What users write, as pydantic models: one per node type, discriminated by `type`.

A model validates one node at a time. The graphs inside composites are read later, one after the other, so that nesting
costs no recursion. The text below a field is for people who write definitions: `magnus schema` and docs/reference/ show it
(`descriptions.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from magnus_render.spec import codes
from magnus_render.spec.fields import (
    CONDITION,
    FROM_ATTEMPTS,
    GRAPH,
    Attempts,
    Bound,
    Factor,
    Folder,
    Globs,
    Name,
    Native,
    Pause,
    Seconds,
    Secrets,
    Several,
    Text,
    check_command,
    without_default,
    wrong,
)

NO_TASK = "only a task has a condition: write it at the tasks inside, or use a conditional"
"""The fix for `when` at another node."""


class Spec(BaseModel):
    """The base of all models: unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=(), defer_build=True)
    mistakes: ClassVar[Mapping[str, str] | None] = None
    """Fields that the model does not have, but that people write -> the likely fix. None for a node, or a part of one."""


class CatalogSpec(Spec):
    """Files a task takes from the catalog before it runs, and puts there when it has succeeded."""

    get: Globs = Field(default_factory=list, examples=[["raw/*.csv"]])
    """Globs of files to fetch before the task runs, relative to `compute_data_folder`. One needs no list."""
    put: Globs = Field(default_factory=list, examples=[["model.pkl", "plots/*.png"]])
    """Globs of files to keep when the task has succeeded, relative to `compute_data_folder`. One needs no list."""
    compute_data_folder: Folder | None = Field(default=None, examples=["data"])
    """Folder of the task's data, relative to the project. By default that of the catalog's configuration, else `data`."""


class RetrySpec(Spec):
    """How often a task is attempted, in all, and the pauses between attempts in seconds."""

    attempts: Attempts = Field(default=1, examples=[3])
    """Attempts in all, the first one included."""
    delay: Pause = Field(default=0.0, examples=[10])
    """Seconds between the first attempt and the second."""
    backoff: Factor = Field(default=1.0, examples=[2])
    """Factor by which each pause is longer than the one before it."""
    max_delay: Pause | None = Field(default=None, examples=[300])
    """Seconds that no pause exceeds."""


class NodeSpec(Spec):
    """What every node but `success` and `fail` has."""

    description: str = Field(default="", examples=["Reads the orders of yesterday."])
    """What the node is for, in words. Pictures and rendered output show it."""
    next: Text = Field(examples=["train"])
    """The node that follows a success."""
    on_failure: Text | None = Field(default=None, examples=["tell_the_team"])
    """The node that follows a failure, once no attempt is left. By default the fail node of the graph."""
    executor_config: dict[str, dict[str, Any]] = Field(
        default_factory=dict, examples=[{"argo": {"resources": {"requests": {"memory": "4Gi"}}}}]
    )
    """Keys of the configuration that differ for this node, by the name of the executor or target."""


class WhenSpec(Spec):
    """A condition of a task: the value of a parameter. Where it does not hold the task is skipped."""

    # Null is a value: `model_fields_set` tells which of the three tests is given.
    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": [name]} for name in ("is", "is_not", "in")]}
    )

    parameter: Text = Field(examples=["quality"])
    """The parameter, or map variable, that is looked at."""
    is_: Any = Field(default=None, alias="is", examples=["good"], json_schema_extra=without_default)
    """The value with which the task runs."""
    is_not: Any = Field(default=None, examples=["poor"], json_schema_extra=without_default)
    """The value with which the task is skipped."""
    in_: Several = Field(
        default=[], alias="in", min_length=1, examples=[["good", "fair"]], json_schema_extra=without_default
    )
    """The values with which the task runs."""

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
    """Makes the node a task."""
    command: Text = Field(examples=["steps.train.fit", "python train.py", "notebooks/train.ipynb"])
    """What runs: the dotted path of a function, a lambda, a shell command, or the path of a notebook."""
    command_type: Text = Field(default="python", examples=["shell"])
    """What `command` is: `python`, `python-lambda`, `shell`, `notebook`, or a type of another package."""
    command_config: dict[str, Any] = Field(default_factory=dict, examples=[{"shell": "/bin/bash"}])
    """Settings of the command type: `shell`, the program that runs a shell command; of a notebook what papermill takes."""
    catalog: CatalogSpec | None = Field(default=None, examples=[{"get": ["raw.csv"], "put": ["clean.csv"]}])
    """The files that the task gets from the catalog and puts there."""
    retry: Annotated[RetrySpec, FROM_ATTEMPTS] | None = Field(default=None, examples=[3])
    """How often the task is attempted, and with which pauses. A number stands for `attempts` alone."""
    timeout: Seconds | None = Field(default=None, examples=[3600])
    """Seconds after which an attempt is ended, and has failed."""
    secrets: Secrets = Field(default_factory=dict, examples=[["DB_PASSWORD"], {"PGPASSWORD": "db/password"}])
    """Secrets that the task reads as environment variables: a list of names, or a mapping of variables to names."""
    when: Annotated[WhenSpec | None, CONDITION] = Field(
        default=None, examples=[{"parameter": "quality", "is": "good"}]
    )
    """The condition without which the task is skipped."""

    @model_validator(mode="after")
    def _command_fits(self) -> TaskSpec:
        check_command(self.command_type, self.command)
        return self


class ParallelSpec(NodeSpec):
    """Branches that run at the same time."""

    type: Literal["parallel"]
    """Makes the node a parallel."""
    branches: dict[str, Any] = Field(
        min_length=1,
        examples=[{"left": {"start_at": "a", "steps": {}}, "right": {"start_at": "b", "steps": {}}}],
    )
    """The graphs that run, by name."""
    max_concurrency: Bound | None = Field(default=None, examples=[2])
    """How many branches run at a time, at most. By default as many as the engine runs."""
    fail_fast: bool = Field(default=False, examples=[True])
    """If true, no step of another branch begins any more once a branch has failed."""


class MapSpec(NodeSpec):
    """One branch, run for each item of a list known at run time."""

    type: Literal["map"]
    """Makes the node a map."""
    iterate_on: Text = Field(examples=["regions"])
    """The parameter that holds the list."""
    iterate_as: Text = Field(examples=["region"])
    """The name by which the branch reads its item: the map variable."""
    branch: dict[str, Any] = Field(examples=[{"start_at": "fetch", "steps": {}}])
    """The graph that runs for each item."""
    max_concurrency: Bound | None = Field(default=None, examples=[10])
    """How many items run at a time, at most. By default as many as the engine runs."""
    fail_fast: bool = Field(default=False, examples=[True])
    """If true, no step of another item begins any more once an item has failed."""


class DagSpec(NodeSpec):
    """A graph of another file, or an inline one."""

    type: Literal["dag"]
    """Makes the node a dag."""
    dag_definition: Text | None = Field(default=None, examples=["features.yaml"])
    """The file that holds the graph, relative to the file that names it."""
    branch: dict[str, Any] | None = Field(default=None, examples=[{"start_at": "clean", "steps": {}}])
    """The graph itself, in place of `dag_definition`."""
    separate: bool = Field(default=False, examples=[True])
    """If true, an engine that can do so runs the graph as a state machine or workflow of its own."""

    @model_validator(mode="after")
    def _one_graph(self) -> DagSpec:
        if (self.dag_definition is None) == (self.branch is None):
            both = "both 'dag_definition' and 'branch'" if self.branch is not None else "no graph"
            raise wrong(codes.DAG_SOURCE, "has {both}", "give either 'dag_definition' or 'branch'", both=both)
        return self


class ConditionalSpec(NodeSpec):
    """Branches of which one runs: the one that has the value of a parameter for its name."""

    type: Literal["conditional"]
    """Makes the node a conditional."""
    parameter: Text = Field(examples=["quality"])
    """The parameter, or map variable, whose value names the branch that runs."""
    branches: dict[str, Any] = Field(
        min_length=1,
        examples=[{"good": {"start_at": "a", "steps": {}}, "poor": {"start_at": "b", "steps": {}}}],
    )
    """The graphs by value: a text as it is, any other value as JSON."""
    default: Annotated[dict[str, Any] | None, GRAPH] = Field(
        default=None, examples=[{"start_at": "c", "steps": {}}]
    )
    """The graph that runs if no branch is named by the value. Without it such a value is a failure."""


class AsIsSpec(NodeSpec):
    """Text for an engine, injected as it is; without text for an engine, a success that does nothing."""

    model_config = ConfigDict(extra="allow")

    type: Literal["as-is", "stub"]
    """`as-is`; older files say `stub`."""
    render_string: Native = Field(default=None, examples=["echo 'half way'", {"bash": "echo 'half way'"}])
    """The text, or a mapping of targets to a text or to a native mapping."""

    @model_validator(mode="after")
    def _no_condition(self) -> AsIsSpec:
        if "when" in (self.model_extra or {}):
            raise wrong(codes.UNKNOWN_FIELD, "unknown field 'when'", NO_TASK, field="when")
        return self


class SuccessSpec(Spec):
    """The end of a graph that succeeded."""

    type: Literal["success"]
    """Makes the node the end of a graph that succeeded."""


class FailSpec(Spec):
    """The end of a graph that failed."""

    type: Literal["fail"]
    """Makes the node the end of a graph that failed."""


Node = Annotated[
    TaskSpec | ParallelSpec | MapSpec | DagSpec | ConditionalSpec | AsIsSpec | SuccessSpec | FailSpec,
    Field(discriminator="type"),
]


class GraphSpec(Spec):
    """A graph: where it begins, and its steps."""

    name: Name | None = Field(default=None, examples=["daily-report"])
    """Name of the pipeline, in the root graph alone. By default the name of the file, without its ending."""
    description: str = Field(default="", examples=["What the shops sold, every morning."])
    """What the graph is for, in words."""
    max_time: Seconds | None = Field(default=None, examples=[7200])
    """Seconds after which no step of the run begins any more, and those at work are ended; in the root graph alone."""
    start_at: Text = Field(examples=["fetch"])
    """The node that the graph begins with."""
    steps: dict[str, Any] = Field(examples=[{"done": {"type": "success"}, "failed": {"type": "fail"}}])
    """The nodes by name. Among them are one node of type `success` and one of type `fail`."""


class ServiceSpec(Spec):
    """An executor or a service, and its configuration."""

    type: Text = Field(examples=["file-system"])
    """The name of the executor or service."""
    config: dict[str, Any] = Field(default_factory=dict, examples=[{"path": "runs"}])
    """The keys of its configuration."""


class ConfigSpec(Spec):
    """A configuration file: what may stand beside `dag` too."""

    executor: ServiceSpec | None = Field(default=None, examples=[{"type": "local"}])
    """What runs the pipeline here, or the target it is rendered for; by default `local`."""
    run_log_store: ServiceSpec | None = Field(default=None, examples=[{"type": "file-system"}])
    """Where runs are recorded; by default `file-system`."""
    catalog: ServiceSpec | None = Field(default=None, examples=[{"type": "file-system"}])
    """Where files of steps are kept; by default `file-system`."""
    secrets: ServiceSpec | None = Field(default=None, examples=[{"type": "dotenv"}])
    """Where secrets are read; by default `do-nothing`, which has none."""


class DefinitionSpec(ConfigSpec):
    """A definition file."""

    dag: GraphSpec = Field(
        examples=[
            {
                "start_at": "hello",
                "steps": {
                    "hello": {
                        "type": "task",
                        "command_type": "shell",
                        "command": "echo hello",
                        "next": "done",
                    },
                    "done": {"type": "success"},
                    "failed": {"type": "fail"},
                },
            }
        ]
    )
    """The pipeline."""


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
