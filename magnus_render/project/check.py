"""All diagnostics of a project: of its definitions by themselves, and of their rendering in each environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus_render.diagnostics import DefinitionError, Diagnostic, has_errors
from magnus_render.executors import cases
from magnus_render.project.artefacts import bad_parameters, render_all, told
from magnus_render.project.model import variables_of
from magnus_render.render.check import check
from magnus_render.render.pipeline import Shared

if TYPE_CHECKING:
    from magnus_render.graph.load import Loaded
    from magnus_render.project.model import Pipeline, Project


def check_all(project: Project, imports: bool = False) -> tuple[list[Diagnostic], list[tuple[str, Loaded]]]:
    """Return all diagnostics of a project, each once, and the definitions without errors by the names of their files.

    Its folder must be the working folder. `imports` imports the modules of Python tasks too, which runs their code.
    """
    shared, said = Shared(), dict[Diagnostic, None]()
    fine = []
    for pipeline in project.pipelines:
        for environment in project.environments:
            environ = variables_of(environment, os.environ)
            loaded, found = check(pipeline.definition, environ=environ, files=shared.files)
            if loaded is not None and imports and environment is project.environments[0]:
                from magnus_render.executors.imports import failing

                found = [*found, *failing(loaded)]
            said.update(told(found, project, environment))
            if loaded is not None and not has_errors(found):
                fine.append((pipeline.definition, loaded))
        said.update(dict.fromkeys(_of_cases(pipeline, fine)))
    said.update(dict.fromkeys(bad_parameters(project.pipelines)))
    said.update(dict.fromkeys(render_all(project, project.artefacts(), shared=shared).diagnostics))
    return list(said), fine


def _of_cases(pipeline: Pipeline, fine: list[tuple[str, Loaded]]) -> list[Diagnostic]:
    """Return what is wrong with a pipeline's file of cases, if its definition can be used."""
    if pipeline.cases is not None and fine and fine[-1][0] == pipeline.definition:
        try:
            cases.read(pipeline.cases, fine[-1][1].plan)
        except DefinitionError as error:
            return error.diagnostics
    return []
