"""Steps in containers whose run log, catalog and secrets are on AWS: moto, on this machine's network."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.contract import aws
from tests.engines import images
from tests.tools import magnus

DAG = """dag:
  start_at: a
  steps:
    a: {type: task, command: work.make, secrets: [TOKEN], catalog: {put: ['*.txt']}, next: b}
    b: {type: task, command: work.use, catalog: {get: ['*.txt']}, next: ok}
    ok: {type: success}
    no: {type: fail}
"""
WORK = """import os
from pathlib import Path

from magnus_render import get_secret


def make():
    assert os.environ["TOKEN"] == get_secret("TOKEN") == "s3cr3t-value"
    Path("data").mkdir(exist_ok=True)
    Path("data/a.txt").write_text("of a")


def use():
    return {"read": Path("data/a.txt").read_text()}
"""


def test_services_on_aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images.require()
    aws.use(monkeypatch)
    prefix = f"{os.getpid()}/{tmp_path.name}"
    manager = aws.client("secretsmanager", aws.server())
    manager.create_secret(Name=f"{prefix}/TOKEN", SecretString="s3cr3t-value")
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "work.py").write_text(WORK)
    bucket: Any = {"type": "s3", "config": {"bucket": aws.BUCKET, "prefix": prefix}}
    config: dict[str, Any] = {
        "executor": {
            "type": "local-container",
            "config": {
                "image": images.image(),
                "engine": images.command(),
                "pull": "never",
                "network": "host",
            },
        },
        "run_log_store": bucket,
        "catalog": {"type": "s3", "config": {"bucket": aws.BUCKET, "prefix": f"{prefix}/catalog"}},
        "secrets": {"type": "aws-secrets-manager", "config": {"prefix": f"{prefix}/"}},
    }
    (tmp_path / "c.yaml").write_text(json.dumps(config))

    done = magnus(tmp_path, "execute", "-f", "dag.yaml", "-c", "c.yaml", "--run-id", "r")
    assert done.returncode == 0, done.stderr
    log = json.loads(magnus(tmp_path, "runs", "show", "r", "-c", "c.yaml", "--json").stdout)
    assert (log["status"], log["parameters"]) == ("SUCCESS", {"read": "of a"})
    assert not (tmp_path / ".run_log_store").exists() and not (tmp_path / ".catalog").exists()
