"""`--use-cached`: a success of an earlier run taken over instead of run again."""

from __future__ import annotations

import time

from magnus_render.errors import Refused
from magnus_render.runtime import merge, outcome
from magnus_render.runtime.records import Run, dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import Node, Outcome


BEHIND, ABSENT, REDEFINED, UNDONE, SEES_OTHER = "behind", "absent", "redefined", "undone", "sees other"
"""Why a step runs: something before it on its path was not taken over; the original run has no such step, has another
definition of it, has no success of it; or the step saw something else there."""


def mock(run: Run, address: str, node: Node, sees: str) -> Outcome | None:
    """Take a step's success over from the original run, if all before it was and its definition is the same.

    Return the step's outcome, or None if it must be run.
    """
    seen = run.state(sees)
    if not seen["mocked"]:
        return None
    original = original_of(run)
    end = success(run, original, address, node, sees)
    if isinstance(end, str):
        return None
    packed = run.pack(original.unpack(end["set"]))
    digest = run.save(merge.added(seen, packed, merge.files_put(end["catalog"])))
    now = time.time()
    taken: Outcome = {**end, "attempt": 0, "time": now, "set": packed, "sees": sees, "state": digest}
    taken["handed_to"], taken["mock"] = node["next"]["slug"], True
    return outcome.decide(run, address, taken)


def original_of(run: Run) -> Run:
    """Return the run that `--use-cached` named; raise `Refused` if it is gone."""
    original = Run.open(run.store, run.record["original_run_id"])
    if original is None:
        raise Refused(f"--use-cached: run '{run.record['original_run_id']}' is gone")
    return original


def success(run: Run, original: Run, address: str, node: Node, sees: str) -> Outcome | str:
    """Return the success in the original run that a step takes over, or why it runs (see `BEHIND`).

    It must also see the same. That can differ though all steps before it were taken over: one may be gone from the
    definition, or a map may have fewer items.
    """
    if not run.state(sees)["mocked"]:
        return BEHIND
    there = original.find(address)
    if there is None:
        return ABSENT
    if there["hash"] != node["hash"]:
        return REDEFINED
    end = outcome.of(original, address)
    if end is None or end["status"] != "SUCCESS":
        return UNDONE
    if _sight(original, address, there, end["sees"]) != _sight(run, address, node, sees):
        return SEES_OTHER
    return end


def _sight(run: Run, address: str, node: Node, digest: str) -> bytes:
    """Return all that a step sees, in a form in which two runs can be compared."""
    seen, variables = run.state(digest), run.map_variables(address, node["scopes"])
    packed = [
        {k: v for k, v in seen["parameters"][kind].items() if k not in variables}
        for kind in ("values", "large")
    ]
    return dumps([packed, seen["files"], variables])
