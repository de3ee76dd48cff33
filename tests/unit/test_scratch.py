"""The private folder of an attempt: what a killed callback leaves is removed by the next one, and by nobody before."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from magnus_render.errors import PlatformError
from magnus_render.runtime import scratch, workspace
from tests.tools import environment

DEFINITION = """
dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: 'echo "$PPID" > pid; kill -STOP $$', secrets: {KEY: KEY}, next: success}
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
secrets: {type: dotenv}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_a_folder_in_use_is_left_alone(folder: Path) -> None:
    code = "from magnus_render.runtime import scratch\nimport sys\nprint(scratch.make(), flush=True)\nsys.stdin.read()\n"
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    used = Path(process.stdout.readline().strip())
    assert used.parent == folder and used.stat().st_mode & 0o777 == 0o700
    (used / "exports").write_text("secret")
    own = Path(scratch.make())
    assert used.exists() and own.exists()
    process.kill()
    process.communicate()
    scratch.sweep()
    assert not used.exists() and own.exists()
    scratch.remove(str(own))
    assert list(folder.iterdir()) == []


def test_what_is_not_ours_is_left_alone(folder: Path) -> None:
    (folder / "magnus-data").mkdir()
    (folder / "magnus-data" / "mine").write_text("x")
    (folder / "magnus-file").write_text("x")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "lock").write_text("")
    for name in ("magnus-link", "magnus-1-0123456789ab"):
        (folder / name).symlink_to(elsewhere)
    scratch.sweep()
    assert (folder / "magnus-data" / "mine").exists() and (folder / "magnus-file").exists()
    assert (elsewhere / "lock").exists() and (folder / "magnus-link").is_symlink()


def test_a_killed_callback_leaves_nothing_secret_and_the_next_one_tidies_up(tmp_path: Path) -> None:
    project, temporary = tmp_path / "project", tmp_path / "tmp"
    project.mkdir()
    temporary.mkdir()
    (project / "dag.yaml").write_text(DEFINITION)
    (project / ".env").write_text("KEY=a-very-secret-value\n")
    env = environment(TMPDIR=str(temporary))
    start = ["magnus", "execute_single_node", "r", "a", "-f", "dag.yaml"]
    process = subprocess.Popen(start, cwd=project, env=env)
    while not (project / "pid").exists() or not (project / "pid").read_text().endswith("\n"):
        os.sched_yield()
    process.kill()
    process.wait()
    shell = subprocess.run(["pgrep", "-f", "kill -STOP"], capture_output=True, text=True).stdout.split()
    for pid in map(int, shell):
        os.kill(pid, signal.SIGKILL)
    (left,) = temporary.iterdir()
    assert not any(b"a-very-secret" in path.read_bytes() for path in left.iterdir())
    done = subprocess.run(
        ["magnus", "runs", "prune", "--keep", "1"], cwd=project, env=env, capture_output=True
    )
    assert done.returncode == 0 and list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS])
def test_a_disk_that_may_not_be_written_to_is_told_with_its_fix(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a container whose root file system is read-only, or whose user is not root."""

    def refused(path: str, *_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), path)

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(os, "mkdir", refused)
    why = os.strerror(number)
    with pytest.raises(
        PlatformError, match=rf"cannot make the attempt's folder in {tmp_path}: {why}: mount a folder"
    ):
        scratch.make()
    with pytest.raises(
        PlatformError, match=rf"cannot make the data folder {tmp_path}/data: {why}: let the user that steps"
    ):
        workspace.make_data(f"{tmp_path}/data", {"catalog": {"compute_data_folder": "data"}})  # type: ignore[typeddict-item]
