"""Pods that are lost, steps that take too long, workflows that are stopped: the run log tells what happened."""

from __future__ import annotations

import re
from itertools import cycle
from pathlib import Path
from typing import Any, Literal

import pytest

from tests.conformance.comparing import check_equal, comparable
from tests.engines.argo import build
from tests.engines.argo.faults import Crash, Fault
from tests.engines.argo.pipeline import RUN_ID, Project, each, graph, shell, undisturbed
from tests.engines.argo.version import on_both
from tests.tools import said

Kind = Literal["kill", "evict", "delete"]
KINDS: list[Kind] = ["kill", "evict", "delete"]
ITEMS = {"items": [0, 1]}
NOTE = 'echo "$MAGNUS_STEP" >> "$HOME/ran"; '
"""Shell that notes that a step was run."""
ALL: dict[str, Any] = {
    # Its items are counted by a callback of its own, and so is what the parallel behind it sees.
    "first": each({"t": shell(NOTE + 'echo "x=$MAGNUS_PRM_item" >> "$MAGNUS_OUTPUT"')}, "p"),
    "p": {
        "type": "parallel",
        "branches": {name: graph({"t": shell(NOTE)}) for name in ("x", "y")},
        "next": "count",
    },
    "count": shell(NOTE, "m", on_failure="h"),
    "m": each({"t": shell(NOTE, on_failure="h"), "h": shell(NOTE)}, "again", on_failure="h"),
    "again": shell(NOTE + 'test "$MAGNUS_ATTEMPT" = 2', "text", on_failure="h", retry=2),
    "text": {"type": "as-is", "render_string": 'echo text >> "$HOME/ran"', "next": "last", "on_failure": "h"},
    "last": shell(NOTE),
    "h": shell(NOTE),
}
"""All kinds of callbacks, with handlers that must not be run."""


@pytest.fixture(autouse=True)
def _engine() -> None:
    build.require()


def lose(step: str, *crashes: Crash) -> Fault:
    """Return crashes of a step's pods."""
    return Fault([RUN_ID, step], crashes=crashes)


@pytest.mark.parametrize("turn", range(3))
def test_what_a_lost_pod_has_done_is_done_once(tmp_path: Path, turn: int) -> None:
    """Lost before they began, and then after their success was recorded: the log is that of an undisturbed run."""
    project = Project(tmp_path / "argo", ALL)
    kinds = cycle(KINDS[turn:] + KINDS[:turn])
    steps = ["first", "p", "p.x.t", "count", "m.1.t", "last"]
    faults = [lose(step, Crash(next(kinds)), Crash(next(kinds), "end")) for step in steps]
    faults.append(lose("again", Crash(next(kinds)), Crash(), Crash(next(kinds), "end")))
    faults.append(Fault(template="text", crashes=[Crash(next(kinds)), Crash(next(kinds), "end")]))
    ended = project.run(parameters=ITEMS, faults=faults)
    expected = undisturbed(project, tmp_path / "local", ITEMS)
    check_equal(expected, comparable(ended.log), "local", ended.run.told)
    ran = [(folder / "ran").read_text().splitlines() for folder in (tmp_path / "local", project.folder)]
    # Nobody keeps lines of the user's own from running twice.
    assert sorted([*ran[0], "text"]) == sorted(ran[1])
    assert len(ended.run.pods) == len(ran[0]) + 2 + sum(len(fault.crashes) for fault in faults) - 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_choice_is_told_again_by_the_pod_that_follows_a_lost_one(tmp_path: Path, kind: Kind) -> None:
    """Of a step that hands it over, and of a callback that only chooses; the branches run once."""
    project = Project(tmp_path / "argo", {"a": shell(NOTE, "c"), "c": choose("d"), "d": choose("success")})
    faults = [lose(step, Crash(kind), Crash(kind, "end")) for step in ("a", "d")]
    ended = project.run(parameters={"p": "y"}, faults=faults)
    assert ended.log["status"] == "SUCCESS", ended.run.told
    assert (project.folder / "ran").read_text().split() == ["a", "c.y.t", "d.y.t"]
    assert len(ended.run.pods) == 3 + 1 + 4, ended.run.told


def choose(then: str) -> dict[str, Any]:
    """Return a conditional with the branches `x` and `y`."""
    branches = {name: graph({"t": shell(NOTE)}) for name in ("x", "y")}
    return {"type": "conditional", "parameter": "p", "branches": branches, "next": then}


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_that_was_broken_off(tmp_path: Path, kind: Kind) -> None:
    """It crashed, which is an attempt of the user's; a pod that is gone without a trace is made anew by Argo itself."""
    folder = tmp_path / "argo"
    steps = {
        "a": shell(once(folder / "a"), "b", on_failure="h"),
        "h": shell("true", "b"),
        "b": shell(once(folder / "b"), "m", retry=2),
        "m": each({"t": shell(once(folder / "t1", "1"), on_failure="h"), "h": shell("true")}),
    }
    faults = [
        lose("a", Crash(kind, folder / "a")),
        lose("b", Crash(kind, folder / "b")),
        lose("m.1.t", Crash(kind, folder / "t1")),
    ]
    ended = Project(folder, steps).run(parameters=ITEMS, faults=faults)
    assert ended.log["status"] == "SUCCESS", ended.run.told
    assert ended.attempts("b") == ["CRASHED", "SUCCESS"]
    assert ended.attempts("m", "m.0", "m.0.t") == ["SUCCESS"]
    if kind == "delete":
        assert ended.attempts("a") == ended.attempts("m", "m.1", "m.1.t") == ["CRASHED", "SUCCESS"]
        assert ended.step("a")["attempts"][0]["platform"] is True
        assert "h" not in ended.log["steps"]
    else:
        assert ended.attempts("a") == ended.attempts("m", "m.1", "m.1.t") == ["CRASHED"]
        assert ended.step("h")["status"] == ended.step("m", "m.1", "m.1.h")["status"] == "SUCCESS"


def once(file: Path, item: str = "") -> str:
    """Return shell that says by a file that it has begun, and lasts long, the first time (for that item)."""
    mine = f'test "$MAGNUS_PRM_item" != "{item}" || ' if item else ""
    return f'{mine}test -e "{file}" || {{ touch "{file}"; sleep 30; }}'


@pytest.mark.parametrize("kind", KINDS)
def test_a_failure_that_is_recorded_is_not_tried_again(tmp_path: Path, kind: Kind) -> None:
    steps = {
        "a": shell(NOTE + "exit 1", "success", on_failure="b"),
        "b": shell(NOTE + "exit 1", "success", on_failure="h", retry=2),
        "h": shell("true"),
    }
    project = Project(tmp_path / "argo", steps)
    faults = [lose("a", Crash(kind, "end")), lose("b", Crash(kind, "end"), Crash(kind, "end"))]
    ended = project.run(faults=faults)
    expected = undisturbed(project, tmp_path / "local")
    check_equal(expected, comparable(ended.log), "local", ended.run.told)
    assert (project.folder / "ran").read_text().split() == ["a", "b", "b"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_pods_that_record_a_failure_are_lost(tmp_path: Path, kind: Kind) -> None:
    """The first two are the fail node's, the others the exit handler's."""
    project = Project(tmp_path / "argo", {"a": shell("true", "fail")})
    crashes = [Crash(kind), Crash(kind, "end"), Crash(), Crash(kind), Crash(kind, "end")]
    ended = project.run(faults=[lose("fail", *crashes)])
    expected = undisturbed(project, tmp_path / "local")
    check_equal(expected, comparable(ended.log), "local", ended.run.told)
    assert expected["status"] == "FAIL"
    assert len(ended.run.pods) == 7, ended.run.told


def test_a_step_whose_pods_are_all_lost_has_crashed(tmp_path: Path) -> None:
    """Nothing of it is recorded, but its handler was run."""
    steps = {"a": shell("true", "b", on_failure="h"), "b": shell("true", on_failure="h"), "h": shell("true")}
    ended = Project(tmp_path / "p", steps).run(faults=[lose("a", *[Crash("evict")] * 3)])
    assert ended.log["status"] == "SUCCESS"
    assert list(ended.log["steps"]) == ["a", "h", "success"], ended.run.told
    assert ended.step("a")["status"] == "CRASHED"
    assert ended.attempts("a") == []


@on_both
def test_a_callback_that_is_told_to_stop_is_tried_again(tmp_path: Path) -> None:
    """It exits 75, which spends no attempt of the user's."""
    stopped = 'test -e "$HOME/$MAGNUS_STEP" || { touch "$HOME/$MAGNUS_STEP"; kill -TERM $PPID; sleep 30; }; '
    steps = {
        "a": shell(stopped, "b"),
        "b": shell(stopped + 'test "$MAGNUS_ATTEMPT" = 2', "m", retry=2),
        "m": each({"t": shell(stopped)}),
    }
    ended = Project(tmp_path / "p", steps).run(parameters=ITEMS)
    assert ended.log["status"] == "SUCCESS", ended.run.told
    for path in (["a"], ["m", "m.0", "m.0.t"]):
        assert [
            (attempt["status"], attempt["message"], attempt.get("platform", False))
            for attempt in ended.step(*path)["attempts"]
        ] == [("CRASHED", "stopped by signal 15", True), ("SUCCESS", "", False)]
    assert ended.attempts("b") == ["CRASHED", "FAIL", "SUCCESS"]


# ---- limits of time ----


@pytest.mark.parametrize("fields", [{}, {"retry": 3}, {"on_failure": "h"}], ids=["", "retry", "handler"])
def test_max_time_is_kept_by_the_runtime(tmp_path: Path, fields: dict[str, Any]) -> None:
    steps = {"a": shell("sleep 30", **fields)}
    if "on_failure" in fields:
        steps["h"] = shell("true")
    project = Project(tmp_path / "argo", steps, dag={"max_time": 1})
    ended = project.run()
    check_equal(undisturbed(project, tmp_path / "local"), comparable(ended.log), "local", ended.run.told)
    assert ended.step("a")["message"] == "max_time of 1 s is over"


def test_a_timeout_is_kept_by_the_runtime(tmp_path: Path) -> None:
    steps = {"a": shell("sleep 30", timeout=0.3, retry=2, on_failure="h"), "h": shell("true")}
    project = Project(tmp_path / "argo", steps)
    ended = project.run()
    check_equal(undisturbed(project, tmp_path / "local"), comparable(ended.log), "local", ended.run.told)
    assert ended.attempts("a") == ["FAIL", "FAIL"]


HANGS = {"pod_spec_patch": {"terminationGracePeriodSeconds": 1}}
"""Settings under which a callback that hangs is soon killed."""


def test_a_callback_that_hangs_is_ended_by_the_engine(tmp_path: Path) -> None:
    """Nobody is left to keep the timeout: the limit behind it, here a second, ends the pod."""
    steps = {"a": shell("kill -STOP $PPID; sleep 30", "b", timeout=500, on_failure="h"), "b": shell("true")}
    project = Project(tmp_path / "p", {**steps, "h": shell("true")}, executor=HANGS)
    ended = project.run(manifests=limited(project, 1400, 1))
    assert ended.run.pods[0].reason == "DeadlineExceeded"
    assert ended.attempts("a") == ["CRASHED"], ended.run.told
    assert list(ended.log["steps"]) == ["a", "h", "success"]


@on_both
def test_the_engine_ends_a_run_that_takes_too_long(tmp_path: Path) -> None:
    """Here after 2 seconds: it tries nothing again, but the end is recorded."""
    steps = {"a": shell("kill -STOP $PPID; sleep 30", "b", retry=3), "b": shell("true")}
    project = Project(tmp_path / "p", steps, dag={"max_time": 500}, executor=HANGS)
    ended = project.run(manifests=limited(project, 1400, 2))
    assert ended.log["status"] == "FAIL", ended.run.told
    assert list(ended.log["steps"]) == ["a", "fail"]
    assert ended.attempts("a") == ["CRASHED"]


def limited(project: Project, rendered: int, seconds: int) -> list[str]:
    """Return manifests in which the only limit of the engine is another one."""
    manifests = project.render()
    text, found = re.subn(
        f"activeDeadlineSeconds: {rendered}\\b", f"activeDeadlineSeconds: {seconds}", manifests[0]
    )
    assert found == 1, text
    return [text, *manifests[1:]]


@pytest.mark.parametrize("how", ["stop", "terminate"])
def test_a_user_stops_a_workflow(tmp_path: Path, how: str) -> None:
    """`argo stop` lets the exit handler record it; `argo terminate` leaves a run that was interrupted."""
    folder = tmp_path / "p"
    steps = {"a": shell(f'echo > "{folder}/begun"; sleep 30', "b", on_failure="h", retry=2)}
    project = Project(folder, {**steps, "b": shell("true"), "h": shell("true")})
    with said(folder / "begun") as begun, project.start() as started:
        begun()
        started.until(lambda run: run.phases("a(0)") == ["Running"])
        getattr(started, how)()
        run = started.wait()
        log = project.log()
    assert run.phase == "Failed", run.told
    if how == "stop":
        assert log["status"] == "FAIL", run.told
        assert list(log["steps"]) == ["a", "fail"]
        assert log["steps"]["a"]["status"] == "CRASHED"
    else:  # a busy controller tells the step later
        assert log["status"] in ("CRASHED", "PROCESSING"), run.told
        assert list(log["steps"]) == ["a"]
