"""Measure how `magnus runs` reads large runs and large stores, as processor time, beside that of `python -c pass`.

Writes a run of 20,000 steps (a map over 10,000 items with two tasks each) and a store of 1,000 small runs into a temporary
folder: records as callbacks leave them, without running any. `python benchmarks/many_steps.py [ITEMS [RUNS]]`.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from magnus_render.graph.load import load
from magnus_render.runtime import create, state
from magnus_render.runtime.handover import end_graph, enter
from magnus_render.runtime.records import Run
from magnus_render.services.run_log_store import FileSystemRunLogStore

if TYPE_CHECKING:
    from magnus_render.plan import AttemptStart, Outcome

DAG = """
dag:
  start_at: m
  steps:
    m:
      type: map
      iterate_on: items
      iterate_as: item
      next: z
      branch:
        start_at: a
        steps:
          a: {type: task, command_type: shell, command: 'true', next: b}
          b: {type: task, command_type: shell, command: 'true', next: s}
          s: {type: success}
          f: {type: fail}
    z: {type: task, command_type: shell, command: 'true', next: s}
    s: {type: success}
    f: {type: fail}
"""


def write(store: FileSystemRunLogStore, run_id: str, items: int) -> None:
    """Write the records of a run that succeeded."""
    plan = load("dag.yaml").plan
    parameters = {"items": list(range(items))}
    run = create.create(store, run_id, plan, parameters=parameters, walk="", target="local")
    seen = state.initial(run)
    enter(run, "m", run.node("m"), seen)
    for index in range(items):
        for slug, to in (("a", "b"), ("b", "s")):
            step(run, f"m/{index}/{slug}", seen, to)
        end_graph(run, f"m.{index}", "SUCCESS", seen)
    state.join(run, "m")
    step(run, "z", seen, "s")
    end_graph(run, "", "SUCCESS", seen)


def step(run: Run, folder: str, seen: str, to: str) -> None:
    """Write the records of a step that succeeded at once."""
    now = time.time()
    start: AttemptStart = {
        "attempt": 1, "try_": 1, "time": now, "sees": seen, "after": "", "deadline": None,
    }  # fmt: skip
    end: Outcome = {
        "attempt": 1, "try_": 1, "status": "SUCCESS", "time": now, "message": "", "set": {"values": {}, "large": {}},
        "catalog": [], "metrics": {}, "sees": seen, "platform": False, "handed_to": to, "state": seen, "mock": False,
    }  # fmt: skip
    run.create(f"steps/{folder}/1.start.json", start)
    run.create(f"steps/{folder}/outcome.json", end)


def measure(*argv: str) -> tuple[float, float]:
    """Return the processor time and the time on the clock of a command, in seconds.

    Raises `CalledProcessError` if the command fails: the time of a refusal says nothing.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return worked, time.perf_counter() - began


def main() -> None:
    """Write the runs, run the commands, print a table."""
    items, runs = (int(word) for word in [*sys.argv[1:], "10000", "1000"][:2])
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        Path("dag.yaml").write_text(DAG, encoding="utf-8")
        for run_id in ("large", "again"):
            write(FileSystemRunLogStore({}), run_id, items)
        for number in range(runs):
            write(FileSystemRunLogStore({"path": "many"}), f"r{number}", 1)
        Path("many.yaml").write_text("run_log_store: {type: file-system, config: {path: many}}\n")
        base = min(measure(sys.executable, "-c", "pass")[0] for _ in range(5))
        magnus = str(Path(sys.executable).parent / "magnus")
        for words in (
            ("show", "large"),
            ("show", "large", "--json"),
            ("diff", "large", "again"),
            ("list",),
            ("list", "-c", "many.yaml"),
            ("list", "-c", "many.yaml", "--limit", "0"),
        ):
            worked, took = measure(magnus, "runs", *words)
            print(
                f"runs {' '.join(words):36} {worked:6.2f} s of work, {took:6.2f} s, {worked / base:5.0f} x pass"
            )


if __name__ == "__main__":
    main()
