"""Random pipelines: for each, all engines leave the log that the reference predicts."""

from __future__ import annotations

import os

import pytest

from tests.conformance.random_run import chunks, run_apart
from tests.engines.argo import build

COUNT = int(os.environ.get("MAGNUS_RANDOM_PIPELINES", "300"))
"""How many pipelines to run; set it to 0 to skip them, to 10000 for the long run."""
MACHINES = min(COUNT, 125)
"""How many to run as state machines: each takes seconds, for a machine retries after whole ones at the earliest."""
WORKFLOWS = min(COUNT, 75)
"""How many to run as workflows of Argo's controller, for which a pod is a second's work."""
SIZE = 25


@pytest.mark.parametrize(("number", "count"), list(chunks(COUNT)))
def test_random_pipelines(number: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGNUS_ENGINES", "local,bash")
    _check(number, count)


@pytest.mark.parametrize(("number", "count"), list(chunks(MACHINES, first=1000, size=SIZE)))
def test_random_pipelines_as_state_machines(number: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGNUS_ENGINES", "local,stepfunctions")
    _check(number, count)


@pytest.mark.parametrize(("number", "count"), list(chunks(WORKFLOWS, first=2000, size=SIZE)))
def test_random_pipelines_as_workflows(number: int, count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    build.require()
    monkeypatch.setenv("MAGNUS_ENGINES", "local,argo")
    _check(number, count)


def _check(number: int, count: int) -> None:
    ((_, ran, _, found),) = run_apart([(number, count)])
    if found:
        pytest.fail(found, pytrace=False)
    assert ran == count
