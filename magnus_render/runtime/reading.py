"""Reads all that a store holds of a run, and lists its steps, for whoever looks at a run as a whole."""

from __future__ import annotations

from magnus_render.errors import Refused
from magnus_render.plan import PLAN_VERSION
from magnus_render.runtime import shapes
from magnus_render.runtime.records import run_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from magnus_render.plan import Plan, RunRecord
    from magnus_render.services.base import BaseRunLogStore

    Log = dict[str, Any]
    Step = dict[str, Any]


def read_run(store: BaseRunLogStore, run_id: str) -> tuple[Plan, RunRecord, dict[str, Any]]:
    """Read all there is of a run; raise `Refused` if there is no such run, `OtherFormat` as `run_record` does."""
    data = store.read(f"{run_id}/run.json")
    if data is None:
        raise Refused(f"there is no run '{run_id}' in the run log store")
    records: dict[str, Any] = {key[len(run_id) + 1 :]: data for key, data in store.read_all(run_id)}
    run = run_record(run_id, data)
    folder = f"plan/{run['dag_hash']}/"
    keys = [key for key in records if key.startswith(folder)]
    pages = {key: shapes.record(run_id, key, records.pop(key)) for key in keys}
    plan: Plan = {
        "version": PLAN_VERSION,
        "name": run["name"],
        "description": "",
        "max_time": run["max_time"],
        "dag_hash": run["dag_hash"],
        "variables": run["variables"],
        "graphs": {},
        **pages.pop(f"{folder}graphs.json", {}),
        "nodes": {},
    }
    nodes = [
        (address, shapes.node(run_id, key, address, node))
        for key, page in pages.items()
        for address, node in page["nodes"].items()
    ]
    nodes.sort(key=lambda entry: entry[1]["order"])
    plan["nodes"] = dict(nodes)
    return plan, run, records


def steps_of(log: Log) -> list[tuple[str, Step]]:
    """Return all steps of a folded log by dot path, those of branches behind their composite."""
    found: list[tuple[str, Step]] = []
    stack = [iter(log["steps"].items())]
    while stack:
        for path, step in stack[-1]:
            found.append((path, step))
            inside = [item for branch in step["branches"].values() for item in branch["steps"].items()]
            stack.append(iter(inside))
            break
        else:
            stack.pop()
    return found
