"""A pipeline that is rendered with mocks goes, on every engine, the way that `magnus execute` goes with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conformance.argo import Argo
from tests.conformance.comparing import check_equal, comparable
from tests.conformance.engines import Bash, Engine, RunSpec, magnus, show
from tests.conformance.stepfunctions import StepFunctions
from tests.engines.argo import build

DAG = """dag:
  start_at: list
  steps:
    list: {type: task, command_type: shell, command: touch ran; false, retry: {attempts: 3, delay: 0}, next: each}
    each:
      type: map
      iterate_on: items
      iterate_as: item
      next: last
      branch:
        start_at: t
        steps:
          t: {type: task, command: to.come, next: success, on_failure: h}
          h: {type: task, command: to.come, next: success}
          success: {type: success}
          fail: {type: fail}
    last: {type: task, command_type: shell, command: touch ran, next: success}
    success: {type: success}
    fail: {type: fail}
"""
RESULTS = {
    "list": {"set": {"items": [3, 1]}, "fail": 1},
    "each._.t": {"fail": True},
    "each._.h": {"set": {"n": 1}},
}


@pytest.mark.parametrize("engine", [Bash(), StepFunctions(), Argo()], ids=lambda engine: engine.name)
def test_a_mocked_pipeline_goes_one_way(engine: Engine, tmp_path: Path) -> None:
    if engine.name == "argo":
        build.require()
    for name in ("here", "there"):
        (tmp_path / name / "data").mkdir(parents=True)
        (tmp_path / name / "dag.yaml").write_text(DAG)
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "mocked.json").write_text(
        json.dumps({"executor": {"type": "mocked", "config": {"steps": RESULTS}}})
    )
    argv = ["execute", "-f", "dag.yaml", "-c", "mocked.json", "--run-id", "mocked-1"]
    status, stderr = magnus(argv, here, {})
    assert status == 0, stderr
    expected = show(here, RunSpec("mocked-1"), "mocked.json", {}, stderr)
    assert expected["parameters"] == {"items": [3, 1], "n": [1, 1]}

    (there / "mocks.json").write_text(json.dumps(RESULTS))
    found = engine.run(there, RunSpec("mocked-1", plan=True, mock="mocks.json"))
    check_equal(comparable(expected), comparable(found.log), "mocked", engine.name)
    assert not list(tmp_path.rglob("ran"))
