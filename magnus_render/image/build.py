"""Builds a project's image. The engine gets a folder with only the files that go into the image."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import tempfile
from typing import TYPE_CHECKING

from magnus_render.errors import FAILED, MagnusError, PlatformError
from magnus_render.image.containerfile import CONTAINERFILE

if TYPE_CHECKING:
    from magnus_render.executors.container_engine import Engine
    from magnus_render.image.project import Project

REVISION = "org.opencontainers.image.revision"
"""The label that names the commit: https://github.com/opencontainers/image-spec, annotations."""


class NotBuilt(MagnusError):
    """The engine could not build the image, and has printed the reason."""

    status = FAILED


def build(project: Project, engine: Engine, tag: str) -> None:
    """Build a project's image by its Containerfile; what the engine says goes to standard error.

    Raises `NotBuilt`; `PlatformError` if the files cannot be gathered or the engine does not start.
    """
    with tempfile.TemporaryDirectory(prefix="magnus-image-") as scratch:
        context = os.path.join(scratch, "context")
        try:
            gather(project, context)
        except OSError as error:
            raise PlatformError(f"cannot gather the files of the image: {error}") from error
        commit = project.tracked.commit
        dirty = project.tracked.changed or project.tracked.missing
        label = f"{REVISION}={commit}{'-dirty' if dirty else ''}"
        path = os.path.join(project.folder, CONTAINERFILE)
        words = ["build", "--file", path, "--tag", tag, *(["--label", label] if commit else []), context]
        try:
            done = subprocess.run([*engine.command, *words], stdin=subprocess.DEVNULL, stdout=2)
        except OSError as error:
            raise PlatformError(f"{engine.command[0]}: {error.strerror}") from error
    if done.returncode != 0:
        raise NotBuilt(
            f"image '{tag}': {engine.called} could not build it (exit {done.returncode}): see above"
        )


def gather(project: Project, folder: str) -> None:
    """Copy the files of the image into a new folder: links as links, and with git's modes.

    With its own mode, a file that only its owner may read could not be read by the user of the image.
    """
    _make(folder)
    for name in project.files:
        source, target = os.path.join(project.folder, name), os.path.join(folder, name)
        beside = folder
        for part in name.split("/")[:-1]:
            beside = os.path.join(beside, part)
            if not os.path.isdir(beside):
                _make(beside)
        shutil.copy2(source, target, follow_symlinks=False)
        mode = os.lstat(source).st_mode
        if not stat.S_ISLNK(mode):
            os.chmod(target, 0o755 if mode & stat.S_IXUSR else 0o644)


def _make(folder: str) -> None:
    os.mkdir(folder)
    os.chmod(folder, 0o755)
