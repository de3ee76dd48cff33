"""Tasks that have a condition, `when`: whether one runs or is skipped, decided once as the walk comes to it."""

from __future__ import annotations

from magnus_render import naming
from magnus_render.plan import RUN, SKIP
from magnus_render.runtime import outcome, shapes, state
from magnus_render.runtime.handover import hand_over
from magnus_render.runtime.records import as_text
from magnus_render.runtime.tasks.base import FinalFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import CompositeStart, Node, Outcome
    from magnus_render.runtime.records import Run


def decide(run: Run, address: str, sees: str) -> str:
    """Return RUN or SKIP of a task that sees a state, and record it. A task that is skipped has its outcome by then.

    Where the parameter is missing the task runs: its attempt fails, and says so.
    """
    node = run.node(address)
    recorded: CompositeStart | None = run.of(address, "start")
    if recorded is None:
        choice = SKIP if _skips(run, address, node, sees) else RUN
        recorded = {"sees": sees, "count": None, "choice": choice, "message": "", "items_mocked": None}
        if not run.create(f"{naming.key(address)}/start.json", recorded):
            recorded = run.of(address, "start") or recorded
    if shapes.decision(run.run_id, address, recorded) == RUN:
        return RUN
    done = outcome.of(run, address) or outcome.decide(run, address, _skipped(run, node, recorded["sees"]))
    if not done.get("skipped"):
        # A handler has settled it as failed by then. A call of it answers by that, and runs nothing.
        return RUN
    hand_over(run, address, node, done["handed_to"], done["state"], "")
    return SKIP


def check(run: Run, address: str, node: Node, sees: str) -> None:
    """Raise `FinalFailure` if a task does not see the parameter of its condition."""
    name = node["when"]["parameter"]
    if not state.value_of(run, address, node, sees, name)[0]:
        raise FinalFailure(f"parameter '{name}' is missing")


def _skips(run: Run, address: str, node: Node, sees: str) -> bool:
    when = node["when"]
    there, value = state.value_of(run, address, node, sees, when["parameter"])
    return there and (as_text(value) in when["values"]) != when["among"]


def _skipped(run: Run, node: Node, sees: str) -> Outcome:
    """Return the outcome of a task that is skipped: a success that set nothing."""
    done = outcome.made_of(outcome.ended(0, 0, "SUCCESS", sees), node["next"]["slug"], sees)
    done["mock"], done["skipped"] = run.state(sees)["mocked"], True
    return done
