"""The files of a project's folder that git tracks: only these go into an image."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple

from magnus_render.errors import Refused


class Tracked(NamedTuple):
    """The files of a folder, by paths relative to it, sorted."""

    files: list[str]
    """Those that git tracks and that are there, as they are now."""
    changed: list[str]
    """Those of `files` that differ from the last commit."""
    missing: list[str]
    """Those that git tracks and that are not there."""
    untracked: list[str]
    """Those that git neither tracks nor ignores."""
    commit: str
    """The last commit, '' if there is none."""


def tracked(folder: str) -> Tracked:
    """Ask git what it tracks below a folder, submodules included.

    Raises `Refused` if git is not installed, if the folder is in none of its work trees, or if a submodule is not there.
    """
    if shutil.which("git") is None:
        raise Refused("git is not installed: only what git tracks goes into an image")
    _asked(folder, "rev-parse", "--is-inside-work-tree")
    named = _names(folder, "ls-files", "-z", "--cached", "--recurse-submodules")
    there = [name for name in named if _is_there(folder, name)]
    for name in there:
        path = os.path.join(folder, name)
        if os.path.isdir(path) and not os.path.islink(path):
            raise Refused(
                f"{name} is a folder, and git tracks it as a submodule or a file. Fetch a submodule by: "
                f"git submodule update --init {name}"
            )
    commit = _said(folder, "rev-parse", "--verify", "--quiet", "HEAD")[1].strip()
    # A repository without a commit is compared with the empty tree.
    base = commit or _asked(folder, "hash-object", "-t", "tree", os.devnull).strip()
    differing = set(_names(folder, "diff", "-z", "--name-only", "--relative", base))
    return Tracked(
        there,
        [name for name in there if name in differing or any(one in differing for one in _folders(name))],
        sorted(set(named) - set(there)),
        _names(folder, "ls-files", "-z", "--others", "--exclude-standard"),
        commit,
    )


def _is_there(folder: str, name: str) -> bool:
    """Tell whether a file is where git has it; what lies behind a link that took the place of a folder is another."""
    links = any(os.path.islink(os.path.join(folder, one)) for one in _folders(name))
    return not links and os.path.lexists(os.path.join(folder, name))


def _folders(name: str) -> list[str]:
    """Return the folders that a path leads through."""
    parts = name.split("/")[:-1]
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


def _names(folder: str, *words: str) -> list[str]:
    return sorted({name for name in _asked(folder, *words).split("\0") if name})


def _asked(folder: str, *words: str) -> str:
    status, answer, complaint = _said(folder, *words)
    if status != 0:
        why = complaint.strip().partition("\n")[0].removeprefix("fatal: ")
        raise Refused(
            f"only what git tracks goes into an image, and git says of {folder}: {why}. In a new project: "
            "git init, then git add the files that the steps need"
        )
    return answer


def _said(folder: str, *words: str) -> tuple[int, str, str]:
    done = subprocess.run(["git", "-C", folder, *words], capture_output=True, stdin=subprocess.DEVNULL)
    return done.returncode, os.fsdecode(done.stdout), os.fsdecode(done.stderr)
