"""The callbacks: what every generated step calls (docs/architecture.md, "The callbacks").

This module is started for every step of every run: what one kind of callback needs alone is imported where it is needed.
"""

from __future__ import annotations

import os
import sys

from magnus_render import jsontext, naming
from magnus_render.errors import FAILED, PLATFORM, SUCCESS, MagnusError, Refused, UsageError
from magnus_render.plan import AS_IS, COMPOSITES, CONDITIONAL, FAIL_NODE, MAP, TASK, is_decided
from magnus_render.runtime.command_line import CommandLine, usage
from magnus_render.runtime.records import Run, check_format, dumps
from magnus_render.services import lookup
from magnus_render.texts import ended_by, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Protocol

    from magnus_render.plan import Json, NativeStart, Node, Plan, Services
    from magnus_render.services.base import BaseRunLogStore

    class Front(Protocol):
        """What the runtime needs of the front end, and only where a run is created from a definition in YAML."""

        def load(self, file: str, config: str | None) -> tuple[Plan, Services]:
            """Return the plan and the stores of a definition; raise `MagnusError`."""

        def parameters(self, file: str) -> dict[str, Json]:
            """Return the parameters in a YAML or JSON file; raise `MagnusError`."""


_ONLY = {"map_count": MAP, "choose": CONDITIONAL}
"""Callbacks that are for one type of node."""


def main(
    argv: list[str],
    *,
    front: Front | None = None,
    plan: Plan | None = None,
    services: Services | None = None,
    run: Run | None = None,
) -> int:
    """Run one callback and return its exit status; errors go to standard error.

    `argv` begins with the command. `front` loads YAML where it must be read; `plan` and `services` spare that. `run` is the
    run, where the caller has opened it, and goes on with its store.
    """
    try:
        if "--help" in argv or "-h" in argv:
            print(usage(argv[0]))
            return SUCCESS
        return _Call(argv, front, plan, services, run).run()
    except (MagnusError, OSError) as error:
        return ended_by(error)
    except KeyboardInterrupt:
        return PLATFORM
    finally:
        # A callback may be a fork that ends without its exit functions, and would leave the store's worker behind.
        if run is None and (s3 := sys.modules.get("magnus_render.services.s3_client")) is not None:
            s3.client().close()


class _Call:
    """What a command line asks for."""

    def __init__(
        self,
        argv: list[str],
        front: Front | None,
        plan: Plan | None,
        services: Services | None,
        run: Run | None,
    ) -> None:
        self.front = front
        self.plan = plan
        self.services_ = services
        self.opened = run
        self.line = CommandLine(argv)

    # ---- what is meant ----

    def run(self) -> int:
        check_format(os.environ.get("MAGNUS_RECORDS", ""))
        if self.line.command == "start_run":
            if self._native() is None:
                self._start()
            return SUCCESS
        run = self._open()
        node = run.node(self.line.address)
        if self.line.confirm:
            from magnus_render.runtime.confirm import confirm_failure

            return confirm_failure(run, self.services(), self.line.address, node)
        if self.line.command == "execute_single_node":
            if node["type"] == TASK or (node["type"] == AS_IS and "--exit-status" in self.line.values):
                return self._execute(run)
            if node["type"] == FAIL_NODE:
                return self._fail(run, node)
            if node["type"] not in COMPOSITES:
                return SUCCESS
        elif self.line.command == "choose" and "when" in node:
            pass
        elif node["type"] not in COMPOSITES or node["type"] != _ONLY.get(self.line.command, node["type"]):
            raise UsageError(f"{self.line.command}: '{self.line.address}' is a {node['type']}")
        return self._enter(run)

    def _fail(self, run: Run, node: Node) -> int:
        """Record that a graph came to its fail node; of a branch, if it did: an engine also runs it after a refusal."""
        from magnus_render.runtime.handover import fail_graph
        from magnus_render.runtime.way import come_to

        graph = naming.parent(self.line.address)
        if not graph or come_to(run, self.line.address):
            fail_graph(run, graph, node)
        return FAILED

    def _enter(self, run: Run) -> int:
        from magnus_render.runtime import state
        from magnus_render.runtime.handover import enter, stopped, tell

        node = run.node(self.line.address)
        why = stopped(run, self.line.address, node)
        if why and run.of(self.line.address, "start") is None:
            say(f"{naming.shown(node['path'], self.line.address)}: not started: {why}")
            return FAILED
        seen = state.seen_by(run, self.line.address, self.line.after())
        decided = enter(run, self.line.address, node, seen)
        if not is_decided(node):
            return SUCCESS
        if self.line.values.get("--fan-out"):
            tell(self.line.values["--fan-out"], node, decided)
        if decided is None:
            return FAILED
        print(decided, flush=True)
        return SUCCESS

    def _execute(self, run: Run) -> int:
        from magnus_render.runtime import attempt, workspace

        node = run.node(self.line.address)
        self._check_map_variables(run)
        options = attempt.Options(
            attempt=self.line.number("--attempt", 1) if "--attempt" in self.line.values else None,
            again=self.line.number("--again", FAILED),
            after=self.line.after(),
            exit_status=self.line.number("--exit-status", 0) if "--exit-status" in self.line.values else None,
            fan_out=self.line.values.get("--fan-out", ""),
            resume=self.line.resume,
            workspaces=workspace.mode(os.environ),
        )
        return attempt.execute(run, self.services(), self.line.address, node, options)

    def _check_map_variables(self, run: Run) -> None:
        """Check the caller's belief against the recorded items; what is recorded counts."""
        text = self.line.values.get("--map-variable")
        if not text:
            return
        try:
            given = jsontext.loads(text)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"--map-variable is not JSON: {error}") from None
        if not isinstance(given, dict):
            raise UsageError("--map-variable is not a JSON object")
        recorded = run.map_variables(self.line.address, run.node(self.line.address)["scopes"])
        for name, value in given.items():
            if name not in recorded:
                raise UsageError(f"--map-variable: no enclosing map iterates as '{name}'")
            if dumps(recorded[name]) != dumps(value):
                raise Refused(
                    f"--map-variable: '{name}' is recorded with another value for '{self.line.address}'"
                )

    # ---- stores, plan, run ----

    def services(self) -> Services:
        """Return where the stores are: told by the caller, the plan file, the environment or the definition."""
        if self.services_ is None:
            if not self.line.plan_given:
                self.services_ = lookup.services_of_environment()
            if self.services_ is None:
                self._load()
        assert self.services_ is not None
        return self.services_

    def _load(self) -> Plan:
        """Return the plan, from wherever the caller said; the stores too, unless they are known."""
        if self.plan is None:
            if "--plan" in self.line.values:
                document = _json_file(self.line.values["--plan"])
                self.plan, services = _plan_file(document, self.line.values["--plan"])
            elif "--file" in self.line.values and self.front is not None:
                self.plan, services = self.front.load(
                    self.line.values["--file"], self.line.values.get("--config")
                )
            else:
                raise UsageError("say where the definition is: -f FILE, or --plan FILE")
            self.services_ = self.services_ or services
        return self.plan

    def _store(self) -> Any:
        return lookup.load("run_log_store", self.services()["run_log_store"])

    def _start(self) -> Run:
        """Create the run, or take it up again; note who walks it, where an engine has a process for that."""
        if self.line.command != "start_run":
            return self._created()
        from magnus_render.runtime import lease

        lease.claim(os.getcwd(), self.line.run_id, self._shares())
        try:
            run = self._created()
            lease.take(run)
        except MagnusError:
            lease.release(os.getcwd(), self.line.run_id)
            raise
        return run

    def _shares(self) -> bool:
        """Tell whether steps of the run exchange files through the data folder of this very folder."""
        from magnus_render.runtime import workspace

        if workspace.mode(os.environ) == "step":
            return False
        plan = self.plan if self.line.resume else self._load()
        return plan is None or any(
            node["catalog"]["get"] or node["catalog"]["put"]
            for node in plan["nodes"].values()
            if "catalog" in node
        )

    def _created(self) -> Run:
        from magnus_render.runtime import create

        store = self._store()
        given = create.given_input(os.environ.get("MAGNUS_INPUT", ""))
        file = self.line.values.get("--parameters-file")
        parameters = create.initial_parameters(
            given.get("parameters", {}),
            self._parameters(file) if file else {},
            os.environ if self.line.command == "start_run" else {},
            self.line.params,
        )
        if self.line.resume:
            run = create.resume(store, self.line.run_id, parameters)
            create.check_hash(run.record, self.line.values.get("--dag-hash", ""))
            return run
        plan = self._load()
        wanted = self.line.values.get("--dag-hash", "")
        if wanted and wanted != plan["dag_hash"]:
            raise Refused(
                f"the definition is {plan['dag_hash']}, the caller was rendered from {wanted}: "
                "they have drifted apart; render again"
            )
        self._register(store)
        return create.create(
            store,
            self.line.run_id,
            plan,
            parameters=parameters,
            walk=self.line.values.get("--walk", ""),
            target=self.line.values.get("--target", ""),
            tag=self.line.values.get("--tag", given.get("tag", "")),
            use_cached=self.line.values.get("--use-cached", given.get("use_cached", "")),
        )

    def _native(self) -> Run | None:
        """Return the run that an engine started by writing its start itself, None if none did."""
        from magnus_render.runtime import create

        store = self._store()
        native = create.native_start(store, self.line.run_id)
        return None if native is None else self._from_native(store, native)

    def _from_native(self, store: BaseRunLogStore, native: NativeStart) -> Run:
        from magnus_render.runtime import create

        plan = self._load()
        self._register(store)
        return create.from_native(store, self.line.run_id, plan, native)

    def _register(self, store: BaseRunLogStore) -> None:
        """Tell the catalog that runs of this store may name its content, before one does."""
        catalog = lookup.load("catalog", self.services()["catalog"])
        if catalog.keeps:
            catalog.register(store.identity())

    def _parameters(self, file: str) -> dict[str, Json]:
        if file.endswith(".json") or self.front is None:
            found = _json_file(file)
            if not isinstance(found, dict):
                raise Refused(f"{file}: initial parameters are a JSON object")
            return found
        return self.front.parameters(file)

    def _open(self) -> Run:
        """Return the run, created if need be, after checking that the caller belongs to it."""
        if self.opened is not None:
            return self.opened
        store = self._store()
        if self.line.command == "execute_single_node":
            # While a store of another machine is being reached: what will be needed anyhow.
            import magnus_render.runtime.attempt  # noqa: F401
        run = Run.open(store, self.line.run_id)
        if run is None:
            if self.line.resume or not (
                self.plan or "--plan" in self.line.values or "--file" in self.line.values
            ):
                raise Refused(f"there is no run '{self.line.run_id}' in the run log store: start it first")
            from magnus_render.runtime import create

            native = create.native_start(store, self.line.run_id)
            run = self._start() if native is None else self._from_native(store, native)
        from_walk = self.line.values.get("--walk", "")
        if from_walk and not self.line.resume and run.record["walk"] != from_walk:
            raise Refused(
                f"run '{self.line.run_id}' belongs to another walk ({run.record['target']}): choose another id"
            )
        wanted = self.line.values.get("--dag-hash", "")
        if wanted and wanted != run.record["dag_hash"]:
            from magnus_render.runtime.create import check_hash

            check_hash(run.record, wanted)
        return run


def _plan_file(document: Any, where: str) -> tuple[Plan, Services]:
    """Return the plan and the stores of a plan file; raise `Refused` or `UsageError` if it has none."""
    from magnus_render.runtime.shapes import plan_problem

    if not isinstance(document, dict):
        document = {}
    plan: Plan = document.get("plan", {})
    if why := plan_problem(plan):
        raise Refused(f"{where}: not a plan: {why}. `magnus render --plan FILE` writes one")
    return plan, lookup.services(document.get("services"), where)


def _json_file(path: str) -> Any:
    try:
        with open(path, encoding="utf-8") as file:
            return jsontext.loads(file.read())
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file") from None
    except (ValueError, RecursionError) as error:
        raise Refused(f"{path}: not JSON: {error}") from None
