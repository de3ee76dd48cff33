"""Two runs in one folder: files of one are not mixed with those of the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render.runtime import lease
from tests.unit.view_graphs import graph, task

MAGNUS = str(Path(sys.executable).with_name("magnus"))
SEARCHED = {**os.environ, "PATH": f"{Path(MAGNUS).parent}{os.pathsep}{os.environ['PATH']}"}
EXECUTE = [MAGNUS, "execute", "-f", "dag.yaml", "--run-id"]
SCRIPT = ["bash", "run.sh"]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    define()


def define(catalog: Any = None, command: str = "") -> None:
    """Write a definition whose step waits until `go` is there, and its script."""
    wait = "touch $PROJECT/began.$MAGNUS_RUN_ID; until test -e $PROJECT/go; do :; done; echo x > data/a"
    step = {**task(command or wait), "catalog": {"put": ["a"]} if catalog is None else catalog}
    dag = {"dag": graph(a=step), "run_log_store": {"type": "file-system"}, "catalog": {"type": "file-system"}}
    Path("dag.yaml").write_text(json.dumps(dag))
    subprocess.run([MAGNUS, "render", "dag.yaml", "--target", "bash", "-o", "run.sh"], check=True)


def start(words: list[str], run_id: str, **more: str) -> subprocess.Popen[str]:
    environment = {**SEARCHED, "PROJECT": os.getcwd(), **more}
    return subprocess.Popen([*words, run_id], env=environment, stderr=subprocess.PIPE, text=True)


def begun(words: list[str], run_id: str, **more: str) -> subprocess.Popen[str]:
    process = start(words, run_id, **more)
    while not Path(f"began.{run_id}").exists():
        assert process.poll() is None
    return process


@pytest.mark.parametrize("first", [EXECUTE, SCRIPT], ids=["execute", "bash"])
@pytest.mark.parametrize("second", [EXECUTE, SCRIPT], ids=["execute", "bash"])
def test_a_second_run_is_refused_while_the_first_is_at_work(first: list[str], second: list[str]) -> None:
    one = begun(first, "one")
    refused = start(second, "two")
    said = refused.communicate()[1]
    assert refused.returncode == 65, said
    assert "run 'one' is at work in this folder" in said and "--isolated" in said
    assert not Path(".run_log_store/two").exists()
    apart = begun(second, "three", MAGNUS_ISOLATED="1")
    Path("go").touch()
    assert (one.wait(), apart.wait(), start(second, "two").wait()) == (0, 0, 0)
    assert lease.at_work(os.curdir) == []


def test_a_killed_run_keeps_no_other_away() -> None:
    one = begun(EXECUTE, "one")
    one.send_signal(signal.SIGKILL)
    one.wait()
    Path("go").touch()
    assert start(EXECUTE, "two").wait() == 0


def test_two_that_start_at_once(tmp_path: Path) -> None:
    define(command="echo x > data/a; until test -e $PROJECT/go; do :; done")
    both = {name: start(EXECUTE, name) for name in ("one", "two")}
    while all(process.poll() is None for process in both.values()):
        pass
    Path("go").touch()
    assert sorted(process.wait() for process in both.values()) == [0, 65]


def test_runs_that_exchange_no_files_may_share_a_folder() -> None:
    define(catalog={})
    both = [begun(EXECUTE, "one"), begun(EXECUTE, "two")]
    Path("go").touch()
    assert [process.wait() for process in both] == [0, 0]


def test_a_run_that_a_step_starts_is_no_other() -> None:
    inner = json.loads(Path("dag.yaml").read_text())
    inner["dag"]["steps"]["a"]["command"] = "echo y > data/a"
    Path("inner.yaml").write_text(json.dumps(inner))
    define(command=f"{MAGNUS} execute -f inner.yaml --run-id inner && echo x > data/a")
    assert start(EXECUTE, "one").wait() == 0


def test_another_walk_of_one_run_leaves_the_claim_alone() -> None:
    one = begun(EXECUTE, "one")
    again = start(EXECUTE, "one")
    said = again.communicate()[1]
    assert again.returncode == 65 and "one" in said
    assert lease.at_work(os.curdir) == ["one"]
    Path("go").touch()
    assert one.wait() == 0
