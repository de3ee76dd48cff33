"""`--use-cached`: a success of an earlier run taken over instead of run again (DESIGN §4)."""

from __future__ import annotations

import time

from magnus_render import naming
from magnus_render.errors import Refused
from magnus_render.runtime import state
from magnus_render.runtime.handover import hand_over
from magnus_render.runtime.records import Run, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import AttemptEnd, AttemptStart, Node


def mock(run: Run, address: str, node: Node, sees: str, fan_out: str) -> bool:
    """Take a step's success over from the original run, if all before it was and its definition is the same.

    It must also see the same, which can differ though all before it was taken over: a step before it may be gone from
    the definition, or a map may have fewer items.
    """
    seen = run.state(sees)
    if not seen["mocked"]:
        return False
    original = Run.open(run.store, run.record["original_run_id"])
    if original is None:
        raise Refused(f"--use-cached: run '{run.record['original_run_id']}' is gone")
    there = original.find(address)
    if there is None or there["hash"] != node["hash"]:
        return False
    end: AttemptEnd | None = original.of(address, "success")
    if end is None:
        return False
    if _sight(original, address, there, _saw(original, address, end)) != _sight(run, address, node, sees):
        return False
    packed = run.pack(original.unpack(end["set"]))
    digest = run.save(state.added(seen, packed, state.files_put(end["catalog"])))
    now = time.time()
    taken: AttemptEnd = {**end, "attempt": 0, "time": now, "set": packed, "state": digest, "mock": True}
    taken["sees"] = sees
    taken["handed_to"] = node["next"]["slug"]
    run.create(f"{naming.key(address)}/success.json", taken)
    hand_over(run, address, node, taken["handed_to"], digest, fan_out)
    return True


def _saw(original: Run, address: str, end: AttemptEnd) -> str:
    """Return the hash of the state that a success was made from: a mock says so itself, an attempt when it began."""
    if end["mock"]:
        return end["sees"]
    start: AttemptStart = original.of(address, f"{end['attempt']}.start")
    return start["sees"]


def _sight(run: Run, address: str, node: Node, digest: str) -> bytes:
    """Return all that a step sees, in a form in which two runs can be compared."""
    seen, variables = run.state(digest), run.map_variables(address, node["scopes"])
    packed = [
        {k: v for k, v in seen["parameters"][kind].items() if k not in variables}
        for kind in ("values", "large")
    ]
    return dumps([packed, seen["files"], variables])
