"""`magnus execute_step`, `execute_function`, `execute_notebook`: one task alone, wrapped as in a pipeline.

Each is a run of its own, of a pipeline with one step: the local executor walks it, and `magnus runs show` shows it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from magnus_render import naming
from magnus_render.diagnostics import DefinitionError
from magnus_render.errors import MagnusError, UsageError
from magnus_render.plan import TASK
from magnus_render.runtime.records import check_run_id

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus_render.plan import Config, GraphHead, Json, Node, Plan

_Config = Annotated[
    str, typer.Option("-c", "--config", metavar="FILE", help="Stores; wins over the definition.")
]
_ParametersFile = Annotated[
    str, typer.Option("-p", "--parameters-file", metavar="FILE", help="Parameters, YAML or JSON.")
]
_Param = Annotated[
    list[str] | None,
    typer.Option("--param", metavar="NAME=VALUE", help="One parameter, JSON or text; may be repeated."),
]
_RunId = Annotated[
    str, typer.Option("--run-id", metavar="RUN_ID", help="Name of the run; one is made if none is given.")
]
_Tag = Annotated[str, typer.Option("--tag", metavar="TAG", help="Recorded with the run.")]
_Put = Annotated[
    list[str] | None,
    typer.Option("--put", metavar="GLOB", help="Files of the data folder to catalogue; may be repeated."),
]
_MapVariable = Annotated[
    str, typer.Option("--map-variable", metavar="JSON", help="Variables of the maps around the step.")
]


@dataclass
class _Request:
    """What the three commands have in common."""

    config: str
    parameters_file: str
    param: list[str]
    run_id: str
    tag: str


def execute_function(
    command: Annotated[str, typer.Argument(metavar="MODULE.FUNCTION", help="The function.")],
    config: _Config = "",
    parameters_file: _ParametersFile = "",
    param: _Param = None,
    put: _Put = None,
    run_id: _RunId = "",
    tag: _Tag = "",
) -> None:
    """Run one Python function, wrapped as a step.

    Its arguments are parameters: the file given by -p, then MAGNUS_PRM_* of the environment, then --param.
    """
    name = command.replace(":", ".").rpartition(".")[2]
    request = _Request(config, parameters_file, param or [], run_id, tag)
    _exit(lambda: _walk(*_command("python", command, name, config, put), request))


def execute_notebook(
    notebook: Annotated[str, typer.Argument(metavar="NOTEBOOK", help="The notebook.")],
    config: _Config = "",
    parameters_file: _ParametersFile = "",
    param: _Param = None,
    put: _Put = None,
    run_id: _RunId = "",
    tag: _Tag = "",
) -> None:
    """Run one notebook, wrapped as a step; the executed notebook is catalogued.

    Parameters are injected: the file given by -p, then MAGNUS_PRM_* of the environment, then --param.
    """
    name = os.path.splitext(os.path.basename(notebook))[0]
    request = _Request(config, parameters_file, param or [], run_id, tag)
    _exit(lambda: _walk(*_command("notebook", notebook, name, config, put), request))


def execute_step(
    step: Annotated[str, typer.Argument(metavar="STEP", help="The step: its name, or dot path if nested.")],
    file: Annotated[str, typer.Option("-f", "--file", metavar="FILE", help="The definition.")],
    config: _Config = "",
    parameters_file: _ParametersFile = "",
    param: _Param = None,
    map_variable: _MapVariable = "",
    run_id: _RunId = "",
    tag: _Tag = "",
) -> None:
    """Run one task of a pipeline alone.

    Nothing runs before it: what it needs are the parameters given here, and the files that lie in its data folder.
    Variables of the maps around it are parameters too, given by --map-variable or like any other.
    """
    request = _Request(config, parameters_file, param or [], run_id, tag)

    def work() -> int:
        variables = _map_variables(map_variable)
        plan, stores = _load(file, config)
        return _walk(alone(plan, step), stores, request, variables)

    _exit(work)


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
    # There is no run to get files from: what lies in the data folder is what there is.
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
    command_type: str, command: str, name: str, config: str, put: list[str] | None
) -> tuple[Plan, Config]:
    """Return the plan and the configuration of a pipeline whose only step is a command."""
    name = "".join(c for c in name if c.isprintable() and c not in ".%")[:100].strip() or command_type
    if name in ("success", "fail"):
        name += " alone"
    task = {
        "type": "task",
        "command_type": command_type,
        "command": command.replace("${", "$${"),
        "catalog": {"put": put or []},
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
            # Nobody has written that file: what is wrong with it stands on the command line.
            raise DefinitionError(
                replace(item, file="", line=0) if item.file == file else item for item in error.diagnostics
            ) from None


def _load(file: str, config: str) -> tuple[Plan, Config]:
    from magnus_render.graph.load import load

    loaded = load(file, config or None)
    for diagnostic in loaded.diagnostics:
        print(diagnostic, file=sys.stderr)
    return loaded.plan, loaded.config


def _exit(work: Callable[[], int]) -> NoReturn:
    try:
        status = work()
    except MagnusError as error:
        print(error.shown(), file=sys.stderr)
        status = error.status
    except KeyboardInterrupt:
        status = 130
    raise typer.Exit(status)


def _walk(
    plan: Plan,
    config: Config,
    request: _Request,
    variables: Mapping[str, Json] | None = None,
) -> int:
    """Walk a pipeline with one step here, whatever executor is configured, and return the status of the walk."""
    from magnus_render.cli.execute import new_run_id
    from magnus_render.executors import base

    if request.run_id:
        check_run_id(request.run_id)
    for text in request.param:
        if text.partition("=")[0] in ("", text):
            raise UsageError(f"--param takes NAME=VALUE, not '{text}'")
    parameters: dict[str, Json] = {}
    if request.parameters_file:
        from magnus_render.graph.load import load_parameters

        parameters.update(load_parameters(request.parameters_file))
    parameters.update(variables or {})
    order = base.Order(
        plan,
        config,
        request.run_id or new_run_id(),
        file="",  # there is none that could be executed again for this run
        config_file=request.config,
        parameters=parameters,
        param=request.param,
        tag=request.tag,
    )
    return base.load("local", {}).execute(order)


def _map_variables(text: str) -> Mapping[str, Json]:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise UsageError(f"--map-variable is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise UsageError("--map-variable is not a JSON object")
    return found
