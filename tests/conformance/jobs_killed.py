"""Runs of a join of 20 branches on a real scheduler, whose jobs are killed from outside: every node succeeds once.

    python -m tests.conformance.jobs_killed slurm --count 100
    python -m tests.conformance.jobs_killed local-aws-batch --count 300

prints each run that went wrong or had to be resumed, then the figures. Jobs are killed at random moments, guards too, and
submissions are refused, or accepted and answered too late. A run that stands still is resumed once, undisturbed. Its log
must then be that of `magnus execute`, but for attempts that were killed (`jobs_chaos` has the shapes and compares).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from tests.conformance import aws_batch, jobs_chaos
from tests.conformance.engines import RunSpec, environment
from tests.conformance.stepfunctions import BUCKET
from tests.engines.slurm import cluster
from tests.engines.stepfunctions.client import Client

PERIOD = 0.2
"""Seconds between two looks at a run."""
CHANCE = 0.3
"""How often something is disturbed at a look."""
QUIET = 1.0
"""Seconds without a job after which a run has ended, or stands still."""
TIME_LIMIT = 300.0
AT_WORK = "PENDING,RUNNING,COMPLETING,CONFIGURING,SUSPENDED"
SBATCH = """#!/bin/sh
if rm '{folder}/refuse' 2>/dev/null; then echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1; fi
said=$({sbatch} "$@") || exit
if rm '{folder}/late' 2>/dev/null; then echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1; fi
echo "$said"
"""


class Scheduler(Protocol):
    """Where the jobs of a run are."""

    name: str

    def configure(self, folder: Path, spec: RunSpec) -> tuple[str, dict[str, str]]:
        """Write the configuration file; return its name, and the environment in which commands of the run are typed."""

    def idle(self, run_id: str) -> bool:
        """Tell whether no job of a run waits or runs."""

    def disturb(self, folder: Path, run_id: str, chance: random.Random) -> str:
        """Let one of the next submissions or jobs of a run go wrong, without a kill; return what that is called."""


class Slurm(Scheduler):
    """A cluster. Faults are files that a program before the real `sbatch` uses up."""

    name = "slurm"

    def __init__(self) -> None:
        cluster.shared()  # started once, before there are threads

    def configure(self, folder: Path, spec: RunSpec) -> tuple[str, dict[str, str]]:
        programs = folder / "bin"
        programs.mkdir()
        sbatch = programs / "sbatch"
        sbatch.write_text(SBATCH.format(folder=folder, sbatch=shutil.which("sbatch")))
        sbatch.chmod(0o755)
        executor = {"type": "slurm", "config": spec.executor}
        (folder / "c.yaml").write_text(json.dumps({"executor": executor}))
        return "c.yaml", {**cluster.shared().environment, "PATH": f"{programs}:{os.environ['PATH']}"}

    def idle(self, run_id: str) -> bool:
        listed = cluster.shared().call("squeue", "--noheader", f"--states={AT_WORK}", "--format=%k")
        return not any(line.startswith(f"magnus run {run_id} ") for line in listed.splitlines())

    def disturb(self, folder: Path, run_id: str, chance: random.Random) -> str:
        kind = chance.choice(["refuse", "late"])
        (folder / kind).touch()
        return kind


@cache
def _client() -> Client:
    client = Client()  # its jobs are processes with a command line by which they are found
    client.bucket(BUCKET)
    return client


class _Engine(aws_batch.Batch):
    _client = staticmethod(_client)


class Batch(Scheduler):
    """AWS Batch of the test engine; jobs are processes."""

    name = "local-aws-batch"

    def __init__(self) -> None:
        _client()
        self._one_at_a_time = threading.Lock()

    def configure(self, folder: Path, spec: RunSpec) -> tuple[str, dict[str, str]]:
        with self._one_at_a_time:  # the first one creates what all use
            return _Engine().configure(folder, spec), _client().environment

    def idle(self, run_id: str) -> bool:
        return _client().settled(run_id, PERIOD)

    def disturb(self, folder: Path, run_id: str, chance: random.Random) -> str:
        kind = chance.choice(["ServerException", "late:ServerException", "AWSBatchException", "start", "end"])
        if kind in ("start", "end"):
            _client().fault([run_id], host_loss=[kind])
        else:
            _client().fault([run_id], submit=[kind])
        return kind


class Run:
    """One run of one shape, to its end."""

    def __init__(self, on: Scheduler, seed: int, base: Path, kills: int, faults: int) -> None:
        self.on, self.shape = on, list(jobs_chaos.SHAPES)[seed % len(jobs_chaos.SHAPES)]
        self.told = list[str]()
        """What went wrong, in words."""
        self.run_id, self.folder = f"killed-{os.getpid()}-{seed}", base / str(seed)
        self.folder.mkdir()
        jobs_chaos.write_definition(self.shape, self.folder)
        executor: dict[str, Any] = {"environment": {"RAN": str(self.folder / "ran")}}
        self.config, self.environment = on.configure(self.folder, RunSpec(self.run_id, executor=executor))
        self._chance, self._kills, self._faults = random.Random(seed), kills, faults
        items = f"items={json.dumps(list(range(jobs_chaos.BRANCHES)))}"
        self.said = self._magnus(
            "execute", "-f", "dag.yaml", "--run-id", self.run_id, "--param", items, "--detach"
        )
        self._wait()
        self.resumed = self.log()["status"] not in ("SUCCESS", "FAIL")
        if self.resumed:
            self._kills = self._faults = 0
            self.said += self._magnus("runs", "show", self.run_id)
            self.said += self._magnus("runs", "resume", self.run_id)
            self._wait()

    def log(self) -> dict[str, Any]:
        """Return the run's log."""
        found: dict[str, Any] = json.loads(self._magnus("runs", "show", self.run_id, "--json"))
        return found

    def wrong(self, expected: dict[str, Any]) -> list[str]:
        """Return what is not as it must be."""
        log = self.log()
        if log["status"] not in ("SUCCESS", "FAIL"):
            return [f"stands still after it was resumed: {self._magnus('runs', 'show', self.run_id)}"]
        return jobs_chaos.differences(self.shape, log, expected)

    def _magnus(self, *argv: str) -> str:
        done = subprocess.run(
            [shutil.which("magnus") or "magnus", *argv, "-c", self.config],
            cwd=self.folder,
            env=environment(self.folder, self.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        return (
            done.stdout
            if done.returncode == 0
            else f"{' '.join(argv)}: exit {done.returncode}\n{done.stderr}"
        )

    def _wait(self) -> None:
        """Wait until no job of the run waits or runs, and none comes: one may be on its way from the queue to a node."""
        until, since = time.monotonic() + TIME_LIMIT, time.monotonic()
        while time.monotonic() - since < QUIET:
            if not self.on.idle(self.run_id):
                since = time.monotonic()
            if self._chance.random() < CHANCE:
                self._disturb()
            if time.monotonic() > until:
                raise AssertionError(f"{self.folder}: jobs are at work still")
            time.sleep(PERIOD)

    def _disturb(self) -> None:
        if self._faults and self._chance.random() < 0.5:
            self._faults -= 1
            self.told.append(self.on.disturb(self.folder, self.run_id, self._chance))
        elif self._kills and (found := list(processes(self.run_id))):
            self._kills -= 1
            pid, words = self._chance.choice(found)
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                return
            self.told.append(f"killed: {words}")


def processes(run_id: str) -> list[tuple[int, str]]:
    """Return the processes of a run's jobs, and their command lines."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            argv = (entry / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue  # no process, or one that has ended
        if "run_job" in argv and run_id in argv:
            found.append((int(entry.name), " ".join(argv[argv.index("run_job") :]).strip()))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.jobs_killed", description=__doc__)
    parser.add_argument("scheduler", choices=[Slurm.name, Batch.name])
    parser.add_argument("--count", type=int, default=8, help="runs")
    parser.add_argument("--first", type=int, default=0, help="seed of the first")
    parser.add_argument("--kills", type=int, default=4, help="processes of jobs killed in a run, at most")
    parser.add_argument("--faults", type=int, default=3, help="other faults in a run, at most")
    parser.add_argument("--jobs", type=int, default=4, help="runs at a time")
    arguments = parser.parse_args()
    on: Scheduler = Slurm() if arguments.scheduler == Slurm.name else Batch()
    base = Path(tempfile.mkdtemp(prefix="jobs-killed-"))
    began, figures = time.monotonic(), Counter[str]()
    logs = {shape: jobs_chaos.expected(shape, base / shape) for shape in jobs_chaos.SHAPES}

    def one(seed: int) -> None:
        run = Run(on, seed, base, arguments.kills, arguments.faults)
        wrong = run.wrong(json.loads(json.dumps(logs[run.shape])))
        figures["runs"] += 1
        figures["resumed"] += run.resumed
        figures["wrong"] += bool(wrong)
        figures.update(told.partition(":")[0] for told in run.told)
        if wrong or run.resumed:
            lines = [f"seed {seed}, {run.shape}: {'; '.join(wrong) or 'resumed'}", *run.told, run.said]
            print("\n   ".join(lines), flush=True)
        if not wrong:
            shutil.rmtree(run.folder)

    with ThreadPoolExecutor(arguments.jobs) as pool:
        seeds = range(arguments.first, arguments.first + arguments.count)
        for done in [pool.submit(one, seed) for seed in seeds]:
            done.result()
    print(json.dumps(dict(sorted(figures.items())), indent=1))
    print(f"{time.monotonic() - began:.0f} s; folders of wrong runs are in {base}")
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
