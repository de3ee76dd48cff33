"""The work of one attempt: its folder, its files, its task's process, and what came of it."""

from __future__ import annotations

import os

from magnus_render import jsontext, naming
from magnus_render.runtime import exchange, process, tasks, workspace
from magnus_render.runtime.handover import over
from magnus_render.runtime.log import BoundedLog
from magnus_render.runtime.masking import Secrets, read_text
from magnus_render.runtime.scratch import make as make_scratch
from magnus_render.runtime.scratch import remove as remove_scratch
from magnus_render.runtime.tasks import child, results
from magnus_render.runtime.tasks import folder as folders
from magnus_render.runtime.tasks.base import LARGEST_ARGUMENT, Context, TaskFailure
from magnus_render.runtime.tasks.values import check
from magnus_render.services import lookup
from magnus_render.signals import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import CatalogRecord, Json, Node, Services, State
    from magnus_render.runtime.records import Run
    from magnus_render.runtime.tasks.base import BaseTask

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
    "MAGNUS_RECORDS",
)

LEFT_BEHIND = (
    "a process that the step left running still has its output: what that prints from now on is lost"
)


class Work:
    """What a task is to do in one attempt, and then what it did."""

    def __init__(
        self,
        run: Run,
        services: Services,
        address: str,
        node: Node,
        state: State,
        *,
        attempt: int,
        mode: str,
        deadline: float | None,
        signals: process.Signals,
    ) -> None:
        """`state` is what the step sees, `attempt` the user's attempt, `mode` which steps have folders of their own."""
        self.run = run
        self.services = services
        self.address = address
        self.node = node
        self.attempt = attempt
        self.mode = mode
        self.state = state
        self.deadline = deadline
        self.signals = signals
        self.warnings: list[str] = []
        self.catalogued: list[CatalogRecord] = []
        self.set: dict[str, Json] = {}
        self.metrics: dict[str, Json] = {}
        self.platform = False
        """The platform has failed, not the task."""
        self.final = False
        """No further attempt can succeed."""
        self.secrets: Secrets | None = None
        """From when on the task may have seen one."""
        self.apart = False
        """It works in a folder of its own, not in the project's."""

    def do(self, number: int) -> None:
        """Run the task to its end, as the step's attempt of that number.

        Raises `TaskFailure`, and `OSError` where the system gives no process, memory or descriptors.
        """
        node, run, mode = self.node, self.run, self.mode
        task = tasks.load(node["command_type"])(node)
        told = task.told(self.attempt)
        if told is not None:
            if self.signals.received:
                self.platform = True
                raise TaskFailure(f"stopped by signal {self.signals.received}")
            check(told, run.map_variables(self.address, node["scopes"]))
            self.set = told
            return
        workdir = workspace.place(run.run_id, self.address, node, mode)
        self.apart = workdir != os.getcwd()
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
            self._supervise(task, scratch, workdir, folder, secrets, number)
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

    def _supervise(
        self, task: BaseTask, scratch: str, workdir: str, folder: str, secrets: Secrets, number: int
    ) -> None:
        run, node = self.run, self.node
        variables = run.map_variables(self.address, node["scopes"])
        parameters = run.unpack(self.state["parameters"])
        for name in variables:
            parameters.pop(name, None)
        context = Context(
            run_id=run.run_id,
            address=self.address,
            attempt=self.attempt,
            node=node,
            parameters=parameters,
            map_variables=variables,
            folder=scratch,
            workdir=workdir,
        )
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
            file.write(jsontext.dumps(api))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(_OWN)}
        environment.update(secrets.environment)
        environment.update(
            MAGNUS_RUN_ID=run.run_id,
            MAGNUS_STEP=self.address,
            MAGNUS_ATTEMPT=str(self.attempt),
            MAGNUS_MAP_VARIABLE=_fitting(variables),
            MAGNUS_PARAMETERS=os.path.join(scratch, "parameters.json"),
            MAGNUS_OUTPUT=os.path.join(scratch, "output"),
            MAGNUS_METRICS=os.path.join(scratch, "metrics"),
            MAGNUS_CONTEXT=os.path.join(scratch, "context.json"),
        )
        environment.update(task.environment(context))
        kept = run.store.open_log(f"{run.run_id}/{naming.key(self.address)}/{number}.log")
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
            raise TaskFailure(over(self.run) if ended.over else f"timed out after {self.node['timeout']:g} s")
        if ended.signal:
            raise TaskFailure(f"killed by signal {ended.signal}{_for_memory(ended.signal == signal.SIGKILL)}")
        if ended.status:
            said = read_text(os.path.join(scratch, folders.MESSAGE))
            platform = folders.platform_failure(scratch)
            self.platform = bool(platform)
            self.final = os.path.exists(os.path.join(scratch, folders.FINAL))
            exited = f"exited with status {ended.status}{_for_memory(ended.status == 128 + signal.SIGKILL)}"
            raise TaskFailure(said or platform or exited)


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


def _fitting(variables: dict[str, Json]) -> str:
    """Return map variables as JSON without those that no environment variable can hold: `$MAGNUS_PARAMETERS` has all."""
    text = jsontext.dumps(variables)
    if len(text) <= LARGEST_ARGUMENT:
        return text
    sizes = sorted(
        (len(jsontext.dumps(value)) + len(jsontext.dumps(name)), name) for name, value in variables.items()
    )
    kept, room = {}, LARGEST_ARGUMENT
    for size, name in sizes:
        room -= size + 4
        if room >= 0:
            kept[name] = variables[name]
    return jsontext.dumps(kept)
