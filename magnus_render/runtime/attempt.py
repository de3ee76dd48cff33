"""One attempt of one step: what it sees, its process, its record, and the hand-over (DESIGN §3.1, §4)."""

from __future__ import annotations

import json
import os
import time

from magnus_render import naming
from magnus_render.errors import FAILED, PLATFORM, SHORTAGES, SUCCESS
from magnus_render.plan import TASK, failure_target
from magnus_render.runtime import earlier, exchange, process, state, tasks, workspace
from magnus_render.runtime.cached import mock
from magnus_render.runtime.handover import deadline, hand_over, over, overdue, stopped
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
    done: AttemptEnd | None = run.of(address, "success")
    if done is not None:
        hand_over(run, address, node, done["handed_to"], done["state"], options.fan_out)
        return SUCCESS
    if options.resume and (failed := earlier.recorded_failure(run, address, options.attempt)):
        if failed["handed_to"]:
            hand_over(run, address, node, failed["handed_to"], failed["state"], options.fan_out)
        return FAILED if failed["handed_to"] else options.again
    if options.attempt > 1:
        options.attempt = min(options.attempt, 1 + earlier.spent(run, address))
        if node["type"] == TASK and options.attempt > node["retry"]["attempts"]:
            # The engine tries again what broke off; the last of the user's attempts had been begun by then.
            say(f"{naming.shown(node['path'], address)}: no attempt is left")
            given_up = earlier.give_up(run, address, node)
            if given_up["handed_to"]:
                hand_over(run, address, node, given_up["handed_to"], given_up["state"], options.fan_out)
            return FAILED
    recorded = options.exit_status is not None  # of what has run already
    why = overdue(run) if recorded else stopped(run, address, node)
    if why:
        say(f"{naming.shown(node['path'], address)}: not started: {why}")
        return FAILED
    with process.Signals() as signals:
        sees = state.seen_by(run, address, options.after)
        if options.exit_status is None and mock(run, address, node, sees, options.fan_out):
            return SUCCESS
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
        failed = self._begin()
        if failed is not None:
            to, seen = failed["handed_to"], failed["state"]
            if to:
                hand_over(self.run_, self.address, self.node, to, seen, self.options.fan_out)
            return FAILED if to else self.options.again
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

    def _begin(self) -> AttemptEnd | None:
        """Record that an attempt begins, and its number; return how it ended, if this call was delivered before."""
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
            named = self.options.attempt if self.options.told else None
            if failed := earlier.delivered_before(self.run_, self.address, named):
                return failed
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
            raise TaskFailure(f"killed by signal {ended.signal}")
        if ended.status:
            said = read_text(os.path.join(scratch, folders.MESSAGE))
            platform = folders.platform_failure(scratch)
            self.platform = bool(platform)
            self.final = os.path.exists(os.path.join(scratch, folders.FINAL))
            raise TaskFailure(said or platform or f"exited with status {ended.status}")

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
            "handed_to": "",
            "state": self.sees,
            "mock": False,
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
        failed = earlier.outcome_before(run, self.address, self.options.attempt)
        if failed is not None:
            return self._failed_before(end, failed)
        end["set"], end["state"], end["handed_to"] = packed, after, self.node["next"]["slug"]
        if not run.create(f"{naming.key(self.address)}/success.json", end):
            self._too_late(end, "another attempt succeeded before")
            return SUCCESS
        for warning in self.warnings:
            say(f"{naming.shown(self.node['path'], self.address)}: warning: {warning}")
        hand_over(run, self.address, self.node, end["handed_to"], after, self.options.fan_out)
        return SUCCESS

    def _failed_before(self, end: AttemptEnd, failed: AttemptEnd) -> int:
        """Record an end that counts for nothing, for the user's attempt has failed: another delivery of it was quicker."""
        run, node = self.run_, self.node
        self._too_late(end, "another delivery of this attempt failed before")
        if failed["handed_to"]:
            hand_over(run, self.address, node, failed["handed_to"], failed["state"], self.options.fan_out)
            return FAILED
        return self.options.again

    def _too_late(self, end: AttemptEnd, message: str) -> None:
        """Record the end of an attempt that counts for nothing: the platform had taken it for lost, and made another."""
        end["status"], end["platform"], end["handed_to"], end["message"] = "CRASHED", True, "", message
        end["state"] = self.sees
        self.run_.create(f"{naming.key(self.address)}/{self.number}.end.json", end)

    def _failed(self, message: str) -> int:
        run, node = self.run_, self.node
        end = self._end("CRASHED" if self.platform else "FAIL", message)
        done: AttemptEnd | None = run.of(self.address, "success")
        if done is not None:
            self._too_late(end, "another attempt succeeded before")
            hand_over(run, self.address, node, done["handed_to"], done["state"], self.options.fan_out)
            return SUCCESS
        failed = earlier.outcome_before(run, self.address, self.options.attempt)
        if failed is not None and not self.platform:
            return self._failed_before(end, failed)
        retry = node.get("retry")
        last = self.final or bool(overdue(run)) or retry is None or self.options.attempt >= retry["attempts"]
        if not self.platform and last:
            end["handed_to"], end["state"] = failure_target(node), state.unmocked(run, self.sees)
        end["set"] = run.pack(self.set)
        run.create(f"{naming.key(self.address)}/{self.number}.end.json", end)
        say(f"{naming.shown(node['path'], self.address)}: {message}")
        if end["handed_to"]:
            hand_over(run, self.address, node, end["handed_to"], end["state"], self.options.fan_out)
        if self.platform:
            return PLATFORM
        return FAILED if last else self.options.again


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
