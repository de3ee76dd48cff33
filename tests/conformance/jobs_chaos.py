"""Runs of a join of 20 branches whose jobs are killed, lost and doubled at random: every node succeeds once.

    python -m tests.conformance.jobs_chaos --count 300      prints each run in which something is wrong, then the figures

Each run is walked on the scheduler of `tests/engines/chaos`. If it stands still, it is resumed once. Its log must then be
that of `magnus execute`, but for attempts that were killed, and the join must have been passed once.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from magnus_render import registry
from magnus_render.executors import decentral
from magnus_render.executors.job_records import JobRecords
from magnus_render.graph.load import load
from magnus_render.runtime import callback
from magnus_render.runtime.comparing import comparable
from magnus_render.runtime.fold import fold
from magnus_render.runtime.reading import read_run
from magnus_render.runtime.records import Run
from magnus_render.services import lookup
from tests.engines.chaos.scheduler import ENTRY, Scheduler
from tests.engines.chaos.submitter import ChaosSubmitter
from tests.unit.view_graphs import FAST, each, graph, parallel, task

BRANCHES = 20
NOTE = 'echo "$MAGNUS_STEP" >> "$RAN"; echo "by=1" >> "$MAGNUS_OUTPUT"'
HANDLED = {"on_failure": "h", "next": "success"}


def note(command: str = "true", attempts: int = 9) -> dict[str, Any]:
    """Return a task that notes that it ran."""
    return task(f"{NOTE.replace('by', 'v')}; {command}", retry={"attempts": attempts})


def branches(step: dict[str, Any], count: int = BRANCHES) -> dict[str, Any]:
    return {f"b{n}": graph(t=step) for n in range(count)}


BAD = {"bad": graph(t=note("exit 1", attempts=1))}
SHAPES: dict[str, dict[str, Any]] = {
    "parallel": graph(a=note(), p=parallel({}, **branches(note())), c=note()),
    "bounded parallel": graph(p=parallel({"max_concurrency": 4}, **branches(note())), c=note()),
    "map": graph(a=note(), p=each({}, graph(t=note())), c=note()),
    "bounded map": graph(a=note(), p=each({"max_concurrency": 4}, graph(t=note())), c=note()),
    "retries": graph(p=parallel({}, **branches(note('test "$MAGNUS_ATTEMPT" -gt 1'))), c=note()),
    "handled": graph(p=parallel(HANDLED, **branches(note(), BRANCHES - 1), **BAD), h=note()),
    "fail_fast": graph(p=parallel({**FAST, **HANDLED}, **branches(note(), BRANCHES - 1), **BAD), h=note()),
    "bounded fail_fast": graph(
        p=parallel({**FAST, **HANDLED, "max_concurrency": 4}, **branches(note(), BRANCHES - 1), **BAD),
        h=note(),
    ),
}


def without_kills(log: dict[str, Any]) -> dict[str, Any]:
    """Return a log without what depends on how often jobs were killed: attempts that did not succeed, and their numbers."""

    def thin(step: dict[str, Any]) -> dict[str, Any]:
        if "attempts" not in step:
            return step
        kept = [attempt for attempt in step["attempts"] if attempt["status"] == "SUCCESS"]
        status = "FAIL" if step["status"] == "CRASHED" else step["status"]
        attempts = [{**attempt, "attempt_number": 0, "message": ""} for attempt in kept]
        return {**step, "message": "", "status": status, "attempts": attempts}

    found: dict[str, Any] = json.loads(json.dumps(comparable(log), sort_keys=True), object_hook=thin)
    return found


class Chaos:
    """One run of one shape, to its end."""

    def __init__(self, shape: str, seed: int, folder: Path, kills: int, faults: int) -> None:
        self.shape, self.folder = shape, folder
        (folder / "jobs").mkdir(parents=True)
        self.services: Any = {
            "run_log_store": {"type": "file-system", "config": {"path": str(folder / "log")}},
            "catalog": {"type": "do-nothing", "config": {}},
            "secrets": {"type": "do-nothing", "config": {}},
        }
        self.scheduler = Scheduler(folder / "jobs", folder, seed, kills, faults)
        os.environ["RAN"] = str(folder / "ran")
        write_definition(shape, folder)
        words = ["--param", f"items={json.dumps(list(range(BRANCHES)))}"]
        plan = load(str(folder / "dag.yaml")).plan
        assert callback.main(["start_run", "r", *words], plan=plan, services=self.services) == 0
        self.run = Run.open(lookup.load("run_log_store", self.services["run_log_store"]), "r")
        assert self.run is not None
        self.records = JobRecords(self.run)
        config = {"folder": str(folder / "jobs")}
        self.submitter = ChaosSubmitter(config)
        self.records.begin({"executor": "chaos", "config": config, "services": self.services, "nodes": {}})
        decentral.walk_of(self.run, self.submitter).begin()
        self.scheduler.run()
        self.resumed = self.records.status() is None
        if self.resumed:
            self.stood = decentral.standing(self.run, self.submitter)
            self.scheduler.told += self.scheduler.failures()
            self.scheduler.calm()
            decentral.resume(self.run, self.submitter)
            self.scheduler.run()

    def log(self) -> dict[str, Any]:
        """Return the folded log of the run."""
        assert self.run is not None
        return fold(*read_run(self.run.store, "r"), time.time())

    def ran(self) -> Counter[str]:
        """Return how often each step was begun."""
        return Counter((self.folder / "ran").read_text().split())

    def wrong(self, expected: dict[str, Any]) -> list[str]:
        """Return what is not as it must be, given the log of an undisturbed run by another engine."""
        if self.records.status() is None:
            return [f"stands still at {decentral.standing(self.run, self.submitter)}"]
        return differences(self.shape, self.log(), expected)


def differences(shape: str, log: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Return how the log of a run of a shape, disturbed as it was, is not that of an undisturbed run."""
    found = []
    last = "h" if "h" in log["steps"] else "c"
    attempts = log["steps"].get(last, {"attempts": []})["attempts"]
    successes = [attempt for attempt in attempts if attempt["status"] == "SUCCESS"]
    if len(successes) != 1:
        found.append(f"'{last}' has {len(successes)} successful attempts")
    if "fail_fast" in shape:  # which branches are stopped is left to chance
        log["steps"]["p"]["branches"] = expected["steps"]["p"]["branches"] = {}
    if without_kills(log) != without_kills(expected):
        found.append(f"another log: {json.dumps(without_kills(log))}")
    return found


def write_definition(shape: str, folder: Path) -> None:
    """Write a shape as a definition."""
    (folder / "dag.yaml").write_text(json.dumps({"dag": SHAPES[shape]}))


def expected(shape: str, folder: Path) -> dict[str, Any]:
    """Return the log of an undisturbed run by `magnus execute`."""
    folder.mkdir(parents=True)
    write_definition(shape, folder)
    environment = {
        **os.environ,
        "RAN": str(folder / "ran"),
        "MAGNUS_PRM_items": json.dumps(list(range(BRANCHES))),
    }
    magnus = [sys.executable, "-c", "from magnus_render.cli.main import main; main()"]
    options: dict[str, Any] = {"cwd": folder, "env": environment, "capture_output": True, "timeout": 300}
    subprocess.run([*magnus, "execute", "--run-id", "r"], **options)
    shown = subprocess.run([*magnus, "runs", "show", "r", "--json"], **options)
    log: dict[str, Any] = json.loads(shown.stdout)
    return log


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.jobs_chaos", description=__doc__)
    parser.add_argument("--count", type=int, default=40, help="runs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--kills", type=int, default=4, help="jobs killed or lost in a run, at most")
    parser.add_argument("--faults", type=int, default=3, help="other faults in a run, at most")
    arguments = parser.parse_args()
    registry.BUILT_IN["executor"].update([ENTRY])
    base = Path(tempfile.mkdtemp(prefix="chaos-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    began = time.monotonic()
    figures: Counter[str] = Counter()
    logs = {shape: expected(shape, base / shape) for shape in SHAPES}
    try:
        for seed in range(arguments.first, arguments.first + arguments.count):
            shape = list(SHAPES)[seed % len(SHAPES)]
            run = Chaos(shape, seed, base / "run", arguments.kills, arguments.faults)
            _count(run, seed, run.wrong(json.loads(json.dumps(logs[shape]))), figures)
            shutil.rmtree(base / "run")
    finally:
        shutil.rmtree(base)
    print(json.dumps(dict(sorted(figures.items())), indent=1))
    print(f"{time.monotonic() - began:.0f} s")
    return 1 if figures["wrong"] else 0


def _count(run: Chaos, seed: int, wrong: list[str], figures: Counter[str]) -> None:
    figures["runs"] += 1
    figures["resumed"] += run.resumed
    figures["jobs"] += len(run.scheduler.known)
    figures["wrong"] += bool(wrong)
    for told in run.scheduler.told:
        figures[told.partition(":")[0]] += 1
    figures["runs in which something went wrong"] += bool(run.scheduler.told)
    if wrong or run.resumed:
        stood = f", stood still at {run.stood}" if run.resumed else ""
        print(
            f"seed {seed}, {run.shape}{stood}: {'; '.join(wrong)}",
            *run.scheduler.told,
            sep="\n   ",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
