"""Nothing is lost: kill -9 at random points leaves whole records, and the run goes on to the log of an undisturbed one.

`MAGNUS_KILLS` sets how many times (default 200, over all cases).
"""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.robustness.pipeline import MAGNUS, command, kill_all, log_of, magnus, prepare, records, whole

KILLS = int(os.environ.get("MAGNUS_KILLS", "200"))
CHUNK = 5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    prepare(folder)
    subprocess.run(command("execute", "calm"), cwd=folder, check=True, capture_output=True)
    log = log_of(folder, "calm")
    assert log["status"] == "SUCCESS"
    return log


@pytest.mark.parametrize("engine", ["bash", "execute"])
@pytest.mark.parametrize("seed", range(max(1, KILLS * 2 // 5 // CHUNK)))
def test_a_killed_run_goes_on(tmp_path: Path, undisturbed: dict[str, object], engine: str, seed: int) -> None:
    prepare(tmp_path)
    chance = random.Random(f"{engine}{seed}")
    for number in range(CHUNK):
        run_id = f"killed{number}"
        options: list[str] = []
        # Kill the walk, and then perhaps the resumed walk too, as soon as there are so many records.
        for _ in range(chance.choice([1, 1, 2, 3])):
            killed = _kill_at(tmp_path, command(engine, run_id, *options), run_id, chance)
            assert all(whole(path) for path in records(tmp_path, run_id))
            if not killed:
                break
            if (tmp_path / ".run_log_store" / run_id / "run.json").exists():
                options = ["--resume"]
        if killed:
            done = subprocess.run(
                command(engine, run_id, *options), cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert done.returncode == 0, done.stderr
        assert all(whole(path) for path in records(tmp_path, run_id))
        assert log_of(tmp_path, run_id) == undisturbed


def _kill_at(folder: Path, words: list[str], run_id: str, chance: random.Random) -> bool:
    """Run a command and kill it at a random number of records; tell whether it was still running."""
    at = len(records(folder, run_id)) + chance.randrange(30)
    process = subprocess.Popen(
        words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    while process.poll() is None and len(records(folder, run_id)) < at:
        os.sched_yield()
    for _ in range(chance.randrange(2000)):  # not always just behind a record
        pass
    running = process.poll() is None
    kill_all(process.pid) if running else None
    process.wait()
    return running


@pytest.mark.parametrize("seed", range(max(1, KILLS // 10 // CHUNK)))
def test_a_killed_step_is_run_again_from_the_failure(tmp_path: Path, seed: int) -> None:
    prepare(tmp_path)
    chance = random.Random(seed)
    for number in range(CHUNK):
        run_id = f"step{number}"
        process = subprocess.Popen(
            command("bash", run_id), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        at = chance.randrange(4, 40)
        while process.poll() is None:
            callbacks = [p for p in _below(process.pid) if "execute_single_node" in p[1]]
            if callbacks and len(records(tmp_path, run_id)) >= at:
                kill_all(callbacks[0][0])
                break
            os.sched_yield()
        status = process.wait()
        assert status in (0, 1)
        assert all(whole(path) for path in records(tmp_path, run_id))
        if status:
            again = subprocess.run(
                command("bash", f"{run_id}-again", "--use-cached", run_id),
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            assert again.returncode == 0, again.stderr
            run_id = f"{run_id}-again"
        log = log_of(tmp_path, run_id)
        assert log["status"] == "SUCCESS"
        assert log["parameters"] == {
            "items": [1, 2, 3],
            "x": 1,
            "square": [1, 4, 9],
            "side": "left",
            "other": "right",
            "handled": "yes",
        }


def _below(pid: int) -> list[tuple[int, list[str]]]:
    found = []
    try:
        for process in psutil.Process(pid).children(recursive=True):
            try:
                found.append((process.pid, process.cmdline()))
            except psutil.Error:
                continue
    except psutil.NoSuchProcess:
        pass
    return found


@pytest.mark.parametrize("seed", range(max(1, KILLS // 10 // CHUNK)))
def test_a_killed_rendering_leaves_the_old_file_or_the_new_one(tmp_path: Path, seed: int) -> None:
    prepare(tmp_path)
    chance = random.Random(seed)
    new = (tmp_path / "run.sh").read_text()
    for _ in range(CHUNK):
        (tmp_path / "run.sh").write_text("old\n")
        words = [*MAGNUS, "render", "dag.yaml", "--target", "bash", "-c", "bash.yaml"]
        process = subprocess.Popen([*words, "-o", "run.sh"], cwd=tmp_path, stderr=subprocess.DEVNULL)
        user = psutil.Process(process.pid)
        until = chance.uniform(0.0, 0.8)
        try:
            while process.poll() is None and sum(user.cpu_times()[:2]) < until:
                os.sched_yield()
        except psutil.Error:
            pass
        process.kill()
        process.wait()
        assert (tmp_path / "run.sh").read_text() in ("old\n", new)
    assert (
        magnus(
            tmp_path, "render", "dag.yaml", "--target", "bash", "-c", "bash.yaml", "-o", "run.sh"
        ).returncode
        == 0
    )
    assert (tmp_path / "run.sh").read_text() == new
