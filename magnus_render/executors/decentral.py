"""What executors share whose nodes walk on by themselves: the run is begun here, and goes on from job to job.

`JobWalk` does what one process does of the walk. This module begins a run, follows it, finds out that it stands still,
takes it up again, and cancels it. It serves every scheduler: an executor names its `Submitter`.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render import integrations
from magnus_render.errors import MagnusError, Refused
from magnus_render.executors.base import BaseExecutor, Order
from magnus_render.executors.job_records import CANCELLED, RESUMED, JobRecords, Submission
from magnus_render.plan import AS_IS, TASK, as_is_text, services_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.executors.frames import Call, Kind
    from magnus_render.executors.job_walk import JobWalk
    from magnus_render.executors.submitter import Submitter
    from magnus_render.plan import Config, Json, Plan
    from magnus_render.runtime.records import Run

SETTLE = 5
"""How often `cancel` looks for jobs that were submitted while it ended others."""


class DecentralExecutor(BaseExecutor):
    """An executor each of whose jobs runs one node, and then submits what follows."""

    submitter: ClassVar[type[Submitter]]
    """Its scheduler."""
    workspaces: ClassVar[str] = ""
    """`step` where jobs share a disk, and each works in a folder of its own; '' where each has a disk of its own."""
    max_workers = 0
    decentral = True

    given: Mapping[str, Any]
    """`executor.config`."""

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        for address, node in plan["nodes"].items():
            text = as_is_text(node, self.name) if node["type"] == AS_IS else None
            if text is not None and not isinstance(text, str):
                yield address, (
                    f"step '{node['path']}': its `render` for '{self.name}' must be lines for a shell, as jobs run them"
                )

    def execute(self, order: Order) -> int:
        problems = [problem for _, problem in integrations.problems(self, order.config)]
        problems += [problem for _, problem in self.check(order.plan)]
        if problems:
            raise Refused("\n".join(problems))
        with ExitStack() as stack:
            here = order.config
            for _, integration in integrations.applying(self, here):
                here = integration.configure_for_traversal(here, stack)
            there = here
            for _, integration in integrations.applying(self, there):
                there = integration.configure_for_execution(there)
            scheduler = self.submitter(self.given)
            scheduler.ready()
            run = self._create(order, here)
            if order.resume:
                resume(run, self._walk(run, there, scheduler, force=True))
            else:
                self._begin(order, run, there, scheduler)
            from magnus_render.executors.follow import follow

            return follow(order, run, scheduler, detached=order.detach)

    def _create(self, order: Order, config: Config) -> Run:
        """Create the run, or open the one that is to go on."""
        from tempfile import NamedTemporaryFile

        from magnus_render.runtime import callback
        from magnus_render.runtime.records import Run
        from magnus_render.services import lookup

        services = services_of(config)
        walk = f"{self.name}-{os.urandom(8).hex()}"
        store = lookup.load("run_log_store", services["run_log_store"])
        argv = ["start_run", order.run_id, "--dag-hash", order.plan["dag_hash"], "--target", self.name]
        argv += ["--tag", order.tag, "--use-cached", order.use_cached, "--walk", walk]
        if order.resume:
            argv.append("--resume")
        for text in order.param:
            argv += ["--param", text]
        with NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
            json.dump(order.parameters, file)
            file.flush()
            argv += ["--parameters-file", file.name]
            status = callback.main(argv, plan=order.plan, services=services)
        run = Run.open(store, order.run_id) if status == 0 else None
        if run is None:
            raise Stopped(status)
        return run

    def _begin(self, order: Order, run: Run, there: Config, scheduler: Submitter) -> None:
        JobRecords(run).write_nodes(self._own(order.plan))
        self._walk(run, there, scheduler).begin()

    def _own(self, plan: Plan) -> dict[str, Json]:
        """Return what nodes have for this executor: the text of an as-is, the configuration of a task."""
        found: dict[str, Json] = {}
        for address, node in plan["nodes"].items():
            own = node.get("executor_config", {}).get(self.name)
            if node["type"] == AS_IS and (text := as_is_text(node, self.name)):
                found[address] = {"text": text}
            if node["type"] in (TASK, AS_IS) and own:
                found.setdefault(address, {})["config"] = own
        return found

    def _walk(self, run: Run, there: Config, scheduler: Submitter, force: bool = False) -> JobWalk:
        from magnus_render.executors.job_walk import START, JobWalk

        return JobWalk(
            run, services_of(there), self.name, self.given, scheduler, self.workspaces, START, force
        )


class Stopped(MagnusError):
    """A run could not be created; why has been said."""

    def __init__(self, status: int) -> None:
        super().__init__("")
        self.status = status

    def shown(self) -> str:
        return ""


def resume(run: Run, walk: JobWalk) -> None:
    """Go on with a run wherever it stands still: begin it, go on from what has ended, submit what was lost.

    All of it has been done before at most places, and doing it again changes nothing there. `walk` takes over claims. Jobs
    that are at work are left alone.
    """
    from magnus_render.executors.job import left

    records = walk.records
    if records.is_cancelled():
        records.tell(RESUMED)
    if records.status() is not None:
        return
    standing_calls = list(_standing_calls(walk))
    walk.begin()
    for call in standing_calls:
        if left(walk, call) == "recorded":
            walk.repeat(call)
    for call in list(_standing_calls(walk)):  # with those that follow from what has ended
        if left(walk, call) != "recorded" and not walk.is_stopped(call):
            walk.once_more(call)


def _standing_calls(walk: JobWalk) -> Iterator[Call]:
    """Yield the last call of each step of which no job waits or runs; note who is at work."""
    calls = walk.records.all()
    at_work = _at_work(walk.submitter, calls)
    busy = [what for what, jobs in calls.items() if at_work.intersection(jobs["job"] + jobs["guard"])]
    walk.alive = frozenset(what.by for what in busy)
    addresses = {what.address for what in busy}
    for address, what in {what.address: what for what in sorted(calls)}.items():
        if address not in addresses:
            kind: Kind = "step" if walk.run.node(address)["type"] == TASK else "text"
            yield walk.call(kind, address, what.attempt, what.repeat, walk.records.after(what))


def standing(run: Run, scheduler: Submitter) -> list[str]:
    """Return where a run stands still: addresses of the calls that should come next; [] if it goes on, or is over."""
    records = JobRecords(run)
    if records.status() is not None:
        return []
    calls = records.all()
    if _at_work(scheduler, calls):
        return []
    if records.all() != calls or records.status() is not None:
        return []  # what was at work has ended meanwhile, and has submitted what follows
    return sorted({what.address for what in calls if not _done(run, what.address)}) or [""]


def _done(run: Run, address: str) -> bool:
    from magnus_render.runtime import outcome

    return outcome.of(run, address) is not None


def cancel(run: Run, scheduler: Submitter) -> int:
    """End all jobs of a run, and let none submit another; return how many were ended. The run may be resumed."""
    records = JobRecords(run)
    if records.status() is not None:
        return 0
    if not records.is_cancelled():
        records.tell(CANCELLED)
    ended: set[str] = set()
    for _ in range(SETTLE):
        calls = records.all()
        at_work = _at_work(scheduler, calls)
        if not at_work:
            break
        guards = {job for jobs in calls.values() for job in jobs["guard"]}
        scheduler.cancel(sorted(at_work & guards))
        scheduler.cancel(sorted(at_work - guards))
        ended |= at_work - guards
        time.sleep(1.0)
    return len(ended)


def _at_work(scheduler: Submitter, calls: Mapping[Submission, Mapping[str, list[str]]]) -> set[str]:
    """Return the ids of the jobs that wait or run."""
    ids = [job for jobs in calls.values() for kind in jobs.values() for job in kind]
    states = scheduler.states(ids) if ids else {}
    return {job for job, state in states.items() if state in ("waiting", "running")}
