"""The `mocked` executor: a walk as of `local`, in which no step runs. The configuration has the results of steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render.errors import Refused
from magnus_render.executors.base import WORKERS_MEANS, BaseExecutor, Order, processors
from magnus_render.executors.local_integrations import BufferedMocked
from magnus_render.plan import AS_IS, TASK
from magnus_render.runtime.tasks import mocked
from magnus_render.services.options import check_keys, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.executors.place import Place
    from magnus_render.plan import Config, Node, Plan, Retry


class MockedExecutor(BaseExecutor):
    """Walks a pipeline whose code need not exist: `steps` has, by a task's path, what it sets and how often it fails.

    A task that `steps` does not name succeeds, and sets nothing.
    """

    name = "mocked"
    summary = "no step runs: the configuration has their results"
    integrations = (BufferedMocked,)
    keys: ClassVar[Mapping[str, str]] = {"steps": "mapping", "max_workers": "count"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "steps": (
            "Results of tasks, by their paths: the parameters that they set, and how often they fail.",
            {"train": {"set": {"accuracy": 0.9}, "fail": 1}},
        ),
        "max_workers": WORKERS_MEANS,
    }

    @classmethod
    def problems(cls, config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        for path, text, fix in wrong(_steps(config)):
            yield ("steps", *path), text, fix

    def __init__(self, config: Mapping[str, Any]) -> None:
        check_keys(f"executor '{self.name}'", config, self.keys)
        found = [text for _, text, _ in self.problems(config)]
        if found:
            raise Refused("\n".join(f"executor.config: {text}" for text in found))
        self.steps: dict[str, Any] = _steps(config)
        self.max_workers = config.get("max_workers") or max(2, processors())

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        for path, text, fix in wrong(self.steps, plan):
            yield ("steps", *path), f"{text}: {fix}"

    def planned(self, plan: Plan) -> Plan:
        return mocked_plan(plan, self.steps)

    def place(self, order: Order, here: Config, there: Config, scratch: str) -> Place:
        from magnus_render.executors.place import Here

        return Here(order, there, scratch, lambda _: False)


def wrong(steps: Mapping[str, Any], plan: Plan | None = None) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the mistakes in the results of tasks: for each the keys that lead to it, what is wrong, and the likely fix.

    `steps` are the results by the paths of tasks. With a plan, a path without a task is a mistake too.
    """
    known = [node["path"] for node in plan["nodes"].values() if node["type"] == TASK] if plan else list(steps)
    for name, result in steps.items():
        if name not in known:
            what = f"there is no task '{name}'{did_you_mean(name, known)}"
            yield (name,), what, f"its tasks are {', '.join(known)}"
        elif not isinstance(result, dict):
            yield (name,), f"'{name}' must be a mapping", "write {set: {name: value}} or {fail: 1}"
        else:
            for key, problem in mocked.problems(result):
                yield (name, key), f"'{name}': {problem}", ""


def _steps(config: Mapping[str, Any]) -> dict[str, Any]:
    found = config.get("steps") or {}
    return found if isinstance(found, dict) else {}


def mocked_plan(plan: Plan, steps: Mapping[str, Any]) -> Plan:
    """Return a plan in which no step runs anything, and no attempt waits. It has a hash of its own.

    `steps` has the results of tasks, by their paths; tasks that are mocked in the definition have them there. As the
    hash differs, `--resume` and `--use-cached` never take a run of such a plan for one of the definition.
    """
    from magnus_render.graph.resolve import dag_hash, node_hash

    nodes = dict(plan["nodes"])
    for address, node in nodes.items():
        if node["type"] == AS_IS:
            nodes[address] = {**node, "render": {}}
        elif node["type"] == TASK and (node["command_type"] != "mocked" or node["path"] in steps):
            result: dict[str, Any] = steps.get(node["path"], {})
            retry: Retry = {**node["retry"], "delay": 0.0}
            changed: Node = {**node, "command_type": "mocked", "command_config": result, "retry": retry}
            nodes[address] = {**changed, "hash": node_hash({**changed, "hash": ""})}
    mocked_: Plan = {**plan, "nodes": nodes}
    return {**mocked_, "dag_hash": dag_hash(mocked_)}
