"""All diagnostics of a definition and its configuration, for the engine that the configuration names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus_render import integrations
from magnus_render.diagnostics import DefinitionError, Diagnostic, has_errors
from magnus_render.errors import Refused
from magnus_render.executors import base
from magnus_render.graph.load import examine
from magnus_render.spec import codes as language
from magnus_render.targets import codes, lookup
from magnus_render.targets.base import Source

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.graph.load import Loaded
    from magnus_render.spec.files import Files


def check(
    file: str,
    config: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    files: Files | None = None,
) -> tuple[Loaded | None, list[Diagnostic]]:
    """Return a definition and all diagnostics: those of reading it, and what `magnus render` or `execute` would say.

    For a target, the whole output is rendered and linted. The definition is None if no part of it could be read.
    `environ` and `files` are those of `graph.load.load`.
    """
    try:
        loaded = examine(file, config, environ=environ, files=files)
    except DefinitionError as error:
        return None, error.diagnostics
    if "executor" in loaded.settings.unknown:
        return loaded, loaded.diagnostics
    kind = loaded.config["executor"]["type"]
    try:
        target = None if base.is_executor(kind) else lookup.named(kind)
    except Refused as error:
        broken = Diagnostic(language.BAD_CONFIG, "error", str(error), config or file)
        return loaded, [*loaded.diagnostics, broken]
    if target is None:
        return loaded, [*loaded.diagnostics, *_of_executor(kind, loaded, file, config)]

    from magnus_render.render.pipeline import render_loaded

    try:
        return loaded, render_loaded(target, loaded, file, config, Source(os.path.basename(file))).diagnostics
    except DefinitionError as error:
        return loaded, error.diagnostics


def executable(file: str, config: str | None = None) -> Loaded:
    """Return a definition that can be executed by magnus, its diagnostics the warnings.

    Raises `DefinitionError` with everything that is wrong, `Refused` if the configuration names an engine that magnus
    does not execute.
    """
    loaded = examine(file, config)
    kind = loaded.config["executor"]["type"]
    if "executor" not in loaded.settings.unknown:
        base.find(kind, file)
        loaded.diagnostics += _of_executor(kind, loaded, file, config)
    if has_errors(loaded.diagnostics):
        raise DefinitionError(loaded.diagnostics)
    return loaded


def _of_executor(kind: str, loaded: Loaded, file: str, config: str | None) -> list[Diagnostic]:
    """Return an executor's diagnostics of a definition, without those that reading the configuration gave already."""
    found = []
    try:
        engine = base.find(kind, file)
        for service, problem in (
            integrations.problems(engine, loaded.config) if not loaded.settings.unknown else ()
        ):
            where = loaded.config_diagnostic(codes.STORE, "error", (service, "path"), problem)
            found.append(where or Diagnostic(codes.STORE, "error", problem, config or file))
        for path, problem, fix in (
            () if loaded.settings.unknown else engine.problems(loaded.config["executor"]["config"])
        ):
            where = loaded.config_diagnostic(
                language.BAD_CONFIG, "error", ("executor", *path), f"executor: {problem}", fix
            )
            found.append(where or Diagnostic(language.BAD_CONFIG, "error", problem, config or file))
        if has_errors([*found, *loaded.diagnostics]):
            return sorted(found, key=lambda one: (one.line, one.column))
        executor = engine(loaded.config["executor"]["config"])
    except Refused as error:
        return [*found, Diagnostic(language.BAD_CONFIG, "error", str(error), config or file)]
    for place, problem in executor.check(loaded.plan):
        if isinstance(place, str):
            where = loaded.diagnostic(language.BAD_CONFIG, "error", place, problem, field="executor_config")
        else:
            where = loaded.config_diagnostic(language.BAD_CONFIG, "error", ("executor", *place), problem)
        found.append(where or Diagnostic(language.BAD_CONFIG, "error", problem, config or file))
    return found
