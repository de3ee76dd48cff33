"""The contract of a run log store (services/base.py): subclass `RunLogStoreContract` and say how to make one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

from magnus_render.services.base import BaseRunLogStore
from tests.contract.processes import Forked, at_once


class RunLogStoreContract:
    """Override `make`; `again` too if a forked child can't go on using its parent's store."""

    kills = 15

    def make(self, tmp_path: Any) -> BaseRunLogStore:
        """Return an empty store."""
        raise NotImplementedError

    def again(self, store: BaseRunLogStore) -> BaseRunLogStore:
        """Return the same store for use in a forked child."""
        return store

    @pytest.fixture
    def store(self, tmp_path: Any) -> BaseRunLogStore:
        return self.make(tmp_path)

    def test_an_empty_store(self, store: BaseRunLogStore) -> None:
        assert store.runs() == []
        assert store.read("r/run.json") is None
        assert store.names("r") == []
        assert list(store.read_all("r")) == []
        store.remove_run("r")

    def test_what_is_created_is_read_back_whole(self, store: BaseRunLogStore) -> None:
        for number, data in enumerate((b"", b"{}", bytes(range(256)), b"x" * 3_000_000)):
            key = f"r/steps/a/{number}.start.json"
            assert store.read(key) is None
            assert store.create(key, data) is True
            assert store.read(key) == data

    def test_a_record_is_never_rewritten(self, store: BaseRunLogStore) -> None:
        assert store.create("r/run.json", b"first")
        assert store.create("r/run.json", b"second") is False
        assert store.create("r/run.json", b"first") is False
        assert store.read("r/run.json") == b"first"

    def test_a_folder_is_no_record(self, store: BaseRunLogStore) -> None:
        store.create("r/steps/a/1.start.json", b"1")
        assert store.read("r/steps/a") is None
        assert store.read("r/steps/a/1.start.json/below.json") is None
        assert store.names("r/steps/a/1.start.json") == []

    def test_names_are_those_directly_in_a_folder_sorted(self, store: BaseRunLogStore) -> None:
        for key in ("a/success.json", "a/1.start.json", "a/b/1.start.json", "a-1/1.start.json", "a1/x.json"):
            store.create(f"r/steps/{key}", b"1")
        assert store.names("r/steps/a") == ["1.start.json", "b", "success.json"]
        assert store.names("r/steps") == ["a", "a-1", "a1"]
        assert store.names("r") == ["steps"]
        assert store.names("r/step") == []

    def test_read_all_has_all_records_below_a_folder_but_no_logs(self, store: BaseRunLogStore) -> None:
        wanted = {f"r/steps/{i}/{i}.start.json": f"{i}".encode() for i in range(40)}
        wanted |= {"r/run.json": b"run", "r/steps/a/b/c/d/success.json": b"deep"}
        for key, data in wanted.items():
            store.create(key, data)
        store.create("r1/run.json", b"another run")
        with store.open_log("r/steps/a/1.log") as log:
            log.write(b"printed")
        assert dict(store.read_all("r")) == wanted
        assert dict(store.read_all("r/steps/a")) == {"r/steps/a/b/c/d/success.json": b"deep"}

    def test_logs(self, store: BaseRunLogStore) -> None:
        with store.open_log("r/steps/new/1.log") as log:
            for number in range(1000):
                log.write(b"line %d\n" % number)
        assert store.read("r/steps/new/1.log") == b"".join(b"line %d\n" % number for number in range(1000))
        assert store.names("r/steps/new") == ["1.log"]

    def test_runs_and_their_removal(self, store: BaseRunLogStore) -> None:
        for run in ("b", "a", "a-1", "A"):
            store.create(f"{run}/run.json", b"{}")
            store.create(f"{run}/steps/x/1.start.json", b"{}")
        assert store.runs() == ["A", "a", "a-1", "b"]
        store.remove_run("a")
        store.remove_run("a")
        assert store.runs() == ["A", "a-1", "b"]
        assert list(store.read_all("a")) == []
        assert store.read("a-1/run.json") == b"{}"
        assert store.create("a/run.json", b"new"), "the id is free again"

    def test_removal_takes_the_runs_record_first(self, store: BaseRunLogStore) -> None:
        keys = [f"r/steps/s{i}/1.start.json" for i in range(60)]
        for key in keys:
            store.create(key, b"{}")
        store.create("r/run.json", b"{}")
        broken: list[str] = []
        watching = threading.Event()

        def watch() -> None:
            present = True
            while present:
                gone = [key for key in keys[::20] if store.read(key) is None]
                present = store.read("r/run.json") is not None
                if gone and present:
                    broken.extend(gone)
                watching.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        watching.wait()
        store.remove_run("r")
        watcher.join()
        assert broken == []

    def test_of_many_processes_that_create_a_record_exactly_one_wins(self, store: BaseRunLogStore) -> None:
        count, keys = 6, [f"r/steps/s{i}/1.start.json" for i in range(25)]

        def contend(number: int, report: Callable[[bytes], None]) -> None:
            mine = self.again(store)
            for key in keys:
                report(b"1" if mine.create(key, bytes([number]) * 50_000) else b"0")

        reports = at_once(count, contend)
        for position, key in enumerate(keys):
            winners = [number for number in range(count) if reports[number][position : position + 1] == b"1"]
            assert len(winners) == 1
            assert store.read(key) == bytes(winners) * 50_000
        assert store.names("r/steps/s0") == ["1.start.json"]

    def test_a_killed_writer_leaves_a_whole_record_or_none(self, store: BaseRunLogStore) -> None:
        size = 400_000

        def write(report: Callable[[bytes], None], turn: int) -> None:
            mine = self.again(store)
            for number in range(200):
                report(b".")
                mine.create(f"r/steps/t{turn}/{number}.json", bytes([number]) * size)

        for turn in range(self.kills):
            child = Forked(lambda report, turn=turn: write(report, turn))  # type: ignore[misc]
            child.read(1 + random.Random(turn).randrange(20))
            for _ in range(random.Random(turn).randrange(20_000)):
                pass
            child.kill()
            status, _ = child.finish()
            assert status in (-9, 0)
            for name in store.names(f"r/steps/t{turn}"):
                number = int(name.removesuffix(".json"))
                assert store.read(f"r/steps/t{turn}/{name}") == bytes([number]) * size
        for key, data in store.read_all("r"):
            assert key.endswith(".json") and len(data) == size
        assert store.create("r/steps/t0/after.json", b"goes on")
