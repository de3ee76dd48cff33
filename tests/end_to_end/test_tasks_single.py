"""`execute_function`, `execute_notebook` and `execute_step`: runs with one step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.single import alone
from magnus_render.errors import UsageError
from magnus_render.graph.load import load
from tests.tools import environment

STEPS = """
def f(a, region="none"):
    print("hello", a, region)
    open("data/out.txt", "w").write(str(a))
    return {"b": [a, region]}

def success():
    return {"r": 1}
"""
DAG = """
dag:
  start_at: m
  steps:
    m:
      type: map
      iterate_on: regions
      iterate_as: region
      on_failure: handler
      next: done
      branch:
        start_at: train it
        steps:
          train it:
            type: task
            command: steps.f
            retry: 2
            next: done
            on_failure: failed
            catalog: {get: [x.txt], put: [out.txt]}
          done: {type: task, command: steps.success, next: success}
          success: {type: success}
          failed: {type: fail}
    handler: {type: as-is, next: failed}
    done: {type: success}
    failed: {type: fail}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "data").mkdir()
    return tmp_path


def magnus(project: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from magnus_render.cli.main import main; main()", *words],
        cwd=project,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def record(project: Path, run_id: str, step: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        (project / f".run_log_store/{run_id}/steps/{step}/outcome.json").read_text()
    )
    return found


def test_a_function(project: Path) -> None:
    words = [
        "execute_function",
        "steps.f",
        "--param",
        "a=1",
        "--put",
        "*.txt",
        "--run-id",
        "r1",
        "--tag",
        "t",
    ]
    done = magnus(project, *words, MAGNUS_PRM_region="eu")
    assert done.returncode == 0, done.stderr
    assert "hello 1 eu" in done.stdout
    found = record(project, "r1", "f")
    assert found["set"]["values"] == {"b": [1, "eu"]}
    assert [entry["path"] for entry in found["catalog"]] == ["out.txt"]
    assert json.loads((project / ".run_log_store/r1/run.json").read_text())["tag"] == "t"
    assert json.loads((project / ".run_log_store/r1/steps/end.json").read_text())["status"] == "SUCCESS"


def test_a_function_called_as_a_status_node(project: Path) -> None:
    done = magnus(project, "execute_function", "steps:success", "--run-id", "r1")
    assert done.returncode == 0, done.stderr
    assert [p.name for p in (project / ".run_log_store/r1/steps").iterdir() if p.is_dir()] != ["success"]


def test_a_function_that_fails(project: Path) -> None:
    done = magnus(project, "execute_function", "steps.f")
    assert done.returncode == 1
    assert "argument 'a' has no parameter" in done.stderr
    assert "Traceback" not in done.stderr and "--use-cached" not in done.stderr
    assert magnus(project, "execute_function", "steps.f", "--run-id", "a/b").returncode == 64
    assert magnus(project, "execute_function", "steps.f", "--param", "a").returncode == 64


def test_a_notebook(project: Path) -> None:
    pytest.importorskip("papermill")
    pytest.importorskip("ipykernel")
    cell = {"cell_type": "code", "execution_count": None, "id": "one", "metadata": {}, "outputs": []}
    cell["source"] = "from magnus import set_parameter\nset_parameter(b=a)"
    book = {"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (project / "my book.ipynb").write_text(json.dumps(book))
    (project / "p.yaml").write_text("a: [x, 1]\n")
    done = magnus(project, "execute_notebook", "my book.ipynb", "-p", "p.yaml", "--run-id", "r1")
    assert done.returncode == 0, done.stderr
    (step,) = (p.name for p in (project / ".run_log_store/r1/steps").iterdir() if p.is_dir())
    found = record(project, "r1", step)
    assert found["set"]["values"] == {"b": ["x", 1]}
    assert [entry["path"] for entry in found["catalog"]] == ["my book_out.ipynb"]


def test_a_step(project: Path) -> None:
    words = ["execute_step", "-f", "dag.yaml", "m.0.train it", "--param", "a=2", "--run-id", "r1"]
    done = magnus(project, *words, "--map-variable", '{"region": {"x": 1}}')
    assert done.returncode == 0, done.stderr
    (step,) = (p.name for p in (project / ".run_log_store/r1/steps").iterdir() if p.is_dir())
    found = record(project, "r1", step)
    assert found["set"]["values"] == {"b": [2, {"x": 1}]} and found["handed_to"] == "done"
    assert [(entry["stage"], entry["path"]) for entry in found["catalog"]] == [("put", "out.txt")]


def test_a_step_that_fails_is_repeated(project: Path) -> None:
    done = magnus(project, "execute_step", "-f", "dag.yaml", "m._.train%it", "--run-id", "r1")
    assert done.returncode == 1
    (step,) = (p for p in (project / ".run_log_store/r1/steps").iterdir() if p.is_dir())
    assert {"1.end.json", "2.start.json", "outcome.json"} <= {record.name for record in step.iterdir()}
    assert json.loads((project / ".run_log_store/r1/steps/end.json").read_text())["status"] == "FAIL"


def test_what_is_not_a_task_is_not_executed_alone(project: Path) -> None:
    plan = load(os.fspath(project / "dag.yaml"), None).plan
    with pytest.raises(UsageError, match="step 'm' is of type map: only a task is executed alone"):
        alone(plan, "m")
    with pytest.raises(UsageError, match=r"has no step 'm.0.tain it' \(did you mean 'm._.train it'\?\)"):
        alone(plan, "m.0.tain it")
    single = alone(plan, "m.7.done")
    assert list(single["nodes"]) == [
        next(n for n in single["nodes"] if n.startswith("done-alone")),
        "done",
        "failed",
    ]
    assert single["dag_hash"] != plan["dag_hash"]
