"""Who walks a run: so that a walk which is at work is not taken up by another.

An engine that walks a graph by a process of its own names it in the environment (`MAGNUS_WALKER`, its process id). The
callback that starts the walk records that process. Whether it is at work still is asked of the system, if it is the same
one: nothing is renewed, and no step looks. Nothing is known of a walk on another machine, or of an engine that has no such
process: whoever resumes such a run must know that nothing walks it.
"""

from __future__ import annotations

import json
import os

from magnus_render.errors import Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from magnus_render.plan import Walker
    from magnus_render.runtime.records import Run

VARIABLE = "MAGNUS_WALKER"
AT_WORK = os.path.join(".magnus", "at_work")


def walker(pid: int = 0) -> Walker | None:
    """Return a process as a walker: by default the one that the environment names; None if there is none."""
    text = str(pid) if pid else os.environ.get(VARIABLE, "")
    began = _began(int(text)) if text.isascii() and text.isdigit() and len(text) < 10 else ""
    if not began:
        return None
    system = _system()
    return {
        "host": system["host"],
        "boot": system["boot"],
        "pids": system["pids"],
        "pid": int(text),
        "began": began,
    }


def alive(walker: Walker) -> bool | None:
    """Tell whether a walker is at work; None if this system cannot know that."""
    if any(walker[key] != value for key, value in _system().items()):  # type: ignore[literal-required]
        return None
    return _began(walker["pid"]) == walker["began"]


def last(run: Run) -> tuple[int, Walker | None]:
    """Return the number of the last walk of a run that names its walker, and that walker; 0 and None if none does."""
    names = [name.partition(".")[0] for name in run.store.names(f"{run.run_id}/walks")]
    number = max((int(name) for name in names if name.isdecimal()), default=0)
    return number, run.read(f"walks/{number}.json") if number else None


def take(run: Run) -> None:
    """Record that the walker of the environment walks a run; raise `Refused` if the one before it is at work still."""
    mine = walker()
    while True:
        number, before = last(run)
        if before is not None and before == mine:
            return
        if before is not None and alive(before):
            raise Refused(
                f"run '{run.run_id}' is still at work: process {before['pid']} walks it. "
                "Wait until that has ended, or end it"
            )
        if mine is None or run.create(f"walks/{number + 1}.json", mine):
            return


# ---- runs at work in a folder ----


def claim(folder: str, run_id: str, shares: bool) -> None:
    """Note in a project's folder that the walker of the environment walks a run there.

    `shares`: its steps exchange files through the folder's own data folder. Raises `Refused` if another run that does so
    too is at work: their files would be mixed. A run that one of its own steps started is not another.
    """
    mine = walker()
    if mine is None:
        return
    from magnus_render.services.options import temporary_name

    place = os.path.join(folder, AT_WORK)
    lock = -1
    try:
        lock = _locked(folder)
        others = at_work(folder)  # forgets those that ended without a word
        if run_id in others:
            return  # `take` refuses that
        if shares:
            _refuse_sharing(place, others)
        os.makedirs(place, exist_ok=True)
        temporary = temporary_name(place)
        with open(temporary, "w", encoding="utf-8") as file:
            json.dump({**mine, "shares": shares}, file)
        os.replace(temporary, os.path.join(place, run_id))
    except OSError:
        pass  # where nothing can be noted, nothing is known
    finally:
        if lock >= 0:
            os.close(lock)


def _locked(folder: str) -> int:
    """Return a descriptor that keeps other claims in this folder waiting until it is closed, where the disk can do that."""
    from fcntl import LOCK_EX, flock

    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        flock(descriptor, LOCK_EX)
    except OSError:
        pass
    return descriptor


def _refuse_sharing(place: str, others: list[str]) -> None:
    above = _ancestors()
    for other in others:
        claimed = _claimed(os.path.join(place, other))
        if claimed is not None and claimed.get("shares") and claimed["pid"] not in above:
            raise Refused(
                f"run '{other}' is at work in this folder, and its steps use the data folder: the files of two runs "
                "would be mixed. Wait until it has ended, or give every step a disk of its own: magnus execute --isolated, "
                "MAGNUS_ISOLATED=1 for a rendered script, or 'isolated: true' in the executor's configuration"
            )


def release(folder: str, run_id: str) -> None:
    """Take back what `claim` noted for this process, or for the walker of the environment.

    The folders made for it go too, unless something else is in them.
    """
    path = os.path.join(folder, AT_WORK, run_id)
    if os.path.lexists(path) and _noted(path) in (walker(os.getpid()), walker()):
        _forget(path)


def _forget(path: str) -> None:
    try:
        os.unlink(path)
        os.rmdir(os.path.dirname(path))
        os.rmdir(os.path.dirname(os.path.dirname(path)))
    except OSError:
        pass


def at_work(folder: str) -> list[str]:
    """Return the ids of the runs at work in a project's folder, but for those of this walker; forget those that ended."""
    found, mine = [], walker()
    try:
        names = sorted(name for name in os.listdir(os.path.join(folder, AT_WORK)) if name[0] != ".")
    except OSError:
        return []
    for run_id in names:
        noted = _noted(os.path.join(folder, AT_WORK, run_id))
        if noted is None or alive(noted) is False:
            _forget(os.path.join(folder, AT_WORK, run_id))
        elif noted != mine and alive(noted):
            found.append(run_id)
    return found


def _noted(path: str) -> Walker | None:
    """Return the walker of a claim; None if there is none that can be read."""
    claimed = _claimed(path)
    if claimed is None:
        return None
    return {key: claimed[key] for key in ("host", "boot", "pids", "pid", "began")}  # type: ignore[return-value]


def _claimed(path: str) -> dict[str, Any] | None:
    from magnus_render.runtime import shapes

    try:
        with open(path, "rb") as file:
            claimed: dict[str, Any] = shapes.record("", "walks/0.json", file.read())
    except (OSError, Refused):
        return None
    return claimed


# ---- processes ----


def _system() -> dict[str, str]:
    """Return what tells one system from another: process ids are unique within it."""
    boot = _text("/proc/sys/kernel/random/boot_id") or _output("sysctl", "-n", "kern.boottime")
    try:
        pids = os.readlink("/proc/self/ns/pid")
    except OSError:
        pids = ""
    return {"host": os.uname().nodename, "boot": boot, "pids": pids}


def _began(pid: int) -> str:
    """Return when a process began, in the words of its system; '' if there is none, or nothing but its exit status."""
    stat = _text(f"/proc/{pid}/stat")
    if stat:
        fields = stat.rpartition(")")[2].split()  # the name before it may hold anything
        return "" if fields[0] in "ZX" else fields[19]
    if os.path.isdir("/proc/self"):
        return ""
    return _output("ps", "-o", "lstart=", "-p", str(pid))


def _ancestors() -> set[int]:
    """Return the ids of this process and of those it descends from."""
    found, pid = set(), os.getpid()
    while pid > 1 and pid not in found:
        found.add(pid)
        stat = _text(f"/proc/{pid}/stat")
        fields = stat.rpartition(")")[2].split()
        above = fields[1] if fields else _output("ps", "-o", "ppid=", "-p", str(pid))
        pid = int(above) if above.isdigit() else 0
    return found


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _output(*command: str) -> str:
    """Return what a system's own command prints, where there is no /proc; '' if it fails."""
    import subprocess

    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        return ""
