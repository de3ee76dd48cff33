"""Build the Go program that lints, once for all test runs: it is kept outside the checkout."""

from __future__ import annotations

import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
from pathlib import Path

from tests.engines.cache import cache
from tests.tools import find

MODULE = "github.com/argoproj/argo-workflows/v3"
_SOURCE = Path(__file__).with_name("go")


class BuildFailed(Exception):
    """The program cannot be built here; the text says why."""


@functools.cache
def build() -> tuple[Path, Path]:
    """Return the program and the folder with Argo's full CRDs, and make them if they are not there.

    The first time takes two to five minutes on two cores and a gigabyte of Go's build cache, besides the download of the
    modules. Processes that need it meanwhile wait.

    Raises:
        BuildFailed: there is no Go, a module cannot be had, or it does not compile.
    """
    folder = cache() / "argo-lint" / _identity()
    program, crds = folder / "argo-lint", folder / "crds"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            crds.mkdir(exist_ok=True)
            for file in (module() / "manifests" / "base" / "crds" / "full").glob("argoproj.io_*.yaml"):
                shutil.copyfile(file, crds / file.name)
            # Linked under another name: a build that is interrupted leaves nothing that looks finished.
            linked = folder / "argo-lint.new"
            _go("build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", str(linked), ".")
            linked.rename(program)
    return program, crds


def module() -> Path:
    """Return the folder of Argo's source, downloaded if need be.

    Raises:
        BuildFailed: there is no Go, or the module cannot be had.
    """
    return Path(json.loads(_go("mod", "download", "-json", MODULE))["Dir"])


def _identity() -> str:
    digest = hashlib.sha256(_go("env", "GOVERSION").encode())
    for file in sorted(_SOURCE.iterdir()):
        digest.update(f"\0{file.name}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


def _go(*arguments: str) -> str:
    go = find("go")
    if go is None:
        raise BuildFailed("go is not installed")
    done = subprocess.run(
        [go, *arguments],
        cwd=_SOURCE,
        env=os.environ | {"GOFLAGS": "-mod=readonly"},
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        raise BuildFailed(f"go {arguments[0]} fails: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return done.stdout
