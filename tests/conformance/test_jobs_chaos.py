"""A few of the runs of `jobs_chaos`: jobs are processes that are killed, lost and doubled. The long run has hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnus_render import registry
from tests.conformance.jobs_chaos import Chaos, expected
from tests.engines.chaos.scheduler import ENTRY


@pytest.mark.parametrize("shape, seed", [("bounded map", 3), ("fail_fast", 6)])
def test_every_node_succeeds_once(
    shape: str, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.BUILT_IN["executor"], *ENTRY)
    monkeypatch.setenv("RAN", "")  # taken back behind the test, which sets it
    run = Chaos(shape, seed, tmp_path / "run", kills=4, faults=3)
    assert run.scheduler.known, "no job was submitted"
    wrong = run.wrong(expected(shape, tmp_path / "expected"))
    assert not wrong, [wrong, *run.scheduler.told]
