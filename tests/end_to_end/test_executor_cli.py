"""`magnus execute` as a user types it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import environment

PIPELINE = """\
dag:
  start_at: fetch
  steps:
    fetch:
      type: task
      command_type: shell
      command: "echo '{\\"regions\\": [\\"a\\", \\"b\\"]}' >> $MAGNUS_OUTPUT"
      next: regions
    regions:
      type: map
      iterate_on: regions
      iterate_as: region
      next: publish
      branch:
        start_at: train
        steps:
          train: {type: task, command_type: shell, command: "echo $MAGNUS_PRM_word $MAGNUS_MAP_VARIABLE", next: done}
          done: {type: success}
          failed: {type: fail}
    publish: {type: as-is, render_string: {local: "echo publish"}, next: check}
    check: {type: task, command_type: shell, command: "test -e good", next: success}
    success: {type: success}
    fail: {type: fail}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "dag.yaml").write_text(PIPELINE)
    (tmp_path / "good").touch()
    return tmp_path


def magnus(folder: Path, *words: str, **variables: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-c", "from magnus_render.cli.main import main; main()", "execute", *words],
        cwd=folder,
        env=environment(**variables),
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def test_a_pipeline_runs(project: Path) -> None:
    (project / "p.yaml").write_text("word: file\nother: 1\n")
    status, out, err = magnus(project, "-f", "dag.yaml", "-p", "p.yaml", MAGNUS_PRM_word="env")
    assert status == 0, err
    assert '[regions.0.train] env {"region": "a"}' in out and "[publish] publish" in out
    found = re.match(r"magnus: run (\d{8}-\d{6}-[0-9a-f]{8})\n", err)
    assert found and (project / ".run_log_store" / found[1] / "run.json").exists()
    assert not (project / ".magnus" / "workspaces").exists()
    status, out, _ = magnus(project, "-f", "dag.yaml", "--param", "word=told", MAGNUS_PRM_word="env")
    assert status == 0 and '[regions.1.train] told {"region": "b"}' in out


def test_failure_use_cached_and_the_advice(project: Path) -> None:
    (project / "good").unlink()
    status, _, err = magnus(project, "-f", "dag.yaml", "--run-id", "r1")
    assert status == 1 and "check: exited with status 1" in err
    advice = re.search(r"magnus execute (.*--use-cached r1)$", err, re.M)
    assert advice is not None
    (project / "good").touch()
    status, out, err = magnus(project, *advice[1].split(), "--run-id", "r2")
    assert status == 0 and "train" not in out, err


ITEMS = """\
dag:
  start_at: each
  steps:
    each:
      type: map
      iterate_on: xs
      iterate_as: x
      next: success
      branch:
        start_at: work
        steps:
          work:
            {type: task, command: m.worc, secrets: [TOKEN], retry: {attempts: 3, delay: 600}, next: success}
          success: {type: success}
          fail: {type: fail}
    success: {type: success}
    fail: {type: fail}
secrets: {type: dotenv}
"""


def test_a_failed_item_shows_its_value_and_a_final_failure_waits_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "dag.yaml").write_text(ITEMS)
    (tmp_path / "m.py").write_text("def work(): pass\n")
    (tmp_path / ".env").write_text("TOKEN=hushhush\n")
    xs = '[{"key": "hushhush", "a": "\\u001b[1m"}, "' + 200 * "x" + '"]'
    status, _, err = magnus(tmp_path, "-f", "dag.yaml", "--run-id", "r1", "--param", f"xs={xs}")
    assert status == 1
    why = "module 'm' has no function 'worc' (did you mean 'work'?)"
    assert f'each.0.work (x = {{"a": "\\u001b[1m", "key": "********"}}): {why}\n' in err
    assert f'each.1.work (x = "{74 * "x"}…): {why}\n' in err
    assert "again" not in err.replace("run again from", "")
    done = subprocess.run(
        ["magnus", "runs", "show", "r1"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert f'each.1.work (x = "{74 * "x"}…): {why}\n' in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["-f", "none.yaml"], 65, "cannot read 'none.yaml'"),
        (["-f", "bad.yaml"], 65, "bad.yaml:13:13: error"),
        (["-f", "dag.yaml", "-c", "argo.yaml"], 65, "--target argo"),
        (["-f", "dag.yaml", "-p", "none.yaml"], 65, "none.yaml"),
        (["-f", "dag.yaml", "--resume"], 64, "--run-id"),
        (["-f", "dag.yaml", "--resume", "--run-id", "x"], 65, "there is no run 'x'"),
        (["-f", "dag.yaml", "--use-cached", "x"], 65, "there is no run 'x'"),
        (["-f", "dag.yaml", "--run-id", "../x"], 64, "is not a run id"),
        (["-f", "dag.yaml", "--max-workers", "0"], 64, "max-workers"),
        (["dag.yaml"], 64, "Usage"),
        (["-c", "argo.yaml"], 65, "--target argo"),
    ],
)
def test_what_is_refused(project: Path, words: list[str], status: int, message: str) -> None:
    (project / "bad.yaml").write_text(PIPELINE.replace("next: publish", "next: publsh"))
    (project / "argo.yaml").write_text("executor: {type: argo}\n")
    found, out, err = magnus(project, *words)
    assert found == status and message in err and "Traceback" not in err and out == ""
