"""How far a run has come: what the display of a terminal tells of maps, of items that failed, and of the time left."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import struct
import termios
from fcntl import ioctl
from pathlib import Path

import pytest

from magnus_render.executors import terminal
from magnus_render.executors.console import Items, Progress
from magnus_render.executors.usual import newest, usual
from magnus_render.executors.walk import Walk
from magnus_render.runtime.records import Run
from magnus_render.services.run_log_store import FileSystemRunLogStore
from tests.unit.executor_tools import chain, graph, plan_of, run, start, task
from tests.unit.test_executor_parts import Screen, Step
from tests.unit.test_executor_walk import map_of, parallel_of

FETCH = task("m", command_type="python", command="tests.unit.test_progress.two_items")

# ---- items of maps ----


def counts(walk: Walk) -> list[tuple[str, int, int, int]]:
    return [(one.path, one.count, one.ended, one.lost) for one in walk.maps]


def test_the_walk_counts_the_items_of_maps_that_are_at_work() -> None:
    inner = graph(n=map_of(graph(x=task())))
    walk = Walk(plan_of(graph(m=map_of(inner, max_concurrency=1))))
    seen = []
    while (call := walk.take(0.0)) is not None:
        seen.append(counts(walk))
        status = int(call.address == "m.0.n.1.x")
        walk.finish(call, status, 0.0, "2" if call.kind == "map_count" else "")
    assert [("m", 2, 0, 0), ("m.0.n", 2, 1, 0)] in seen  # an item of the inner map is over
    assert [("m", 2, 1, 1), ("m.1.n", 2, 0, 0)] in seen  # the first item of the outer one has failed
    assert counts(walk) == []


def test_a_map_that_fail_fast_stops_is_at_work_no_more() -> None:
    """So is one within a branch that is stopped."""
    definition = graph(
        p=parallel_of(l=graph(m=map_of(graph(x=task()))), r=graph(y=task()), fail_fast=True, on_failure="h"),
        h=task(),
    )
    walk = Walk(plan_of(definition))
    calls = [walk.take(0.0) for _ in range(2)]
    count, y = sorted(filter(None, calls), key=lambda call: call.kind)
    walk.finish(count, 0, 0.0, "3")
    x = walk.take(0.0)
    assert x is not None and counts(walk) == [("p.l.m", 3, 0, 0)]
    walk.finish(y, 1, 0.0)
    assert counts(walk) == [] and walk.stops() == [x]


# ---- the display ----


def shown(progress: Progress, columns: int = 80, rows: int = 24) -> list[str]:
    screen = Screen(columns, rows, NO_COLOR="1")
    screen.refresh(progress)
    return screen.rows()


def test_the_display_counts_items_and_failures() -> None:
    maps = [Items("each shop", 12, 7, 1), Items("each shop.7.days", 30, 0, 0)]
    assert shown(Progress([Step("each shop.7.days.0.train", 0.0)], 0, 9, 1, maps))[1:3] == [
        "  each shop: 7 of 12 items, 1 failed",
        "  each shop.7.days: 0 of 30 items",
    ]


def test_the_display_tells_the_time_left() -> None:
    assert shown(Progress(usual=100.4))[0].endswith(", about 1 min 40 s left")
    assert shown(Progress(usual=0.5))[0].endswith(", usually 0.50 s")  # this run takes longer
    assert shown(Progress())[0].endswith(", 0.00 s")


def test_a_name_is_cut_before_what_is_told_of_it() -> None:
    rows = shown(Progress(maps=[Items("region." * 20, 1000, 999, 998)], usual=60.0), columns=60)
    assert rows[0].endswith("s left") and rows[1].endswith("…: 999 of 1000 items, 998 failed")
    assert max(map(terminal.width, rows)) == 59


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (20, 5), (5, 3), (1, 1), (2, 2)])
def test_maps_leave_room_for_steps_on_every_terminal(columns: int, rows: int) -> None:
    steps, maps = [Step(f"s{i}", 0.0) for i in range(30)], [Items("m", 3, 1, 0)] * 5
    found = shown(Progress(steps, maps=maps), columns, rows)
    assert len(found) <= max(1, rows - 1)
    assert rows < 5 or found[-1].startswith("  and ")


# ---- earlier runs ----


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the runs `r` of a pipeline that ends behind a step, and `m` of one that ends behind a map."""
    folder = tmp_path_factory.mktemp("runs")
    assert run(folder, chain(1), run_id="r")[0] == 0
    assert run(folder, graph(f=FETCH, m=map_of(graph(x=task()))), run_id="m")[0] == 0
    return folder / "log"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def two_items() -> dict[str, list[int]]:
    return {"items": [1, 2]}


def earlier(
    runs: Path, run_id: str, seconds: float = 9, of: str = "r", status: str = "SUCCESS", **record: object
) -> Run:
    """Add a run to a store of the test's own. It is as `r` or `m`, but took some seconds, and ended with a status."""
    shutil.copytree(runs / of, f"log/{run_id}")
    path, end = Path(f"log/{run_id}/run.json"), Path(f"log/{run_id}/steps/end.json")
    written = json.loads(path.read_text()) | {"run_id": run_id} | record
    path.write_text(json.dumps(written))
    if end.exists():
        ended = json.loads(end.read_text()) | {"time": written["created"] + seconds, "status": status}
        end.write_text(json.dumps(ended))
    return Run(FileSystemRunLogStore({"path": "log"}), run_id, written)


def test_the_usual_time_is_the_median_of_earlier_runs_that_succeeded(runs: Path) -> None:
    for number, seconds in enumerate((50, 10, 30, 20)):
        earlier(runs, f"20260101-00000{number}-a", seconds)
    earlier(runs, "20260101-000004-a", 99, status="FAIL")
    assert usual(earlier(runs, "20260101-000005-a", 77)) == 20  # of 20, 30 and 10: no more are looked for


@pytest.mark.parametrize(
    "other", [{"name": "another"}, {"target": "bash"}, {"original_run_id": "m"}, {"version": 1}]
)
def test_runs_of_another_kind_do_not_count(runs: Path, other: dict[str, object]) -> None:
    now = earlier(runs, "now")
    earlier(runs, "z", **other)
    assert usual(now) is None
    earlier(runs, "y", 7)
    assert usual(now) == 7


def test_a_resumed_run_does_not_count(runs: Path) -> None:
    now = earlier(runs, "now")
    earlier(runs, "z")
    walker = {"host": "h", "boot": "b", "pids": "p", "pid": 1, "began": "1"}
    Path("log/z/walks/2.json").write_text(json.dumps(walker))
    assert usual(now) is None


def test_damaged_and_missing_records_are_passed_over(runs: Path) -> None:
    now = earlier(runs, "now")
    for run_id, damaged in (("z2", "run.json"), ("z3", "steps/end.json"), ("z4", "walks/1.json")):
        earlier(runs, run_id)
        Path(f"log/{run_id}/{damaged}").write_bytes(b"\xff{")
    earlier(runs, "z5")
    Path("log/z5/run.json").unlink()
    earlier(runs, "z6")
    shutil.rmtree("log/z6/steps")
    earlier(runs, "z7")
    shutil.rmtree("log/z7/plan")
    Path("log/z7/steps/end.json").unlink()
    assert usual(now) is None
    earlier(runs, "z1", 7)
    assert usual(now) == 7


def test_a_run_that_ends_behind_a_map_is_read_as_a_whole(runs: Path) -> None:
    now = earlier(runs, "now", of="m")
    earlier(runs, "z", of="m")
    assert not Path("log/z/steps/end.json").exists()
    seconds = usual(now)
    assert seconds is not None and 0 < seconds < 60
    shutil.rmtree("log/z/steps/m/1")  # it has not ended
    assert usual(now) is None


def test_few_runs_are_looked_at_the_newest_first() -> None:
    class Store(FileSystemRunLogStore):
        def runs(self) -> list[str]:
            return sorted([f"run-{i:02}" for i in range(40)] + ["20260101-000000-a", "20260201-000000-a"])

    found = newest(Store({}))
    assert found[:3] == ["20260201-000000-a", "20260101-000000-a", "run-39"] and len(found) == 20
    assert newest(Store({}), "run-1", 2) == ["run-19", "run-18"]


# ---- a terminal ----


def test_a_terminal_shows_items_the_time_left_and_the_value_of_a_failed_item(tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f'until test -e {go}; do sleep 0.02; done; test "$MAGNUS_RUN_ID $MAGNUS_PRM_item" != "bad 2"'
    definition = graph(f=FETCH, m=map_of(graph(x=task(command=wait)), iterate_as="item"))
    go.touch()
    assert run(tmp_path, definition, run_id="good")[0] == 0
    go.unlink()
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    process = start(tmp_path, definition, terminal=theirs, run_id="bad")
    os.close(theirs)
    data = b""
    while chunk := _chunk(ours):
        data += chunk
        if re.search(rb", (about|usually) .* of 2 items", data, re.DOTALL):
            go.touch()
    os.close(ours)
    assert process.wait(timeout=60) == 1
    assert re.search(rb"m\.1\.x \(item = 2\): .*failed.* after [0-9.]+ s \(exit 1\)", data)


def _chunk(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that nobody has it open any more
        return b""
