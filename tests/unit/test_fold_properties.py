"""The fold takes any part of a run's records, and what `read_run` reads folds like what was written."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnus_render.errors import Refused
from magnus_render.runtime.comparing import comparable
from magnus_render.runtime.fold import fold
from magnus_render.runtime.reading import read_run
from magnus_render.services.run_log_store import FileSystemRunLogStore
from tests.unit.fold_tools import Book, as_is, dag, make_plan, make_run, map_, packed, parallel, task

STATUSES = {"SUCCESS", "FAIL", "PROCESSING", "TRIGGERED", "CRASHED"}

TREE = {
    "a": task("m"),
    "m": map_({"t": task("p", on_failure="h"), "h": as_is("p"), "p": parallel({b: {"t": task()} for b in "lr"})}, "d"),
    "d": dag({"t": task("q"), "q": as_is(silent=True)}, "e", on_failure="w"),
    "e": task("n"),
    "n": as_is("success", on_failure="w"),
    "w": task("fail"),
}  # fmt: skip


def rich() -> Book:
    """A run with a little of everything; records in the order of writing."""
    book = Book()
    big = book.put(f"values/{'1' * 64}.json", [1])
    large = book.put("states/" + "2" * 64 + ".json", {
        "parameters": {"values": {}, "large": {"big": "1" * 64}}, "files": {}, "set": ["big"], "filed": [], "mocked": False,
    })  # fmt: skip
    assert big and large
    book.fail("a", 1)
    book.start("a", 2, try_=2)
    book.succeed("a", 3, "m", try_=2, state="2" * 64)
    book.put("steps/m/items.0.json", {"values": {"0": 1, "1": 2}, "large": {}})
    book.enter("m", 3)
    for i in range(3):
        if i == 1:
            book.start(f"m.{i}.t", 1, deadline=1.0)
        else:
            book.succeed(f"m.{i}.t", 1, "p", state=book.state({"x": i}, set=["x"], files={"f": _file(i)}))
        book.enter(f"m.{i}.p")
        for b in ("l", "r"):
            book.succeed(f"m.{i}.p.{b}.t", 1, state=book.state({"y": b}, set=["y"]))
        left = book.state({"x": i, "y": "r"}, set=["x", "y"])
        book.outcome(f"m.{i}.p", 0, "SUCCESS", "success", message="m", set=packed({"y": "r"}), state=left)
    book.enter("d")
    book.stop("d.branch.t", 1)
    book.succeed("d.branch.t", 2, "q", try_=1)
    book.fail("e", 1, "fail")
    return book


def _file(i: int) -> Any:
    return {"sha256": str(i) * 64, "size": i}


def check(log: Any) -> None:
    json.dumps(comparable(log))
    pending = [log]
    while pending:
        graph = pending.pop()
        assert graph["status"] in STATUSES
        for step in graph["steps"].values():
            assert step["status"] in STATUSES
            assert all(attempt["status"] in STATUSES for attempt in step["attempts"])
            pending.extend(step["branches"].values())


PLAN, RUN, RECORDS = make_plan(TREE), make_run(), rich().records


@settings(deadline=None, max_examples=200)
@given(dropped=st.sets(st.sampled_from(sorted(RECORDS))), now=st.sampled_from([0.0, 1e9]))
def test_any_subset_of_records_folds(dropped: set[str], now: float) -> None:
    check(fold(PLAN, RUN, {key: data for key, data in RECORDS.items() if key not in dropped}, now))


@settings(deadline=None, max_examples=100)
@given(kept=st.sets(st.sampled_from(sorted(RECORDS)), max_size=6))
def test_any_few_records_fold(kept: set[str]) -> None:
    check(fold(PLAN, RUN, {key: RECORDS[key] for key in kept}, 0.0))


def test_every_prefix_folds_and_what_has_ended_stays_as_it_is() -> None:
    ended: dict[str, str] = {}
    keys = list(RECORDS)
    for length in range(len(keys) + 1):
        log = fold(PLAN, RUN, {key: RECORDS[key] for key in keys[:length]}, 0.0)
        check(log)
        for path, step in log["steps"].items():
            if path in ended:
                assert step["status"] == ended[path]
            elif step["status"] in ("SUCCESS", "FAIL"):
                ended[path] = step["status"]


def test_a_damaged_record_is_named() -> None:
    with pytest.raises(Refused, match=r"steps/a/outcome\.json"):
        fold(PLAN, RUN, {**RECORDS, "steps/a/outcome.json": b"{"}, 0.0)


def test_read_run_gives_back_the_plan_in_reading_order(tmp_path: Path) -> None:
    store = FileSystemRunLogStore({"path": str(tmp_path)})
    for key, data in RECORDS.items():
        store.create(f"r/{key}", data)
    entries = list(PLAN["nodes"].items())
    random.Random(1).shuffle(entries)
    folder = f"r/plan/{RUN['dag_hash']}"
    for page in range(3):
        store.create(f"{folder}/{page}.json", json.dumps({"nodes": dict(entries[page::3])}).encode())
    rest = {key: value for key, value in PLAN.items() if key != "nodes"}
    store.create(f"{folder}/graphs.json", json.dumps(rest).encode())
    store.create("r/run.json", json.dumps(RUN).encode())
    plan, run, records = read_run(store, "r")
    assert list(plan["nodes"].items()) == list(PLAN["nodes"].items())
    assert fold(plan, run, records, 0.0) == fold(PLAN, RUN, RECORDS, 0.0)


def test_read_run_of_an_unknown_run(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no run 'x'"):
        read_run(FileSystemRunLogStore({"path": str(tmp_path)}), "x")


class Counting(dict[str, bytes]):
    """Records that count how often they are looked at."""

    looks = 0

    def get(self, key: str, default: Any = None) -> Any:
        self.looks += 1
        return super().get(key, default)


def test_each_step_costs_the_same_however_many_there_are() -> None:
    def looks(count: int) -> int:
        book = Book()
        names = [f"s{i}" for i in range(count)]
        tree = {n: task(f, on_failure="z") for n, f in zip(names, [*names[1:], "m"], strict=True)}
        tree["m"], tree["z"] = map_({"t": task()}), task("fail")
        for name in names:
            book.succeed(name, 1, tree[name]["next"])
        book.enter("m", count)
        for i in range(count):
            book.succeed(f"m.{i}.t", 1)
        records = Counting(book.records)
        log = fold(make_plan(tree), make_run(), records, 0.0)
        assert (log["status"], len(log["steps"])) == ("SUCCESS", count + 2)
        return records.looks

    assert looks(2000) <= 10 * looks(200) <= 200 * 10 * 10
