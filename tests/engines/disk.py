"""A disk of its own for each job of an engine whose jobs are processes of this machine.

What a container finds in its working folder is what the image holds, and what it writes there is gone with it. So a job
works in a copy of the project's folder: nothing but the stores leads from one step to another.
"""

from __future__ import annotations

import os
import shutil

OWN = "MAGNUS_TEST_DISK"
"""A variable of a job's environment that asks for this; the job itself does not see it."""
NOT_IN_IMAGE = ("volume", "run_log", "catalog", "stdout.txt", "stderr.txt")
"""What engines keep in a project's folder beside the project."""


def give(environment: dict[str, str], folder: str, path: str) -> str:
    """Return the folder that a job works in: a copy of `folder` at `path` if its environment asks for one."""
    if not environment.pop(OWN, ""):
        return folder
    shutil.rmtree(path, ignore_errors=True)
    shutil.copytree(folder, path, symlinks=True, ignore=_at_the_top(folder))
    return path


def _at_the_top(folder: str) -> shutil._IgnoreFn:
    def ignore(where: str | os.PathLike[str], names: list[str]) -> set[str]:
        return set(NOT_IN_IMAGE) & set(names) if where == folder else set()

    return ignore
