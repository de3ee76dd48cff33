"""The policy in docs/executors/local-aws-batch.md is enough for a run, and each of its actions is asked for."""

from __future__ import annotations

import json
import os
import re
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.conformance.aws_batch import Batch
from tests.conformance.engines import RunSpec
from tests.conformance.stepfunctions import BUCKET, project
from tests.engines.aws_batch.test_runs import ENDS, shell, write
from tests.engines.stepfunctions.client import ACCOUNT, REGION, ROOT

PAGE = ROOT / "docs" / "executors" / "local-aws-batch.md"
LARGE_FILES_ALONE = {"s3:AbortMultipartUpload"}
"""What is asked for where an upload in parts is broken off."""
LOOKS = {"batch:describejobqueues"}
"""What is asked for before a run begins, and may be denied. Then job definitions are not looked at either."""


def policy(name: str, prefix: str) -> dict[str, Any]:
    """Return the policy of the page for a project on the engine."""
    found = re.search(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    text = found[1].replace("REGION", REGION).replace("ACCOUNT", ACCOUNT)
    for there, here in (
        ("churn-queue", name),
        ("churn-job", name),
        ("churn-runs/run_log", f"{BUCKET}/{prefix}/log"),
        ("churn-runs/catalog", f"{BUCKET}/{prefix}/files"),
        ("churn-runs", BUCKET),
    ):
        text = text.replace(there, here)
    return dict(json.loads(text))


@dataclass
class Signed(Batch):
    """Whoever begins a run, and its jobs, sign with the name of a role."""

    role: str

    def create(self, client: Any, name: str, folder: Path, spec: RunSpec) -> None:
        signed = RunSpec(spec.run_id, environment={**spec.environment, "AWS_ACCESS_KEY_ID": self.role})
        super().create(client, name, folder, signed)

    def given(self, spec: RunSpec) -> dict[str, str]:
        return {**super().given(spec), "AWS_ACCESS_KEY_ID": self.role}


def test_the_policy_is_enough_and_no_more(tmp_path: Path) -> None:
    began, role, folder = tmp_path / "began", f"role-{uuid.uuid4().hex[:8]}", tmp_path / "p"
    os.mkfifo(began)
    slow = {"start_at": "t", "steps": {"t": shell(f"echo > {began}; exec sleep 60"), **ENDS}}
    bad = {"start_at": "t", "steps": {"t": shell(f"cat {began}; exit 3"), **ENDS}}
    both = {"type": "parallel", "fail_fast": True, "branches": {"slow": slow, "bad": bad}, "on_failure": "h"}
    put = {"put": ["out.txt"]}
    write(
        folder,
        {
            "a": shell("echo 1 > data/out.txt", "p", catalog=put),
            "p": {**both, "next": "success"},
            "h": shell("cat data/out.txt", catalog={"get": ["out.txt"]}),
        },
    )
    engine = Signed(role)
    prefix = engine.stores(folder)[0]["catalog"]["config"]["prefix"].partition("/")[0]
    client = engine._client()
    allowed = policy(project(folder), prefix)
    client.ask("permit", policies={role: allowed})
    outcome = engine.run(folder, RunSpec(f"r{uuid.uuid4().hex}"))
    assert outcome.status == 0, outcome.stderr
    calls = client.ask("called")[role]
    assert {action for (action, *_), fine in calls if not fine} == LOOKS
    actions = {action for one in allowed["Statement"] for action in _listed(one["Action"])}
    assert {action for (action, *_), fine in calls if fine} == actions - LARGE_FILES_ALONE


def _listed(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
