"""A job of a decentralised walk imports little more than the callback that it makes: each step of a run starts one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.test_thin_runtime import ALLOWED, DEFINITION, FORBIDDEN, MAIN, STORES, imported

SCHEDULER = """
from magnus_render.executors.decentral import DecentralExecutor
from magnus_render.executors.submitter import Submitter

class Nowhere(Submitter):
    guards = True

    def submit(self, job):
        return f"{job.address}-{len(job.after_loss)}"

class NowhereExecutor(DecentralExecutor):
    name = "nowhere"
    submitter = Nowhere
"""
REGISTERED = (
    "from magnus_render import registry; registry.BUILT_IN['executor']['nowhere'] = 'nowhere:NowhereExecutor'"
)
OF_JOBS = {"contextlib", "math", "nowhere", "typing", "warnings"}


@pytest.fixture
def job(tmp_path: Path) -> set[str]:
    """Return what the job of a step imports beyond what Python itself does; it submits the job that follows."""
    (tmp_path / "dag.yaml").write_text(DEFINITION)
    (tmp_path / "nowhere.py").write_text(SCHEDULER)
    start = [sys.executable, "-c", MAIN, "start_run", "r", "-f", "dag.yaml"]
    environment = {**os.environ, "MAGNUS_CONFIG": json.dumps(STORES)}
    subprocess.run(start, cwd=tmp_path, env=environment, check=True, stdin=subprocess.DEVNULL, timeout=60)
    jobs = tmp_path / ".run_log_store" / "r" / "jobs"
    jobs.mkdir()
    walk = {"executor": "nowhere", "config": {}, "services": STORES, "nodes": {}}
    (jobs / "walk.json").write_text(json.dumps(walk))
    found = imported("-c", f"{REGISTERED}; {MAIN}", "run_job", "r", "first", cwd=tmp_path)
    assert (jobs / "calls" / "second" / "1.0.job.second-0.json").exists()
    return found - imported("-c", "pass", cwd=tmp_path)


def test_a_job_imports_little(job: set[str]) -> None:
    """A name missing here is one more import at every step of every run."""
    assert "magnus_render.executors.job_walk" in job
    assert not job & (FORBIDDEN - {"typing"})
    others = {name.partition(".")[0] for name in job if not name.startswith("magnus_render")}
    assert {name for name in others if not name.startswith("_")} <= ALLOWED | OF_JOBS
