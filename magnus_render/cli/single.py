"""`magnus execute_step`, `execute_function`, `execute_notebook`: one task alone, wrapped as in a pipeline.

Each is a run of its own, of a pipeline with one step: the local executor walks it, and `magnus runs show` shows it.
As with `magnus execute`, what is here runs in a process that ends before the run begins; see `cli/execute.py`.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from magnus_render import naming
from magnus_render.cli import completion, options
from magnus_render.cli.execute_front import check_usage, show
from magnus_render.diagnostics import DefinitionError
from magnus_render.errors import UsageError
from magnus_render.plan import TASK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus_render.cli.execute import Request
    from magnus_render.plan import Config, GraphHead, Json, Node, Plan

_MapVariable = Annotated[
    str,
    typer.Option(
        "--map-variable", metavar="JSON", help="Values of the map variables of the step, as a JSON object."
    ),
]


@dataclass
class _Given:
    """Options that the three commands have in common."""

    config: str
    parameters_file: str
    param: list[str]
    run_id: str
    tag: str


def _given(
    config: str, parameters_file: str, param: list[str] | None, run_id: str, tag: str, log_level: str
) -> _Given:
    options.without_meaning(log_level=log_level)
    return _Given(options.configuration(config), parameters_file, param or [], run_id, tag)


def execute_function(
    context: typer.Context,
    command: Annotated[
        str, typer.Argument(metavar="MODULE.FUNCTION", help="The function, such as prices.fetch.")
    ],
    config: options.Config = "",
    parameters_file: options.ParametersFile = "",
    param: options.Param = None,
    put: options.Put = None,
    data_folder: options.DataFolder = "",
    run_id: options.RunId = "",
    tag: options.Tag = "",
    log_level: options.LogLevel = "",
) -> None:
    """Run one Python function, wrapped as a step.

    Its arguments are parameters: the file given by -p, then MAGNUS_PRM_* of the environment, then --param.
    """
    name = command.replace(":", ".").rpartition(".")[2]
    given = _given(config, parameters_file, param, run_id, tag, log_level)
    _hand_over(context, *_command("python", command, name, given.config, put, data_folder), given)


def execute_notebook(
    context: typer.Context,
    notebook: Annotated[str, typer.Argument(metavar="NOTEBOOK", help="The notebook.")],
    config: options.Config = "",
    parameters_file: options.ParametersFile = "",
    param: options.Param = None,
    put: options.Put = None,
    data_folder: options.DataFolder = "",
    run_id: options.RunId = "",
    tag: options.Tag = "",
    log_level: options.LogLevel = "",
) -> None:
    """Run one notebook, wrapped as a step; the executed notebook is catalogued.

    Parameters are injected: the file given by -p, then MAGNUS_PRM_* of the environment, then --param.
    """
    name = os.path.splitext(os.path.basename(notebook))[0]
    given = _given(config, parameters_file, param, run_id, tag, log_level)
    _hand_over(context, *_command("notebook", notebook, name, given.config, put, data_folder), given)


def execute_step(
    context: typer.Context,
    step: Annotated[
        str,
        typer.Argument(
            metavar="STEP",
            help="The step: its name, or its dot path if it stands in a branch.",
            autocompletion=completion.tasks,
        ),
    ],
    file: options.File = "",
    config: options.Config = "",
    parameters_file: options.ParametersFile = "",
    param: options.Param = None,
    map_variable: _MapVariable = "",
    run_id: options.RunId = "",
    tag: options.Tag = "",
    log_level: options.LogLevel = "",
    use_cached: Annotated[str, typer.Option("--use-cached", metavar="RUN_ID", hidden=True)] = "",
) -> None:
    """Run one task of a pipeline alone.

    Nothing runs before it: what it needs are the parameters given here, and the files that lie in its data folder.
    Variables of the maps around it are parameters too, given by --map-variable or like any other.
    """
    options.without_meaning(use_cached=use_cached)
    given = _given(config, parameters_file, param, run_id, tag, log_level)
    variables = _map_variables(map_variable)
    plan, stores = _load(options.definition(file), given.config)
    _hand_over(context, alone(plan, step), stores, given, variables)


def alone(plan: Plan, step: str) -> Plan:
    """Return a plan with one task of `plan`: its own command, retries, timeout and files to put, nothing around it.

    `step` is a dot path of names or slugs, with any index, or `_`, where a map's stands. Raises `UsageError` if it names no
    task.
    """
    from magnus_render.graph.resolve import dag_hash

    node = _find(plan, step)
    root = plan["graphs"][""]
    name = node["name"]
    while naming.slug(name) in (root["success"], root["fail"]):
        name = f"{name} alone"
    slug = naming.slug(name)
    head: GraphHead = {"address": "", "start": slug, "success": root["success"], "fail": root["fail"]}
    task: Node = {
        **node,
        "address": slug,
        "name": name,
        "path": name,
        "order": 0,
        "graph": head,
        "scopes": [],
        "before": [],
        "next": {"slug": root["success"], "type": "success", "iterate_on": "", "iterate_as": ""},
    }
    task.pop("on_failure", None)
    # There is no run to get files from, so the step sees the files that lie in the data folder.
    task["catalog"] = {**node["catalog"], "get": []}
    success: Node = {
        **plan["nodes"][root["success"]],
        "order": 1,
        "graph": head,
        "before": [{"slug": slug, "via": "next", "type": "task"}],
    }
    fail: Node = {**plan["nodes"][root["fail"]], "order": 2, "graph": head, "before": []}
    single: Plan = {
        **plan,
        "graphs": {"": {**head, "nodes": [slug, root["success"], root["fail"]]}},
        "nodes": {slug: task, root["success"]: success, root["fail"]: fail},
    }
    single["dag_hash"] = dag_hash(single)
    return single


def _find(plan: Plan, step: str) -> Node:
    wanted = [part if part == "_" else naming.from_dot_path(part) for part in step.split(".")]
    for address, node in plan["nodes"].items():
        parts = address.split(".")
        if len(parts) == len(wanted) and all(
            a == b or (a == "_" and b.isdigit()) for a, b in zip(parts, wanted, strict=True)
        ):
            if node["type"] != TASK:
                raise UsageError(f"step '{step}' is of type {node['type']}: only a task is executed alone")
            return node
    from magnus_render.services.options import did_you_mean

    tasks = [node["path"] for node in plan["nodes"].values() if node["type"] == TASK]
    raise UsageError(f"the definition has no step '{step}'{did_you_mean(step, tasks)}")


def _command(
    command_type: str, command: str, name: str, config: str, put: list[str] | None, data_folder: str
) -> tuple[Plan, Config]:
    """Return the plan and the configuration of a pipeline whose only step is a command."""
    name = "".join(c for c in name if c.isprintable() and c not in ".%")[:100].strip() or command_type
    if name in ("success", "fail"):
        name += " alone"
    task = {
        "type": "task",
        "command_type": command_type,
        "command": command.replace("${", "$${"),
        "catalog": {"put": put or [], "compute_data_folder": data_folder or None},
        "next": "success",
    }
    steps = {name: task, "success": {"type": "success"}, "fail": {"type": "fail"}}
    definition = {"dag": {"name": name, "start_at": name, "steps": steps}}
    with tempfile.TemporaryDirectory(prefix="magnus-") as folder:
        file = os.path.join(folder, "dag.yaml")
        with open(file, "w", encoding="utf-8") as stream:
            json.dump(definition, stream)  # JSON is YAML, and needs no library
        try:
            return _load(file, config)
        except DefinitionError as error:
            # The user has not written that file: the mistake is on the command line.
            raise DefinitionError(
                replace(item, file="", line=0) if item.file == file else item for item in error.diagnostics
            ) from None


def _load(file: str, config: str) -> tuple[Plan, Config]:
    from magnus_render.graph.load import load

    loaded = load(file, config or None)
    show(loaded.diagnostics)
    return loaded.plan, loaded.config


def _hand_over(
    context: typer.Context,
    plan: Plan,
    config: Config,
    given: _Given,
    variables: Mapping[str, Json] | None = None,
) -> None:
    """Ask for a walk of a pipeline with one step by the executor `local`, also if another one is configured."""
    check_usage(given.param, given.run_id)
    parameters: dict[str, Json] = {}
    if given.parameters_file:
        from magnus_render.graph.load import load_parameters

        parameters.update(load_parameters(given.parameters_file))
    parameters.update(variables or {})
    hand_over: Callable[[Request], None] = context.obj
    hand_over(
        {
            "plan": plan,
            "config": {**config, "executor": {"type": "local", "config": {}}},
            "run_id": given.run_id,
            "file": "",  # no definition can be named in the command to run it again
            "config_file": given.config,
            "parameters": parameters,
            "param": given.param,
            "tag": given.tag,
            "use_cached": "",
            "resume": False,
            "max_workers": None,
            "isolated": False,
            "detach": False,
            "form": "",
        }
    )


def _map_variables(text: str) -> Mapping[str, Json]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise UsageError(f"--map-variable is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("--map-variable is not a JSON object")
    return found
