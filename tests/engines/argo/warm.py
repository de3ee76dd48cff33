"""Main containers as processes: forks of a process that has imported `magnus` before, each with mounts of its own.

A container is a process with its own session, folder, environment and mount namespace; `magnus` only skips the start-up,
any other program is executed.

    python -m tests.engines.argo.warm SOCKET        the server: it ends when its standard input does
"""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from tests.conformance.warm import child
from tests.engines import disk, warm
from tests.engines.argo.pods import Mount

EMISSARY = 64
"""Exit code of Argo's emissary if the command cannot be started."""
_LIBC = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNS = 0x20000
_MS_RDONLY, _MS_REMOUNT, _MS_BIND, _MS_REC, _MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18


@dataclass(frozen=True)
class Command:
    """What is to be run."""

    argv: Sequence[str]
    environment: dict[str, str]
    folder: str
    """Working folder; made if it is missing."""
    mounts: Sequence[Mount]
    kept: Sequence[Path]
    """Folders that must be seen although a mount may cover them."""
    log: Path
    """Folder for the files `stdout`, `stderr`, and `error` if the command could not be started."""


class Starter(warm.Server):
    """Starts containers, from a process that removes its folder when it ends."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.engines.argo.warm", folder)

    def start(self, command: Command) -> Running:
        """Start a container."""
        return Running(command, self.address)


class Running(warm.Fork):
    """A container that has been started."""

    def __init__(self, command: Command, address: str) -> None:
        mounts = [(str(mount.source), mount.target, mount.read_only) for mount in command.mounts]
        request = {
            "argv": list(command.argv),
            "cwd": command.folder,
            "env": command.environment,
            "mounts": mounts,
            "kept": [str(path) for path in command.kept],
            "stdout": str(command.log / "stdout"),
            "stderr": str(command.log / "stderr"),
            "error": str(command.log / "error"),
        }
        super().__init__(address, request)


def _contain(request: dict[str, Any]) -> int:
    """Be the container, in the forked child."""
    mounts = [Mount(Path(source), target, read_only) for source, target, read_only in request["mounts"]]
    _mount(mounts, request["kept"])
    os.makedirs(request["cwd"], exist_ok=True)
    own = os.path.join(os.path.dirname(request["error"]), "disk")
    request["cwd"] = disk.give(request["env"], request["cwd"], own)
    name = request["argv"][0]
    program = shutil.which(name, path=request["env"].get("PATH", os.defpath))
    if program == warm.MAGNUS:
        return child({**request, "argv": request["argv"][1:]})
    if program is None:
        Path(request["error"]).write_text(
            f'failed to find name in PATH: exec: "{name}": executable file not found in $PATH'
        )
        return EMISSARY
    _execute(program, request)


def _execute(program: str, request: dict[str, Any]) -> NoReturn:
    for number, name in ((1, "stdout"), (2, "stderr")):
        file = os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(file, number)
        os.close(file)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.chdir(request["cwd"])
    try:
        os.execve(program, request["argv"], request["env"])
    except OSError as error:
        Path(request["error"]).write_text(f"failed to start command: {error}")
        os._exit(EMISSARY)


def _mount(mounts: list[Mount], kept: list[str]) -> None:
    if not mounts:
        return
    _check(_LIBC.unshare(_CLONE_NEWNS), "unshare")
    _bind(b"none", "/", _MS_REC | _MS_PRIVATE)
    covered = [
        Mount(Path(path), path) for path in kept if any(_below(path, mount.target) for mount in mounts)
    ]
    ordered = sorted([*mounts, *covered], key=lambda mount: mount.target.count("/"))
    # A mount may cover the source of another: what is open stays within reach.
    sources = [os.open(mount.source, os.O_PATH) for mount in ordered]
    for mount, source in zip(ordered, sources, strict=True):
        if stat.S_ISDIR(os.stat(source).st_mode):
            os.makedirs(mount.target, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(mount.target), exist_ok=True)
            os.close(os.open(mount.target, os.O_CREAT | os.O_RDONLY))
        _bind(f"/proc/self/fd/{source}".encode(), mount.target, _MS_BIND | _MS_REC)
        if mount.read_only:
            _bind(b"none", mount.target, _MS_REMOUNT | _MS_BIND | _MS_RDONLY)
    os.closerange(3, 1024)


def _below(path: str, folder: str) -> bool:
    return os.path.commonpath([os.path.realpath(path), os.path.realpath(folder)]) == os.path.realpath(folder)


def _bind(source: bytes, target: str, flags: int) -> None:
    _check(_LIBC.mount(source, target.encode(), None, flags, None), f"mount {target}")


def _check(status: int, what: str) -> None:
    if status != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


if __name__ == "__main__":
    warm.serve(sys.argv[1], _contain)
    shutil.rmtree(os.path.dirname(sys.argv[1]), ignore_errors=True)
