"""The preview of a run: which steps it would take over from an earlier run, which it would run, and which it would skip.

Nothing is estimated here. The walk of `magnus execute` goes through the graph, and the functions of the callbacks decide, on
records that stay in memory (`overlay.py`). At a step that must run, the walk of its branch stops, because the values that
the step will set are not known. Behind it nothing is taken over, and `beyond.py` tells which steps may follow.
"""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from magnus_render import naming
from magnus_render.errors import FAILED, SUCCESS
from magnus_render.executors.frames import DECIDING
from magnus_render.executors.walk import Walk
from magnus_render.plan import FAIL_NODE, SKIP, TASK, failure_target, is_decided, services_of
from magnus_render.planning import beyond, motives
from magnus_render.planning.overlay import Overlay
from magnus_render.planning.verdicts import FAILS, RUNS, SKIPPED, TAKEN, Verdict
from magnus_render.runtime import attempt, confirm, create, state
from magnus_render.runtime.handover import answer, enter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.executors.frames import Call
    from magnus_render.plan import Config, Json, Node, Plan
    from magnus_render.runtime.records import Run
    from magnus_render.services.base import BaseRunLogStore


@dataclass
class Preview:
    """A preview of a run."""

    run: Run
    """The run, whose records are in memory only."""
    verdicts: list[Verdict] = field(default_factory=list)
    """Verdicts on steps, and on composites that fail or whose decision is open; in reading order."""

    @property
    def original(self) -> str:
        """The run that `--use-cached` names, or ''."""
        return self.run.record["original_run_id"]


def preview(
    plan: Plan,
    config: Config,
    store: BaseRunLogStore,
    *,
    engine: str,
    parameters: Mapping[str, Json],
    use_cached: str = "",
) -> Preview:
    """Return the preview of a run of a plan with these initial parameters, as the executor `engine` would walk it.

    It writes nothing to the store, and runs no code of the pipeline. Raises the `MagnusError` that the start of the run
    would raise.
    """
    run_id = f"plan-{os.urandom(8).hex()}"
    overlay = Overlay(store, run_id)
    run = create.create(
        overlay, run_id, plan, parameters=parameters, walk="", target=engine, use_cached=use_cached
    )
    previewer = _Previewer(run, plan, config, engine)
    # Callbacks print failures to standard error. The verdicts have them too.
    with contextlib.redirect_stderr(io.StringIO()):
        return previewer.perform()


class _Previewer:
    def __init__(self, run: Run, plan: Plan, config: Config, engine: str) -> None:
        self._run = run
        self._services = services_of(config)
        self._walk = Walk(_unbounded(plan), engine)
        self._motives = motives.Motives(run)
        self._verdicts: dict[str, Verdict] = {}
        self._texts: list[Verdict] = []
        """As-is nodes with text that the walk has come to. It goes on as if they had succeeded."""

    def perform(self) -> Preview:
        # The call of a step that must run is never finished. So the loop ends when the walk is over, or when all that is
        # left waits for such steps.
        while self._walk.status is None and (call := self._walk.take(0.0)) is not None:
            self._call(call)
        bounds = beyond.FailFast(self._run, self._texts)
        for verdict in self._verdicts.values():
            verdict.conditions += bounds.conditions(verdict.address)
        for call in self._walk.running:
            self._beyond(call.address, call.path, (self._next(call), failure_target(call.node)))
        for text in self._texts:
            node = self._run.node(text.address)
            self._beyond(text.address, text.path, (failure_target(node),), failed=True)
        order = {address: beyond.order(self._run, address) for address in self._verdicts}
        return Preview(self._run, sorted(self._verdicts.values(), key=lambda one: order[one.address]))

    def _next(self, call: Call) -> str:
        return call.node["next"]["slug"]

    def _beyond(self, address: str, path: str, slugs: tuple[str, ...], failed: bool = False) -> None:
        for verdict in beyond.behind(self._run, address, path, slugs, failed):
            self._verdicts.setdefault(verdict.address, verdict)

    # ---- one call of the walk ----

    def _call(self, call: Call) -> None:
        run, node = self._run, self._run.node(call.address)
        if node["type"] == FAIL_NODE and call.kind == "step":
            self._walk.finish(call, FAILED, 0.0)
        elif call.kind == "text":
            verdict = self._note(call, RUNS, "text of the engine itself is never taken over")
            self._walk.finish(call, SUCCESS, 0.0)
            self._texts.append(verdict)
        elif call.kind == "record":
            options = attempt.Options(exit_status=call.exit_status, after=call.after)
            status = attempt.execute(run, self._services, call.address, node, options)
            self._walk.finish(call, status, 0.0)
        elif call.kind == "confirm":
            status = confirm.confirm_failure(run, self._services, call.address, node)
            self._walk.finish(call, status, 0.0)
        elif call.kind == "step":
            self._step(call, node)
        else:
            self._enter(call, node)

    def _step(self, call: Call, node: Node) -> None:
        run = self._run
        sees = state.seen_by(run, call.address, call.after)
        done = attempt.spared(run, call.address, node, sees)
        if done is None:
            self._note(call, RUNS, self._motives.of(call.address, node, sees))
            return
        self._note(call, TAKEN, "")
        answer(run, call.address, node, done, "")
        decided = self._decided(call, node, done["state"]) if call.fan_out else ""
        self._walk.finish(call, SUCCESS, 0.0, decided)

    def _decided(self, call: Call, node: Node, digest: str) -> str:
        """Return a step's decision for its successor, in the form in which the walk gets it."""
        address = naming.join(naming.parent(call.address), node["next"]["slug"])
        return self._told(address, enter(self._run, address, self._run.node(address), digest))

    def _enter(self, call: Call, node: Node) -> None:
        seen = state.seen_by(self._run, call.address, call.after)
        decided = self._told(call.address, enter(self._run, call.address, node, seen))
        failed = is_decided(node) and not decided
        self._walk.finish(call, FAILED if failed else SUCCESS, 0.0, decided if call.kind in DECIDING else "")

    def _told(self, address: str, decided: int | str | None) -> str:
        """Return a decision as a callback prints it; add a verdict for a skipped task, or a composite that fails."""
        node = self._run.node(address)
        path = naming.shown(node["path"], address)
        if node["type"] == TASK and decided == SKIP:
            self._put(Verdict(address, path, SKIPPED, motives.skipped(node)))
        elif node["type"] != TASK and decided is None and is_decided(node):
            self._put(Verdict(address, path, FAILS, self._run.of(address, "start")["message"]))
        return "" if decided is None else str(decided)

    def _note(self, call: Call, what: str, why: str) -> Verdict:
        return self._put(Verdict(call.address, call.path, what, why))

    def _put(self, verdict: Verdict) -> Verdict:
        verdict.conditions += [
            f"if '{text.path}' succeeds"
            for text in self._texts
            if beyond.precedes(text.address, verdict.address)
        ]
        self._verdicts[verdict.address] = verdict
        return verdict


def _unbounded(plan: Plan) -> Plan:
    """Return a plan without `max_concurrency` and `fail_fast`: composites begin all branches at once, and stop none.

    Neither field decides what is taken over. If `fail_fast` may keep a branch from beginning, a verdict's conditions say so.
    """
    free = {"max_concurrency": None, "fail_fast": False}
    nodes = {
        address: {**node, **{key: value for key, value in free.items() if key in node}}
        for address, node in plan["nodes"].items()
    }
    return {**plan, "nodes": nodes}  # type: ignore[typeddict-item]
