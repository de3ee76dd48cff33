"""Random pipelines: for each, all engines leave the log that the reference predicts."""

from __future__ import annotations

import os

import pytest

from tests.conformance.random_run import chunks, run_chunk

COUNT = int(os.environ.get("MAGNUS_RANDOM_PIPELINES", "500"))
"""How many pipelines to run; set it to 0 to skip them, to 10000 for the long run."""


@pytest.mark.parametrize(("number", "count"), list(chunks(COUNT)))
def test_random_pipelines(number: int, count: int) -> None:
    run_chunk(number, count)
