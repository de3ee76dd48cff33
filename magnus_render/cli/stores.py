"""Where the stores are, for commands that look at runs: they need no valid definition, only its configuration."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from magnus_render import registry
from magnus_render.errors import Refused
from magnus_render.plan import SERVICES
from magnus_render.services import lookup
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.plan import Services
    from magnus_render.services.base import BaseRunLogStore


def services(file: str, config: str) -> Services:
    """Return the stores that a definition and a configuration file name ('' for either that is not given).

    If neither is given, they are those of `MAGNUS_CONFIG`, else the defaults. The steps of the definition are not looked
    at, so neither their errors nor their variables matter. Raises `MagnusError`.
    """
    if file or config:
        return _read([path for path in (file, config) if path])
    return lookup.services_of_environment() or _defaults()


def _read(paths: list[str]) -> Services:
    from magnus_render.spec import legacy
    from magnus_render.spec.config import Settings
    from magnus_render.spec.reader import Reader
    from magnus_render.spec.report import Report
    from magnus_render.spec.tree import Map
    from magnus_render.spec.variables import Variables

    usual = registry.DEFAULT["run_log_store"]
    report = Report()
    reader = Reader(report)
    trees = []
    for path in paths:
        tree = reader.read(path)
        report.check()
        if not isinstance(tree, Map):
            raise Refused(f"{path}: the file must be a mapping, such as 'run_log_store: {{type: {usual}}}'")
        trees.append(legacy.root(tree, report))
    settings = Settings(report)
    settings.read(trees[0], trees[-1], Variables(os.environ, report))
    report.check()
    return settings.config


def _defaults() -> Services:
    return cast("Services", {kind: {"type": registry.DEFAULT[kind], "config": {}} for kind in SERVICES})


def open_run_log_store(services: Services) -> BaseRunLogStore:
    """Return the run log store; raise `Refused` if it keeps no runs to look at."""
    store = lookup.load("run_log_store", services["run_log_store"])
    if store.local_only:
        kind = services["run_log_store"]["type"]
        usual = registry.DEFAULT["run_log_store"]
        raise Refused(f"the run log store '{kind}' keeps no runs: use {usual} to look at them afterwards")
    return store


def place(store: BaseRunLogStore) -> str:
    """Return where a store is, for people."""
    return getattr(store, "path", "") or "the run log store"


def known_run(store: BaseRunLogStore, run_id: str) -> str:
    """Return a run id that is in the store, or raise `Refused` with near misses."""
    from difflib import get_close_matches

    from magnus_render.runtime.records import valid_run_id

    if valid_run_id(run_id) and store.names(run_id):
        return run_id
    runs = store.runs()
    if not runs:
        hint = "it has no runs at all; -f FILE or -c FILE says which store to look in"
    elif near := get_close_matches(run_id, runs, n=3):
        hint = f"did you mean {' or '.join(near)}?"
    else:
        hint = "`magnus runs list` lists them"
    raise Refused(f"there is no run '{safe(run_id)}' in {place(store)}: {hint}")
