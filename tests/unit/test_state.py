"""What a step sees, where the records do not tell it."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnus_render.runtime import records
from magnus_render.services import lookup
from tests.unit import interleaving
from tests.unit.view_graphs import begin, call, each, graph, parallel, step, task

pytestmark = pytest.mark.usefixtures("project")


def test_a_predecessor_without_a_success_is_called_by_its_path(capfd: pytest.CaptureFixture[str]) -> None:
    begin(graph(m=each({}, graph(**{"first step": task(), "b": task()}))), items=[1])
    assert call("map_count", "m") == 0
    assert step("m.0.b") == 65
    assert "there is no record that 'm.0.first step' succeeded" in capfd.readouterr().err


def test_a_join_reads_as_much_of_long_branches_as_of_short_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where branches end in a composite, nothing records their end, and it is computed from that composite."""
    interleaving.prepare(monkeypatch)
    asked: list[str] = []
    read = interleaving.Store.read

    def counted(self: interleaving.Store, key: str) -> bytes | None:
        asked.append(key)
        return read(self, key)

    monkeypatch.setattr(interleaving.Store, "read", counted)
    counts = []
    for length in (1, 9):
        (tmp_path / str(length)).mkdir()
        monkeypatch.chdir(tmp_path / str(length))
        steps = {f"s{number}": task() for number in range(length)}
        store = interleaving.begin(
            graph(d=parallel({}, x=graph(**steps, p=parallel({}, y=graph(t=task())))), b=task())
        )
        for address in (*(f"d.x.{slug}" for slug in steps), "d.x.p.y.t"):
            assert store.step(address) == 0
        asked.clear()
        assert store.step("b") == 0
        counts.append(sum("/steps/" in key for key in asked))
    assert counts[0] == counts[1]


def test_the_records_that_were_read_last_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "KEPT", 2)
    begin(graph(a=task(), b=task(), c=task()))
    assert [step("a"), step("b"), step("c")] == [0, 0, 0]
    store = lookup.load("run_log_store", {"type": "file-system", "config": {"path": ".run_log_store"}})
    run = records.Run.open(store, "r")
    assert run is not None and run.of("a", "outcome") and run.of("b", "outcome")
    assert run.of("d", "outcome") is None, "what is not there is no record, and may come"
    for slug in "ab":
        (tmp_path / f".run_log_store/r/steps/{slug}/outcome.json").unlink()
    assert run.of("a", "outcome") and run.of("c", "outcome")
    assert run.of("b", "outcome") and run.of("a", "outcome") is None
