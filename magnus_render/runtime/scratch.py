"""The private folder of an attempt, for what a task and its callback say to each other.

It is locked as long as a process uses it, so that what a killed callback leaves is known for that, whoever finds it.
"""

from __future__ import annotations

import os
from fcntl import LOCK_EX, LOCK_NB, flock
from stat import S_ISDIR

from magnus_render.services.options import UNWRITABLE, platform_error

PREFIX = "magnus-"
_LOCK = "lock"
_OTHER = "mount a folder there that may be written to (a tmpfs), or name another by TMPDIR"


def make() -> str:
    """Make a folder that only this user may look into, and return its absolute path; remove those that nobody uses."""
    base = _base()
    sweep(base)
    while True:
        path = os.path.join(base, f"{PREFIX}{os.getpid()}-{os.urandom(6).hex()}")
        try:
            os.mkdir(path, 0o700)
            break
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in UNWRITABLE:
                raise
            raise platform_error("make the attempt's folder in", base, error, _OTHER) from error
    # It gets its name when it is locked: nobody can find it before. It stays open while this process or the task's lives.
    new = os.path.join(path, "new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    flock(descriptor, LOCK_EX)
    os.rename(new, os.path.join(path, _LOCK))
    return path


def remove(folder: str) -> None:
    """Delete an attempt's folder."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        try:
            os.unlink(path)
        except OSError:
            import shutil

            shutil.rmtree(path, ignore_errors=True)
    os.rmdir(folder)


def sweep(base: str = "") -> None:
    """Delete the folders of this user that no process uses any more: their callbacks were killed."""
    base = base or _base()
    for name in os.listdir(base):
        if _is_ours(name):
            _remove_unused(os.path.join(base, name))


def _is_ours(name: str) -> bool:
    """Tell whether `make` gives such names."""
    pid, _, end = name.removeprefix(PREFIX).partition("-")
    return (
        name.startswith(PREFIX) and pid.isdecimal() and len(end) == 12 and not end.strip("0123456789abcdef")
    )


def _base() -> str:
    return os.path.abspath(os.environ.get("TMPDIR") or "/tmp")


def _remove_unused(folder: str) -> None:
    try:
        found = os.lstat(folder)
        if not S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return
        descriptor = os.open(os.path.join(folder, _LOCK), os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:  # it is none of ours, or is being made or removed
        return
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
        remove(folder)
    except OSError:
        pass  # it is in use, or another removes it
    finally:
        os.close(descriptor)
