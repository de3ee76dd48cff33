"""Containers for tests: podman with runc, and an image of this project that is made here (`rootfs`).

`MAGNUS_CONTAINER_ENGINE` names another command, such as `docker --host unix:///run/docker.sock`, for tests of
`local-container` alone: podman makes the image all the same, and hands it over.

Storage and images are kept outside the checkout, in ${XDG_CACHE_HOME:-~/.cache}/magnus-render. An image is made anew
when the project or what it needs has changed. Needs root and Linux; systemd is not needed.
"""

from __future__ import annotations

import fcntl
import functools
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from magnus_render.executors.container_engine import Engine
from tests import tools
from tests.engines import rootfs
from tests.engines.cache import cache

ROOT = Path(__file__).resolve().parents[2]
NAME = "localhost/magnus-render-test"
RUN = Path("/run/magnus-render-podman")
"""What podman knows of running containers: a folder that does not outlive the machine's."""
_CONFIGURATION = """[containers]
default_ulimits = ["nofile=20000:20000", "nproc=4096:4096"]
log_driver = "none"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "none"
runtime = "runc"
"""
_SOURCES = ("magnus_render", "templates", "pyproject.toml", "setup.cfg")


def unavailable() -> str | None:
    """Return why containers cannot be run here, if they cannot."""
    if sys.platform != "linux" or os.geteuid() != 0:
        return "containers need root on Linux"
    for tool in ("podman", "runc"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    return None


def require() -> None:
    """Skip the test if containers cannot be run here; with CI=true, fail it."""
    if (reason := unavailable()) is not None:
        tools.unavailable(reason)


def image() -> str:
    """Return the name of an image with the project as it is, and make it if there is none.

    Raises:
        RuntimeError: a program failed; the text is what it printed.
    """
    base, name = f"{NAME}-base:{_base_key()}", f"{NAME}:{_key()}"
    with _lock():
        if podman("image", "exists", name).returncode != 0:
            if podman("image", "exists", base).returncode != 0:
                _make_base(base)
            _make(name, base)
            _call(*engine(), "image", "prune", "--all", "--force", "--filter", "until=24h")
        hand_over(name)
    return name


def hand_over(name: str) -> None:
    """Give the engine that is tried an image that podman has made, unless it has it.

    Raises:
        RuntimeError: as of `image`.
    """
    if _chosen() and ask("image", "inspect", name).returncode != 0:
        with tempfile.TemporaryDirectory(dir=cache()) as scratch:
            archive = str(Path(scratch) / "image.tar")
            _call(*engine(), "save", "--output", archive, name)
            _call(*command(), "load", "--input", archive)


def _make_base(name: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        root, archive = Path(scratch) / "root", Path(scratch) / "root.tar"
        root.mkdir()
        rootfs.build_base(root)
        _call(
            "tar", "--create", "--file", str(archive), "--directory", str(root), "--owner=0", "--group=0", "."
        )
        changes = [f"ENV={variable}" for variable in (f"PATH={rootfs.PATH}", "HOME=/root", "LANG=C.UTF-8")]
        options = [part for change in changes for part in ("--change", change)]
        _call(*engine(), "import", "--quiet", *options, str(archive), name)


def _make(name: str, base: str) -> None:
    with tempfile.TemporaryDirectory(dir=cache()) as scratch:
        root, recipe = Path(scratch) / "root", Path(scratch) / "Containerfile"
        root.mkdir()
        rootfs.build_project(root, _wheel(Path(scratch)))
        recipe.write_text(f"FROM {base}\nCOPY . /\n")
        _call(*engine(), "build", "--quiet", "--tag", name, "--file", str(recipe), str(root))


def _wheel(scratch: Path) -> Path:
    """Build the project's wheel from a copy: the build tool leaves folders beside the sources."""
    ignore = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "tests", "__pycache__")
    source = shutil.copytree(ROOT, scratch / "source", ignore=ignore)
    _call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(scratch), str(source))
    (built,) = scratch.glob("*.whl")
    return built


def _base_key() -> str:
    """Return a hash of all that goes into the base image."""
    digest = hashlib.sha256(f"{sys.version} {sys.executable}".encode() + Path(rootfs.__file__).read_bytes())
    for distribution in rootfs.needed():
        digest.update(f"\0{distribution.metadata['Name']} {distribution.version}".encode())
    return digest.hexdigest()[:16]


def _key() -> str:
    """Return a hash of all that goes into the image."""
    digest = hashlib.sha256(_base_key().encode())
    for name in _SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(ROOT)}\0".encode() + file.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def engine() -> tuple[str, ...]:
    """Return the command of podman with the storage of these tests, by overlay where that works."""
    folder = cache() / "podman"
    folder.mkdir(parents=True, exist_ok=True)
    configuration = folder / "containers.conf"
    configuration.write_text(_CONFIGURATION)
    os.environ["CONTAINERS_CONF"] = str(configuration)

    def command(driver: str) -> tuple[str, ...]:
        places = ("--root", str(folder / driver), "--runroot", str(RUN / driver))
        return ("podman", *places, "--storage-driver", driver, "--runtime", "runc")

    works = subprocess.run([*command("overlay"), "info"], capture_output=True).returncode == 0
    return command("overlay" if works else "vfs")


def _chosen() -> list[str]:
    return shlex.split(os.environ.get("MAGNUS_CONTAINER_ENGINE", ""))


def command() -> list[str]:
    """Return the command of the engine that is tried, for a process that has its environment from elsewhere."""
    if chosen := _chosen():
        return chosen
    words = engine()
    return ["env", f"CONTAINERS_CONF={os.environ['CONTAINERS_CONF']}", *words]


def called() -> str:
    """Return what messages call the engine that is tried."""
    return Engine(command()).called


def ask(*argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the engine that is tried."""
    return subprocess.run([*command(), *argv], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def podman(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*engine(), *argv], capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _call(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}")


@contextmanager
def _lock() -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with open(cache() / "image.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
