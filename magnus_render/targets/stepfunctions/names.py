"""Names in a definition: of states, jobs, variables and keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus_render import naming
from magnus_render.plan import DAG, MAP
from magnus_render.targets.stepfunctions.jsonata import expression, string

if TYPE_CHECKING:
    from magnus_render.plan import Node, Plan

STATE_NAME = 80
"""Characters at most (Amazon States Language specification, "States")."""
_LONGEST_HELPER = len(": outcome")
JOB_NAME = 128
"""Characters at most (AWS Batch API, SubmitJob, jobName)."""
_READABLE = re.compile(r"[A-Za-z0-9_-](?:[A-Za-z0-9 _-]{0,38}[A-Za-z0-9_-])?")
START = "run: start"
"""The first state of every machine. A blank behind a colon is in no name of ours: helpers never meet a user's."""
RECORD = "run: record"
"""Creates the run, or finds it, where no step would."""


class StateNames:
    """The state names of a plan's nodes: readable, unique in the whole plan, within the limit."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._paths: dict[str, str] = {"": ""}

    def of(self, node: Node) -> str:
        """Return the name of the state that a node becomes: its path, without what there is but one of."""
        path = self._join(self._graph(node["graph"]["address"]), _shown(node["name"], node["address"]))
        room = STATE_NAME - _LONGEST_HELPER
        if len(path) <= room:
            return path
        tail = sha256(path.encode()).hexdigest()[:8]
        return f"{path[:24].rstrip()}..{path[-(room - 35):].strip()}-{tail}"

    def branch(self, graph: str) -> str:
        """Return the readable path of a graph of the plan."""
        return self._graph(graph)

    def _graph(self, address: str) -> str:
        """Return the path of a graph; those of maps and dags have no name of their own."""
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
    name = "-".join(part for part in parts if part)
    if len(name) <= JOB_NAME:
        return name
    return f"{name[: JOB_NAME - 9]}-{sha256(name.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class Scope:
    """Where a state stands, as far as its expressions care: which variables tell run and branch."""

    level: int = 0
    """Machines and distributed maps around: no outer variable is seen there, and none may be assigned again."""
    depth: int = 0
    """Maps around, in all."""
    variable: str = ""
    """The variable that holds the address of the innermost branch of a map, '' outside of maps."""
    stands_for: str = ""
    """The definition address of that branch."""

    def shared(self, name: str) -> str:
        """Return the reference to what all states share: `$run`, or `$run2` in a distributed map."""
        return f"${self.assigned(name)}"

    def assigned(self, name: str) -> str:
        """Return the variable that holds what all states share."""
        return f"{name}{self.level + 1}" if self.level else name

    def code(self, address: str) -> str:
        """Return the JSONata code for the instance address of a node or graph, given its definition address."""
        if not self.variable:
            return string(address)
        rest = address[len(self.stands_for) :]
        return f"${self.variable} & {string(rest)}" if rest else f"${self.variable}"

    def address(self, address: str) -> str:
        """Return the same as the value of a field: a literal where no map is around."""
        return expression(self.code(address)) if self.variable else address

    def folder(self, address: str) -> str:
        """Return the JSONata code for the record folder of a node."""
        if not self.variable:
            return string(naming.key(address))
        rest = address[len(self.stands_for) :].replace(".", "/")
        return f"'steps/' & $replace(${self.variable}, '.', '/') & {string(rest)}"

    def inside(self, address: str, distributed: bool) -> Scope:
        """Return the scope of the branches of the map at a definition address."""
        depth = self.depth + 1
        variable = f"branch{depth}" if depth > 1 else "branch"
        return Scope(self.level + distributed, depth, variable, f"{address}._")
