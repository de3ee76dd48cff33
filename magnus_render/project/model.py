"""The data of a project: its pipelines, its environments, and the artefacts that follow from both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class Target(NamedTuple):
    """A target of the project, with the options of rendering for it."""

    name: str
    """The name or alias in the project file."""
    suffix: str
    """The end of the names of its artefacts."""
    config: str | None
    templates: str | None
    compact: bool
    bundle: bool = False
    """True if the artefact is written within a bundle."""
    overlays: bool = False
    """True if one bundle serves all environments that have names."""


class Environment(NamedTuple):
    """One environment, with the settings that hold for all of them."""

    name: str
    """'' if the project names no environments."""
    variables: dict[str, str]
    targets: dict[str, Target]


class Pipeline(NamedTuple):
    """One pipeline. Paths of its files are relative to the project's folder."""

    name: str
    definition: str
    parameters: str | None
    cases: str | None
    targets: tuple[str, ...] | None
    """The targets that it is rendered for, None for all targets of an environment."""


class Artefact(NamedTuple):
    """One pipeline in one environment for one target, and the path of the result."""

    pipeline: Pipeline
    environment: Environment
    target: Target
    path: str
    """The golden file, relative to the project's folder; those of separate dags are beside it (`render.output.beside`).

    For a bundle it is the bundle's folder, which several environments may share (`shared`).
    """

    @property
    def shared(self) -> bool:
        """True if the bundle is for all environments that have this target with overlays."""
        return self.target.overlays and bool(self.environment.name)


class Project(NamedTuple):
    """The content of a project file. All paths are relative to the project's folder."""

    file: str
    """The project file, relative to the working folder."""
    pipelines: list[Pipeline]
    environments: list[Environment]
    rendered: str
    """The folder of the artefacts."""

    @property
    def folder(self) -> str:
        """The project's folder, relative to the working folder."""
        return os.path.dirname(self.file) or os.curdir

    def artefacts(self, environments: list[Environment] | None = None) -> Iterator[Artefact]:
        """Yield the artefacts of all environments or of some, pipeline by pipeline.

        If one is in a bundle for several environments, the artefacts of all of them are included, because a bundle is made
        as a whole.
        """
        every = list(self._every())
        chosen = self.environments if environments is None else environments
        paths = {one.path for one in every if one.environment in chosen}
        yield from (one for one in every if one.path in paths)

    def _every(self) -> Iterator[Artefact]:
        for pipeline in self.pipelines:
            for environment in self.environments:
                for target in environment.targets.values():
                    if pipeline.targets is None or target.name in pipeline.targets:
                        yield Artefact(
                            pipeline, environment, target, self._path(pipeline, environment, target)
                        )

    def _path(self, pipeline: Pipeline, environment: Environment, target: Target) -> str:
        file = pipeline.name if target.bundle else f"{pipeline.name}.{target.suffix}"
        place = "" if target.overlays else environment.name
        return os.path.join(self.rendered, place, target.name, file)


def variables_of(environment: Environment, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment in which variables are looked up: values of the project override those that are set."""
    from magnus_render.spec.variables import PREFIX

    return {**environ, **{PREFIX + name: value for name, value in environment.variables.items()}}
