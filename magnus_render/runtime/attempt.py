"""One attempt of one step: what it sees, its process, its record, and the hand-over (DESIGN §3.1, §4)."""

from __future__ import annotations

import json
import os
import time
from signal import SIGKILL

from magnus_render import naming
from magnus_render.errors import FAILED, PLATFORM, SHORTAGES
from magnus_render.plan import TASK, failure_target
from magnus_render.runtime import earlier, exchange, outcome, process, state, tasks, workspace
from magnus_render.runtime.cached import mock
from magnus_render.runtime.handover import answer, deadline, over, overdue, stopped
from magnus_render.runtime.log import BoundedLog
from magnus_render.runtime.masking import Secrets, read_text
from magnus_render.runtime.records import attempts_of
from magnus_render.runtime.scratch import make as make_scratch
from magnus_render.runtime.scratch import remove as remove_scratch
from magnus_render.runtime.tasks import child, results
from magnus_render.runtime.tasks import folder as folders
from magnus_render.runtime.tasks.base import LARGEST_ARGUMENT, Context, TaskFailure, Unsaid
from magnus_render.services import lookup
from magnus_render.texts import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import (
        AttemptEnd,
        AttemptStart,
        CatalogRecord,
        Json,
        Node,
        Outcome,
        Services,
        State,
        Status,
    )
    from magnus_render.runtime.records import Run

_OWN = (
    "MAGNUS_PRM_",
    "MAGNUS_TRACK_",
    "MAGNUS_CONFIG",
    "MAGNUS_WORKSPACES",
    "MAGNUS_ISOLATED",
    "MAGNUS_CONTEXT",
    "MAGNUS_PLAN",
    "MAGNUS_FILE",
    "MAGNUS_WALK",
    "MAGNUS_DAG_HASH",
    "MAGNUS_TARGET",
    "MAGNUS_INPUT",
    "MAGNUS_WALKER",
)

LEFT_BEHIND = (
    "a process that the step left running still has its output: what that prints from now on is lost"
)


class Options:
    """What the caller of a step says besides its address."""

    __slots__ = ("after", "again", "attempt", "exit_status", "fan_out", "resume", "told", "workspaces")

    def __init__(
        self,
        *,
        attempt: int | None = None,
        again: int = FAILED,
        after: str = "",
        exit_status: int | None = None,
        fan_out: str = "",
        resume: bool = False,
        workspaces: str = "",
    ) -> None:
        self.told = attempt is not None
        self.attempt = attempt or 1
        """The user's attempt, from 1, as the engine counts: it may have counted what never came to an attempt."""
        self.again = again
        """Exit status of a failure that is not the last of the user's attempts."""
        self.after = after
        self.exit_status = exit_status
        self.fan_out = fan_out
        """Where to write the item count if the step hands over to a map, or ''."""
        self.resume = resume
        self.workspaces = workspaces
        """`branch`, `step` or '': see `workspace`."""


def execute(run: Run, services: Services, address: str, node: Node, options: Options) -> int:
    """Run one attempt of a task (or record how an as-is ended); return the exit status of the callback."""
    done = outcome.of(run, address)
    if done is not None:
        return answer(run, address, node, done, options.fan_out)
    if options.resume and earlier.failed(run, address, options.attempt):
        return options.again
    if options.attempt > 1:
        options.attempt = min(options.attempt, 1 + earlier.spent(run, address))
        if node["type"] == TASK and options.attempt > node["retry"]["attempts"]:
            # The engine tries again what broke off; the last of the user's attempts had been begun by then.
            say(f"{naming.shown(node['path'], address)}: no attempt is left")
            settled = outcome.settle(run, address, node)
            assert settled is not None, "attempts that are spent have begun"
            return answer(run, address, node, settled, options.fan_out)
    recorded = options.exit_status is not None  # of what has run already
    why = overdue(run) if recorded else stopped(run, address, node)
    if why:
        say(f"{naming.shown(node['path'], address)}: not started: {why}")
        return FAILED
    with process.Signals() as signals:
        sees = state.seen_by(run, address, options.after)
        if options.exit_status is None and (taken := mock(run, address, node, sees)):
            return answer(run, address, node, taken, options.fan_out)
        return _Attempt(run, services, address, node, options, sees, signals).run()


class _Attempt:
    def __init__(
        self,
        run: Run,
        services: Services,
        address: str,
        node: Node,
        options: Options,
        sees: str,
        signals: process.Signals,
    ) -> None:
        self.run_ = run
        self.services = services
        self.address = address
        self.node = node
        self.options = options
        self.sees = sees
        self.deadline = deadline(run)
        self.signals = signals
        self.state: State = run.state(sees)
        self.warnings: list[str] = []
        self.catalogued: list[CatalogRecord] = []
        self.set: dict[str, Json] = {}
        self.metrics: dict[str, Json] = {}
        self.platform = False
        self.final = False
        """No further attempt can succeed."""
        self.secrets: Secrets | None = None
        """From when on the task may have seen one."""

    def run(self) -> int:
        status = self._begin()
        if status is not None:
            return status
        try:
            if self.options.exit_status is None:
                self._work()
            elif self.options.exit_status:
                raise TaskFailure(f"exited with status {self.options.exit_status}")
        except OSError as error:
            if error.errno not in SHORTAGES:
                raise
            self.platform = True
            return self._failed(f"the step cannot be started: {error.strerror}")
        except TaskFailure as failure:
            self.platform = self.platform or isinstance(failure, Unsaid)
            message = str(failure)
            return self._failed(self.secrets.hide(message) if self.secrets else message)
        return self._succeeded()

    def _begin(self) -> int | None:
        """Record that an attempt begins, and its number; return the exit status of one that was delivered before."""
        timeout = self.node.get("timeout")
        now = time.time()
        ends = [end for end in (self.deadline, now + timeout if timeout else None) if end is not None]
        start: AttemptStart = {
            "attempt": 1,
            "try_": self.options.attempt,
            "time": now,
            "sees": self.sees,
            "after": self.options.after,
            "deadline": min(ends) if ends else None,
        }
        folder = naming.key(self.address)
        while not self.run_.create(f"{folder}/{start['attempt']}.start.json", start):
            if done := outcome.of(self.run_, self.address):
                return self._answer(done)
            if self.options.told and self._failed_before():
                return self.options.again
            names = self.run_.names(self.address)
            start["attempt"] = max(attempts_of(names, "start"), default=0) + 1
        self.number = start["attempt"]
        return None

    # ---- the work ----

    def _work(self) -> None:
        node, run = self.node, self.run_
        mode = self.options.workspaces
        workdir = workspace.place(run.run_id, self.address, node, mode)
        data = workspace.data_folder(node)
        workspace.make(workdir, data, fresh=mode == "step")
        folder = os.path.join(workdir, data)
        workspace.make_data(folder, node)
        catalog = lookup.load("catalog", self.services["catalog"])
        wanted = node.get("catalog") if catalog.keeps else None
        got: set[str] = set()
        if wanted:
            self.catalogued, self.warnings = exchange.get_files(catalog, wanted, self.state["files"], folder)
            got = {record["path"] for record in self.catalogued}
        before = exchange.before_work(folder, got) if wanted and wanted["put"] else None
        scratch = make_scratch()
        try:
            secrets = self.secrets = Secrets(self.services, node, scratch)
            self._supervise(scratch, workdir, folder, secrets)
        finally:
            remove_scratch(scratch)
        if wanted and before:
            put, warnings = exchange.put_files(catalog, wanted, folder, got, before)
            secrets.refuse({}, put)
            self.catalogued += put
            self.warnings += warnings
        self.warnings += secrets.unmasked()
        if mode == "step":
            workspace.clear(workdir)

    def _supervise(self, scratch: str, workdir: str, folder: str, secrets: Secrets) -> None:
        run, node = self.run_, self.node
        variables = run.map_variables(self.address, node["scopes"])
        parameters = run.unpack(self.state["parameters"])
        for name in variables:
            parameters.pop(name, None)
        context = Context(
            run_id=run.run_id,
            address=self.address,
            attempt=self.options.attempt,
            node=node,
            parameters=parameters,
            map_variables=variables,
            folder=scratch,
            workdir=workdir,
        )
        task = tasks.load(node["command_type"])(node)
        folders.prepare(context)
        api = {
            "folder": scratch,
            "run_id": run.run_id,
            "tag": run.record["tag"],
            "step": self.address,
            "map_variables": variables,
            "services": _from_anywhere(self.services),
            "secrets_where": lookup.load("secrets", self.services["secrets"]).where(),
            "files": self.state["files"],
            "data_folder": folder,
        }
        with open(os.path.join(scratch, "context.json"), "w", encoding="utf-8") as file:
            json.dump(api, file)
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_OWN)}
        environment.update(secrets.environment)
        environment.update(
            MAGNUS_RUN_ID=run.run_id,
            MAGNUS_STEP=self.address,
            MAGNUS_ATTEMPT=str(self.options.attempt),
            MAGNUS_MAP_VARIABLE=_fitting(variables),
            MAGNUS_PARAMETERS=os.path.join(scratch, "parameters.json"),
            MAGNUS_OUTPUT=os.path.join(scratch, "output"),
            MAGNUS_METRICS=os.path.join(scratch, "metrics"),
            MAGNUS_CONTEXT=os.path.join(scratch, "context.json"),
        )
        environment.update(task.environment(context))
        kept = run.store.open_log(f"{run.run_id}/{naming.key(self.address)}/{self.number}.log")
        with BoundedLog(kept, run.store.log_limit, scratch) as log:
            ended = process.supervise(
                lambda: child.run_in_child(task, context),
                environment=environment,
                workdir=workdir,
                log=log,
                secrets=secrets.mask,
                signals=self.signals,
                timeout=node.get("timeout"),
                deadline=self.deadline,
            )
        secrets.ended()
        try:
            self._judge(ended, scratch)
            task.finish(context)
            found = results.read_results(context)
            secrets.refuse(found.set, found.catalog)
        except TaskFailure:
            self._take(secrets.keep(results.read_results(context, lenient=True)), secrets)  # recorded, unseen
            raise
        self._take(found, secrets)
        self.warnings += context.warnings
        if ended.left_behind:
            self.warnings.append(LEFT_BEHIND)

    def _take(self, found: results.Results, secrets: Secrets) -> None:
        self.set = found.set
        self.metrics = {secrets.hide(name): secrets.hidden(value) for name, value in found.metrics.items()}
        self.catalogued += found.catalog

    def _judge(self, ended: process.Ended, scratch: str) -> None:
        """Raise `TaskFailure` with the attempt's message if the process did not end well."""
        if ended.stopped_by:
            self.platform = True
            raise TaskFailure(f"stopped by signal {ended.stopped_by}")
        if ended.timed_out:
            raise TaskFailure(
                over(self.run_) if ended.over else f"timed out after {self.node['timeout']:g} s"
            )
        if ended.signal:
            raise TaskFailure(f"killed by signal {ended.signal}{_for_memory(ended.signal == SIGKILL)}")
        if ended.status:
            said = read_text(os.path.join(scratch, folders.MESSAGE))
            platform = folders.platform_failure(scratch)
            self.platform = bool(platform)
            self.final = os.path.exists(os.path.join(scratch, folders.FINAL))
            exited = f"exited with status {ended.status}{_for_memory(ended.status == 128 + SIGKILL)}"
            raise TaskFailure(said or platform or exited)

    # ---- the record ----

    def _end(self, status: Status, message: str) -> AttemptEnd:
        return {
            "attempt": self.number,
            "try_": self.options.attempt,
            "status": status,
            "time": time.time(),
            "message": message,
            "set": {"values": {}, "large": {}},
            "catalog": _in_order(self.catalogued),
            "metrics": self.metrics,
            "sees": self.sees,
            "platform": self.platform,
        }

    def _succeeded(self) -> int:
        run = self.run_
        packed = run.pack(self.set)
        files = state.files_put(self.catalogued)
        # An as-is sets nothing, so what follows it is as mocked as what came before.
        mocked = self.state["mocked"] and self.options.exit_status is not None
        after = run.save({**state.added(self.state, packed, files), "mocked": mocked})
        end = self._end("SUCCESS", "\n".join(self.warnings))
        if self._failed_before():
            return self._overtaken(end)
        mine = outcome.made_of({**end, "set": packed}, self.node["next"]["slug"], after)
        there = outcome.decide(run, self.address, mine)
        if there is not mine:
            return self._too_late(end, there)
        for warning in self.warnings:
            say(f"{naming.shown(self.node['path'], self.address)}: warning: {warning}")
        return self._answer(mine)

    def _failed(self, message: str) -> int:
        run, node = self.run_, self.node
        end = self._end("CRASHED" if self.platform else "FAIL", message)
        there = outcome.of(run, self.address)
        if there is not None:
            return self._too_late(end, there)
        if not self.platform and self._failed_before():
            return self._overtaken(end)
        retry = node.get("retry")
        last = self.final or bool(overdue(run)) or retry is None or self.options.attempt >= retry["attempts"]
        end["set"] = run.pack(self.set)
        if last and not self.platform:
            mine = outcome.made_of(end, failure_target(node), run.unmocked(self.sees))
            there = outcome.decide(run, self.address, mine)
            if there is not mine:
                return self._too_late(end, there)
            self._say(message)
            return self._answer(mine)
        self._record(end)
        self._say(message)
        if self.platform:
            return PLATFORM
        return self.options.again

    def _failed_before(self) -> bool:
        """Tell whether the user's attempt has failed by another delivery of it, and another attempt is left."""
        return earlier.failed(self.run_, self.address, self.options.attempt)

    def _overtaken(self, end: AttemptEnd) -> int:
        """Record an end that counts for nothing, for another delivery of the user's attempt was quicker to fail."""
        self._count_for_nothing(end, "another delivery of this attempt failed before")
        return self.options.again

    def _too_late(self, end: AttemptEnd, there: Outcome) -> int:
        """Record an end that counts for nothing, and answer by the outcome that somebody recorded before."""
        if there["attempt"] == self.number:  # settled, as somebody went on from its failure
            ended = "it succeeded, but the walk had gone on from its failure"
            message = ended if end["status"] == "SUCCESS" else end["message"]
            self._record({**end, "status": "CRASHED", "message": message})
            self._say(message)
        else:
            how = "succeeded" if there["status"] == "SUCCESS" else "failed"
            # Of the user's attempts it was one, if a later one of them has been made since.
            spent = there["try_"] > self.options.attempt
            self._count_for_nothing(end, f"another attempt {how} before", platform=not spent)
        return self._answer(there)

    def _count_for_nothing(self, end: AttemptEnd, message: str, platform: bool = True) -> None:
        """Record the end of an attempt that the platform had taken for lost, and made another."""
        self._record({**end, "status": "CRASHED", "platform": platform, "message": message})

    def _record(self, end: AttemptEnd) -> None:
        self.run_.create(f"{naming.key(self.address)}/{self.number}.end.json", end)

    def _answer(self, there: Outcome) -> int:
        return answer(self.run_, self.address, self.node, there, self.options.fan_out)

    def _say(self, message: str) -> None:
        say(f"{naming.shown(self.node['path'], self.address)}: {message}")


def _for_memory(killed: bool) -> str:
    """Return what a message says of a task that was killed, where it is known that it took too much memory."""
    if killed:
        from magnus_render.runtime import memory

        if memory.ran_out():
            return ": the container ran out of memory"
    return ""


def _from_anywhere(services: Services) -> Services:
    """Return the stores that a step uses itself, so that they are found from its workspace too."""
    found: Services = {**services}
    for kind in ("catalog", "secrets"):
        given = services[kind]
        config = getattr(lookup.load(kind, given), "config", given["config"])
        found[kind] = {"type": given["type"], "config": config}
    return found


def _in_order(catalogued: list[CatalogRecord]) -> list[CatalogRecord]:
    """Return gets, then puts, each sorted by name, the last of several of one name."""
    unique = {(c["stage"], c["path"]): c for c in catalogued}
    return [unique[key] for key in sorted(unique)]


def _fitting(variables: dict[str, Json]) -> str:
    """Return map variables as JSON without those that no environment variable can hold: `$MAGNUS_PARAMETERS` has all."""
    text = json.dumps(variables)
    if len(text) <= LARGEST_ARGUMENT:
        return text
    sizes = sorted(
        (len(json.dumps(value)) + len(json.dumps(name)), name) for name, value in variables.items()
    )
    kept, room = {}, LARGEST_ARGUMENT
    for size, name in sizes:
        room -= size + 4
        if room >= 0:
            kept[name] = variables[name]
    return json.dumps(kept)
