"""Files of older versions: older spellings are accepted, and the user is warned of keys without a meaning today."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.plan import CONDITIONAL
from magnus_render.spec import codes
from magnus_render.spec.tree import Map, Seq, Value

if TYPE_CHECKING:
    from magnus_render.registry import Described
    from magnus_render.spec.report import Place, Report

BLOCKS = {
    "mode": "executor",
    "pipeline-executor": "executor",
    "run_log": "run_log_store",
    "run-log-store": "run_log_store",
}
"""Older names of blocks, and today's."""
TRACKERS = ("experiment_tracker", "experiment_tracking", "experiment-tracker")
"""Blocks, and fields of nodes, that are not used any more."""
_TRACKER_FIX = "metrics are part of the run log: call track_this(name=value), or set MAGNUS_TRACK_<name>"
GONE = {
    "enable_parallel": "branches always run at the same time; 'max_workers' of the local executor bounds how many",
    "placeholders": "write the values at the node: executor_config: {<executor>: {...}}",
    "output_file": "give the file on the command line: magnus render ... -o FILE",
    "expose_parameters_as_inputs": "the initial parameters are always an argument of the workflow",
    "max_workflow_duration_in_seconds": "use 'max_time' of the dag",
    "max_step_duration_in_seconds": "use 'timeout' of the task",
    "retry_strategy": "use 'retry' of the task",
}
"""Keys of an executor's configuration that are not used any more, each with what to do instead."""


def root(raw: Map, report: Report) -> Map:
    """Return the top level of a file with today's names."""
    for old, new in BLOCKS.items():
        if old in raw and new not in raw:
            raw = raw.renamed(old, new)
    for name in TRACKERS:
        if name in raw:
            report.warning(codes.IGNORED, raw.key_place(name), f"'{name}' is not used any more", _TRACKER_FIX)
            raw = raw.without(name)
    return raw


def node(raw: Map, owner: str, report: Report) -> Map:
    """Return a node with today's names and without empty fields.

    An empty `default` of a conditional is kept, so that it is refused: without it, the values that the user wrote it for
    would be failures. An empty `when` is kept too: without it, the task would always run.
    """
    if raw.get("type") == "stub":
        raw = raw.replaced({**raw, "type": "as-is"})
    if None in raw.values():
        kept = ("when", "default") if raw.get("type") == CONDITIONAL else ("when",)
        raw = raw.without(*(key for key, value in raw.items() if value is None and key not in kept))
    if "mode_config" in raw and "executor_config" not in raw:
        raw = raw.renamed("mode_config", "executor_config")
    kind = raw.get("type")
    if kind == "as-is":
        config = raw.get("command_config")
        if "render_string" not in raw and isinstance(config, Map) and "render_string" in config:
            raw = raw.replaced(dict(raw))
            raw.put("render_string", config["render_string"], config.value_place("render_string"))
    elif kind == "task":
        raw = _task(raw, owner, report)
    for name in TRACKERS:
        if name in raw and kind != "as-is":
            what = f"{owner}: '{name}' is not used any more"
            report.warning(codes.IGNORED, raw.key_place(name), what, _TRACKER_FIX)
            raw = raw.without(name)
    return raw


def _task(raw: Map, owner: str, report: Report) -> Map:
    if "returns" in raw:
        what = f"{owner}: 'returns' is not used any more"
        fix = "a task sets the parameters it returns, or writes to $MAGNUS_OUTPUT"
        report.warning(codes.IGNORED, raw.key_place("returns"), what, fix)
        raw = raw.without("returns")
    catalog = raw.get("catalog")
    if isinstance(catalog, Map) and None in catalog.values():
        empty = (key for key, value in catalog.items() if value is None)
        raw = raw.replaced({**raw, "catalog": catalog.without(*empty)})
    return raw


def from_data_folder(raw: Map, folder: str, owner: str, report: Report) -> Map:
    """Return a task whose `get` and `put` are relative to the data folder; in 0.5 they were relative to the project.

    It is for tasks and configurations that name no data folder. A path `data/x` then means the file `x` in the data
    folder `data`, and `./data/x` means a folder `data` inside it.
    """
    catalog = raw.get("catalog")
    if not isinstance(catalog, Map) or "compute_data_folder" in catalog:
        return raw
    changed = dict(catalog)
    for key in ("get", "put"):
        given = catalog.get(key)
        if isinstance(given, Seq):
            changed[key] = given.replaced(
                [_inside(item, folder, given.item_place(n), owner, report) for n, item in enumerate(given)]
            )
        elif isinstance(given, str):
            changed[key] = _inside(given, folder, catalog.value_place(key), owner, report)
    return raw.replaced({**raw, "catalog": catalog.replaced(changed)})


def _inside(path: Value, folder: str, place: Place, owner: str, report: Report) -> Value:
    if not isinstance(path, str):
        return path
    if path.startswith(f"./{folder}/"):
        return path[2:]
    if not path.startswith(f"{folder}/") or path == f"{folder}/":
        return path
    rest = path[len(folder) + 1 :]
    what = f"{owner}: '{path}' begins with the data folder: it is read as '{rest}', which is relative to it"
    fix = f"write '{rest}'; for a folder '{folder}' inside of the data folder, './{path}'"
    report.warning(codes.FROM_DATA_FOLDER, place, what, fix)
    return rest


def config(block: str, described: type[Described] | None, raw: Map, report: Report) -> Map:
    """Return the `config` of an executor or service, or a node's overrides of it, with today's keys."""
    if None in raw.values():
        raw = raw.without(*(key for key, value in raw.items() if value is None))
    if described is not None:
        for old, new in described.older_keys.items():
            if old in raw and new not in raw:
                raw = raw.renamed(old, new)
        raw = described.translated(raw)
    if block != "executor":
        return raw
    for name, fix in GONE.items():
        if name in raw:
            report.warning(
                codes.IGNORED, raw.key_place(name), f"executor: '{name}' is not used any more", fix
            )
            raw = raw.without(name)
    return raw
