"""Small builders of plans and records, for tests of what reads them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from magnus_render import naming

Tree = dict[str, Any]


def task(next: str = "success", **fields: Any) -> Tree:
    return {"type": "task", "next": next, **fields}


def as_is(next: str = "success", **fields: Any) -> Tree:
    return {"type": "as-is", "next": next, **fields}


def parallel(branches: dict[str, Tree], next: str = "success", **fields: Any) -> Tree:
    return {"type": "parallel", "next": next, "inside": branches, **fields}


def map_(branch: Tree, next: str = "success", **fields: Any) -> Tree:
    named = {"iterate_on": "xs", "iterate_as": "x"}
    return {"type": "map", "next": next, "inside": {"_": branch}, **named, **fields}


def dag(branch: Tree, next: str = "success", **fields: Any) -> Tree:
    return {"type": "dag", "next": next, "inside": {"branch": branch}, **fields}


def make_plan(tree: Tree) -> Any:
    """Make a plan of a graph given as {name: node}, in order; `success` and `fail` are added to every graph."""
    plan: dict[str, Any] = {
        "version": 1, "name": "p", "description": "", "max_time": None, "dag_hash": "0" * 16, "variables": {},
        "graphs": {}, "nodes": {},
    }  # fmt: skip
    pending = [("", "", tree)]
    while pending:
        address, path, steps = pending.pop(0)
        slugs = {name: naming.slug(name) for name in [*steps, "success", "fail"]}
        head = {
            "address": address,
            "start": slugs[next(iter(steps))],
            "success": "success",
            "fail": "fail",
        }
        plan["graphs"][address] = {**head, "nodes": list(slugs.values())}
        for name, step in {**steps, "success": {"type": "success"}, "fail": {"type": "fail"}}.items():
            here = naming.join(address, slugs[name])
            node = {k: v for k, v in step.items() if k not in ("inside", "next", "on_failure")}
            node.update(
                address=here,
                name=name,
                path=naming.join(path, name),
                hash=name,
                graph=head,
                scopes=[],
                before=[],
                order=len(plan["nodes"]),
            )
            for edge in ("next", "on_failure"):
                if edge in step:
                    node[edge] = {
                        "slug": slugs[step[edge]],
                        "type": "task",
                        "iterate_on": "",
                        "iterate_as": "",
                    }
            if "inside" in step:
                node["branches"] = [
                    {"slug": naming.slug(b) if b != "_" else b, "name": b} for b in step["inside"]
                ]
                for name_, inside in step["inside"].items():
                    slug = naming.slug(name_) if name_ != "_" else "_"
                    pending.append((f"{here}.{slug}", f"{node['path']}.{name_}", inside))
            plan["nodes"][here] = node
    return plan


def make_run(**fields: Any) -> Any:
    run = {
        "version": 2, "run_id": "r", "name": "p", "dag_hash": "0" * 16, "pages": 1,
        "parameters": {"values": {"a": 1}, "large": {}}, "tag": "", "target": "local", "walk": "w",
        "code": {"commit": "", "dirty": False}, "original_run_id": "", "changed": False, "created": 0.0,
        "max_time": None, "variables": {},
    }  # fmt: skip
    return {**run, **fields}


def packed(values: dict[str, Any]) -> Any:
    return {"values": values, "large": {}}


class Book:
    """Records by key, written as a run's callbacks would."""

    def __init__(self) -> None:
        self.records: dict[str, bytes] = {}
        self.clock = 0.0

    def put(self, key: str, value: Any) -> str:
        self.records[key] = json.dumps(value, sort_keys=True).encode()
        return hashlib.sha256(self.records[key]).hexdigest()

    def of(self, address: str, name: str, value: Any) -> None:
        self.put(f"{naming.key(address)}/{name}.json", value)

    def state(
        self,
        parameters: dict[str, Any] | None = None,
        *,
        set: list[str] | None = None,
        files: dict[str, Any] | None = None,
        mocked: bool = False,
    ) -> str:
        files = files or {}
        state = {
            "parameters": packed(parameters if parameters is not None else {"a": 1}),
            "files": files, "set": set or [], "filed": sorted(files), "mocked": mocked,
        }  # fmt: skip
        digest = hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
        self.put(f"states/{digest}.json", state)
        return digest

    def tick(self) -> float:
        self.clock += 1.0
        return self.clock

    def start(self, address: str, n: int = 1, **fields: Any) -> None:
        value = {
            "attempt": n,
            "try_": n,
            "time": self.tick(),
            "sees": self.state(),
            "after": "",
            "deadline": None,
        }
        self.of(address, f"{n}.start", {**value, **fields})

    def end(self, address: str, n: int, status: str, **fields: Any) -> Any:
        value = {
            "attempt": n, "try_": n, "status": status, "time": self.tick(), "message": "", "set": packed({}),
            "catalog": [], "metrics": {}, "sees": self.state(), "platform": False,
        }  # fmt: skip
        return {**value, **fields}

    def outcome(self, address: str, n: int, status: str, to: str, **fields: Any) -> None:
        """How a step ended for good, by its attempt n (0: by none)."""
        made = {"state": self.state(), "mock": False, "handed_to": to, **fields}
        self.of(address, "outcome", {**self.end(address, n, status), **made})

    def settle(self, address: str, n: int, to: str) -> None:
        """A handler, or a confirmation, goes on from a step that left no word: its attempt n, or none (0)."""
        self.outcome(address, n, "CRASHED", to)

    def fail(self, address: str, n: int = 1, to: str = "", **fields: Any) -> None:
        """An attempt that failed, and handed over if `to` says so; to `fail`, its graph ends."""
        self.start(address, n, try_=fields.get("try_", n))
        if to:
            self.outcome(address, n, "FAIL", to, **fields)
        else:
            self.of(address, f"{n}.end", self.end(address, n, "FAIL", **fields))
        if to == "fail":
            self.graph_end(naming.parent(address), "FAIL", "")

    def stop(self, address: str, n: int = 1, **fields: Any) -> None:
        """An attempt that the platform stopped."""
        fields = {"message": "stopped by signal 15", "platform": True, **fields}
        self.start(address, n, try_=fields.get("try_", n))
        self.of(address, f"{n}.end", self.end(address, n, "CRASHED", **fields))

    def succeed(self, address: str, n: int = 1, to: str = "success", **fields: Any) -> None:
        """A successful attempt (0: a mock); to `success`, its graph ends."""
        if n:
            self.start(address, n, try_=fields.get("try_", n))
        fields = {"state": self.state(), **fields}
        self.outcome(address, n, "SUCCESS", to, mock=not n, **fields)
        if to == "success":
            self.graph_end(naming.parent(address), "SUCCESS", fields["state"])

    def graph_end(self, graph: str, status: str, state: str) -> None:
        self.of(graph, "end", {"status": status, "state": state, "time": self.tick(), "mock": False})

    def enter(self, address: str, count: int | None = None, message: str = "", **fields: Any) -> None:
        """What a composite sees."""
        value = {"sees": self.state(), "count": count, "message": message, "items_mocked": None}
        self.of(address, "start", {**value, **fields})
