"""A run that is looked at while it goes on: no step seems to be lost because its records were read too early."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.runtime.fold import fold
from magnus_render.runtime.reading import read_folded, read_run, steps_of
from magnus_render.services.run_log_store import FileSystemRunLogStore
from tests.unit import jobs_in_memory
from tests.unit.interleaving import Store, begin
from tests.unit.jobs_in_memory import Jobs
from tests.unit.view_graphs import each, graph, parallel, task

LOST = ("FAIL", "CRASHED")


class Growing(Store):
    """Records of a run that go on to be created, in the order they were, while they are read in any order."""

    def __init__(self, records: dict[str, bytes], seed: int) -> None:
        super().__init__({})
        self.random = random.Random(seed)
        self.coming = list(records.items())
        self.asked: list[str] = []
        begun = 1 + [key for key, _ in self.coming].index("r/run.json")
        for _ in range(self.random.randrange(begun, len(self.coming))):
            self._grow()

    def _grow(self) -> None:
        if self.coming:
            self.records.update([self.coming.pop(0)])

    def read_all(self, folder: str) -> Iterator[tuple[str, bytes]]:
        self.asked.append(folder)
        keys = [key for key in [*self.records, *dict(self.coming)] if key.startswith(f"{folder}/")]
        self.random.shuffle(keys)
        for key in keys:
            while self.random.random() < 0.6:
                self._grow()
            if key in self.records:
                yield key, self.records[key]


@pytest.fixture
def records(project: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The records of a run in which all steps succeeded, in the order they were created."""
    jobs_in_memory.prepare(monkeypatch)
    inner = graph(a=task(), b=task())
    jobs = Jobs(
        begin(graph(p=parallel({}, x=inner, y=graph(m=each({}, inner))), z=task()), "--param", "items=[1, 2]")
    )
    jobs.walk().begin()
    assert jobs.go() == 0
    return dict(jobs.store.records)


def lost(log: dict[str, Any]) -> list[str]:
    found = [path for path, step in steps_of(log) if step["status"] in LOST]
    return [*found, *(["the run"] if log["status"] in LOST else [])]


def test_nothing_seems_lost_while_a_run_goes_on(records: dict[str, bytes]) -> None:
    seeming = again = 0
    for seed in range(200):
        seeming += bool(lost(fold(*read_run(Growing(records, seed), "r"), 0.0)))
        store = Growing(records, seed)
        log = read_folded(store, "r")[-1]
        assert lost(log) == [], seed
        again += len(store.asked) > 1
    assert seeming > 20 and again > 20, "the test is about runs that seem to have lost something"


def test_a_run_that_has_ended_is_read_once(records: dict[str, bytes]) -> None:
    store = Growing(records, 0)
    while store.coming:
        store._grow()
    assert lost(read_folded(store, "r")[-1]) == []
    assert store.asked == ["r"]


DAG = """dag:
  start_at: p
  steps:
    p:
      type: parallel
      branches:
        x:
          start_at: a
          steps: {a: {type: task, command_type: shell, command: "%s", next: s}, s: {type: success}, f: {type: fail}}
        y:
          start_at: a
          steps: {a: {type: task, command_type: shell, command: "true", next: s}, s: {type: success}, f: {type: fail}}
      next: s
    s: {type: success}
    f: {type: fail}
"""


@pytest.mark.parametrize("command", ["true", "false"])
def test_what_is_shown_of_a_run_at_work(
    command: str, project: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "dag.yaml").write_text(DAG % command)
    assert magnus(["execute", "--run-id", "r"]) == (command == "false")
    capfd.readouterr()
    asked, read_all = [], FileSystemRunLogStore.read_all

    def early(self: FileSystemRunLogStore, folder: str) -> Iterator[tuple[str, bytes]]:
        """The first time all is read that is there, but for what a step of a branch that has ended came to last."""
        asked.append(folder)
        for key, data in read_all(self, folder):
            if hide not in key or len(asked) > 1:
                yield key, data

    monkeypatch.setattr(FileSystemRunLogStore, "read_all", early)
    hide = "steps/p/x/a/outcome.json"
    assert magnus(["runs", "show", "r"]) == 0
    shown = capfd.readouterr().out
    assert "CRASHED" not in shown
    assert asked == ["r", "r/steps/p/x/a"]
    asked.clear()
    hide = "nothing"
    assert magnus(["runs", "show", "r"]) == 0
    assert capfd.readouterr().out == shown
    assert asked == ["r"]
