"""AWS Batch as an engine: `magnus execute` submits the first job, and the jobs go on by themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.conformance.engines import EngineFailure, Outcome, RunSpec, magnus, show
from tests.conformance.stepfunctions import Containers, StepFunctions, project
from tests.engines.stepfunctions.client import TIME_LIMIT


class Batch(StepFunctions):
    """Jobs that submit each other, each a process with the run log on S3 and a disk of its own."""

    name = executor = "local-aws-batch"
    abilities = frozenset(("as-is-text", "disk-per-step", "command-line"))

    def run(self, folder: Path, spec: RunSpec) -> Outcome:
        client = self._client()
        config = self.configure(folder, spec)
        environment = self.given(spec)
        argv = ["execute", "-f", spec.dag, "-c", config, "--run-id", spec.run_id, "--detach"]
        if spec.parameter_file:
            argv += ["-p", spec.parameter_file]
        if spec.use_cached:
            argv += ["--use-cached", spec.use_cached]
        before = len(client.jobs(spec.run_id))  # of other projects
        status, stderr = magnus(argv, folder, environment)
        settled = client.settled(spec.run_id)
        told = f"{self.name}: exit {status}\n{stderr}{logs(client.jobs(spec.run_id)[before:])}"
        if not settled:
            raise EngineFailure(f"jobs that do not end after {TIME_LIMIT} s:\n{told}")
        if status == 0:
            status = self._end(folder, spec, told)
        return Outcome(status, show(folder, spec, config, environment, told), told)

    def given(self, spec: RunSpec) -> dict[str, str]:
        """Return the environment of whoever begins a run."""
        return {**spec.environment, **self._client().environment}

    def _end(self, folder: Path, spec: RunSpec, told: str) -> int:
        """Return the exit status of a run, as it is recorded; following the run would wait for longer."""
        place = self.stores(folder)[0]["run_log_store"]["config"]
        key = f"{place['prefix']}/{spec.run_id}/jobs/end.json"
        s3 = self._client().aws("s3")
        try:
            record = s3.get_object(Bucket=place["bucket"], Key=key)["Body"].read()
        except s3.exceptions.NoSuchKey:
            raise EngineFailure(f"the run stands still:\n{told}") from None
        return int(json.loads(record)["status"])

    def configure(self, folder: Path, spec: RunSpec) -> str:
        """Write the configuration file and return its name; create what the platform team would have."""
        name = project(folder)
        self.create(self._client(), name, folder, spec)
        executor = {"job_queue": name, "job_definition": name, **spec.executor}
        blocks, _ = self.stores(folder)
        config = {"executor": {"type": self.executor, "config": executor}, **blocks, **spec.config}
        file = f"config-{self.name}.yaml"
        (folder / file).write_text(json.dumps(config), encoding="utf-8")
        return file


class BatchContainers(Containers, Batch):
    """The same with jobs in containers of podman, from an image that has the project's wheel."""

    name = "local-aws-batch-containers"


def logs(jobs: list[dict[str, Any]]) -> str:
    """Return what jobs printed."""
    texts = []
    for job in jobs:
        texts.append(f"--- {' '.join(job['argv'])}: {job['attempts']}\n")
        log = Path(job["attempts"][-1]["log"]) if job["attempts"] else None
        texts.append(log.read_text(errors="replace") if log is not None and log.exists() else "")
    return "".join(texts)
