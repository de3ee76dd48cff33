"""The `mocked` executor: a pipeline is walked, and none of its code is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
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
        ("{fetch: {sett: 1}}", "4:21", "'steps.fetch': unknown key 'sett' (did you mean 'set'?)"),
        (
            "{fetch: {fail: often}}",
            "4:21",
            "'fail' must be a number of attempts, or true for all of them, not 'often'",
        ),
        ("{fetch: {set: [1]}}", "4:21", "'set' must be a mapping of parameters, not [1]"),
        ("{fetch: 3}", "4:13", "'steps.fetch' must be a mapping"),
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
