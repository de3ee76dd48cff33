"""The image of a project within a bundle: what `magnus image` writes into the project, in a folder of its own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus_render.image.containerfile import CONTAINERFILE, IGNORE
from magnus_render.image.project import project
from magnus_render.render.templates import from_folders
from magnus_render.targets.base import BaseTarget

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus_render.graph.load import Loaded

FOLDER = "image"


def files(file: str, loaded: Loaded, base: str, bundle: str, others: Iterable[str]) -> dict[str, str]:
    """Return the files of a bundle from which the image of the project in the working folder is built.

    `base` is the image to begin with: an explicit one, so that the bytes do not depend on the Python of this machine.
    `bundle` is the bundle's folder, and `others` are the names of its other files. The file that says what an engine may see
    has the name that docker looks for beside a Containerfile (docker's documentation, "Build context"). Raises `Refused` as
    `image.project.project` does.
    """
    names = [f"{FOLDER}/{name}" for name in (CONTAINERFILE, f"{CONTAINERFILE}.dockerignore", "README.md")]
    # The image does not take the bundle: what it takes would be another thing once the bundle is committed.
    own = [os.path.normpath(os.path.join(bundle, name)) for name in (*names, *others)]
    texts = project(os.getcwd(), file, loaded, base=base, besides=own).texts
    readme = from_folders(BaseTarget.templates()).get_template("image/README.md.j2").render(folder=FOLDER)
    return dict(zip(names, (texts[CONTAINERFILE], texts[IGNORE], readme), strict=True))
