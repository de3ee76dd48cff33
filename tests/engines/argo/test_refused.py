"""What must never end well: callbacks that are refused, parts of a run, templates of another pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conformance.comparing import check_equal, comparable
from tests.engines.argo import build
from tests.engines.argo.faults import Crash, Fault
from tests.engines.argo.pipeline import RUN_ID, Project, each, graph, shell, undisturbed

TOUCH = 'echo "$MAGNUS_STEP" >> "$HOME/ran"'
QUIET = {"type": "as-is", "next": "success"}
PUBLISH = {"type": "as-is", "render_string": 'echo published >> "$HOME/ran"', "next": "success"}


@pytest.fixture(autouse=True)
def _engine() -> None:
    build.require()


def separate(steps: dict[str, Any], then: str = "success") -> dict[str, Any]:
    return {"type": "dag", "branch": graph(steps), "separate": True, "next": then}


def handled(how: str, command: str) -> dict[str, Any]:
    """Return steps whose failure is handled by going on, without a callback of a handler."""
    quietly = {"a": shell(command, on_failure="success")}
    return {
        "success": quietly,
        "as-is": {"a": shell(command, on_failure="q"), "q": QUIET},
        "map": {"m": each({"t": shell(command)}, on_failure="success")},
        "inside": {"d": {"type": "dag", "branch": graph(quietly), "next": "success"}},
    }[how]


WAYS = ["success", "as-is", "map", "inside"]


@pytest.mark.parametrize("how", WAYS)
def test_a_refusal_is_not_a_failure_that_was_handled(tmp_path: Path, how: str) -> None:
    project = Project(tmp_path / "p", handled(how, TOUCH))
    manifests = project.render()
    Project(project.folder, project.steps, dag={"max_time": 1000})
    with project.start(manifests=manifests, parameters={"items": [0]}) as started:
        run = started.wait()
    assert run.phase == "Failed", run.told
    assert {pod.exit_code for pod in run.pods} == {65}, run.told
    assert not (project.folder / "ran").exists()


@pytest.mark.parametrize("how", WAYS)
def test_a_failure_that_was_handled_is_none(tmp_path: Path, how: str) -> None:
    project = Project(tmp_path / "argo", handled(how, "exit 1"))
    ended = project.run(parameters={"items": [0]})
    expected = undisturbed(project, tmp_path / "local", {"items": [0]})
    check_equal(expected, comparable(ended.log), "local", ended.run.told)
    assert ended.log["status"] == "SUCCESS"


@pytest.mark.parametrize("kind", ["kill", "evict"])
def test_a_step_that_crashed_and_is_handled_by_going_on(tmp_path: Path, kind: Any) -> None:
    project = Project(tmp_path / "p", {"a": shell('touch "$HOME/begun"; sleep 30', on_failure="success")})
    begun = project.folder / "begun"
    ended = project.run(faults=[Fault([RUN_ID, "a", "--attempt"], crashes=[Crash(kind, begun)] * 9)])
    assert ended.log["status"] == "SUCCESS", ended.run.told
    assert ended.step("a")["status"] == "CRASHED"


def test_a_step_that_never_began_fails_the_run(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", {"a": shell(TOUCH, on_failure="success")})
    ended = project.run(faults=[Fault([RUN_ID, "a", "--attempt"], crashes=[Crash("evict")] * 3)])
    assert ended.log["status"] == "FAIL", ended.run.told


def test_nothing_is_published_twice_under_one_run_id(tmp_path: Path) -> None:
    project = Project(tmp_path / "p", {"publish": PUBLISH})
    manifests = project.render()
    project.run(manifests=manifests)
    with project.start(manifests=manifests) as started:
        again = started.wait()
    assert again.phase == "Failed", again.told
    assert (project.folder / "ran").read_text() == "published\n"


def test_separate_dags_with_names_alike_are_told_apart(tmp_path: Path) -> None:
    inner = graph({"c": separate({"inner": shell(TOUCH)})})
    steps = {
        "p": {"type": "parallel", "branches": {"x": inner}, "next": "p-x-c"},
        "p-x-c": separate({"outer": shell(TOUCH)}),
    }
    project = Project(tmp_path / "argo", steps)
    ended = project.run()
    check_equal(undisturbed(project, tmp_path / "local"), comparable(ended.log), "local", ended.run.told)


def test_a_separate_dag_that_was_not_applied_anew_is_refused(tmp_path: Path) -> None:
    """The step that has been added to it would be left out, unnoticed."""
    project = Project(tmp_path / "p", {"d": separate({"t": shell(TOUCH)})})
    _, stale = project.render()
    project = Project(project.folder, {"d": separate({"t": shell(TOUCH, "audit"), "audit": shell(TOUCH)})})
    main, _ = project.render()
    with project.start(manifests=[main, stale]) as started:
        run = started.wait()
    assert run.phase == "Failed", run.told
    assert not (project.folder / "ran").exists(), run.told
