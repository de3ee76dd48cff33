"""A job of a decentralised walk imports little more than the callback that it makes: each step of a run starts one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
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
OF_JOBS = {
    # what jobs ask for
    "contextlib", "json", "math", "nowhere", "signal", "typing", "warnings",
    # what those ask for
    "collections", "copyreg", "enum", "functools", "itertools", "keyword", "operator", "re", "reprlib",
    "sre_compile", "sre_constants", "sre_parse", "types",
}  # fmt: skip
OF_SUBMISSION = {"encodings", "hashlib", "hmac", "stringprep", "unicodedata"}
"""What a job of AWS Batch imports besides `http.client` and what that asks for.

Python itself looks up hosts by `encodings` and the last two. `hashlib` loads OpenSSL, which a connection by TLS needs.
"""


def begun(tmp_path: Path, executor: str, config: dict[str, str]) -> Path:
    """Begin a run whose steps are jobs; return the folder of the records of its jobs."""
    (tmp_path / "dag.yaml").write_text(DEFINITION)
    start = [sys.executable, "-c", MAIN, "start_run", "r", "-f", "dag.yaml"]
    environment = {**os.environ, "MAGNUS_CONFIG": json.dumps(STORES)}
    subprocess.run(start, cwd=tmp_path, env=environment, check=True, stdin=subprocess.DEVNULL, timeout=60)
    jobs = tmp_path / ".run_log_store" / "r" / "jobs"
    jobs.mkdir()
    walk = {"executor": executor, "config": config, "services": STORES, "nodes": {}}
    (jobs / "walk.json").write_text(json.dumps(walk))
    return jobs


@pytest.fixture
def job(tmp_path: Path) -> set[str]:
    """Return what the job of a step imports beyond what Python itself does; it submits the job that follows."""
    (tmp_path / "nowhere.py").write_text(SCHEDULER)
    jobs = begun(tmp_path, "nowhere", {})
    found = imported("-c", f"{REGISTERED}; {MAIN}", "run_job", "r", "first", cwd=tmp_path)
    assert (jobs / "calls" / "second" / "1.0.job.second-0.json").exists()
    return found - imported("-c", "pass", cwd=tmp_path)


def test_a_job_imports_little(job: set[str]) -> None:
    """A name missing here is one more import at every step of every run."""
    assert "magnus_render.executors.job_walk" in job
    assert not job & (FORBIDDEN - {"typing"})
    others = {name.partition(".")[0] for name in job if not name.startswith("magnus_render")}
    assert {name for name in others if not name.startswith("_")} <= ALLOWED | OF_JOBS


class _Batch(BaseHTTPRequestHandler):
    """Takes any job."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"jobId": "an-id"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def test_a_job_of_aws_batch_submits_without_botocore(tmp_path: Path) -> None:
    """Botocore takes longer to load than all else that a job does."""
    jobs = begun(tmp_path, "local-aws-batch", {"job_queue": "q", "job_definition": "d"})
    variables = {
        "AWS_BATCH_JOB_ID": "j",
        "AWS_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "s",
        "HOME": str(tmp_path),
    }
    with HTTPServer(("127.0.0.1", 0), _Batch) as server:
        thread = threading.Thread(target=server.handle_request, daemon=True)
        thread.start()
        variables["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{server.server_port}"
        found = imported("-c", MAIN, "run_job", "r", "first", cwd=tmp_path, options=(), **variables)
        thread.join()
    assert (jobs / "calls" / "second" / "1.0.job.an-id.json").exists()
    found -= imported("-c", "pass", cwd=tmp_path, options=())
    found -= imported("-c", "import http.client", cwd=tmp_path, options=())
    assert not found & (FORBIDDEN - {"typing", "hashlib"})
    others = {name.partition(".")[0] for name in found if not name.startswith("magnus_render")}
    assert {name for name in others if not name.startswith("_")} <= ALLOWED | OF_JOBS | OF_SUBMISSION
