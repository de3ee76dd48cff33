"""How task types are found, and what whole runs make of what tasks say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magnus_render.errors import Refused
from magnus_render.runtime import tasks
from magnus_render.runtime.tasks.base import BaseTask
from tests.end_to_end.test_tasks_single import magnus
from tests.plugins import install

PIPELINE = """
dag:
  start_at: p
  steps:
    p:
      type: parallel
      next: see
      branches:
        a:
          start_at: put
          steps:
            put: {type: task, command: steps.put, next: done}
            done: {type: success}
            failed: {type: fail}
    see: {type: task, command: steps.see, next: done}
    done: {type: success}
    failed: {type: fail}
secrets: {type: dotenv, config: {path: secret-file}}
"""
STEPS = """
from magnus import get_object, get_secret, put_object

def put():
    put_object([1, 2], "thing")

def see():
    print("got", get_object("thing"))
    raise ValueError("it is " + get_secret("TOKEN"))
"""


class Custom(BaseTask):
    """A task type of somebody else's."""


def test_types_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert tasks.load("python-function") is tasks.load("python")
    install(tmp_path, {"task": {"custom": f"{__name__}:Custom", "broken": f"{__name__}:Nothing"}})
    monkeypatch.syspath_prepend(tmp_path)
    assert tasks.load("custom") is Custom
    with pytest.raises(Refused, match=r"task type 'broken' \(.*\) cannot be loaded: AttributeError"):
        tasks.load("broken")
    with pytest.raises(
        Refused, match="there is no task type 'nothing'; there are broken, custom, mocked, notebook, python"
    ):
        tasks.load("nothing")


def test_stores_are_found_from_workspaces_and_secrets_stay_out_of_records(tmp_path: Path) -> None:
    (tmp_path / "dag.yaml").write_text(PIPELINE)
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "secret-file").write_text("TOKEN=hushhush\n")
    done = magnus(tmp_path, "execute", "-f", "dag.yaml", "--run-id", "r1")
    assert done.returncode == 1 and "got [1, 2]" in done.stdout, done.stderr
    end = json.loads((tmp_path / ".run_log_store/r1/steps/see/outcome.json").read_text())
    assert end["message"] == "ValueError: it is ********"
    assert "hushhush" not in done.stdout + done.stderr
    records = [path for path in (tmp_path / ".run_log_store").rglob("*") if path.is_file()]
    assert records and not any(b"hushhush" in path.read_bytes() for path in records)
