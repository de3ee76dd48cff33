"""Configuration of a CI service or of pre-commit for a project, with the same commands that a person types."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from typing import TYPE_CHECKING, Literal

from magnus_render import __version__
from magnus_render.render.templates import from_folders
from magnus_render.targets.base import BaseTarget

if TYPE_CHECKING:
    from magnus_render.project.model import Project

Service = Literal["github", "gitlab", "pre-commit"]
GITHUB = ".github/workflows/magnus.yaml"
"""Where GitHub looks for the snippet, from the top folder of the repository."""
_PLAIN = re.compile(r"[A-Za-z./][\w./ -]*")


def snippet(project: Project, service: Service, folder: str = "") -> str:
    """Return the YAML for a service; `folder` is the project's within its repository, '' for the repository's own."""
    environment = from_folders(BaseTarget.templates())
    environment.filters.update(scalar=_scalar, word=shlex.quote)
    return environment.get_template(f"ci/{service}.yaml.j2").render(
        commands=commands(project),
        folder=folder,
        magnus=f"magnus-render=={__version__}",
        python=f"{sys.version_info[0]}.{sys.version_info[1]}",
    )


def commands(project: Project) -> list[str]:
    """Return the commands that check a project, in the order in which they are run."""
    found = ["magnus validate"]
    if any(pipeline.cases is not None for pipeline in project.pipelines):
        found.append("magnus test")
    if any(project.artefacts()):
        found.append("magnus render --all --check")
    return found


def within_repository(folder: str) -> str:
    """Return the path of a folder within the git repository that holds it; '' if it is the top folder, or in none."""
    whole = os.path.realpath(folder)
    here = whole
    while not os.path.lexists(os.path.join(here, ".git")):
        above = os.path.dirname(here)
        if above == here:
            return ""
        here = above
    return "" if here == whole else os.path.relpath(whole, here)


def _scalar(text: str) -> str:
    """Return a text as a scalar of YAML, in quotes where it needs them. A single word does: YAML may know it, as `no`."""
    plain = _PLAIN.fullmatch(text) and ("/" in text or " " in text.strip()) and text == text.strip()
    return text if plain else json.dumps(text)
