"""Programs that tests build from Go modules, once for all test runs: `cache` says where they are kept."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.tools import find


class BuildFailed(Exception):
    """A program cannot be built here; the text says why."""


def go(*argv: str, cwd: Path) -> str:
    """Run Go; return what it printed.

    All programs are built without C, so that each package is compiled once, whoever needs it.

    Raises:
        BuildFailed: there is no Go, a module cannot be had, or it does not compile.
    """
    program = find("go")
    if program is None:
        raise BuildFailed("Go is not installed")
    environment = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}
    done = subprocess.run([program, *argv], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise BuildFailed(f"go {argv[0]} fails: {(done.stderr.strip() or done.stdout.strip())[-500:]}")
    return done.stdout.strip()


def compiled(target: Path, module: Path, package: str, *options: str) -> None:
    """Build a package of the module in a folder; a build that is interrupted leaves nothing that looks finished.

    Raises:
        BuildFailed: as of `go`.
    """
    part = target.with_name(f"{target.name}.part")
    usual = ("-buildvcs=false", "-trimpath", "-ldflags", "-s -w")
    go("build", *usual, *options, "-o", str(part), package, cwd=module)
    part.rename(target)


def digest(folders: Iterable[Path]) -> str:
    """Return a name for what is built from folders: another one for other sources or another Go.

    Raises:
        BuildFailed: there is no Go.
    """
    found = hashlib.sha256(_version().encode())
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in (".go", ".mod", ".sum"):
                found.update(f"\0{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return found.hexdigest()[:16]


@functools.cache
def _version() -> str:
    return go("env", "GOVERSION", cwd=Path(__file__).parent)
