"""The programs of the engine, built from their Go modules into the cache.

python -m tests.engines.argo.build      builds what is missing, for each version of Argo, and says how long each took
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.engines.argo.version import VARIABLE, VERSIONS, module, version
from tests.engines.cache import cache
from tests.engines.gobuild import BuildFailed, compiled, digest, go
from tests.tools import find, unavailable

_SOURCES = Path(__file__).with_name("go")
_CRDS, _STORE = "crds.json", "store"
_KUBERNETES = ("etcd", "kube-apiserver", "kubectl")
_ARGO = {"workflow-controller": "controller", "argo": "command"}
"""Programs of Argo, each with the folder of its module."""
_PAGE = Path("ui", "dist", "app", "index.html")
"""What `argo` embeds and its module lacks: the page of the server it contains too."""


def missing() -> str | None:
    """Return why the engine cannot run here, if it cannot."""
    if find("go") is None:
        return "Go is not installed"
    if os.geteuid() != 0:
        return "only root can give pods their mounts"
    wanted = [*map(program, (*_KUBERNETES, *_ARGO)), folder() / _CRDS, folder() / _STORE]
    absent = [path.name for path in wanted if not path.exists()]
    if absent:
        return f"{', '.join(absent)} not built in {folder()} (python -m tests.engines.argo.build builds them)"
    return None


def require() -> None:
    """Skip the test if the engine cannot run here; with CI=true, fail it."""
    if (reason := missing()) is not None:
        unavailable(reason)


def program(name: str) -> Path:
    """Return the path of etcd, kube-apiserver, kubectl, workflow-controller or argo."""
    return (folder() if name in _ARGO else _kubernetes()) / name


def crds() -> list[dict[str, Any]]:
    """Return Argo's full custom resource definitions."""
    found: list[dict[str, Any]] = json.loads((folder() / _CRDS).read_text(encoding="utf-8"))
    return found


def store() -> Path:
    """Return an etcd folder in which the API server finds these definitions."""
    return folder() / _STORE


def folder() -> Path:
    """Return the folder of what is of the version of Argo that is used now."""
    return _folder(version())


@functools.cache
def _folder(wanted: str) -> Path:
    sources = (_SOURCES / "kubernetes", _SOURCES / wanted)
    return cache() / "argo" / f"{wanted}-{digest(sources)}"


@functools.cache
def _kubernetes() -> Path:
    return cache() / "argo" / f"kubernetes-{digest([_SOURCES / 'kubernetes'])}"


def build() -> None:
    """Build what is missing for the version that is used now; one process at a time does.

    Raises:
        BuildFailed: there is no Go, a module cannot be had, or it does not compile.
    """
    with _locked(_kubernetes()) as target:
        for name in _KUBERNETES:
            with _timed(target / name) as absent:
                if absent:
                    compiled(target / name, _SOURCES / "kubernetes", f"./{name}")
    with _locked(folder()) as target:
        for name, place in _ARGO.items():
            sources = _SOURCES / version() / place
            with _timed(target / name) as absent:
                if absent:
                    with _complete(sources) as options:
                        compiled(target / name, sources, ".", *options)
        for name, write in ((_CRDS, _write_crds), (_STORE, _write_store)):
            with _timed(target / name) as absent:
                if absent:
                    write(target / name)


@contextlib.contextmanager
def _locked(target: Path) -> Iterator[Path]:
    target.mkdir(parents=True, exist_ok=True)
    with open(target / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield target
    print(target, flush=True)


@contextlib.contextmanager
def _timed(target: Path) -> Iterator[bool]:
    """Give whether a thing is missing, and say how long it took to make."""
    absent = not target.exists()
    began = time.monotonic()
    yield absent
    if absent:
        print(f"{target.name}: {time.monotonic() - began:.0f} s", flush=True)


@contextlib.contextmanager
def _complete(sources: Path) -> Iterator[list[str]]:
    """Give the options with which a module is built; that of `argo` from sources to which an empty page is added."""
    if sources.name != "command":
        yield []
        return
    with tempfile.TemporaryDirectory() as folder:
        argo = Path(folder, "argo")
        # Go keeps what it has downloaded from being written to.
        subprocess.run(["cp", "-r", "--no-preserve=mode", _argo(sources), argo], check=True)
        (argo / _PAGE).parent.mkdir(parents=True)
        (argo / _PAGE).touch()
        for name in ("go.mod", "go.sum"):
            shutil.copy(sources / name, folder)
        go("mod", "edit", "-replace", f"{module(version())}={argo}", f"{folder}/go.mod", cwd=sources)
        yield ["-modfile", f"{folder}/go.mod"]


def _argo(sources: Path) -> Path:
    """Return the folder of Argo's sources."""
    go("mod", "download", module(version()), cwd=sources)
    return Path(go("list", "-m", "-f", "{{.Dir}}", module(version()), cwd=sources))


def _write_crds(target: Path) -> None:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    full = _argo(_SOURCES / version() / "controller") / "manifests" / "base" / "crds" / "full"
    found = [
        yaml.load(path.read_text(encoding="utf-8"), loader)
        for path in sorted(full.glob("argoproj.io_*.yaml"))
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


def main() -> int:
    failed = 0
    for wanted in VERSIONS:
        os.environ[VARIABLE] = wanted
        try:
            build()
        except BuildFailed as error:
            print(f"Argo {wanted}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main())
