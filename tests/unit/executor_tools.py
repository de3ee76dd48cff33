"""Plans made by hand from a definition's shape, so that the walker is tested without the front end."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

from magnus_render import naming
from magnus_render.errors import AGAIN, FAILED, MagnusError
from magnus_render.executors.base import Order, load
from magnus_render.executors.frames import Call
from magnus_render.executors.walk import Walk
from magnus_render.plan import COMPOSITES

Definition = dict[str, Any]
Outcome = Callable[[Call], "int | tuple[int, str]"]


def task(next: str = "success", **fields: Any) -> Definition:
    return {"type": "task", "command": "true", "next": next, **fields}


def graph(**steps: Definition) -> Definition:
    """A graph that starts at its first step; the status nodes are added."""
    return {
        "start_at": next(iter(steps), "success"),
        "steps": {**steps, "success": {"type": "success"}, "fail": {"type": "fail"}},
    }


def chain(length: int) -> Definition:
    return graph(
        **{
            f"s{i}": task(f"s{i + 1}" if i + 1 < length else "success", command_type="shell")
            for i in range(length)
        }
    )


def retry(
    attempts: int, delay: float = 0.0, backoff: float = 1.0, max_delay: float | None = None
) -> Definition:
    return {"attempts": attempts, "delay": delay, "backoff": backoff, "max_delay": max_delay}


def plan_of(definition: Definition, max_time: float | None = None) -> Any:
    """A plan of the shape in magnus_render/plan.py."""
    graphs: dict[str, Any] = {}
    nodes: dict[str, Any] = {}
    _add(definition, "", [], graphs, nodes)
    for order, node in enumerate(nodes.values()):
        node["order"] = order
    digest = hashlib.sha256(json.dumps([graphs, nodes], sort_keys=True).encode()).hexdigest()[:16]
    return {
        "version": 1,
        "name": "test",
        "description": "",
        "max_time": max_time,
        "dag_hash": digest,
        "variables": {},
        "graphs": graphs,
        "nodes": nodes,
    }


def _add(
    definition: Definition, address: str, scopes: list[Any], graphs: dict[str, Any], nodes: dict[str, Any]
) -> None:
    steps = definition["steps"]
    slugs = {name: naming.slug(name) for name in steps}
    ends = {step["type"]: slugs[name] for name, step in steps.items() if step["type"] in ("success", "fail")}
    head = {"address": address, "start": slugs[definition["start_at"]], **ends}
    graphs[address] = {**head, "nodes": list(slugs.values())}
    before: dict[str, list[Any]] = {name: [] for name in steps}
    for name, step in steps.items():
        for via in ("next", "on_failure"):
            if step.get(via):
                before[step[via]].append({"slug": slugs[name], "via": via, "type": step["type"]})
        if step["type"] in (*COMPOSITES, "task", "as-is") and not step.get("on_failure"):
            fail = next(other for other, node in steps.items() if node["type"] == "fail")
            before[fail].append({"slug": slugs[name], "via": "on_failure", "type": step["type"]})
    for name, step in steps.items():
        kind, here = step["type"], naming.join(address, slugs[name])
        node = {
            "address": here,
            "name": name,
            "path": here,
            "type": kind,
            "hash": hashlib.sha256(json.dumps([here, step], sort_keys=True).encode()).hexdigest()[:16],
            "graph": head,
            "scopes": scopes,
            "before": before[name],
        }
        for field in ("next", "on_failure"):
            if field in step:
                target = steps[step[field]]
                node[field] = {
                    "slug": slugs[step[field]],
                    "type": target["type"],
                    "iterate_on": target.get("iterate_on", ""),
                    "iterate_as": target.get("iterate_as", ""),
                    **({"when": True} if "when" in target else {}),
                }
        for field in (
            "max_concurrency",
            "fail_fast",
            "executor_config",
            "render",
            "iterate_on",
            "iterate_as",
        ):
            if field in step:
                node[field] = step[field]
        nodes[here] = node
        if kind == "task":
            node |= {
                "command": step["command"],
                "command_type": step.get("command_type", "shell"),
                "command_config": {},
                "retry": step.get("retry", retry(1)),
                "timeout": step.get("timeout"),
                "secrets": {},
            }
            if "catalog" in step:
                node["catalog"] = step["catalog"]
        inner: dict[str, Definition] = step.get("branches", {})
        if "when" in step:
            node["when"] = step["when"]
        if kind in ("map", "conditional") or "when" in step:
            only = [b for b in before[name] if b["slug"]]
            counted = len(only) == 1 and only[0]["type"] == "task" and only[0]["via"] == "next"
            node["counted_by"] = only[0]["slug"] if counted and head["start"] != slugs[name] else ""
        if kind == "map":
            inner = {"_": step["branch"]}
        elif kind == "dag":
            inner = {"branch": step["branch"]}
        elif kind == "parallel":
            node["fan_in"] = any(b["type"] in COMPOSITES and b["via"] == "next" for b in before[name])
        scope = {"address": here, "type": kind, "iterate_as": step.get("iterate_as", "")}
        if inner:
            shown = {branch: branch if branch == "_" else naming.slug(branch) for branch in inner}
            node["branches"] = [{"slug": slug, "name": branch} for branch, slug in shown.items()]
            for branch, slug in shown.items():
                _add(inner[branch], naming.join(here, slug), [*scopes, scope], graphs, nodes)


class Played:
    """What a scripted walk did."""

    def __init__(self, walk: Walk, log: list[str], times: list[float], peak: int, stopped: list[str]) -> None:
        self.walk = walk
        self.log = log
        """`kind address#attempt<after` of every call, in the order they were started."""
        self.times = times
        self.peak = peak
        """The most calls that ran at once."""
        self.stopped = stopped


def play(
    definition: Definition,
    outcome: Outcome,
    workers: int = 1,
    seconds: float = 1.0,
    final: bool = False,
    **options: Any,
) -> Played:
    """Walk a definition on a clock of its own: every call takes `seconds` and ends as `outcome` says.

    A step that ends with 1 says so as a callback does: with `AGAIN` while an attempt is left, unless failures are `final`.
    """
    walk = Walk(plan_of(definition), **options)
    now, peak = 0.0, 0
    log: list[str] = []
    times: list[float] = []
    stopped: list[str] = []
    running: list[tuple[float, Call]] = []
    while walk.status is None:
        while len(running) < workers and (call := walk.take(now)):
            running.append((now + seconds, call))
            log.append(f"{call.kind} {call.address}#{call.attempt}<{call.after}")
            times.append(now)
        for call in walk.stops():
            stopped.append(call.address)
        peak = max(peak, len(running))
        if running:
            now, call = running.pop(0)
            result = outcome(call)
            status, count = result if isinstance(result, tuple) else (result, "")
            attempts = call.node.get("retry", {}).get("attempts", 1)
            if call.kind == "step" and status == FAILED and call.attempt < attempts and not final:
                status = AGAIN
            walk.finish(call, status, now, count)
        elif walk.status is None:
            due = walk.due()
            assert due is not None, f"nothing runs and nothing is due after {log}"
            now = due
    assert not running and not walk.running
    return Played(walk, log, times, peak, stopped)


# ---- real runs ----


def order_of(definition: Definition, run_id: str = "r1", **options: Any) -> Order:
    """An order for a run whose stores lie in the working folder."""
    services = options.pop("services", {})
    config: Any = {
        "executor": {"type": "local", "config": {}},
        "run_log_store": {"type": "file-system", "config": {"path": "log"}},
        "catalog": {"type": "do-nothing", "config": {}},
        "secrets": {"type": "do-nothing", "config": {}},
        **services,
    }
    plan = plan_of(definition, options.pop("max_time", None))
    return Order(plan, config, run_id, "dag.yaml", **options)


def start(
    folder: Path, definition: Definition, *, terminal: int | None = None, executor: Any = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Start a run in a process and a session of its own, in `folder`; on a terminal if one is given."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith("MAGNUS_") and k not in ("CI", "NO_COLOR")
    }
    environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), "TERM": "xterm"}
    environment |= options.pop("environment", {})
    job = {"definition": definition, "executor": executor or {}, "options": options}
    (folder / "job.json").write_text(json.dumps(job))
    streams: dict[str, Any] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
    }
    if terminal is not None:
        streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.unit.executor_tools", "job.json"],
        cwd=folder,
        env=environment,
        preexec_fn=None if terminal is None else lambda: _own_terminal(terminal),
        start_new_session=terminal is None,
        **streams,
    )


def run(folder: Path, definition: Definition, **options: Any) -> tuple[int, str, str]:
    """Run to the end; return exit status, standard output and standard error."""
    process = start(folder, definition, **options)
    out, err = process.communicate(timeout=120)
    return process.returncode, out.decode(), err.decode()


def _own_terminal(terminal: int) -> None:
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)


def _main() -> None:
    job = json.loads(Path(sys.argv[1]).read_text())
    order = order_of(job["definition"], **job["options"])
    try:
        status = load("local", job["executor"]).execute(order)
    except MagnusError as error:
        print(f"magnus: {error}", file=sys.stderr)
        status = error.status
    sys.exit(status)


if __name__ == "__main__":
    _main()
