"""The engines that conformance pipelines run on, behind one small interface.

An engine takes a case's folder as a user's project, runs one run of it from start to end, and gives back what
`magnus runs show RUN_ID --json` prints. It says what it can do beyond what every engine does (`abilities`), so that a
case that needs more (`needs` in case.yaml) is left to those that have it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.warm import Warm

TIME_LIMIT = 120  # seconds; no conformance pipeline comes near it


@dataclass
class RunSpec:
    """One run of a case."""

    run_id: str
    dag: str = "dag.yaml"
    parameter_file: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    use_cached: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    """Configuration blocks besides those of the engine."""
    executor: dict[str, Any] = field(default_factory=dict)
    """Keys of the executor's configuration."""
    plan: bool = False
    """Give callbacks the resolved plan (`magnus render --plan`), so that none reads YAML: quicker."""
    mock: str = ""
    """The file that says what tasks come to (`magnus render --mock`); it needs `plan`."""

    def options(self) -> list[str]:
        """Return the options of `magnus render`."""
        return [
            *(["--plan", "plan.json"] if self.plan else []),
            *(["--mock", self.mock] if self.mock else []),
        ]


@dataclass(frozen=True)
class Outcome:
    """What came of a run: exit status of the engine, the folded log, and what it printed on standard error."""

    status: int
    log: dict[str, Any]
    stderr: str


class EngineFailure(Exception):
    """The engine could not run the pipeline at all; the text says what it printed."""


class Engine:
    """Runs a case."""

    name: str
    abilities: frozenset[str]

    def run(self, folder: Path, spec: RunSpec) -> Outcome:
        """Run `spec` in the project `folder` and return its outcome.

        Raises:
            EngineFailure: there is no folded log to return.
        """
        raise NotImplementedError

    def stores(self, folder: Path) -> tuple[dict[str, Any], dict[str, str]] | None:
        """Return the configuration of the stores this engine needs, and the environment that leads to them.

        None if any will do: then those of another engine serve where runs of both go on from each other.
        """
        return None

    @staticmethod
    def parameters(folder: Path, spec: RunSpec) -> dict[str, Any]:
        """Return the initial parameters of a run, for an engine that is handed them all at once."""
        from tests.conformance.cases import from_environment

        given = {}
        if spec.parameter_file:
            given = json.loads((folder / spec.parameter_file).read_text(encoding="utf-8"))
        return {**given, **from_environment(spec.environment)}


_warm = Warm()


class Local(Engine):
    """`magnus execute`."""

    name = "local"
    abilities = frozenset(("as-is-text", "shared-disk", "command-line", "secrets-by-api"))

    def run(self, folder: Path, spec: RunSpec) -> Outcome:
        config = self.configure(folder, spec)
        argv = ["execute", "-f", spec.dag, "-c", config, "--run-id", spec.run_id]
        if spec.parameter_file:
            argv += ["-p", spec.parameter_file]
        if spec.use_cached:
            argv += ["--use-cached", spec.use_cached]
        status, stderr = magnus(argv, folder, spec.environment)
        return self.outcome(folder, spec, status, stderr)

    def configure(self, folder: Path, spec: RunSpec) -> str:
        """Write the configuration file and return its name."""
        config = {
            "executor": {"type": self.name, "config": self.executor(folder, spec)},
            "run_log_store": {"type": "file-system"},
            "catalog": {"type": "file-system"},
            **spec.config,
        }
        name = f"config-{self.name}.yaml"
        (folder / name).write_text(json.dumps(config), encoding="utf-8")
        return name

    def executor(self, folder: Path, spec: RunSpec) -> dict[str, Any]:
        """Return the executor's configuration."""
        return spec.executor

    def outcome(self, folder: Path, spec: RunSpec, status: int, stderr: str) -> Outcome:
        told = f"{self.name}: exit {status}\n{stderr}"
        log = show(folder, spec, f"config-{self.name}.yaml", spec.environment, told)
        return Outcome(status, log, stderr)


_GIVE_PLAN = """#!/bin/sh
case $1 in
start_run) exec magnus "$@" --plan plan.json ;;
*) exec magnus "$@" ;;
esac
"""


class Bash(Local):
    """`magnus render --target bash`, then the script: its callbacks are real processes."""

    name = "bash"

    def executor(self, folder: Path, spec: RunSpec) -> dict[str, Any]:
        if not spec.plan:
            return spec.executor
        command = folder / "magnus.sh"
        command.write_text(_GIVE_PLAN)
        command.chmod(0o755)
        return {**spec.executor, "magnus_command": [str(command)]}

    def run(self, folder: Path, spec: RunSpec) -> Outcome:
        config = self.configure(folder, spec)
        argv = ["render", spec.dag, "--target", "bash", "-c", config, "-o", "run.sh"]
        argv += spec.options()
        status, stderr = magnus(argv, folder, spec.environment)
        if status != 0:
            raise EngineFailure(f"render: exit {status}:\n{stderr}")
        argv = ["bash", "run.sh", spec.run_id]
        if spec.parameter_file:
            argv += ["-p", spec.parameter_file]
        if spec.use_cached:
            argv += ["--use-cached", spec.use_cached]
        ended = subprocess.run(
            argv,
            cwd=folder,
            env=environment(folder, spec.environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIME_LIMIT,
            umask=0o022,
        )
        return self.outcome(folder, spec, ended.returncode, ended.stderr.decode(errors="replace"))


class LocalContainer(Local):
    """`magnus execute`, each attempt of a task in a container of podman."""

    name = "local-container"
    abilities = frozenset(("as-is-text", "command-line"))

    def executor(self, folder: Path, spec: RunSpec) -> dict[str, Any]:
        from tests.engines import images

        # A store on S3 is the one of the test engine for AWS, on this machine's own network.
        network = {"network": "host"} if "AWS_ENDPOINT_URL" in spec.environment else {}
        return {
            "image": images.image(),
            "engine": images.command(),
            "pull": "never",
            **network,
            **spec.executor,
        }


def show(folder: Path, spec: RunSpec, config: str, environment: dict[str, str], told: str) -> Any:
    """Return the folded log of a run; `told` is what the engine said, for the message if there is none."""
    out = folder / f"{spec.run_id}.json"
    argv = ["runs", "show", spec.run_id, "--json", "-f", spec.dag, "-c", config]
    status, complaint = magnus(argv, folder, environment, out)
    if status != 0:
        raise EngineFailure(f"no log (exit {status}):\n{complaint}\n{told}")
    return json.loads(out.read_text(encoding="utf-8"))


def magnus(
    argv: list[str], folder: Path, extra: dict[str, str], stdout: Path | None = None
) -> tuple[int, str]:
    """Run `magnus ARGV` in a folder; return its exit status and standard error."""
    stderr = folder / "stderr.txt"
    status = _warm.run(
        argv,
        cwd=folder,
        env=environment(folder, extra),
        stdout=stdout or folder / "stdout.txt",
        stderr=stderr,
    )
    return status, stderr.read_text(encoding="utf-8", errors="replace")


def environment(folder: Path, extra: dict[str, str]) -> dict[str, str]:
    """The environment of everything an engine starts: little, so that no setting of the developer's counts."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return {"PATH": path, "HOME": str(folder), "CI": "1", **extra}


def engines() -> list[Engine]:
    """Return the engines to run on: those that `MAGNUS_ENGINES` names, in one text with commas.

    They are local, bash, stepfunctions, argo, local-container, processes, local-aws-batch, local-aws-batch-containers and
    slurm.

    By default the first four; the others have tests of their own that run some cases. One that this machine cannot have is
    left out, which tests of the engine itself tell; with CI=true it must be there.
    """
    from tests.conformance.argo import Argo
    from tests.conformance.stepfunctions import StepFunctions
    from tests.engines.argo import build

    every: list[Engine] = [Local(), Bash(), StepFunctions()]
    wanted = os.environ.get("MAGNUS_ENGINES", "")
    if build.missing() is None or os.environ.get("CI") == "true" or "argo" in wanted.split(","):
        every.append(Argo())
    if "local-container" in wanted.split(","):
        every.append(LocalContainer())
    if wanted:
        from tests.conformance import decentral, slurm

        every += [engine() for engine in (*decentral.EVERY, slurm.Slurm) if engine.name in wanted.split(",")]
    names = wanted.split(",") if wanted else [engine.name for engine in every]
    return [engine for engine in every if engine.name in names]
