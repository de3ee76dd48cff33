"""Each fix of moto is needed: with all of them the engine does what AWS does, and without it does not.

When a test of `test_is_needed` fails after an upgrade of moto, the fix of that name can go.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines.stepfunctions import scenarios_jobs, scenarios_language
from tests.engines.stepfunctions.client import Client
from tests.engines.stepfunctions.scenarios import PROJECT, SCENARIOS, Scenario

assert scenarios_jobs and scenarios_language  # they fill SCENARIOS
SPEED = {"clients", "quick-checks", "routing"}
"""Fixes that change no result."""

scenarios = pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.fix)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder: Path = tmp_path_factory.mktemp("project")
    with Client() as client:
        client.project(PROJECT, folder)
        yield client


@scenarios
def test_does_as_aws(client: Client, scenario: Scenario) -> None:
    with client.changed(provoke=scenario.provoke):
        assert scenario.observe(client) == scenario.expected


@scenarios
def test_is_needed(client: Client, scenario: Scenario) -> None:
    with client.changed(without=[scenario.fix], provoke=scenario.provoke):
        try:
            observed = scenario.observe(client)
        except Exception as error:
            observed = error
    assert observed != scenario.expected


def test_every_fix_has_a_scenario(client: Client) -> None:
    assert sorted({scenario.fix for scenario in SCENARIOS} | SPEED) == sorted(client.fix_names())
