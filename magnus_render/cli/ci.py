"""`magnus ci SERVICE`: what a project needs in GitHub, GitLab or pre-commit."""

from __future__ import annotations

import os
from enum import Enum
from typing import Annotated

import typer

from magnus_render.cli.project import enter


class Service(str, Enum):
    """What runs the commands."""

    github = "github"
    gitlab = "gitlab"
    pre_commit = "pre-commit"


def ci(
    service: Annotated[Service, typer.Argument(help="What runs the commands.", show_default=False)],
) -> None:
    """Print the YAML with which a service checks the project: definitions, cases, and that artefacts are as rendered."""
    from magnus_render.project.ci import snippet, within_repository

    project = enter()
    typer.echo(snippet(project, service.value, within_repository(os.curdir)), nl=False)
