"""Finds a project file, reads it, and checks it. All mistakes are reported at once, each with its place."""

from __future__ import annotations

import difflib
import os
import re
from typing import TYPE_CHECKING, Any

from magnus_render import registry
from magnus_render.errors import Refused
from magnus_render.project import toml
from magnus_render.project.model import Artefact, Environment, Pipeline, Project, Target
from magnus_render.project.models import EnvironmentSpec, PipelineSpec, ProjectSpec, TargetSpec
from magnus_render.spec import codes
from magnus_render.spec.problems import validate
from magnus_render.spec.reader import Reader
from magnus_render.spec.report import Report
from magnus_render.spec.tree import Map, Seq, kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.spec.report import Place
    from magnus_render.targets.base import BaseTarget

YAML, TOML = "magnus.yaml", "pyproject.toml"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*\Z")
_VARIABLE = re.compile(r"[^{}\s=\0]+\Z")


def find(folder: str = os.curdir) -> str | None:
    """Return the project file in a folder, or else in the nearest folder above; None if there is none.

    It is `magnus.yaml`, or a `pyproject.toml` with `[tool.magnus]`. The path is relative to the working folder.
    """
    here = os.path.realpath(folder)
    while True:
        for name in (YAML, TOML):
            path = os.path.join(here, name)
            if os.path.isfile(path) and (name == YAML or _may_hold(path)):
                return os.path.relpath(path, os.path.realpath(os.curdir))
        above = os.path.dirname(here)
        if above == here:
            return None
        here = above


def read(file: str) -> Project:
    """Return the project of a project file; raise `DefinitionError` with everything that is wrong."""
    report = Report()
    tree = _tree(file, report)
    report.check()
    if not isinstance(tree, Map):
        what = "a project file must be a mapping"
        report.error_without_line(
            codes.BAD_PROJECT, file, what, "such as 'pipelines: {NAME: {definition: dag.yaml}}'"
        )
        report.check()
    found = _Checked(file, tree, report).project()
    report.check()
    assert found is not None
    return found


def artefacts_of(definition: str) -> tuple[Project, list[Artefact]] | None:
    """Return the project of a definition, and the artefacts that are made of the definition; None if there is no project.

    The path of the definition is relative to the working folder, those of the artefacts to the project's folder. There are
    no artefacts if no pipeline of the project has the definition. Raises `DefinitionError` as `read` does.
    """
    file = find(os.path.dirname(definition) or os.curdir)
    if file is None:
        return None
    project, meant = read(file), os.path.realpath(definition)
    own = [
        one
        for one in project.artefacts()
        if os.path.realpath(os.path.join(project.folder, one.pipeline.definition)) == meant
    ]
    return project, own


def _may_hold(path: str) -> bool:
    """Tell whether a pyproject.toml may have the table [tool.magnus]. A file that cannot be read counts as without it."""
    try:
        return toml.may_hold(_text(path))
    except Refused:
        return False


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace", newline="") as file:
            return file.read()
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}") from error


def _tree(file: str, report: Report) -> Any:
    if os.path.basename(file) == TOML:
        return toml.tree(file, _text(file), report)
    other = os.path.join(os.path.dirname(file), TOML)
    if os.path.isfile(other) and _may_hold(other):
        what = f"{TOML} beside it has a table [tool.magnus] too"
        report.error_without_line(codes.BAD_PROJECT, file, what, "keep one of the two")
    return Reader(report, beginning="begin with 'pipelines:'").read(file)


class _Checked:
    """A project file while it is checked."""

    def __init__(self, file: str, tree: Map, report: Report) -> None:
        self.file, self.tree, self.report = file, tree, report
        self.folder = os.path.dirname(file)
        self.targets: set[str] = set()
        """The names of all targets, also of those with mistakes."""
        self.templates: dict[str, str | None] = {}
        """The templates of each target whose bundle serves all environments."""

    def project(self) -> Project | None:
        """Return the project, None if there are mistakes, which are reported."""
        place = self.tree.place()
        spec = validate(ProjectSpec, self.tree, "project", place, self.report)
        # Entries are checked even if the whole has a mistake, so that all mistakes are reported at once.
        common = self._targets(self.tree)
        environments = [
            self._environment(name, raw, at, common)
            for name, raw, at in self._entries(self.tree, "environments")
        ]
        shared = self._variables(self.tree)
        if not environments:
            environments = [Environment("", shared, common)]
        pipelines = [
            found
            for name, raw, at in self._entries(self.tree, "pipelines")
            if (found := self._pipeline(name, raw, at))
        ]
        if spec is None:
            return None
        return Project(self.file, pipelines, environments, spec.rendered)

    def _entries(self, holder: Map, key: str) -> list[tuple[str, Map, Place]]:
        """Return name, content and place of the entries of a mapping; the content of an empty entry is empty."""
        box = _part(holder, key)
        found = []
        for name, raw in box.items():
            if not _NAME.match(name):
                what = f"{key}: '{name}' cannot be such a name"
                fix = "use letters, digits, '-' and '_': it becomes part of a path"
                self.report.error(codes.BAD_PROJECT, box.key_place(name), what, fix)
            if raw is None:
                found.append((name, Map.at(box.key_place(name)), box.key_place(name)))
            elif isinstance(raw, Map):
                found.append((name, raw, box.key_place(name)))
            else:
                what = f"{key}: '{name}' must be a mapping, not {kind(raw)}"
                self.report.error(codes.WRONG_TYPE, box.value_place(name), what, _as_mapping(key, name, raw))
        return found

    def _targets(self, holder: Map) -> dict[str, Target]:
        found = {}
        for name, raw, at in self._entries(holder, "targets"):
            self.targets.add(name)
            spec = validate(TargetSpec, raw, f"target '{name}'", at, self.report)
            engine = self._engine(name, at)
            self._exists(raw, "config")
            self._exists(raw, "templates", folder=True)
            if spec is not None:
                suffix = getattr(engine, "suffix", "")
                overlays = spec.bundle and self._bundle(raw, name, engine)
                found[name] = Target(
                    name, suffix, spec.config, spec.templates, spec.compact, spec.bundle, overlays
                )
        return found

    def _bundle(self, raw: Map, name: str, engine: type[BaseTarget] | None) -> bool:
        """Return whether one bundle serves all environments; report the reasons against a bundle."""
        at = raw.value_place("bundle")
        if raw.get("compact"):
            fix = "remove one of the two"
            self.report.error(codes.BAD_PROJECT, at, f"target '{name}': a bundle cannot be 'compact'", fix)
        if engine is not None and not engine.bundles():
            fix = "remove 'bundle': its artefacts are rendered alone"
            self.report.error(codes.BAD_PROJECT, at, f"the target '{name}' has no bundle", fix)
        return engine is not None and engine.has_overlays()

    def _engine(self, name: str, at: Place) -> type[BaseTarget] | None:
        engine: type[BaseTarget] | None
        try:
            engine = registry.find("target", registry.canonical("target", name))
        except Refused as error:
            self.report.error(codes.BAD_PROJECT, at, str(error))
            return None
        if engine is None:
            known = registry.names("target")
            fix = self.report.did_you_mean(name, known) or f"known: {', '.join(known)}"
            self.report.error(codes.BAD_PROJECT, at, f"there is no target '{name}'", fix)
        return engine

    def _environment(self, name: str, raw: Map, at: Place, common: Mapping[str, Target]) -> Environment:
        validate(EnvironmentSpec, raw, f"environment '{name}'", at, self.report)
        variables = {**_part(self.tree, "variables"), **self._variables(raw)}
        targets = {**common, **self._targets(raw)}
        for target in targets.values():
            if (
                target.overlays
                and self.templates.setdefault(target.name, target.templates) != target.templates
            ):
                place = _part(raw, "targets").key_place(target.name)
                what = f"'templates' of '{target.name}' differ between environments that share a bundle"
                self.report.error(codes.BAD_PROJECT, place, what, "name the same folder, or none")
        return Environment(name, variables, targets)

    def _variables(self, holder: Map) -> dict[str, str]:
        given = _part(holder, "variables")
        for name in given:
            if not _VARIABLE.match(name):
                what = f"variables: '{name}' cannot name a variable"
                fix = "write the name alone, as it stands in ${name}"
                self.report.error(codes.BAD_PROJECT, given.key_place(name), what, fix)
        return dict(given)

    def _pipeline(self, name: str, raw: Map, at: Place) -> Pipeline | None:
        spec = validate(PipelineSpec, raw, f"pipeline '{name}'", at, self.report)
        for key in ("definition", "parameters", "cases"):
            self._exists(raw, key)
        self._known(raw, name)
        if spec is None:
            return None
        targets = None if spec.targets is None else tuple(spec.targets)
        return Pipeline(name, spec.definition, spec.parameters, spec.cases, targets)

    def _known(self, raw: Map, name: str) -> None:
        """Report the targets of a pipeline that the project does not have."""
        listed = raw.get("targets")
        if not isinstance(listed, Seq):
            return
        for number, target in enumerate(listed):
            if isinstance(target, str) and target not in self.targets:
                fix = (
                    self.report.did_you_mean(target, sorted(self.targets))
                    or "add it to 'targets' of the project"
                )
                what = f"pipeline '{name}': the project has no target '{target}'"
                self.report.error(codes.BAD_PROJECT, listed.item_place(number), what, fix)

    def _exists(self, raw: Map, key: str, folder: bool = False) -> None:
        """Report a path if its file or folder does not exist."""
        path = raw.get(key)
        if not isinstance(path, str) or not path or os.path.isabs(path) or os.pardir in path.split("/"):
            return  # the model has reported the mistake
        there = os.path.join(self.folder, path)
        if not (os.path.isdir(there) if folder else os.path.isfile(there)):
            what = f"'{key}': there is no {'folder' if folder else 'file'} '{path}'"
            fix = _near(there, path) or f"the path is relative to the folder of {os.path.basename(self.file)}"
            self.report.error(codes.BAD_PROJECT, raw.value_place(key), what, fix)


def _part(holder: Map, key: str) -> Map:
    part = holder.get(key)
    return part if isinstance(part, Map) else Map.at(holder.place())


def _as_mapping(key: str, name: str, raw: object) -> str:
    field = {"pipelines": "definition", "targets": "config"}.get(key)
    return f"write {name}: {{{field}: {raw}}}" if field and isinstance(raw, str) else ""


def _near(path: str, written: str) -> str:
    """Return a suggestion for a path that does not exist, in the form in which the user wrote it (`written`)."""
    folder, name = os.path.split(path)
    try:
        close = difflib.get_close_matches(name, os.listdir(folder or os.curdir), n=1)
    except OSError:
        return ""
    return f"did you mean '{os.path.join(os.path.dirname(written), close[0])}'?" if close else ""
