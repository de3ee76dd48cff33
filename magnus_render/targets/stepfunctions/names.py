"""Names in a definition: of states, jobs, variables and keys."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus_render import naming
from magnus_render.executors import aws_batch_rules
from magnus_render.plan import DAG, MAP
from magnus_render.targets.stepfunctions import limits

if TYPE_CHECKING:
    from magnus_render.plan import Node, Plan

_LONGEST_HELPER = len(": outcome")
_READABLE = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 _-]{0,38}[A-Za-z0-9_-])?")
START = "run: start"
"""The first state of every machine. No name of a node's state has a blank behind a colon, so no user's name is the same."""
RECORD = "run: record"
"""The state whose callback creates the run, or finds it, in a machine in which a walk may start no other callback."""


class StateNames:
    """The state names of a plan's nodes: readable, unique in the whole plan, within the limit."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._paths: dict[str, str] = {"": ""}

    def of(self, node: Node) -> str:
        """Return the name of a node's state: its path, without the parts that do not tell nodes apart."""
        path = self._join(self._graph(node["graph"]["address"]), _shown(node["name"], node["address"]))
        room = limits.STATE_NAME - _LONGEST_HELPER
        if len(path) <= room:
            return path
        tail = sha256(path.encode()).hexdigest()[:8]
        return f"{path[:24].rstrip()}..{path[-(room - 35):].strip()}-{tail}"

    def branch(self, graph: str) -> str:
        """Return the readable path of a graph of the plan."""
        return self._graph(graph)

    def _graph(self, address: str) -> str:
        """Return the path of a graph. The graph of a map or a dag has the path of its composite."""
        missing: list[str] = []
        while address not in self._paths:
            missing.append(address)
            address = naming.parent(naming.parent(address))
        for graph in reversed(missing):
            composite = self._plan["nodes"][naming.parent(graph)]
            path = self._join(
                self._paths[composite["graph"]["address"]], _shown(composite["name"], composite["address"])
            )
            if composite["type"] not in (MAP, DAG):
                slug = naming.last(graph)
                name = next(b["name"] for b in composite["branches"] if b["slug"] == slug)
                path = self._join(path, _shown(name, slug))
            self._paths[graph] = path
        return self._paths[address] if not missing else self._paths[missing[0]]

    @staticmethod
    def _join(path: str, name: str) -> str:
        return f"{path}.{name}" if path else name


def _shown(name: str, address: str) -> str:
    return name if _READABLE.fullmatch(name) else naming.last(address)


def job_name(pipeline: str, address: str) -> str:
    """Return the name of a node's jobs: pipeline and address, in what AWS Batch allows."""
    parts = [naming.slug(pipeline), *(part for part in address.split(".") if part != "_")]
    return aws_batch_rules.job_name("-".join(part for part in parts if part))


def machine_name(plan: Plan, address: str = "") -> str:
    """Return the name under which a pipeline's machine is to be deployed, or that of the separate dag at an address."""
    name = naming.slug(plan["name"])
    if address:
        name = naming.join(name, address).replace(".", "_")
    if len(name) <= limits.STATE_NAME:
        return name
    return f"{name[: limits.STATE_NAME - 9]}-{sha256(name.encode()).hexdigest()[:8]}"
