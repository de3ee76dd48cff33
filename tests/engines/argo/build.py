"""The programs of the engine, built from their Go modules into the cache.

python -m tests.engines.argo.build      builds what is missing and says how long each took
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.engines.cache import cache
from tests.tools import find, unavailable

_SOURCES = Path(__file__).with_name("go")
_ARGO = "github.com/argoproj/argo-workflows/v3"
_CRDS, _STORE = "crds.json", "store"
_PROGRAMS = {
    "etcd": ("kubernetes", "./etcd"),
    "kube-apiserver": ("kubernetes", "./kube-apiserver"),
    "workflow-controller": ("controller", "."),
    "kubectl": ("kubernetes", "./kubectl"),
    "argo": ("command", "."),
}
_PAGE = Path("ui", "dist", "app", "index.html")
"""What `argo` embeds and its module lacks: the page of the server it contains too."""


def missing() -> str | None:
    """Return why the engine cannot run here, if it cannot."""
    if find("go") is None:
        return "Go is not installed"
    if os.geteuid() != 0:
        return "only root can give pods their mounts"
    absent = [name for name in (*_PROGRAMS, _CRDS, _STORE) if not (folder() / name).exists()]
    if absent:
        return f"{', '.join(absent)} not built in {folder()} (python -m tests.engines.argo.build builds them)"
    return None


def require() -> None:
    """Skip the test if the engine cannot run here; with CI=true, fail it."""
    if (reason := missing()) is not None:
        unavailable(reason)


def program(name: str) -> Path:
    """Return the path of etcd, kube-apiserver, workflow-controller, kubectl or argo."""
    return folder() / name


def crds() -> list[dict[str, Any]]:
    """Return Argo's full custom resource definitions."""
    found: list[dict[str, Any]] = json.loads((folder() / _CRDS).read_text(encoding="utf-8"))
    return found


def store() -> Path:
    """Return an etcd folder in which the API server finds these definitions."""
    return folder() / _STORE


@functools.cache
def folder() -> Path:
    """Return the folder of the programs: another one for other sources or another Go."""
    digest = hashlib.sha256(_go("env", "GOVERSION", cwd=_SOURCES).encode())
    for path in sorted(_SOURCES.rglob("*")):
        if path.name in ("go.mod", "go.sum") or path.suffix == ".go":
            digest.update(f"{path.relative_to(_SOURCES)}\n".encode() + path.read_bytes())
    return cache() / "argo" / digest.hexdigest()[:16]


def build() -> None:
    """Build what is missing; one process at a time does."""
    target = folder()
    target.mkdir(parents=True, exist_ok=True)
    with open(target / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, (module, package) in _PROGRAMS.items():
            if not (target / name).exists():
                began = time.monotonic()
                with _complete(_SOURCES / module) as options:
                    _build(target / name, _SOURCES / module, package, *options)
                print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
        if not (target / _CRDS).exists():
            _write_crds(target / _CRDS)
        if not (target / _STORE).exists():
            _write_store(target / _STORE)
    print(target)


def _build(target: Path, module: Path, package: str, *options: str) -> None:
    part = target.with_name(f"{target.name}.part")
    usual = ("-buildvcs=false", "-trimpath", "-ldflags", "-s -w")
    _go("build", *usual, *options, "-o", str(part), package, cwd=module)
    part.rename(target)


@contextlib.contextmanager
def _complete(module: Path) -> Iterator[list[str]]:
    """Give the options with which a module is built; that of `argo` from sources to which an empty page is added."""
    if module.name != "command":
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        sources = Path(folder, "argo")
        # Go keeps what it has downloaded from being written to.
        subprocess.run(["cp", "-r", "--no-preserve=mode", _argo(module), sources], check=True)
        (sources / _PAGE).parent.mkdir(parents=True)
        (sources / _PAGE).touch()
        for name in ("go.mod", "go.sum"):
            shutil.copy(module / name, folder)
        _go("mod", "edit", "-replace", f"{_ARGO}={sources}", f"{folder}/go.mod", cwd=module)
        yield ["-modfile", f"{folder}/go.mod"]


def _argo(module: Path) -> Path:
    """Return the folder of Argo's sources."""
    return Path(_go("list", "-m", "-f", "{{.Dir}}", _ARGO, cwd=module))


def _write_crds(target: Path) -> None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    sources = _argo(_SOURCES / "controller")
    found = [
        yaml.load(path.read_text(encoding="utf-8"), loader)
        for path in sorted((sources / "manifests" / "base" / "crds" / "full").glob("argoproj.io_*.yaml"))
    ]
    part = target.with_name(f"{target.name}.part")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.rename(target)


def _write_store(target: Path) -> None:
    from tests.engines.argo.cluster import Supervisor

    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    Supervisor().fill(part)
    part.rename(target)


def _go(*argv: str, cwd: Path) -> str:
    go = find("go")
    if go is None:
        raise SystemExit("Go is not installed")
    done = subprocess.run(
        [go, *argv], cwd=cwd, env={**os.environ, "CGO_ENABLED": "0"}, stdout=subprocess.PIPE, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"go {' '.join(argv)}: exit {done.returncode}")
    return done.stdout.strip()


if __name__ == "__main__":
    build()
