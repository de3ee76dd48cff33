"""The `local` executor: what it is called, how it is configured, and what it does with an order for a run.

How a run is walked stands in `local_run.py`: rendering looks at the description alone.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render import integrations
from magnus_render.errors import Refused
from magnus_render.executors.base import BaseExecutor, Order
from magnus_render.executors.local_integrations import Buffered
from magnus_render.services.options import check_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.plan import Plan
    from magnus_render.spec.tree import Map


class LocalExecutor(BaseExecutor):
    """Runs as many steps at a time as there are processors, or as `max_workers` says."""

    name = "local"
    integrations = (Buffered,)

    keys: ClassVar[Mapping[str, str]] = {"max_workers": "count", "isolated": "flag"}
    runs_here = True

    @classmethod
    def translated(cls, config: Map) -> Map:
        """Return a configuration that says, in an older way, that branches run one after the other, in today's words."""
        if str(config.get("enable_parallel", "")).lower() == "false" and "max_workers" not in config:
            config = config.renamed("enable_parallel", "max_workers")
            config["max_workers"] = 1
        return config

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys("executor 'local'", config, self.keys)
        workers = config.get("max_workers")
        if workers is not None and (type(workers) is not int or workers < 1):
            raise Refused(f"executor 'local': 'max_workers' must be a whole number from 1, not {workers!r}")
        self.max_workers: int = workers or max(2, _processors())
        self.isolated = _flag("executor 'local'", config)

    def check(self, plan: Plan) -> Iterator[tuple[str, str]]:
        for address, node in plan["nodes"].items():
            own = node.get("executor_config", {}).get("local", {})
            where = f"step '{node['path']}': executor_config.local"
            try:
                _flag(where, own)
                check_keys(where, own, ("isolated",))
            except Refused as error:
                yield address, str(error)

    def execute(self, order: Order) -> int:
        problems = [problem for _, problem in integrations.problems(self, order.config)]
        problems += [problem for _, problem in self.check(order.plan)]
        if problems:
            raise Refused("\n".join(problems))
        from magnus_render.executors.local_run import walked

        with ExitStack() as stack:
            config = order.config
            for _, integration in integrations.applying(self, config):
                config = integration.configure_for_traversal(config, stack)
            for _, integration in integrations.applying(self, config):
                config = integration.configure_for_execution(config)
            return walked(self, order, config)


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _flag(where: str, config: Mapping[str, Any]) -> bool:
    value = config.get("isolated", False)
    if not isinstance(value, bool):
        raise Refused(f"{where}: 'isolated' must be true or false, not {value!r}")
    return value
