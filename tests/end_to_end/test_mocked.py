"""The `mocked` executor: a pipeline is walked, and none of its code is run."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.graph.load import load
from tests.tools import environment
from tests.unit.front_end import magnus as command

DAG = """dag:
  start_at: fetch
  steps:
    fetch:
      type: task
      command: to.come
      next: each
      retry: {attempts: 3, delay: 3600}
      catalog: {put: ['*.csv']}
    each:
      type: map
      iterate_on: regions
      iterate_as: region
      next: report
      on_failure: tell
      branch:
        start_at: train
        steps:
          train: {type: task, command: to.come, secrets: [TOKEN], next: ok}
          ok: {type: success}
          no: {type: fail}
    report: {type: task, command_type: shell, command: touch ran, next: note}
    note: {type: as-is, render_string: touch ran, next: done}
    tell: {type: task, command: to.come, next: done}
    done: {type: success}
    failed: {type: fail}
"""
STEPS: dict[str, Any] = {
    "fetch": {"set": {"regions": ["a", "b"]}, "fail": 2},
    "each._.train": {"set": {"score": 0.5}},
}


@pytest.fixture
def dag(project: Path) -> Path:
    (project / "dag.yaml").write_text(DAG)
    return project


def execute(folder: Path, steps: dict[str, Any], *words: str) -> tuple[int, str, dict[str, Any]]:
    """Execute the pipeline with results of steps; return the exit status, what was said, and the log of run `r`."""
    config = {"executor": {"type": "mocked", "config": {"steps": steps}}}
    (folder / "mocked.yaml").write_text(json.dumps(config))
    done = command(folder, "execute", "-f", "dag.yaml", "-c", "mocked.yaml", "--run-id", "r", *words)
    shown = command(folder, "runs", "show", "r", "--json")
    return done.returncode, done.stderr, json.loads(shown.stdout) if shown.returncode == 0 else {}


def test_steps_come_to_what_is_said_of_them(dag: Path) -> None:
    status, err, log = execute(dag, STEPS)
    assert status == 0, err
    assert log["parameters"] == {"regions": ["a", "b"], "score": [0.5, 0.5]}
    assert [one["status"] for one in log["steps"]["fetch"]["attempts"]] == ["FAIL", "FAIL", "SUCCESS"]
    assert log["steps"]["fetch"]["attempts"][0]["message"] == "mocked: attempt 1 fails"
    assert list(log["steps"]) == ["fetch", "each", "report", "note", "done"]
    assert not (dag / "ran").exists()


def test_a_failure_takes_its_way(dag: Path) -> None:
    status, err, log = execute(dag, {**STEPS, "each._.train": {"fail": True}})
    assert status == 0, err
    assert list(log["steps"]) == ["fetch", "each", "tell", "done"]
    status, _, log = execute(dag, {"fetch": {"fail": 3}}, "--run-id", "r2")
    assert status == 1


def test_what_was_mocked_is_not_taken_for_a_result(project: Path) -> None:
    """Neither `--use-cached` nor `--resume` goes on from a run that ran nothing."""
    steps = "{a: {type: task, command_type: shell, command: touch ran, next: ok}, ok: {type: success}, no: {type: fail}}"
    (project / "dag.yaml").write_text(f"dag: {{start_at: a, steps: {steps}}}\n")
    assert execute(project, {})[0] == 0
    refused = command(project, "execute", "-f", "dag.yaml", "--run-id", "r", "--resume")
    assert (refused.returncode, "has the definition" in refused.stderr) == (65, True), refused.stderr
    assert not (project / "ran").exists()
    done = command(project, "execute", "-f", "dag.yaml", "--run-id", "real", "--use-cached", "r")
    assert done.returncode == 0, done.stderr
    assert (project / "ran").exists()


@pytest.mark.parametrize(
    ("steps", "place", "said"),
    [
        (
            "{fech: {}}",
            "4:13",
            "there is no task 'fech' (did you mean 'fetch'?): its tasks are fetch, each._.train",
        ),
        ("{fetch: {sett: 1}}", "4:21", "'fetch': unknown key 'sett' (did you mean 'set'?)"),
        (
            "{fetch: {fail: often}}",
            "4:21",
            "'fail' must be a number of attempts, or true for all of them, not 'often'",
        ),
        ("{fetch: {set: [1]}}", "4:21", "'set' must be a mapping of parameters, not [1]"),
        ("{fetch: 3}", "4:13", "'fetch' must be a mapping"),
        ("{each: {}}", "4:13", "there is no task 'each'"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(
    dag: Path, steps: str, place: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (dag / "c.yaml").write_text(f"executor:\n  type: mocked\n  config:\n    steps: {steps}\n")
    assert magnus(["validate", "dag.yaml", "-c", "c.yaml"]) == 65
    out = capsys.readouterr().out
    assert f"c.yaml:{place}: error MR033: " in out and said in out, out


def test_options_of_a_mocked_task_are_checked(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    task = "{type: task, command_type: mocked, command: to.come, command_config: {fail: x}, next: ok}"
    (project / "dag.yaml").write_text(
        f"dag: {{start_at: a, steps: {{a: {task}, ok: {{type: success}}, no: {{type: fail}}}}}}\n"
    )
    assert magnus(["validate", "dag.yaml"]) == 65
    assert "command_config: 'fail' must be a number of attempts" in capsys.readouterr().out


def test_a_rendered_script_goes_the_same_way(dag: Path) -> None:
    """Its callbacks find in the plan that nothing is to be run."""
    assert execute(dag, STEPS)[0] == 0
    (dag / "mocks.yaml").write_text(json.dumps(STEPS))
    words = ("--target", "bash", "--mock", "mocks.yaml", "--plan", "plan.json", "-o", "run.sh")
    assert command(dag, "render", "dag.yaml", *words).returncode == 0
    without = subprocess.run(
        ["bash", "run.sh", "x"], cwd=dag, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert (without.returncode, "was rendered from" in without.stderr) == (65, True), without.stderr
    done = subprocess.run(
        ["bash", "run.sh", "bash"],
        cwd=dag,
        env=environment(MAGNUS_PLAN="plan.json"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    same = command(dag, "runs", "diff", "r", "bash")
    assert same.returncode == 0, same.stdout
    assert not (dag / "ran").exists()


@pytest.mark.parametrize("target", ["argo", "stepfunctions"])
def test_a_manifest_names_the_mocked_plan(dag: Path, target: str) -> None:
    (dag / "mocks.yaml").write_text(json.dumps(STEPS))
    store = {"type": "s3", "config": {"bucket": "runs"}}
    own = (
        {"image": "i:1"}
        if target == "argo"
        else {"compute": "batch", "job_queue": "q", "job_definition": "d:1"}
    )
    blocks = {
        "executor": {"type": target, "config": {**own, "plan": "plan.json"}},
        "run_log_store": store,
        "catalog": store,
    }
    (dag / "c.yaml").write_text(json.dumps(blocks))
    words = ("--target", target, "-c", "c.yaml", "--mock", "mocks.yaml", "--plan", "plan.json")
    done = command(dag, "render", "dag.yaml", *words)
    assert done.returncode == 0, done.stderr
    plan = json.loads((dag / "plan.json").read_text())["plan"]
    assert plan["dag_hash"] in done.stdout and plan["dag_hash"] != load("dag.yaml").plan["dag_hash"]
    assert {node["command_type"] for node in plan["nodes"].values() if node["type"] == "task"} == {"mocked"}
    assert "MAGNUS_PLAN" in done.stdout and "touch ran" not in done.stdout


def test_what_is_wrong_with_mocks(dag: Path) -> None:
    (dag / "mocks.yaml").write_text("fech: {}\nfetch: {fail: x}\n")
    words = ("render", "dag.yaml", "-t", "bash", "--mock", "mocks.yaml")
    done = command(dag, *words)
    assert (done.returncode, "--mock needs --plan FILE" in done.stderr) == (64, True)
    done = command(dag, *words, "--plan", "plan.json")
    assert done.returncode == 65 and not (dag / "plan.json").exists()
    assert "mocks.yaml:1:1: error MR079: mocked: there is no task 'fech'" in done.stderr
    assert "mocks.yaml:2:9: error MR079: mocked: 'fetch': 'fail' must be a number of attempts" in done.stderr
