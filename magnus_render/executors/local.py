"""The `local` executor: every callback is a fork of the process that walks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render.errors import Refused
from magnus_render.executors.base import WORKERS_MEANS, BaseExecutor, Order, processors
from magnus_render.executors.local_integrations import Buffered
from magnus_render.services.options import check_keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.executors.place import Place
    from magnus_render.plan import Config, Node, Plan
    from magnus_render.spec.tree import Map


class LocalExecutor(BaseExecutor):
    """Runs as many steps at a time as there are processors, or as `max_workers` says."""

    name = "local"
    summary = "steps as processes of this machine"
    integrations = (Buffered,)

    keys: ClassVar[Mapping[str, str]] = {"max_workers": "count", "isolated": "flag"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "max_workers": WORKERS_MEANS,
        "isolated": ("If true, every step works in a folder of its own, as in a container.", True),
    }
    imports_here = True
    hands_secrets = True

    @classmethod
    def translated(cls, config: Map) -> Map:
        """Return a configuration with `max_workers: 1` in place of the older key for branches one after the other."""
        if str(config.get("enable_parallel", "")).lower() == "false" and "max_workers" not in config:
            config = config.renamed("enable_parallel", "max_workers")
            config["max_workers"] = 1
        return config

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys("executor 'local'", config, self.keys)
        workers = config.get("max_workers")
        if workers is not None and (type(workers) is not int or workers < 1):
            raise Refused(f"executor 'local': 'max_workers' must be a whole number from 1, not {workers!r}")
        self.max_workers = workers or max(2, processors())
        self.isolated = _flag("executor 'local'", config)

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        for address, node in plan["nodes"].items():
            own = node.get("executor_config", {}).get("local", {})
            where = f"step '{node['path']}': executor_config.local"
            try:
                _flag(where, own)
                check_keys(where, own, ("isolated",))
            except Refused as error:
                yield address, str(error)

    def place(self, order: Order, here: Config, there: Config, scratch: str) -> Place:
        from magnus_render.executors.place import Here

        def isolated(node: Node | None) -> bool:
            own: Mapping[str, Any] = node.get("executor_config", {}).get("local", {}) if node else {}
            return bool(own.get("isolated", self.isolated))

        return Here(order, there, scratch, isolated)


def _flag(where: str, config: Mapping[str, Any]) -> bool:
    value = config.get("isolated", False)
    if not isinstance(value, bool):
        raise Refused(f"{where}: 'isolated' must be true or false, not {value!r}")
    return value
