"""A container engine by its command line: docker, podman or nerdctl.

Most commands and options that are used here are the same for all three. `Engine` knows the differences. Sources:
`docker run --help`, `podman-run(1)`, the command reference of nerdctl.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus_render.errors import PlatformError, Refused
from magnus_render.executors.pool import HINTS
from magnus_render.runtime import lease

if TYPE_CHECKING:
    from magnus_render.plan import Walker

KNOWN = ("docker", "podman", "nerdctl")
FAILED, NOT_STARTED, NOT_FOUND = 125, 126, 127
"""Exit statuses of `run` that are not the command's: the engine failed, it cannot start the command, it finds none."""
KILLED = 137
_PATIENCE = 120.0
"""Seconds to wait for an engine's answer; to pull an image may take any time."""
_REMOVAL = 10.0
"""Seconds to wait for a removal that docker has begun by itself. Until it is over, a request to remove is an error.

No command of docker waits for that, so the request is repeated.
"""
_AGAIN = 0.05
_AT_IT = "already in progress"
_RESETS = ("sudo", "doas")


class Engine:
    """One engine."""

    def __init__(self, words: list[str]) -> None:
        """Take the command as configured, [] for the first one that is installed; raise `Refused` if there is none."""
        if not words:
            words = [name for name in KNOWN if shutil.which(name)][:1]
            if not words:
                raise Refused(
                    f"no container engine is installed: looked for {', '.join(KNOWN)} on the PATH. Install one, or name "
                    "its command: executor.config: {engine: ...}"
                )
        elif os.path.basename(words[0]) in _RESETS:
            raise Refused(
                f"engine '{words[0]}' passes on neither the environment, which says what to do, nor "
                "signals: let this user use the engine, or run magnus itself as the other"
            )
        elif shutil.which(words[0]) is None:
            raise Refused(f"engine '{words[0]}' is not on the PATH: install it, or name another")
        self.command = words
        self.name = next(
            (os.path.basename(word) for word in words if os.path.basename(word) in KNOWN), KNOWN[0]
        )
        """The engine whose options it takes."""
        named = any(os.path.basename(word) == self.name for word in words)
        self.called = self.name if named else words[0]
        """Its name in messages."""

    def as_caller(self) -> list[str]:
        """Return the options of `run` by which a container's user is the caller, so that the caller owns its files.

        If the engine runs without root, root in the container is the caller, and any other id is another user.
        """
        caller = f"{os.getuid()}:{os.getgid()}"
        if os.geteuid() == 0:
            return ["--user", caller]
        if self.name == "podman":
            return ["--user", caller, "--userns", "keep-id"]
        if self.name == "docker":
            fine, said = self.said("info", "--format", "{{.SecurityOptions}}")
            rootless = fine and "rootless" in said
        else:
            rootless = True
        return ["--user", "0:0" if rootless else caller]

    def check_path(self, path: str) -> None:
        """Raise `Refused` for a path that the engine cannot mount.

        nerdctl takes its option apart at commas, and joins source and target by a colon.
        """
        if self.name == "nerdctl" and set(path) & set(',:"'):
            raise Refused(f"nerdctl cannot mount '{path}': there is a comma, a colon or a quote in it")

    def said(self, *argv: str, patience: float | None = _PATIENCE) -> tuple[bool, str]:
        """Run a command of the engine; return whether it succeeded, and its output: the answer or the error message."""
        try:
            done = subprocess.run(
                [*self.command, *argv],
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=patience,
                start_new_session=True,  # Ctrl-C is for magnus alone
            )
        except OSError as error:
            raise PlatformError(f"{self.command[0]}: {error.strerror}") from error
        except subprocess.TimeoutExpired:
            return False, f"no answer for {patience:g} s"
        fine = done.returncode == 0
        return fine, (done.stdout if fine else done.stderr).strip()

    def working_folder(self, image: str, pull: str) -> str:
        """Return the working folder that an image sets, '' for none; pull the image as `pull` says.

        Raises `Refused` if the image is not there and may not be pulled, `PlatformError` if it cannot be.
        """
        fine, said = (False, "") if pull == "always" else self._inspected(image)
        if not fine:
            if pull == "never":
                raise Refused(
                    f"image '{image}': {self.name} has none of that name{_why(said)}: build it, or let it be pulled"
                )
            there, complaint = self.said("pull", image, patience=None)
            if not there:
                raise PlatformError(f"image '{image}': {self.name} cannot pull it{_why(complaint)}")
            fine, said = self._inspected(image)
        if not fine:
            raise PlatformError(f"image '{image}': {self.name} cannot look at it{_why(said)}")
        return said

    def _inspected(self, image: str) -> tuple[bool, str]:
        return self.said("image", "inspect", "--format", "{{.Config.WorkingDir}}", image)

    def remove(self, *names: str) -> None:
        """Remove containers, also running ones; names without a container are left out."""
        if not names:
            return
        # Without `--time 0` podman gives each container 10 s to end. Older versions of podman do not know that option.
        at_once = ["--time", "0"] if self.name == "podman" else []
        fine, said = self.said("rm", "--force", *at_once, *names)
        if not fine and at_once:
            self.said("rm", "--force", *names)
        until = time.monotonic() + _REMOVAL
        while not fine and _AT_IT in said and time.monotonic() < until:
            time.sleep(_AGAIN)
            fine, said = self.said("rm", "--force", *names)

    def left_behind(self) -> list[str]:
        """Return the names of this user's containers whose walk was killed, if it was on this machine.

        Raises `PlatformError` if the engine does not answer.
        """
        fine, said = self.said("ps", "--all", "--filter", "name=magnus-", "--format", "{{.Names}}")
        if not fine:
            raise PlatformError(f"{self.name} does not answer{_why(said)}")
        return [name for name in said.split() if _is_left(name)]


def is_about(said: str, command: str) -> bool:
    """Tell whether an error message of `run` is about its command, which runtimes name in quotes.

    docker ends with 126 or 127 for anything that is missing or not permitted. So the status alone does not tell, nor does
    the command's name without quotes: it may be a part of the path of a mount or a device.
    """
    return any(f"{quote}{command}{quote}" in said for quote in "\"'`")


def new_name() -> str:
    """Return a name for a container of this process, from which others can tell whether this process still runs."""
    mine = lease.walker(os.getpid())
    mark = _mark(mine) if mine else "unknown"
    return f"magnus-{mark}-{os.getpid()}-{os.urandom(6).hex()}"


def _is_left(name: str) -> bool:
    """Tell whether the process in a container's name has ended; False for a process of another machine."""
    parts = name.split("-")
    if len(parts) != 5 or parts[0] != "magnus" or not parts[3].isdecimal():
        return False
    mine, other = lease.walker(os.getpid()), lease.walker(int(parts[3]))
    if mine is None or _system(mine) != parts[1]:
        return False
    return other is None or _mark(other) != f"{parts[1]}-{parts[2]}"


def _mark(walker: Walker) -> str:
    return f"{_system(walker)}-{_digest(walker['began'])}"


def _system(walker: Walker) -> str:
    return _digest("\0".join((walker["host"], walker["boot"], walker["pids"], str(os.getuid()))))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:12]


def _why(said: str) -> str:
    lines = [line for line in said.splitlines() if line and not line.encode().startswith(HINTS)]
    return f" ({lines[-1]})" if lines else ""
