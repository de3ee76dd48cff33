"""`--use-cached`: a success of an earlier run taken over instead of run again (DESIGN §4)."""

from __future__ import annotations

import time

from magnus_render.errors import Refused
from magnus_render.runtime import merge, outcome
from magnus_render.runtime.records import Run, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import Node, Outcome


def mock(run: Run, address: str, node: Node, sees: str) -> Outcome | None:
    """Take a step's success over from the original run, if all before it was and its definition is the same.

    Return the step's outcome, or None if it must be run.
    It must also see the same, which can differ though all before it was taken over: a step before it may be gone from
    the definition, or a map may have fewer items.
    """
    seen = run.state(sees)
    if not seen["mocked"]:
        return None
    original = Run.open(run.store, run.record["original_run_id"])
    if original is None:
        raise Refused(f"--use-cached: run '{run.record['original_run_id']}' is gone")
    there = original.find(address)
    if there is None or there["hash"] != node["hash"]:
        return None
    end = outcome.of(original, address)
    if end is None or end["status"] != "SUCCESS":
        return None
    if _sight(original, address, there, end["sees"]) != _sight(run, address, node, sees):
        return None
    packed = run.pack(original.unpack(end["set"]))
    digest = run.save(merge.added(seen, packed, merge.files_put(end["catalog"])))
    now = time.time()
    taken: Outcome = {**end, "attempt": 0, "time": now, "set": packed, "sees": sees, "state": digest}
    taken["handed_to"], taken["mock"] = node["next"]["slug"], True
    return outcome.decide(run, address, taken)


def _sight(run: Run, address: str, node: Node, digest: str) -> bytes:
    """Return all that a step sees, in a form in which two runs can be compared."""
    seen, variables = run.state(digest), run.map_variables(address, node["scopes"])
    packed = [
        {k: v for k, v in seen["parameters"][kind].items() if k not in variables}
        for kind in ("values", "large")
    ]
    return dumps([packed, seen["files"], variables])
