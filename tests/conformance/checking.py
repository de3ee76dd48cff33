"""Runs a case and compares: what the tests and the random runner share."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import cases
from tests.conformance.comparing import check_equal, comparable
from tests.conformance.engines import Engine, RunSpec, engines
from tests.conformance.reference_state import Log


def _sharing(spec: RunSpec, needed: tuple[dict[str, Any], dict[str, str]] | None) -> RunSpec:
    """Return a run on stores that all engines of a chain reach."""
    if needed is None:
        return spec
    blocks, environment = needed
    return replace(spec, config={**blocks, **spec.config}, environment={**spec.environment, **environment})


def able(case: cases.Case) -> list[Engine]:
    """Return the engines that can do what a case needs."""
    return [engine for engine in engines() if case.needs <= engine.abilities]


def check(case: cases.Case, folder: Path) -> None:
    """Run a case on all engines in folders below `folder`.

    Raises AssertionError if a log is not the predicted one, an exit status does not go with it, or two engines differ.
    """
    those = able(case)
    if not those:
        pytest.skip(f"none of the engines asked for can do {', '.join(sorted(case.needs))}")
    logs = {engine.name: run(case, [engine], folder / engine.name) for engine in those}
    first = those[0].name
    for engine in those[1:]:
        check_equal(logs[first], logs[engine.name], first, engine.name)


def check_across(case: cases.Case, folder: Path, only: int | None = None) -> None:
    """Run a case of several runs with its first run on one engine and the others on another.

    In all ways, or in the one with that number (modulo how many there are).
    """
    ways = list(permutations(able(case), 2))
    if not ways:
        return
    for first, second in ways if only is None else [ways[only % len(ways)]]:
        run(case, [first, second], folder / f"{first.name}-{second.name}")


def run(case: cases.Case, chain: list[Engine], folder: Path) -> Log:
    """Run a case, its n-th run on the n-th engine (the last for the rest); return the comparable log of its last run."""
    cases.prepare(case, folder)
    log: Log = {}
    needs = [stores for engine in chain if (stores := engine.stores(folder))]
    # What is on S3 is reached by all.
    needed = max(needs, key=lambda stores: stores[0]["run_log_store"]["type"] == "s3", default=None)
    for number, case_run in enumerate(case.runs):
        engine = chain[min(number, len(chain) - 1)]
        cases.prepare_run(case_run, folder)
        outcome = engine.run(folder, _sharing(case_run.spec, needed) if len(chain) > 1 else case_run.spec)
        log = comparable(outcome.log)
        what = f"{engine.name}, {case_run.spec.run_id}, which said:\n{outcome.stderr}"
        without_hash = {key: value for key, value in log.items() if key != "dag_hash"}
        if case_run.expected is not None:
            check_equal(case_run.expected, without_hash, "reference", what)
        if case_run is case.runs[-1] and case.by_hand is not None:
            check_equal(case.by_hand, without_hash, "expected.yaml", what)
        if outcome.status != (0 if log["status"] == "SUCCESS" else 1):
            raise AssertionError(f"exit status {outcome.status}, but the run is {log['status']}: {what}")
    return log
