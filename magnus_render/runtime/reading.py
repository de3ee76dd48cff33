"""Reads all that a store holds of a run, folds it, and lists its steps, for whoever looks at a run as a whole."""

from __future__ import annotations

import time
from itertools import chain

from magnus_render import naming
from magnus_render.errors import Refused
from magnus_render.plan import COMPOSITES, FAIL_NODE, PLAN_VERSION, SUCCESS_NODE
from magnus_render.runtime import shapes
from magnus_render.runtime.fold import fold
from magnus_render.runtime.fold_attempts import Records
from magnus_render.runtime.records import run_record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from magnus_render.plan import Plan, RunRecord
    from magnus_render.services.base import BaseRunLogStore

    Log = dict[str, Any]
    Step = dict[str, Any]

_AGAIN = 5
"""How often a run is read again at most."""
_ONE_BY_ONE = 20
"""As many folders are read again one by one; of more, the whole run is."""
_LOST = ("FAIL", "CRASHED")


def read_folded(store: BaseRunLogStore, run_id: str) -> tuple[Plan, RunRecord, Records, Log]:
    """Read all there is of a run and fold it; raise as `read_run` and `fold` do.

    Records are read one after the other while the run goes on. So the end of a branch may be seen, and of a step in it no
    more than its start: the step seems to have crashed. What seems to be lost is read again, until that adds nothing. By
    then all is there that was recorded before the end of the branch.
    """
    plan, run, found = read_run(store, run_id)
    for _ in range(_AGAIN):
        records = Records(found, run_id)
        log = fold(plan, run, records, time.time())
        missed = _missed(store, run_id, found, _in_doubt(log, records))
        if not missed:
            break
        found.update(missed)
    return plan, run, records, log


def _in_doubt(log: Log, records: Records) -> list[str]:
    """Return the folders of the nodes that have failed by what is not there."""
    found = []
    for _, step in steps_of(log):
        kind, address = step["step_type"], step["internal_name"]
        if step["status"] not in _LOST or kind in (SUCCESS_NODE, FAIL_NODE):
            continue
        inside = (one for branch in step["branches"].values() for one in branch["steps"].values())
        if kind not in COMPOSITES:
            known = records.there(address, "outcome")
        elif step["branches"]:
            known = any(one["status"] in _LOST for one in inside)
        else:
            known = records.there(address, "start")
        if not known:
            found.append(naming.key(address))
    return found


def _missed(
    store: BaseRunLogStore, run_id: str, known: dict[str, Any], folders: list[str]
) -> dict[str, bytes]:
    """Return the records in some folders of a run that are not known."""
    few = folders if len(folders) <= _ONE_BY_ONE else [""]
    there = chain.from_iterable(store.read_all(f"{run_id}/{folder}".rstrip("/")) for folder in few)
    below = tuple(f"{folder}/" for folder in folders)
    keys = ((key[len(run_id) + 1 :], data) for key, data in there)
    return {key: data for key, data in keys if key.startswith(below) and key not in known}


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
