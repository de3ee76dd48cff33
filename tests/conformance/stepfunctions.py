"""Step Functions as an engine: `magnus render --target stepfunctions`, run by a real interpreter with real jobs."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

from tests.conformance.engines import Engine, EngineFailure, Outcome, RunSpec, magnus, show
from tests.engines import disk, images
from tests.engines.stepfunctions import validator
from tests.engines.stepfunctions.client import CLUSTER, Client, Execution, shared

BUCKET = "conformance"
MACHINE = "pipeline.asl.json"
_RISKY = re.compile(r"\d\.\d|\d[eE]|\d{15}")


class StepFunctions(Engine):
    """A state machine whose steps are jobs of AWS Batch, each a process with the run log on S3 and a disk of its own."""

    name = "stepfunctions"
    abilities = frozenset(("native-state", "disk-per-step", "secrets-by-api"))

    def run(self, folder: Path, spec: RunSpec) -> Outcome:
        client = self._client()
        config = self.configure(folder, spec)
        environment = {**spec.environment, **client.environment}
        argv = ["render", spec.dag, "--target", "stepfunctions", "-c", config, "-o", MACHINE]
        argv += spec.options()
        status, stderr = magnus(argv, folder, environment)
        if status != 0:
            raise EngineFailure(f"render: exit {status}:\n{stderr}")
        machines = self.machines(folder)
        checked = (
            machines if validator.missing() is None else {}
        )  # tests of the validator itself tell that it is missing
        complaints = [
            f"{name}: {text}" for name, machine in checked.items() for text in validator.validate(machine)
        ]
        if complaints:
            raise EngineFailure("asl-validator: " + "\n".join(complaints))
        given: dict[str, Any] = {"parameters": _exact(self.parameters(folder, spec))}
        if spec.use_cached:
            given["use_cached"] = spec.use_cached
        execution = client.run(machines, project(folder), spec.run_id, given)
        told = f"{execution.status} {execution.error}: {execution.cause}\n{execution.logs}"
        if execution.status not in ("SUCCEEDED", "FAILED"):
            raise EngineFailure(told)
        self._check_cause(execution)
        log = show(folder, spec, config, environment, told)
        return Outcome(0 if execution.status == "SUCCEEDED" else 1, log, told)

    def stores(self, folder: Path) -> tuple[dict[str, Any], dict[str, str]]:
        """Return the stores that runs of a case share, and the environment in which they are reached."""
        key = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
        blocks = {
            "run_log_store": {"type": "s3", "config": {"bucket": BUCKET, "prefix": f"{key}/log"}},
            "catalog": {"type": "s3", "config": {"bucket": BUCKET, "prefix": f"{key}/files"}},
        }
        return blocks, self._client().environment

    def configure(self, folder: Path, spec: RunSpec) -> str:
        """Write the configuration file and return its name; create what the platform team would have."""
        name = project(folder)
        self.create(self._client(), name, folder, spec)
        executor: dict[str, Any] = {
            "job_queue": name,
            "job_definition": name,
            **self.compute(name),
            **spec.executor,
        }
        if spec.plan:
            executor["plan"] = "plan.json"
        blocks, _ = self.stores(folder)
        config = {"executor": {"type": "stepfunctions", "config": executor}, **blocks, **spec.config}
        file = f"config-{self.name}.yaml"
        (folder / file).write_text(json.dumps(config), encoding="utf-8")
        return file

    def create(self, client: Client, name: str, folder: Path, spec: RunSpec) -> None:
        """Create queue, job definition and task definition of a project."""
        client.project(
            name,
            folder,
            {**spec.environment, "PATH": _path(), "HOME": str(folder), "CI": "1", disk.OWN: "yes"},
        )

    def compute(self, name: str) -> dict[str, Any]:
        """Return the keys of the configuration that say where jobs run."""
        return {}

    @staticmethod
    def machines(folder: Path) -> dict[str, str]:
        """Return the rendered machines by the names under which they are to be deployed."""
        found = {project(folder): (folder / MACHINE).read_text(encoding="utf-8")}
        for file in sorted(folder.glob("pipeline.*.asl.json")):
            text = file.read_text(encoding="utf-8")
            name = re.search(r"To be deployed as ([^;]+);", json.loads(text)["Comment"])
            assert name, text
            found[name[1]] = text
        return found

    @staticmethod
    def _check_cause(execution: Execution) -> None:
        """A failed execution ends in the fail node's own error, whose cause names what failed."""
        if execution.status == "FAILED" and not (
            execution.error == "StepFailed"
            and re.match(r"failed: .+; see: magnus runs show ", execution.cause or "", re.S)
        ):
            raise AssertionError(f"ended in {execution.error}: {execution.cause}\n{execution.logs}")

    @staticmethod
    def _client() -> Client:
        client = shared()
        if not getattr(client, "has_bucket", False):
            client.bucket(BUCKET)
            client.has_bucket = True  # type: ignore[attr-defined]
        return client


class Ecs(StepFunctions):
    """The same with tasks of ECS."""

    def compute(self, name: str) -> dict[str, Any]:
        """Return where tasks run."""
        subnet = self._client().subnet
        return {
            "compute": "ecs",
            "cluster": CLUSTER,
            "task_definition": name,
            "container": "main",
            "subnets": [subnet],
        }


class Containers(StepFunctions):
    """The same with jobs in containers, from an image that has the project's wheel."""

    def __init__(self, **container: Any) -> None:
        """Take what the job definition says of its container besides (`jobs.Command.container`), or in place of this."""
        self.container = container

    def create(self, client: Client, name: str, folder: Path, spec: RunSpec) -> None:
        """Create what a project needs; its folder is mounted."""
        client.project(name, folder, dict(spec.environment), images.image(), container=self.container)


class EcsContainers(Ecs, Containers):
    """Tasks of ECS in containers."""


def _exact(parameters: dict[str, Any]) -> Any:
    """Return parameters as a text if an engine's own kind of number could change them."""
    text = json.dumps(parameters)
    return text if _RISKY.search(text) else parameters


def project(folder: Path) -> str:
    """Return the name of a project's queue, job definition and machine."""
    return "p-" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def _path() -> str:
    from tests.conformance.engines import environment

    return environment(Path(os.sep), {})["PATH"]
