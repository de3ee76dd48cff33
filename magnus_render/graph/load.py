"""From a `dag.yaml` to a plan: reads, checks and resolves a definition and its configuration."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magnus_render import collecting
from magnus_render.diagnostics import DefinitionError, Diagnostic, has_errors
from magnus_render.spec import codes
from magnus_render.spec.config import place_of_own
from magnus_render.spec.parameters import load_parameters
from magnus_render.spec.reader import Reader
from magnus_render.spec.report import Report, diagnostic
from magnus_render.spec.tree import Map, Seq
from magnus_render.texts import safe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import networkx as nx

    from magnus_render.diagnostics import Severity
    from magnus_render.graph.definition import Definition
    from magnus_render.plan import Config, Plan
    from magnus_render.spec.config import Settings
    from magnus_render.spec.files import Files
    from magnus_render.spec.report import Place

__all__ = ["Loaded", "examine", "load", "load_parameters"]


@dataclass
class Loaded:
    """A definition that was read. It can be used if there is no error among its diagnostics."""

    plan: Plan
    """The plan; it has no nodes if an error keeps it from being made."""
    config: Config
    definition: Definition
    diagnostics: list[Diagnostic]
    """The diagnostics, in the order of their places."""
    settings: Settings
    """The configuration, and where its parts stand."""
    absent: frozenset[str] = frozenset()
    """Configuration blocks that the user left out: their values are defaults."""

    @property
    def graph(self) -> nx.DiGraph[str]:
        """The networkx graph, steps that are never reached included (`graph/definition.py` has its attributes)."""
        return self.definition.graph

    def diagnostic(
        self,
        code: str,
        severity: Severity,
        address: str,
        message: str,
        fix: str = "",
        *,
        field: str = "",
        entry: str = "",
        own: tuple[Sequence[str], Sequence[str | int]] = ((), ()),
    ) -> Diagnostic:
        """Return a diagnostic at the place of a step (a definition address), or of one of its fields if it has it.

        `entry` is a key of a field that is a mapping, or an item of a field that is a list. Within `executor_config` it is
        `own`: all names of the executor, and the keys of its block that lead to the value.
        """
        step = self.definition.steps.get(address)
        place: Place | None = None
        if step is not None:
            place = step.raw.value_place(field) if field in step.raw else step.place
            if field == "executor_config":
                place = place_of_own(step.own, *own) or place
            value = step.raw.get(field)
            if isinstance(value, Map) and entry in value:
                place = value.value_place(entry)
            elif isinstance(value, Seq) and entry in value:
                place = value.item_place(value.index(entry))
        return diagnostic(code, severity, place, message, fix)

    def config_diagnostic(
        self, code: str, severity: Severity, path: Sequence[str | int], message: str, fix: str = ""
    ) -> Diagnostic | None:
        """Return a diagnostic at the place of a value of the configuration: its block, then keys of the block's config.

        None if the user left the block out.
        """
        place = self.settings.place(path)
        return diagnostic(code, severity, place, message, fix) if place else None


def load(
    file: str,
    config: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    files: Files | None = None,
) -> Loaded:
    """Read a definition, with its configuration blocks from the file itself or from `config`, which wins block by block.

    Paths are relative to the working folder. `environ` is where `MAGNUS_VAR_*` are looked up, `os.environ` by default.
    `files` is where files are read from, this machine's disk by default. Definitions that share one read each file once.
    Raises `DefinitionError` with everything that is wrong.
    """
    loaded = examine(file, config, environ=environ, files=files)
    if has_errors(loaded.diagnostics):
        raise DefinitionError(loaded.diagnostics)
    return loaded


def examine(
    file: str,
    config: str | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    files: Files | None = None,
    name: str | None = None,
) -> Loaded:
    """Read a definition as `load` does; return it with its errors, so that a target can add its own.

    `files` is where files are read from, this machine's disk by default. `name` is the pipeline's name if the definition
    gives none, by default that of the file. Raises `DefinitionError` if no part of the definition can be read.
    """
    with collecting.put_off():
        stem = os.path.splitext(os.path.basename(file))[0] if name is None else name
        return _load(file, config, os.environ if environ is None else environ, Report(), files, safe(stem))


def _load(
    file: str,
    config: str | None,
    environ: Mapping[str, str],
    report: Report,
    files: Files | None,
    stem: str,
) -> Loaded:
    reader = Reader(report, files)
    tree = reader.read(file)
    separate = None if config is None else reader.read(config)
    if config is not None and separate is not None and not isinstance(separate, Map):
        report.error_without_line(
            codes.EMPTY, config, "the file must be a mapping", "such as 'executor: {type: local}'"
        )
    if tree is None or report.failed:
        report.check()

    from magnus_render.graph import definition as graphs
    from magnus_render.graph.checks import check
    from magnus_render.graph.resolve import nothing, resolve
    from magnus_render.graph.tasks import check_command_types, check_options
    from magnus_render.spec import legacy
    from magnus_render.spec.config import BLOCKS, Settings
    from magnus_render.spec.variables import Variables

    if not isinstance(tree, Map):
        graphs.dag_block(tree, file, None, report)
        report.check()
    tree = legacy.root(tree, report)
    _known_blocks(tree, ("dag", *BLOCKS), report)
    if separate is not None:
        separate = legacy.root(separate, report)
        _known_blocks(separate, BLOCKS, report)
    variables = Variables(environ, report)
    settings = Settings(report)
    settings.read(tree, separate, variables)
    dag = graphs.dag_block(tree, file, None, report)
    if dag is None:
        report.check()
    assert dag is not None
    found = graphs.Builder(reader, variables, settings).build(dag, tree.key_place("dag"), file)
    if not found.complete:
        report.check()
    check_command_types(found, report)
    check(found, report)
    if report.broken:
        plan = nothing(stem)
    else:
        plan = resolve(found, settings, stem, variables.used)
        check_options(plan, found, report)
    return Loaded(plan, settings.config, found, report.diagnostics, settings, frozenset(settings.absent))


def _known_blocks(tree: Map, known: tuple[str, ...], report: Report) -> None:
    for key in tree:
        if key in known or (key in ("start_at", "steps") and "dag" not in tree and "dag" in known):
            continue
        fix = report.did_you_mean(key, known) or "known: " + ", ".join(known)
        if key == "dag":
            fix = "a configuration file has no dag: give the definition with -f"
        report.error(codes.UNKNOWN_FIELD, tree.key_place(key), f"unknown field '{key}'", fix, breaks=False)
