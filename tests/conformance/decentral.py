"""Decentralised walks as engines of the conformance suite."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

from tests.conformance.aws_batch import Batch, BatchContainers
from tests.conformance.engines import TIME_LIMIT, EngineFailure, Local, Outcome, RunSpec, environment, show


class Decentral(Local):
    """`magnus execute` with an executor whose nodes walk on by themselves."""

    abilities = frozenset(("as-is-text", "command-line"))

    def run(self, folder: Path, spec: RunSpec) -> Outcome:
        config = self.configure(folder, spec)
        argv = ["magnus", "execute", "-f", spec.dag, "-c", config, "--run-id", spec.run_id]
        if spec.parameter_file:
            argv += ["-p", spec.parameter_file]
        if spec.use_cached:
            argv += ["--use-cached", spec.use_cached]
        with open(folder / "stdout.txt", "wb") as stdout, open(folder / "stderr.txt", "wb") as stderr:
            status = subprocess.run(
                argv,
                cwd=folder,
                env={**environment(folder, spec.environment), **self.variables()},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=TIME_LIMIT,
            ).returncode
        self.settle(folder)
        said = (folder / "stderr.txt").read_text(encoding="utf-8", errors="replace")
        return self.outcome(folder, spec, status, said)

    def variables(self) -> dict[str, str]:
        """Return what the processes of this engine see besides their environment."""
        return {}

    def outcome(self, folder: Path, spec: RunSpec, status: int, stderr: str) -> Outcome:
        stores = json.loads((folder / f"config-{self.name}.yaml").read_text(encoding="utf-8"))
        del stores["executor"]  # not installed where logs are shown
        (folder / "config-show.yaml").write_text(json.dumps(stores), encoding="utf-8")
        told = f"{self.name}: exit {status}\n{stderr}"
        return Outcome(status, show(folder, spec, "config-show.yaml", spec.environment, told), stderr)

    def settle(self, folder: Path) -> None:
        """Wait until no job of the project waits or runs any more."""
        raise NotImplementedError


@cache
def _path() -> str:
    from tests.engines.processes import path

    return path(Path(tempfile.mkdtemp(prefix="magnus-processes-")))


class Processes(Decentral):
    """Each job a process of this machine."""

    name = "processes"

    def variables(self) -> dict[str, str]:
        return {"PYTHONPATH": _path()}

    def executor(self, folder: Path, spec: RunSpec) -> dict[str, Any]:
        return {"folder": str(folder / ".jobs"), **spec.executor}

    def settle(self, folder: Path) -> None:
        until = time.monotonic() + TIME_LIMIT
        while open_ := [job for job in (folder / ".jobs").glob("*") if not _is_over(job)]:
            if time.monotonic() > until:
                raise EngineFailure(f"jobs are at work still: {open_}")
            time.sleep(0.02)


def _is_over(job: Path) -> bool:
    return (job / "status").exists() or ((job / "cancelled").exists() and not (job / "job").exists())


EVERY = (Processes, Batch, BatchContainers)
