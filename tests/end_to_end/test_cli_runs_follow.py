"""`magnus runs log --follow`: one step or all of them, until there is no more to come."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from magnus_render.cli import runs
from magnus_render.cli.main import run as magnus
from magnus_render.runtime import lease
from tests.tools import environment, require
from tests.tools import magnus as command

STEP = "{type: task, command_type: shell, next: %s, retry: 2, command: %s}"
DEFINITION = f"""dag:
  start_at: first
  steps:
    first: {STEP % ("d", "echo one")}
    d:
      type: dag
      next: ok
      branch:
        start_at: second
        steps:
          second: {STEP % ("ok", "'echo attempt $MAGNUS_ATTEMPT; [ $MAGNUS_ATTEMPT = 2 ]'")}
          ok: {{type: success}}
          no: {{type: fail}}
    ok: {{type: success}}
    no: {{type: fail}}
run_log_store: {{type: file-system}}
"""
HEAD = "==> d.branch.second, attempt"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a run `h` that nothing has been done of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGNUS_CONFIG", raising=False)
    Path("dag.yaml").write_text(DEFINITION)
    return tmp_path


def started(project: Path, **variables: str) -> None:
    words = [require("magnus"), "start_run", "h", "-f", "dag.yaml"]
    subprocess.run(words, cwd=project, env=environment(**variables), check=True)


def meanwhile(monkeypatch: pytest.MonkeyPatch, *acts: Callable[[], object]) -> Iterator[Callable[[], object]]:
    """Let these happen, one at each pause between two looks at the run; return those that are still to come."""
    left = iter(acts)
    clock = SimpleNamespace(sleep=lambda seconds: next(left)(), time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(runs, "time", clock)
    return left


def calling(project: Path, *words: str) -> Callable[[], object]:
    return lambda: command(project, "execute_single_node", "h", *words, "-f", "dag.yaml")


def test_a_step_is_followed_from_before_it_begins_until_it_has_its_outcome(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started(project)
    second = ("d.branch.second", "--attempt")
    acts = calling(project, "first"), calling(project, *second, "1"), calling(project, *second, "2")
    left = meanwhile(monkeypatch, *acts)
    assert magnus(["runs", "log", "h", "d.branch.second", "--follow"]) == 0
    told = f"{HEAD} 1 <==\nattempt 1\n\n{HEAD} 2 <==\nattempt 2\n"
    assert capfd.readouterr().out == told and not list(left)
    assert magnus(["runs", "log", "h", "d", "--follow"]) == 0
    assert capfd.readouterr().out == told


def test_a_step_that_is_nowhere_is_not_waited_for(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    started(project)
    assert magnus(["runs", "log", "h", "third", "--follow"]) == 65
    assert "run 'h' came to no step 'third'" in capfd.readouterr().err


def test_following_ends_with_the_walker(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with subprocess.Popen([require("cat")], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as walker:
        started(project, **{lease.VARIABLE: str(walker.pid)})
        left = meanwhile(monkeypatch, calling(project, "first"), lambda: (walker.kill(), walker.wait()))
        assert magnus(["runs", "log", "h", "--follow"]) == 75
    out, err = capfd.readouterr()
    assert out == "==> first, attempt 1 <==\none\n" and not list(left)
    assert err == (
        f"magnus: run 'h' has not ended, and nothing walks it: process {walker.pid}, which did, is gone. "
        "`--resume` goes on with it\n"
    )


def test_following_goes_on_where_nothing_is_known_of_the_walker(
    project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    started(project)
    elsewhere = {"host": "another", "boot": "b", "pids": "p", "pid": 1, "began": "1"}
    Path(".run_log_store/h/walks").mkdir(exist_ok=True)
    Path(".run_log_store/h/walks/1.json").write_text(json.dumps(elsewhere))
    left = meanwhile(monkeypatch, calling(project, "no"))
    assert magnus(["runs", "log", "h", "--follow"]) == 0
    assert not list(left)
