"""The base of decentralised executors: a run is begun here, and then goes on from job to job by itself.

`JobWalk` is the part of a walk that one process makes. This module begins a run, follows it, finds out whether it stands
still, resumes it, and cancels it. It serves every scheduler: an executor names its `Submitter`.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render import naming, registry
from magnus_render.errors import Refused
from magnus_render.executors import configured
from magnus_render.executors.base import BaseExecutor, Order
from magnus_render.executors.job_records import CANCELLED, RESUMED, JobRecords, Submission
from magnus_render.plan import AS_IS, TASK, as_is_text, services_of
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.executors.frames import Call, Kind
    from magnus_render.executors.job_records import WalkRecord
    from magnus_render.executors.job_walk import JobWalk
    from magnus_render.executors.submitter import Job, Submitter
    from magnus_render.plan import Config, Json, Plan
    from magnus_render.runtime.records import Run

NAMED = 5
"""How many places where a run stands still are named."""
SETTLE = 45
"""Seconds that `cancel` waits for jobs to end: a scheduler kills a job some 30 s after it has told it to end."""


class DecentralExecutor(BaseExecutor):
    """An executor whose jobs each run one node, and then submit the jobs of its successor."""

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
        with ExitStack() as stack:
            here, there = self.configured(order, stack)
            scheduler = self.submitter(self.given)
            if refused := [why for job in self._jobs(order, there) if (why := scheduler.refuses(job))]:
                raise Refused("\n".join(refused))
            scheduler.ready()
            run = self._create(order, here)
            if isinstance(run, int):
                return run
            if not order.resume:
                JobRecords(run).begin(
                    {
                        "executor": self.name,
                        "config": dict(self.given),
                        "services": services_of(there),
                        "nodes": self._own(order.plan),
                    }
                )
                walk_of(run, scheduler).begin()
            else:
                resume(run, scheduler)
            from magnus_render.executors.follow import follow

            return follow(order, run, scheduler, detached=order.detach)

    def _jobs(self, order: Order, config: Config) -> Iterator[Job]:
        """Yield a job for each node that will have one, nearly in the form in which it will be submitted."""
        from magnus_render.executors.job_walk import variables
        from magnus_render.executors.submitter import Job

        environment, own = variables(services_of(config), self.workspaces), self._own(order.plan)
        for address, node in order.plan["nodes"].items():
            if node["type"] == TASK or address in own:
                argv = ["run_job", order.run_id, address, "--attempt", "1", "--repeat", "0"]
                given = configured.merged(self.given, own.get(address, {}).get("config", {}))
                yield Job(order.run_id, address, node["path"], 1, argv, environment, given)

    def _create(self, order: Order, config: Config) -> Run | int:
        """Create the run, or open the one to resume; return the exit status if that is refused."""
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
            return status
        return run

    def _own(self, plan: Plan) -> dict[str, Json]:
        """Return the parts of nodes that are for this executor: the text of an as-is, the configuration of a task."""
        found: dict[str, Json] = {}
        for address, node in plan["nodes"].items():
            own = node.get("executor_config", {}).get(self.name)
            if node["type"] == AS_IS and (text := as_is_text(node, self.name)):
                found[address] = {"text": text}
            if node["type"] in (TASK, AS_IS) and own:
                found.setdefault(address, {})["config"] = own
        return found


def walk_of(run: Run, scheduler: Submitter, force: bool = False) -> JobWalk:
    """Return the walk of a run as the submitting computer makes it; see `JobWalk` for `force`."""
    from magnus_render.executors.job_walk import START, JobWalk

    records = JobRecords(run)
    walk = _walk_record(records)
    mode = registry.find("executor", walk["executor"]).workspaces
    return JobWalk(records, walk["services"], walk["executor"], walk["config"], scheduler, mode, START, force)


def scheduler_of(run: Run) -> Submitter:
    """Return the scheduler of a run's jobs; raise `Refused` if it has none, `PlatformError` if it cannot be reached."""
    from magnus_render.executors.job import submitter_of

    walk = _walk_record(JobRecords(run))
    scheduler = submitter_of(walk["executor"], walk["config"])
    scheduler.ready()
    return scheduler


def _walk_record(records: JobRecords) -> WalkRecord:
    """Return the record of a run's walk; raise `Refused` if the run is not walked from job to job."""
    walk = records.walk()
    if walk is None:
        run = records.run
        raise Refused(
            f"run '{run.run_id}' has no jobs: executor or target '{run.record['target']}' walks it by a process of its own"
        )
    return walk


def resume(run: Run, scheduler: Submitter) -> int:
    """Go on with a run wherever it stands still: begin it, go on behind steps that have ended, submit lost steps again.

    At most places this was done before, and there it changes nothing. Jobs that are at work are left alone. Return how
    many jobs were submitted; raise `Refused` if the run is over.
    """
    from magnus_render.executors.job import left

    walk = walk_of(run, scheduler, force=True)
    records = walk.records
    if records.status() is not None:
        raise Refused(
            f"run '{run.run_id}' is over: a new run with --use-cached {run.run_id} takes over what succeeded"
        )
    if records.is_cancelled():
        records.tell(RESUMED)
    standing_calls = list(_standing_calls(walk))
    walk.begin()
    for call in standing_calls:
        if left(walk, call) == "recorded":
            walk.repeat(call)
    # Listed anew, because going on behind ended steps has made further calls.
    for call in list(_standing_calls(walk)):
        if left(walk, call) != "recorded" and not walk.is_stopped(call):
            walk.once_more(call)
    return walk.submitted


def _standing_calls(walk: JobWalk) -> Iterator[Call]:
    """Yield the last call of each step without a waiting or running job; set `walk.alive` to the names of the others."""
    calls = walk.records.all()
    at_work = _at_work(walk.submitter, calls)
    busy = [what for what, jobs in calls.items() if at_work.intersection(jobs["job"] + jobs["guard"])]
    walk.alive = frozenset(what.by for what in busy)
    addresses = {what.address for what in busy}
    for address, what in {what.address: what for what in sorted(calls)}.items():
        if address not in addresses:
            kind: Kind = "step" if walk.run.node(address)["type"] == TASK else "text"
            yield walk.call(kind, address, what.attempt, what.repeat, walk.records.after(what))


def standing(run: Run, scheduler: Submitter) -> dict[str, str]:
    """Return where a run stands still: the steps that come next, each with the id of its last job.

    If a step was never submitted, the id is that of the job that should have submitted it; '' if none is known. Return {}
    if the run goes on, or is over.
    """
    records = JobRecords(run)
    if records.status() is not None:
        return {}
    calls = records.all()
    if _at_work(scheduler, calls):
        return {}
    if records.all() != calls or records.status() is not None:
        return {}  # a job has ended between the two looks, and has submitted the next one
    last = {what.address: what for what in sorted(calls)}
    places = {
        naming.shown(run.node(one)["path"], one): _last_job(records, calls, what)
        for one, what in last.items()
        if not _done(run, one)
    }
    return places or {"what follows the last step": ""}


def _last_job(
    records: JobRecords, calls: Mapping[Submission, Mapping[str, list[str]]], call: Submission
) -> str:
    jobs = calls[call]["job"]
    if not jobs:
        by = records.claimed_by(call)
        jobs = [job for what, of_it in sorted(calls.items()) if what.by == by for job in of_it["job"]]
    return jobs[-1] if jobs else ""


def described(places: Mapping[str, str], scheduler: Submitter) -> Iterator[str]:
    """Yield lines about the places where a run stands still, at most `NAMED`, and how the last jobs there ended."""
    for place, job in list(places.items())[:NAMED]:
        yield f"at {safe(place)}"
        if job and (ending := scheduler.ending(job)):
            yield f"  job {job} {safe(ending)}"


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
    told: set[str] = set()
    guards: set[str] = set()
    for _ in range(SETTLE):
        calls = records.all()  # a job that was handing over may have submitted another
        open_ = _at_work(scheduler, calls)
        if not open_:
            break
        guards |= {job for jobs in calls.values() for job in jobs["guard"]}
        new = open_ - told  # a job that is told twice would kill its step, which could not end in good order
        scheduler.cancel(sorted(new & guards))
        scheduler.cancel(sorted(new - guards))
        told |= new
        time.sleep(1.0)
    return len(told - guards)


def at_work(run: Run, scheduler: Submitter) -> set[str]:
    """Return the ids of a run's jobs that wait or run."""
    return _at_work(scheduler, JobRecords(run).all())


def _at_work(scheduler: Submitter, calls: Mapping[Submission, Mapping[str, list[str]]]) -> set[str]:
    """Return the ids of the jobs that wait or run."""
    ids = [job for jobs in calls.values() for kind in jobs.values() for job in kind]
    states = scheduler.states(ids) if ids else {}
    return {job for job, state in states.items() if state in ("waiting", "running")}
