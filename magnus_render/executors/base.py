"""The base of executors: the order for a run, the base class, and the search for an executor by its type.

An executor is an engine of magnus itself. Executors register in the entry-point group `magnus_render.executor`.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render import integrations, registry
from magnus_render.errors import Refused
from magnus_render.registry import Described
from magnus_render.services.options import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from magnus_render.executors.place import Place
    from magnus_render.integrations.base import BaseIntegration
    from magnus_render.plan import Config, Json, Plan


class Order:
    """One run to be walked."""

    def __init__(
        self,
        plan: Plan,
        config: Config,
        run_id: str,
        file: str,
        config_file: str = "",
        parameters: dict[str, Json] | None = None,
        param: Iterable[str] = (),
        tag: str = "",
        use_cached: str = "",
        resume: bool = False,
        detach: bool = False,
        form: str = "",
    ) -> None:
        self.plan = plan
        self.config = config
        self.run_id = run_id
        self.file = file
        """The definition, as the user named it."""
        self.config_file = config_file
        """The file given by `-c`, or ''."""
        self.parameters = parameters or {}
        """Initial parameters from the file given by `-p`."""
        self.param = list(param)
        """`NAME=VALUE`, as given."""
        self.tag = tag
        self.use_cached = use_cached
        """The run whose successes are taken over, or ''."""
        self.resume = resume
        self.detach = detach
        """Return as soon as the run goes on by itself, if its executor can do that."""
        self.form = form
        """The form of its progress: `quiet`, `json`, or '' for a display on a terminal, else lines."""


WORKERS_MEANS = (
    "How many steps run at a time; by default as many as there are processors, at least 2.",
    4,
)
"""The meaning of the key `max_workers`, and an example."""


class BaseExecutor(Described):
    """An engine that magnus walks."""

    name: ClassVar[str]
    """Its type in a configuration."""
    integrations: ClassVar[tuple[type[BaseIntegration], ...]] = ()
    """The integrations of this executor with services."""

    imports_here = False
    """True if steps find the same modules as this process, so that a missing one is reported before the first step runs."""
    hands_secrets = False
    """True if steps find the same secrets as this process, so that a missing one is reported before the first step runs."""
    decentral = False
    """True if the run goes on from job to job, and this process may leave."""
    max_workers: int
    """How many callbacks run at a time, at most."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take `executor.config`; raise `errors.Refused` naming an unknown key or a bad value."""
        raise NotImplementedError

    @classmethod
    def problems(cls, config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        """Yield what is wrong within the values of `executor.config`, each with the keys that lead to it and the likely fix.

        Mistakes in the kinds of values (`Described.keys`, `configuration`) were reported before, and are left out.
        """
        yield from ()

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        """Yield the reasons why a plan cannot be walked: for each the place of the fault, and what is wrong.

        The place is the address of a node, or the keys that lead to a value of `executor.config`.
        """
        yield from ()

    def planned(self, plan: Plan) -> Plan:
        """Return the plan to walk, given that of the definition. Called in the process that read the definition."""
        return plan

    def place(self, order: Order, here: Config, there: Config, scratch: str) -> Place:
        """Return the place where the callbacks of a run are executed.

        `here` leads this process to the stores, `there` the steps; `scratch` is a folder for the time of the walk.
        """
        raise NotImplementedError

    def execute(self, order: Order) -> int:
        """Walk a run to its end and return the exit status of the process.

        0 success, 1 failed, 64 usage, 65 refused, 75 the platform failed, 128 + n when stopped by signal n.
        Raises `errors.MagnusError` if something is wrong before the run has begun.
        """
        from magnus_render.executors.run import walked  # late: rendering needs the description alone

        with ExitStack() as stack:
            here, there = self.configured(order, stack)
            import shutil  # late, because a job imports this module, and needs neither
            from tempfile import mkdtemp

            scratch = mkdtemp(prefix="magnus-execute-")
            stack.callback(shutil.rmtree, scratch, ignore_errors=True)
            place = self.place(order, here, there, scratch)
            stack.callback(place.close)
            return walked(self.name, order, here, place, scratch, self.max_workers)

    def configured(self, order: Order, stack: ExitStack) -> tuple[Config, Config]:
        """Return the configurations that lead this process and the steps to the stores.

        Files and stores that integrations make for it last until `stack` is closed. Raises `errors.Refused` with all
        reasons why the run cannot be walked.
        """
        problems = [problem for _, problem in integrations.problems(self, order.config)]
        problems += [problem for _, problem in self.check(order.plan)]
        if problems:
            raise Refused("\n".join(problems))
        here = order.config
        for _, integration in integrations.applying(self, here):
            here = integration.configure_for_traversal(here, stack)
        there = here
        for _, integration in integrations.applying(self, there):
            there = integration.configure_for_execution(there)
        return here, there


def processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load(executor: str, config: Mapping[str, Any], file: str = "FILE") -> BaseExecutor:
    """Return the executor of a type; raise `errors.Refused` if magnus cannot walk it, and say what to do instead.

    `file` is the definition, for the message.
    """
    return find(executor, file)(config)


def is_executor(name: str) -> bool:
    """Tell whether there is an executor of a type, built in or installed."""
    return bool(registry.canonical("executor", name))


def find(executor: str, file: str = "FILE") -> type[BaseExecutor]:
    """Return the class of an executor type; see `load`."""
    found: type[BaseExecutor] | None = registry.find("executor", executor)
    if found is not None:
        return found
    target = registry.canonical("target", executor)
    if target:
        registry.find("target", target)  # a target that cannot be loaded cannot render
        raise Refused(
            f"{file}: executor '{executor}' walks the graph itself and cannot be executed by magnus: "
            f"`magnus render {file} --target {target}` makes what it runs. "
            f"To run the pipeline here, pass -c FILE with `executor: {{type: {registry.DEFAULT['executor']}}}`"
        )
    known = registry.names("executor", "target")
    raise Refused(
        f"{file}: unknown executor '{executor}'{did_you_mean(executor, known)}: "
        f"magnus executes {', '.join(registry.names('executor'))}"
    )
