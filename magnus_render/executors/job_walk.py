"""A walk from job to job: the part that one process makes, from the outcome of its call to the jobs that follow.

`Onward` decides what follows, and this module carries it out. A step becomes a job. Callbacks that run no code of the user
are made in this process. The ends of branches are records (`job_records.py`), so that any number of jobs may end at once,
be lost, or be run again: everything here may be done twice, and counts once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from functools import partial
from signal import SIGKILL
from typing import TYPE_CHECKING, Any

from magnus_render import errors, naming
from magnus_render.executors import configured, texts
from magnus_render.executors.frames import DECIDING, Call, CompositeFrame, GraphFrame
from magnus_render.executors.job_records import Submission
from magnus_render.executors.onward import FINAL, Onward
from magnus_render.executors.submitter import Job
from magnus_render.plan import MAP, RECORDS_VERSION, TASK, services_of
from magnus_render.runtime import handover, outcome, scratch, state, workspace
from magnus_render.texts import say

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import TypeVar

    from magnus_render.executors.frames import Kind
    from magnus_render.executors.job_records import JobRecords
    from magnus_render.executors.submitter import Submitter
    from magnus_render.plan import Branch, Node, Plan, Services
    from magnus_render.runtime.records import Run

    T = TypeVar("T")

START = ""
"""The name of the submitting computer in claims: the run begins there."""


def variables(services: Services, mode: str) -> dict[str, str]:
    """Return the variables in the environment of every job of a run; `mode` is that of its workspace."""
    told = {"MAGNUS_CONFIG": json.dumps(services), "MAGNUS_RECORDS": str(RECORDS_VERSION)}
    return {**told, workspace.MODE: mode} if mode else told


class _Nodes(dict[str, Any]):
    """The nodes of a plan by definition address, each read from the pages of the run when it is asked for."""

    def __init__(self, run: Run) -> None:
        super().__init__()
        self._run = run

    def __missing__(self, address: str) -> Node:
        node = self[address] = self._run.node(address)
        return node


class JobWalk(Onward):
    """The part of a walk that one process makes.

    `by` is the name of this process in claims, which stays the same if it is run again. `force` takes over the claims of
    other processes, but for those in `alive`.
    """

    def __init__(
        self,
        records: JobRecords,
        services: Services,
        executor: str,
        config: Mapping[str, Any],
        submitter: Submitter,
        mode: str,
        by: str,
        force: bool = False,
    ) -> None:
        """`executor` and `config` are the executor's name and configuration for jobs; `mode` is that of their workspaces."""
        run = self.run = records.run
        plan: Plan = {"nodes": _Nodes(run), "graphs": run.graphs()}  # type: ignore[typeddict-item]
        super().__init__(plan, executor)
        self.records = records
        self.services = services_of(services)  # type: ignore[arg-type]
        self.config = config
        self.submitter = submitter
        self.mode = mode
        self.by = by
        self.force = force
        self.alive: frozenset[str] = frozenset()
        """The names, as in claims, of processes that are known to be at work."""
        self.alone = False
        """True if this job has run before, and its earlier process is known to have ended."""
        self.broken = errors.SUCCESS
        """The exit status of a call after which this process cannot go on, so that the run stands still there; else 0."""
        self.submitted = 0
        """How many jobs were submitted."""
        self._todo: deque[GraphFrame | Call] = deque()
        self._cancelled: bool | None = None

    # ---- from outside ----

    def begin(self) -> None:
        """Walk on from the start of the run."""
        root = self.plan["graphs"][""]
        self._todo.append(GraphFrame(root, "", "", None, root["start"]))
        self._go()

    def call(self, kind: Kind, address: str, attempt: int, repeat: int, after: str) -> Call:
        """Return the call that a job is for."""
        frame = self._frame(naming.parent(address), naming.last(address), after)
        node = self._view.node(frame.graph, frame.slug)
        path = naming.shown(node["path"], address)
        fan_out = kind == "step" and node["type"] == TASK and self._view.counts(node)
        text = (self._text(node) or "") if kind == "text" else ""
        return Call(kind, node, address, path, frame, attempt, after, fan_out, text, repeats=repeat)

    def work(self, call: Call) -> None:
        """Make a call in this process, and go on from it."""
        self._todo.append(call)
        self._go()

    def repeat(self, call: Call) -> None:
        """Go on from a call whose outcome is on record. The call is made again, which runs nothing."""
        if call.kind == "text":
            call.kind = "record"
        self.work(call)

    def crashed(self, call: Call) -> None:
        """Go on from a call that had begun, and whose process has ended without a record: that spends an attempt."""
        if call.kind == "step" and call.attempt >= call.node["retry"]["attempts"]:
            # Another job of this call may still be at work. From now on its outcome does not count.
            outcome.settle(self.run, call.address, call.node)
            self.repeat(call)
            return
        self._finish(call, -SIGKILL, "")
        self._go()

    def once_more(self, call: Call) -> None:
        """Submit a lost call again. If no job of it is known, it is the same call; else a further repeat."""
        if self.records.has_job(Submission(call.address, call.attempt, call.repeats)):
            call.repeats += 1
        self._submit(call)

    def again(self, call: Call, pause: float) -> None:
        """Submit a call again that the platform has failed."""
        call.repeats += 1
        self._submit(call, pause)

    def is_stopped(self, call: Call) -> bool:
        """Tell whether `fail_fast` has stopped a composite around a call, because another branch of it has failed."""
        parts = call.address.split(".")
        for scope in call.node["scopes"]:
            if scope.get("fail_fast"):
                depth = scope["address"].count(".") + 1
                failed = self.records.failed_branch(".".join(parts[:depth]))
                if failed not in ("", parts[depth]):
                    return True
        return False

    def patiently(self, ask: Callable[[], T]) -> T:
        """Return what the scheduler answers, asked again behind each of its pauses while it cannot be reached.

        `max_time` does not make it give up sooner, because the run would then stand still. A step that is submitted after
        that time does not begin.
        """
        for pause in self.submitter.pauses:
            try:
                return ask()
            except errors.PlatformError as error:
                say(f"{error}: trying again in {pause:g} s")
                time.sleep(pause)
        return ask()

    # ---- calls made here ----

    def _go(self) -> None:
        while self._todo:
            due = self._todo.popleft()
            if isinstance(due, GraphFrame):
                self._advance(due)
            elif due.kind == "text":
                self._begin_text(due)
            else:
                self._finish(due, *self._callback(due))

    def _callback(self, call: Call) -> tuple[int, str]:
        """Make a callback; return its exit status and what it decided."""
        if not (call.fan_out or call.kind in DECIDING):
            return self._main(call, ""), ""
        folder = scratch.make()
        file = os.path.join(folder, "decided")
        try:
            status = self._main(call, file)
            with open(file, encoding="ascii", errors="replace") as stream:
                return status, stream.read().strip()
        except FileNotFoundError:
            return status, ""
        finally:
            scratch.remove(folder)

    def _main(self, call: Call, file: str) -> int:
        from contextlib import redirect_stdout
        from io import StringIO

        from magnus_render.runtime import callback

        argv = call.argv(self.run.run_id, (), file)
        if self.by != START:
            return callback.main(argv, services=self.services, run=self.run)
        with redirect_stdout(StringIO()):  # the decision is for the walk, not for the job's output
            return callback.main(argv, services=self.services, run=self.run)

    def _begin_text(self, call: Call) -> None:
        """Run the text of an as-is, unless another job has begun it."""
        if self.records.begin_text(Submission(call.address, call.attempt, call.repeats)) or self.alone:
            self._finish(call, self._run_text(call), "")
        else:
            say(f"{call.path}: another job has begun its text: that one goes on from it")

    def _run_text(self, call: Call) -> int:
        """Run a text in a shell, unless `max_time` is over; return its exit status."""
        if handover.overdue(self.run):
            return errors.FAILED
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        folder = scratch.make()
        pid = os.fork()
        if pid == 0:
            status = 127
            try:
                status = texts.execute(call.text, self.run.run_id, folder)
            finally:
                os._exit(status)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        scratch.remove(folder)
        return status

    def _finish(self, call: Call, status: int, decided: str) -> None:
        if call.kind == "text":
            call.kind, call.exit_status = "record", status if status >= 0 else 128 - status
            self._todo.append(call)
        elif status in FINAL:
            self.broken = self.broken or status
        elif not self.is_stopped(call):
            self._finished(call, status, time.time(), decided)

    # ---- what Onward asks ----

    def _due(self, call: Call) -> None:
        if call.kind == "text" or (call.kind == "step" and call.node["type"] == TASK):
            self._submit(call)
        else:
            self._todo.append(call)

    def _again(self, call: Call, now: float, seconds: float) -> None:
        end = handover.deadline(self.run)
        self._submit(call, seconds if end is None else min(seconds, max(0.0, end - now)))

    def _opened(self, composite: CompositeFrame) -> None:
        branches = list(composite.branches)
        if not branches:
            self._todo.append(self._closed(composite))
        for branch in branches[: composite.limit]:
            self._todo.append(self._branch(composite, branch))

    def _branch_over(self, frame: GraphFrame, success: bool) -> bool:
        composite, branch = frame.parent, naming.last(frame.address)
        assert composite is not None, "the root is no branch"
        address, fail_fast = composite.address, composite.node.get("fail_fast")
        anew = self.records.branch_over(address, branch, success, self.by)
        if fail_fast and not success:
            if self.records.failed_branch(address) != branch:
                return False  # the branch that failed first closes it, and ends the jobs of this one
            composite.failed = True
            self._forget(address)
            self._stop_others(address, branch)
            return True
        branches = state.branch_graphs(self.run, address, composite.node)
        ended, composite.failed = self.records.branches_over(address)
        if composite.failed and fail_fast:
            return False
        if composite.limit is not None and max(composite.limit, ended) < len(branches):
            following = composite.limit + self.records.turn(address, branch, anew, ended)
            if following < len(branches):
                self._todo.append(self._branch(composite, self._branch_of(composite, branches[following])))
        if ended < len(branches):
            return False
        # A long listing may miss a failure that was recorded while it was made, though it has the last end.
        composite.failed = composite.failed or bool(self.records.failed_branch(address))
        return not (composite.failed and fail_fast)

    def _forget(self, composite: str) -> None:
        """Forget the calls inside a composite that have not begun."""
        inside = f"{composite}."
        self._todo = deque(due for due in self._todo if not due.address.startswith(inside))

    def _over(self, status: int) -> None:
        self.records.over(status)
        if status == errors.SUCCESS and self.mode:
            workspace.remove(self.run.run_id)

    def _text(self, node: Node) -> str | None:
        text = self.records.node(node["address"]).get("text")
        return text if isinstance(text, str) else None

    # ---- jobs ----

    def _submit(self, call: Call, pause: float = 0.0) -> None:
        if self._cancelled is None:
            self._cancelled = self.records.is_cancelled()
        if self._cancelled:
            return
        what = Submission(call.address, call.attempt, call.repeats)
        there = self.records.claim(what, self.by, call.after, self._takes_over)
        if there is None:
            return
        if pause and not there and not self.submitter.delays:
            say(f"{call.path}: waiting {pause:g} s before attempt {call.attempt}")
            time.sleep(pause)
            pause = 0.0
        job = self._job(call, pause)
        if not there:
            there = self.patiently(lambda: self.submitter.submit(job))
            self.records.submitted(what, "job", there)
            self.submitted += 1
        elif not self.submitter.guards or self._is_over(there):
            return
        if self.submitter.guards:
            guard = Job(
                **{**vars(job), "argv": [*job.argv, "--guard", there], "delay": 0.0, "after_loss": there}
            )
            self.records.submitted(what, "guard", self.patiently(lambda: self.submitter.submit(guard)))

    def _takes_over(self, by: str) -> bool:
        return by == self.by or (self.force and by not in self.alive)

    def _is_over(self, job: str) -> bool:
        state = self.patiently(lambda: self.submitter.states([job]))
        return state.get(job) not in ("waiting", "running")

    def _job(self, call: Call, pause: float) -> Job:
        argv = ["run_job", self.run.run_id, call.address, "--attempt", str(call.attempt)]
        argv += ["--repeat", str(call.repeats)]
        if call.after:
            argv += ["--after", call.after]
        if call.kind == "text":
            argv.append("--text")
        environment = variables(self.services, self.mode)
        own = self.records.node(call.node["address"]).get("config", {})
        config = configured.merged(self.config, own)
        return Job(
            self.run.run_id, call.address, call.path, call.attempt, argv, environment, config, delay=pause
        )

    def _stop_others(self, composite: str, branch: str) -> None:
        """End the jobs of the other branches of a composite, their guards first."""
        mine = naming.join(composite, branch)
        ids: dict[str, list[str]] = {"guard": [], "job": []}
        for what, jobs in self.records.all(composite).items():
            if what.address != mine and not what.address.startswith(f"{mine}."):
                for kind in ids:
                    ids[kind] += jobs[kind]
        for kind in ids:
            if those := ids[kind]:
                self.patiently(partial(self.submitter.cancel, those))

    # ---- frames ----

    def _frame(self, graph: str, slug: str, after: str = "") -> GraphFrame:
        """Return the frame of a graph, at one of its nodes, with the frames around it."""
        if not graph:
            return GraphFrame(self.plan["graphs"][""], "", "", None, slug, after)
        address = naming.parent(graph)
        node = self.run.node(address)
        around = self._frame(naming.parent(address), naming.last(address))
        path = naming.shown(node["path"], address)
        composite = CompositeFrame(node, address, path, around, iter(()), node.get("max_concurrency"))
        frame = self._branch(composite, self._branch_of(composite, graph))
        frame.slug, frame.after = slug, after
        return frame

    @staticmethod
    def _branch_of(composite: CompositeFrame, graph: str) -> Branch:
        slug = naming.last(graph)
        names: Iterator[str] = (b["name"] for b in composite.node["branches"] if b["slug"] == slug)
        name = slug if composite.node["type"] == MAP else next(names)
        return {"slug": slug, "name": name}
