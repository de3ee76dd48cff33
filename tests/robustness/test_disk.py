"""A full disk and a read-only store are the platform's failure: exit 75 and a message, and the run can go on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.robustness.pipeline import command, log_of, prepare
from tests.tools import unavailable


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own under the run log store's folder."""
    prepare(tmp_path)
    store = tmp_path / ".run_log_store"
    store.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=4k", "tmpfs", str(store)],
        capture_output=True,
        text=True,
    )
    if done.returncode:
        unavailable(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    yield store
    subprocess.run(["umount", str(store)], check=True)


@pytest.mark.parametrize("engine", ["bash", "execute"])
def test_full(tmp_path: Path, disk: Path, engine: str) -> None:
    (disk / "ballast").write_bytes(b"x" * 24 * 1024)
    done = _run(tmp_path, engine, "r")
    assert done.returncode in (1, 75), done.stderr
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    (disk / "ballast").unlink()
    subprocess.run(["mount", "-o", "remount,size=8m", str(disk)], check=True)
    resumed = ["--resume"] if (disk / "r" / "run.json").exists() else []
    if (
        disk / "r" / "steps" / "end.json"
    ).exists():  # it failed for good: a new run takes over what succeeded
        done = _run(tmp_path, engine, "again", "--use-cached", "r")
    else:
        done = _run(tmp_path, engine, "r", *resumed)
    assert done.returncode == 0, done.stderr
    assert log_of(tmp_path, "again" if (disk / "again").exists() else "r")["status"] == "SUCCESS"


@pytest.mark.parametrize("engine", ["bash", "execute"])
def test_read_only(tmp_path: Path, disk: Path, engine: str) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = _run(tmp_path, engine, "r")
    assert done.returncode == 75, done.stderr
    assert "Read-only file system" in done.stderr
    assert "Traceback" not in done.stderr


def _run(folder: Path, engine: str, run_id: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(engine, run_id, *options),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ, LC_ALL="C"),
    )
