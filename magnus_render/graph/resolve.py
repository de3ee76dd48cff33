"""Makes the plan of a definition that has passed all checks (docs/architecture.md, "The plan")."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from magnus_render import registry
from magnus_render.graph.checks import reachable
from magnus_render.plan import AS_IS, COMPOSITES, CONDITIONAL, DAG, MAP, PARALLEL, PLAN_VERSION, TASK
from magnus_render.runtime.names import NOTEBOOK_OUTPUT, executed_notebook
from magnus_render.runtime.records import as_text
from magnus_render.spec.tree import plain

if TYPE_CHECKING:
    from magnus_render.graph.definition import Definition, GraphInfo, Step
    from magnus_render.plan import After, Before, Catalog, Graph, GraphHead, Node, Plan, Retry, When
    from magnus_render.spec.config import Settings
    from magnus_render.spec.models import MapSpec, ParallelSpec, TaskSpec, WhenSpec

_EXECUTOR_FIELDS = frozenset(("executor_config", "render", "separate"))
_NOT_IN_DAG_HASH = frozenset(("dag_hash", "variables"))
NOT_IN_HASH = frozenset(
    (
        "address",
        "name",
        "path",
        "order",
        "graph",
        "scopes",
        "before",
        "description",
        "next",
        "on_failure",
        "counted_by",
        "fan_in",
        *_EXECUTOR_FIELDS,
    )
)
"""Fields of a node that `--use-cached` does not compare."""
_canonical = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def resolve(definition: Definition, settings: Settings, name: str, variables: dict[str, str]) -> Plan:
    """Return the plan. Steps that are never reached are left out, so that `before` has only possible predecessors."""
    resolver = _Resolver(definition, settings)
    root = definition.graphs[""].spec
    assert root is not None
    plan: Plan = {
        "version": PLAN_VERSION,
        "name": root.name or name,
        "description": root.description,
        "max_time": root.max_time,
        "dag_hash": "",
        "variables": dict(sorted(variables.items())),
        "graphs": resolver.graphs,
        "nodes": resolver.nodes,
    }
    resolver.run()
    plan["dag_hash"] = dag_hash(plan)
    return plan


def nothing(name: str) -> Plan:
    """Return a plan without nodes, with which a configuration alone can be checked."""
    return {
        "version": PLAN_VERSION,
        "name": name,
        "description": "",
        "max_time": None,
        "dag_hash": "",
        "variables": {},
        "graphs": {},
        "nodes": {},
    }


def dag_hash(plan: Plan) -> str:
    """Return the first 16 hex digits of the SHA-256 of the plan's canonical JSON (sorted keys, no blanks, UTF-8).

    `dag_hash` and `variables` are left out (the nodes have the values of variables). Fields that are an executor's alone
    are left out too, so that one definition has one hash on every engine.
    """
    kept = {key: value for key, value in plan.items() if key not in _NOT_IN_DAG_HASH and key != "nodes"}
    parts = {key: _canonical(value) for key, value in kept.items()}
    nodes = plan["nodes"]
    parts["nodes"] = (
        f"{{{','.join(f'{_canonical(address)}:{_own(nodes[address])}' for address in sorted(nodes))}}}"
    )
    return _digest(f"{{{','.join(f'{_canonical(key)}:{parts[key]}' for key in sorted(parts))}}}")


def node_hash(node: Node) -> str:
    """Return the hash of a node's own definition, in the same way: what `--use-cached` compares."""
    return _digest(_canonical({key: value for key, value in node.items() if key not in NOT_IN_HASH}))


def _own(node: Node) -> str:
    return _canonical({key: value for key, value in node.items() if key not in _EXECUTOR_FIELDS})


class _Resolver:
    def __init__(self, definition: Definition, settings: Settings) -> None:
        self._definition = definition
        self._settings = settings
        self._kept = reachable(definition)
        self._joins: dict[str, bool] = {}
        # How many steps would give an executed notebook each name.
        self._notebooks = Counter(
            _given_name(step.spec) or executed_notebook(step.spec.command)
            for address, step in definition.steps.items()
            if address in self._kept and _is_notebook(step.spec)
        )
        # All tasks without `catalog` share this one, because a plan is never changed after it is made.
        self._no_catalog: Catalog = {"get": [], "put": [], "compute_data_folder": settings.data_folder}
        self._no_retry: Retry = {"attempts": 1, "delay": 0.0, "backoff": 1.0, "max_delay": None}
        self.graphs: dict[str, Graph] = {}
        self.nodes: dict[str, Node] = {}

    def run(self) -> None:
        """Fill `graphs` and `nodes`, in reading order."""
        heads: dict[str, GraphHead] = {}
        kept = {
            address: step
            for address, step in self._definition.steps.items()
            if address in self._kept or (step.type in ("success", "fail") and self._walked(step.graph))
        }
        for address, step in kept.items():
            info = step.graph
            head = heads.get(info.address)
            if head is None:
                head = heads[info.address] = self._graph(info, kept)
            self.nodes[address] = self._node(step, head)
        for address in self._order(kept):
            self._fan_in(self.nodes[address])

    def _walked(self, info: GraphInfo) -> bool:
        return not info.scopes or info.scopes[-1]["address"] in self._kept

    def _graph(self, info: GraphInfo, kept: dict[str, Step]) -> GraphHead:
        steps = [kept[address] for address in info.steps if address in kept]
        ends = {step.type: step.slug for step in steps if step.type in ("success", "fail")}
        self.graphs[info.address] = {
            "address": info.address,
            "start": info.start,
            "success": ends["success"],
            "fail": ends["fail"],
            "nodes": [step.slug for step in steps],
        }
        return {
            "address": info.address,
            "start": info.start,
            "success": ends["success"],
            "fail": ends["fail"],
        }

    def _after(self, step: Step, name: str) -> After:
        info = step.graph
        slug = info.slugs[name]
        target = self._definition.steps[f"{info.address}.{slug}" if info.address else slug]
        spec = target.spec
        is_map = target.type == MAP
        after: After = {
            "slug": slug,
            "type": target.type,  # type: ignore[typeddict-item]
            "iterate_on": spec.iterate_on if is_map else "",
            "iterate_as": spec.iterate_as if is_map else "",
        }
        if target.type == TASK and spec.when is not None:
            after["when"] = True
        return after

    def _before(self, address: str) -> list[Before]:
        steps = self._definition.steps
        found: list[Before] = []
        for source, data in self._definition.graph.pred[address].items():
            if source in self._kept:
                step = steps[source]
                for via in data["via"]:
                    if via != "contains":
                        found.append({"slug": step.slug, "via": via, "type": step.type})  # type: ignore[typeddict-item]
        return found

    def _node(self, step: Step, head: GraphHead) -> Node:
        spec: Any = step.spec
        node: Node = {
            "address": step.address,
            "name": step.name,
            "path": step.path,
            "type": step.type,  # type: ignore[typeddict-item]
            "hash": "",
            "order": len(self.nodes),
            "graph": head,
            "scopes": step.graph.scopes,
            "before": self._before(step.address),
        }
        if step.type not in ("success", "fail"):
            if spec.description:
                node["description"] = spec.description
            node["next"] = self._after(step, spec.next)
            if spec.on_failure is not None:
                node["on_failure"] = self._after(step, spec.on_failure)
            if step.type == TASK:
                self._task(node, spec)
            elif step.type == AS_IS:
                node["render"] = self._render(spec.render_string)
            else:
                self._composite(node, step, spec)
            if spec.executor_config:
                node["executor_config"] = spec.executor_config
        node["hash"] = node_hash(node)
        return node

    def _task(self, node: Node, spec: TaskSpec) -> None:
        catalog, retry = spec.catalog, spec.retry
        node["command"] = spec.command
        node["command_type"] = registry.canonical("task", spec.command_type) or spec.command_type
        node["command_config"] = plain(spec.command_config)
        if (
            _is_notebook(spec)
            and not _given_name(spec)
            and self._notebooks[executed_notebook(spec.command)] > 1
        ):
            node["command_config"][NOTEBOOK_OUTPUT] = self._executed(spec.command, node["address"])
        node["catalog"] = self._no_catalog
        if catalog is not None:
            folder = catalog.compute_data_folder or self._settings.data_folder
            node["catalog"] = {"get": catalog.get, "put": catalog.put, "compute_data_folder": folder}
        node["retry"] = self._no_retry
        if retry is not None:
            node["retry"] = {
                "attempts": retry.attempts,
                "delay": retry.delay,
                "backoff": retry.backoff,
                "max_delay": retry.max_delay,
            }
        node["timeout"] = spec.timeout
        if spec.when is not None:
            node["when"] = _when(spec.when)
            node["counted_by"] = self._counted_by(node)
        node["secrets"] = spec.secrets

    def _executed(self, notebook: str, address: str) -> str:
        """Return the name of the executed notebook of a step, where another step would give its notebook the same name."""
        while (name := executed_notebook(notebook, address)) in self._notebooks:
            address += "_"
        return name

    def _render(self, given: Any) -> Any:
        if not isinstance(given, dict):
            return given or ""
        return {self._settings.engine(name): text for name, text in plain(given).items()}

    def _composite(self, node: Node, step: Step, spec: Any) -> None:
        node["branches"] = step.branches
        if step.type == DAG:
            node["separate"] = spec.separate
            return
        if step.type == CONDITIONAL:
            node["parameter"] = spec.parameter
            node["default"] = step.branches[-1]["slug"] if spec.default is not None else ""
            node["counted_by"] = self._counted_by(node)
            return
        bounded: ParallelSpec | MapSpec = spec
        node["max_concurrency"] = bounded.max_concurrency
        node["fail_fast"] = bounded.fail_fast
        if step.type == MAP:
            node["iterate_on"], node["iterate_as"] = spec.iterate_on, spec.iterate_as
            node["counted_by"] = self._counted_by(node)

    def _counted_by(self, node: Node) -> str:
        """Return the slug of the one task whose hand-over can decide for a node, such as count the items of a map.

        '' if other nodes lead there too, or a failure does, or if that task may be skipped, and would call nothing.
        """
        before = node["before"]
        if len(before) != 1 or before[0]["type"] != TASK or before[0]["via"] != "next":
            return ""
        graph = node["graph"]["address"]
        address = f"{graph}.{before[0]['slug']}" if graph else before[0]["slug"]
        return before[0]["slug"] if self._definition.steps[address].spec.when is None else ""

    def _order(self, kept: dict[str, Step]) -> list[str]:
        """Return composites and as-is nodes, each after its predecessors and after the composites around it."""
        wanted = COMPOSITES | {AS_IS}
        if not any(step.type in COMPOSITES for step in kept.values()):
            return []
        import networkx as nx

        order = nx.topological_sort(self._definition.graph)
        return [address for address in order if address in kept and kept[address].type in wanted]

    def _fan_in(self, node: Node) -> None:
        """Set `fan_in` of a parallel: whether it needs a callback that records its input.

        It does if its input is the join of a composite that no step has recorded yet: otherwise each of its branches would
        be the first to need that join. As-is nodes and the starts of dag graphs hand such an input on. For a map the input
        is recorded with its items, for a conditional with the choice of its branch.
        """
        prefix = node["graph"]["address"]
        joins = False
        for before in node["before"]:
            address = f"{prefix}.{before['slug']}" if prefix else before["slug"]
            joins |= before["type"] in COMPOSITES or self._joins.get(address, False)
        if not node["before"] and node["scopes"] and node["scopes"][-1]["type"] == DAG:
            joins = self._joins[node["scopes"][-1]["address"]]
        self._joins[node["address"]] = joins
        if node["type"] == PARALLEL:
            node["fan_in"] = joins


def _when(spec: WhenSpec) -> When:
    """Return a condition with its values as text."""
    given = spec.model_fields_set
    if "is_not" in given:
        return {"parameter": spec.parameter, "values": [as_text(plain(spec.is_not))], "among": False}
    values = spec.in_ if "in_" in given else [spec.is_]
    return {"parameter": spec.parameter, "values": [as_text(plain(one)) for one in values], "among": True}


def _is_notebook(spec: Any) -> bool:
    return getattr(spec, "command_type", "") == "notebook"


def _given_name(spec: TaskSpec) -> str:
    """Return the name that the user gives a step's executed notebook, '' if the user gives none."""
    config = plain(spec.command_config)
    older = config.get("optional_ploomber_args")
    given = {**(older if isinstance(older, dict) else {}), **config}.get(NOTEBOOK_OUTPUT)
    return os.path.normpath(given) if isinstance(given, str) else ""
