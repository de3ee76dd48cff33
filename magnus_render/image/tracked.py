"""What git says of a project's folder: only what it tracks goes into an image."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import NamedTuple

from magnus_render.errors import Refused

_NONE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Git's name of the empty tree, which a repository without a commit is compared with."""


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

    Raises `Refused` if git is not installed, or the folder is in none of its work trees.
    """
    if shutil.which("git") is None:
        raise Refused("git is not installed: only what git tracks goes into an image")
    _asked(folder, "rev-parse", "--is-inside-work-tree")
    named = _names(folder, "ls-files", "-z", "--cached", "--recurse-submodules")
    there = [name for name in named if os.path.lexists(os.path.join(folder, name))]
    commit = _said(folder, "rev-parse", "--verify", "--quiet", "HEAD")[1].strip()
    differing = set(_names(folder, "diff", "-z", "--name-only", "--relative", commit or _NONE))
    return Tracked(
        there,
        [name for name in there if name in differing],
        sorted(set(named) - set(there)),
        _names(folder, "ls-files", "-z", "--others", "--exclude-standard"),
        commit,
    )


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
