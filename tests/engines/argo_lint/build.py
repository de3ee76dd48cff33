"""Build the Go programs that lint, one for each version of Argo, once for all test runs: outside the checkout."""

from __future__ import annotations

import fcntl
import functools
import json
import shutil
from pathlib import Path

from tests.engines.argo import version
from tests.engines.cache import cache
from tests.engines.gobuild import BuildFailed, compiled, digest, go

__all__ = ["BuildFailed", "build", "module"]

_SOURCE = Path(__file__).with_name("go")


@functools.cache
def build(wanted: str) -> tuple[Path, Path]:
    """Return the program and the folder with Argo's full CRDs, of a version, and make them if they are not there.

    The first time takes one to two minutes on two cores, besides the download of the modules. Processes that need it
    meanwhile wait.

    Raises:
        BuildFailed: there is no Go, a module cannot be had, or it does not compile.
    """
    folder = cache() / "argo-lint" / f"{wanted}-{digest([_SOURCE])}"
    program, crds = folder / "argo-lint", folder / "crds"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            crds.mkdir(exist_ok=True)
            for file in (module(wanted) / "manifests" / "base" / "crds" / "full").glob("argoproj.io_*.yaml"):
                shutil.copyfile(file, crds / file.name)
            compiled(program, _SOURCE, ".", f"-tags=argo{version.major(wanted)}", _modfile(wanted))
    return program, crds


def module(wanted: str) -> Path:
    """Return the folder of the source of a version of Argo, downloaded if need be.

    Raises:
        BuildFailed: there is no Go, or the module cannot be had.
    """
    found = go("mod", "download", "-json", _modfile(wanted), version.module(wanted), cwd=_SOURCE)
    return Path(json.loads(found)["Dir"])


def _modfile(wanted: str) -> str:
    return f"-modfile={wanted}.mod"
