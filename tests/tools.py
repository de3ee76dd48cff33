"""Tools that some tests need besides Python packages: `make test` installs them where it can."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest


def find(tool: str) -> str | None:
    """Return the path of a program, looked for beside the running Python first, then on PATH."""
    beside = shutil.which(tool, path=str(Path(sys.executable).parent))
    return beside or shutil.which(tool)


def require(tool: str) -> str:
    """Return the path of a program, else skip the test and say why; with CI=true a missing tool is a failure."""
    path = find(tool)
    if path is None:
        unavailable(f"{tool} is not installed")
    return path


def unavailable(reason: str) -> NoReturn:
    """Skip a test for something the machine lacks; with CI=true, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI must have it", pytrace=False)
    pytest.skip(reason)


def environment(**variables: str) -> dict[str, str]:
    """Return an environment for a program under test: the `magnus` beside this Python first on PATH, no MAGNUS_*."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MAGNUS_")}
    kept["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), kept.get("PATH", os.defpath)))
    return kept | variables


@contextmanager
def said(fifo: Path) -> Iterator[Callable[[], None]]:
    """Give a function that waits until somebody writes to a named pipe, which is made first."""
    os.mkfifo(fifo)
    descriptor = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)

    def wait() -> None:
        assert select.select([descriptor], [], [], 60)[0], "nothing was said"

    yield wait
    os.close(descriptor)


def magnus(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the `magnus` beside this Python in a folder, with no `MAGNUS_*` in its environment."""
    return subprocess.run(
        [require("magnus"), *words],
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
