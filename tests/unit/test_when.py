"""Tasks with a condition: what callbacks record and refuse, and what people see of a task that is skipped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.errors import FAILED, REFUSED, SUCCESS, USAGE
from magnus_render.graph.load import load
from magnus_render.render.pictures import FORMATS
from magnus_render.render.pictures.model import picture
from magnus_render.runtime.comparing import comparable
from magnus_render.spec.schema import build
from tests.unit.front_end import magnus as command
from tests.unit.view_graphs import begin, call, each, graph, log, step, task

pytestmark = pytest.mark.usefixtures("project")
GOOD = {"parameter": "p", "is": "good"}
MARK = "echo ran >>ran.txt; echo url=here >>$MAGNUS_OUTPUT"


def guarded(when: Any = None, **fields: Any) -> dict[str, Any]:
    """Return a task with a condition, which leaves a mark when it runs."""
    return task(MARK, when=when or GOOD, **fields)


def started(value: Any, **fields: Any) -> None:
    begin(graph(a=task(), w=guarded(**fields), b=task()), p=value)


def record(address: str, name: str) -> Any:
    return json.loads(Path(f".run_log_store/r/steps/{address.replace('.', '/')}/{name}.json").read_text())


def statuses() -> dict[str, str]:
    return {path: one["status"] for path, one in log()["steps"].items()}


def ran() -> bool:
    return Path("ran.txt").exists()


# ---- callbacks


def test_the_step_before_decides(capfd: pytest.CaptureFixture[str]) -> None:
    started("bad")
    assert step("a", "--fan-out", "told") == SUCCESS
    assert Path("told").read_text() == "skip\n"
    assert record("w", "start")["choice"] == "skip" and record("w", "outcome")["skipped"] is True
    capfd.readouterr()
    assert call("choose", "w", "--fan-out", "again.json") == SUCCESS
    assert (capfd.readouterr().out, Path("again.json").read_text()) == ("skip\n", "skip\n")
    assert step("b", "--after", "w") == SUCCESS
    assert statuses() == {"a": "SUCCESS", "w": "SKIPPED", "b": "SUCCESS", "success": "SUCCESS"}
    skipped = log()["steps"]["w"]
    assert (skipped["attempts"], skipped["message"], skipped["data_catalog"]) == ([], "", [])
    assert log()["status"] == "SUCCESS" and log()["parameters"] == {"p": "bad"} and not ran()


def test_a_condition_that_holds() -> None:
    started("good")
    assert step("a", "--fan-out", "told") == SUCCESS
    assert Path("told").read_text() == "run\n"
    assert [step("w"), step("b"), ran()] == [SUCCESS, SUCCESS, True]
    assert statuses()["w"] == "SUCCESS" and log()["parameters"] == {"p": "good", "url": "here"}


def test_a_callback_of_its_own_decides(capfd: pytest.CaptureFixture[str]) -> None:
    begin(graph(w=guarded(), v=guarded({"parameter": "p", "is_not": "good"}), b=task()), p="bad")
    assert [call("choose", "w"), call("choose", "v", "--after", "w")] == [SUCCESS, SUCCESS]
    assert capfd.readouterr().out.splitlines()[-2:] == ["skip", "run"]
    assert [step("v", "--after", "w"), step("b")] == [SUCCESS, SUCCESS]
    assert statuses() == {"w": "SKIPPED", "v": "SUCCESS", "b": "SUCCESS", "success": "SUCCESS"}


def test_a_skipped_task_that_an_engine_calls_runs_nothing() -> None:
    started("bad")
    assert [step("a"), step("w"), step("w", "--attempt", "2"), step("b")] == [SUCCESS] * 4
    assert not ran() and log()["steps"]["w"]["attempts"] == []
    assert step("w", "--confirm-failure") == FAILED


def test_a_skipped_task_that_nobody_decided_before_runs_nothing() -> None:
    begin(graph(w=guarded(), b=task()), p="bad")
    assert [step("w"), step("b")] == [SUCCESS, SUCCESS]
    assert statuses()["w"] == "SKIPPED" and not ran()


def test_a_decision_is_not_made_again() -> None:
    """Each delivery of the step before says what was decided first."""
    started("bad")
    assert [step("a", "--fan-out", name) for name in ("one", "two")] == [SUCCESS, SUCCESS]
    assert Path("one").read_text() == Path("two").read_text() == "skip\n"
    before = comparable(log())
    assert [call("choose", "w"), step("w")] == [SUCCESS, SUCCESS]
    assert comparable(log()) == before


def test_a_kill_between_the_decision_and_the_outcome_loses_nothing() -> None:
    started("bad")
    assert step("a") == SUCCESS
    Path(".run_log_store/r/steps/w/outcome.json").unlink()
    assert statuses() == {"a": "SUCCESS", "w": "TRIGGERED"}
    assert [call("choose", "w"), step("b")] == [SUCCESS, SUCCESS]
    assert statuses()["w"] == "SKIPPED"


@pytest.mark.parametrize("choice", ["zzz", "", None, "skipp"])
def test_a_decision_that_is_none_is_damaged(choice: str | None, capfd: pytest.CaptureFixture[str]) -> None:
    started("good")
    assert step("a") == SUCCESS
    path = Path(".run_log_store/r/steps/w/start.json")
    kept = {**json.loads(path.read_text()), "choice": choice}
    path.unlink()
    path.write_text(json.dumps({key: value for key, value in kept.items() if value is not None}))
    capfd.readouterr()
    assert [call("choose", "w"), step("w"), magnus(["runs", "show", "r"])] == [REFUSED] * 3
    out, err = capfd.readouterr()
    assert err.count("the record steps/w/start.json is damaged: ") == 3 and "Traceback" not in out + err
    assert not ran()


@pytest.mark.parametrize("decided", [False, True])
def test_the_handler_of_a_task_that_never_began(decided: bool) -> None:
    """The platform lost each callback that was to decide, or the task itself, and the engine went on."""
    begin(graph(w=guarded(on_failure="h"), b=task(next="success"), h=task()), p="good")
    if decided:
        assert call("choose", "w") == SUCCESS
    assert [step("h"), step("b")] == [SUCCESS, REFUSED]
    assert statuses() == {"w": "CRASHED", "h": "SUCCESS", "success": "SUCCESS"}


def test_the_handler_of_a_skipped_task_does_not_begin() -> None:
    begin(graph(w=guarded(on_failure="h"), b=task(next="success"), h=task()), p="bad")
    assert [call("choose", "w"), step("h"), step("b")] == [SUCCESS, REFUSED, SUCCESS]


def test_a_missing_parameter_fails_the_task() -> None:
    when = {"parameter": "q", "is_not": "bad"}
    begin(graph(a=task(), w=guarded(when, retry=3, on_failure="h"), b=task(next="success"), h=task()))
    assert step("a", "--fan-out", "told") == SUCCESS
    assert Path("told").read_text() == "run\n"
    assert [step("w", "--again", "9"), step("h")] == [FAILED, SUCCESS]
    assert log()["steps"]["w"]["message"] == "parameter 'q' is missing" and not ran()
    assert statuses() == {"a": "SUCCESS", "w": "FAIL", "h": "SUCCESS", "success": "SUCCESS"}


def test_what_follows_a_skipped_task_may_be_decided_too() -> None:
    """A map, a conditional and the end of a branch behind a task that is skipped."""
    begin(
        graph(w=guarded(), m=each({}, graph(v=guarded({"parameter": "item", "is": 2})))),
        p="bad",
        items=[1, 2],
    )
    assert [call("choose", "w"), call("map_count", "m")] == [SUCCESS, SUCCESS]
    assert [call("choose", "m.0.v"), call("choose", "m.1.v"), step("m.1.v")] == [SUCCESS] * 3
    branches = log()["steps"]["m"]["branches"]
    assert [one["steps"][f"{path}.v"]["status"] for path, one in branches.items()] == ["SKIPPED", "SUCCESS"]
    assert log()["status"] == "SUCCESS" and log()["parameters"]["url"] == [None, "here"]


@pytest.mark.parametrize(
    ("value", "when", "holds"),
    [
        (3, {"is": "3"}, True), ("3", {"is": 3}, True), (1.5, {"is": 1.5}, True), (1, {"is": 1.0}, False),
        (None, {"is": None}, True), ("null", {"is": None}, True), (0, {"is": None}, False),
        (True, {"is": True}, True), ("True", {"is": True}, False), (None, {"is_not": None}, False),
        ([1, "é"], {"is": [1, "é"]}, True), ({"b": 1, "a": []}, {"is": {"a": [], "b": 1}}, True),
        ([1], {"in": [1, 2]}, False), (2, {"in": [1, 2]}, True), ([1], {"in": [[1]]}, True),
        ("", {"is": ""}, True), (" good", {"is": "good"}, False), ({}, {"is_not": {}}, False),
        (False, {"in": [0, None, "no"]}, False),
    ],
)  # fmt: skip
def test_a_value_is_compared_as_text(value: Any, when: dict[str, Any], holds: bool) -> None:
    begin(graph(w=guarded({"parameter": "p", **when})), p=value)
    assert call("choose", "w", "--fan-out", "told") == SUCCESS
    assert Path("told").read_text() == ("run\n" if holds else "skip\n")


def test_only_a_task_with_a_condition_is_decided(capfd: pytest.CaptureFixture[str]) -> None:
    started("good")
    assert [call("choose", "a"), call("map_count", "w")] == [USAGE, USAGE]
    assert "map_count: 'w' is a task" in capfd.readouterr().err


def test_variables_are_filled_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGNUS_VAR_WANTED", "good")
    for when, values in (
        ({"parameter": "${WANTED}_one", "is": "${WANTED}"}, ["good"]),
        ({"parameter": "good_one", "in": ["a", "${WANTED}", ["${WANTED}"]]}, ["a", "good", '["good"]']),
    ):
        Path("dag.yaml").write_text(json.dumps({"dag": graph(w=guarded(when))}))
        found = load("dag.yaml").plan["nodes"]["w"]["when"]
        assert found == {"parameter": "good_one", "values": values, "among": True}


# ---- what people see

ENDS = "success: {type: success}, fail: {type: fail}"
PIPELINE = f"""dag: {{start_at: judge, steps: {{
  judge: {{type: task, command: to.come, next: publish}},
  publish: {{type: task, command: to.come, when: {{parameter: quality, is: good}}, next: repair}},
  repair: {{type: task, command: to.come, when: {{parameter: quality, in: [poor, 3]}}, next: report}},
  report: {{type: task, command: to.come, next: success}}, {ENDS}}}}}
"""


@pytest.fixture
def pipeline(project: Path) -> Path:
    (project / "dag.yaml").write_text(PIPELINE)
    (project / "mocked.yaml").write_text("executor: {type: mocked}\n")
    return project


def run(run_id: str, quality: Any, *words: str) -> str:
    """Execute `dag.yaml` without running a task; return what was said."""
    given = ["--run-id", run_id, f"--param=quality={json.dumps(quality)}", *words]
    done = command(Path(), "execute", "-f", "dag.yaml", "-c", "mocked.yaml", *given)
    assert done.returncode == 0, done.stderr
    return done.stderr


def told(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return what a command prints, without durations."""
    magnus(list(words))
    return re.sub(r",? +\d+\.\d+ s$", "", capsys.readouterr().out, flags=re.MULTILINE).splitlines()


def test_execute_and_show(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = run("r", "good")
    assert "magnus: repair: skipped" in said and "(3 steps done, 1 skipped)" in said
    lines = told(capsys, "runs", "show", "r")
    assert lines[lines.index("") + 1 :] == [
        "  SUCCESS    judge",
        "  SUCCESS    publish",
        "  SKIPPED    repair",
        "  SUCCESS    report",
    ]
    assert told(capsys, "runs", "show", "r", "--step", "repair")[:3] == [
        "step repair: SKIPPED",
        "  skipped: quality is neither poor nor 3",
        "  task (mocked): to.come",
    ]
    assert "  if quality is good" in told(capsys, "runs", "show", "r", "--step", "publish")
    assert json.loads("\n".join(told(capsys, "runs", "show", "r", "--step", "repair", "--json")))["set"] == {}
    assert told(capsys, "runs", "list")[1].split()[:2] == ["r", "SUCCESS"]
    assert magnus(["runs", "log", "r", "repair"]) == REFUSED
    assert "there is no log of 'repair': it has no attempts" in capsys.readouterr().err


def test_diff_and_a_run_that_takes_over(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("a", "good")
    run("b", "poor")
    said = run("c", "good", "--use-cached", "a")
    assert "(3 steps taken over, 0 run, 1 skipped)" in said
    lines = told(capsys, "runs", "diff", "a", "b")
    at = lines.index("publish:")
    assert lines[at + 1 : at + 3] == ["  status: SUCCESS -> SKIPPED", "  attempts: SUCCESS -> none"]
    assert "  SKIPPED    repair" in told(capsys, "runs", "show", "c")
    assert not any("taken over" in line for line in told(capsys, "runs", "show", "c", "--step", "repair"))


def test_show_says_what_led_to_the_fail_node(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    changed = re.sub("next: report}}", "next: fail}}", PIPELINE.replace("next: report},", "next: fail},"))
    (pipeline / "dag.yaml").write_text(re.sub(r"  report: .*?next: success\}, ", "  ", changed))
    command(
        pipeline, "execute", "-f", "dag.yaml", "-c", "mocked.yaml", "--run-id=r", '--param=quality="good"'
    )
    shown = told(capsys, "runs", "show", "r")
    assert "  the pipeline comes to its fail node 'fail' behind 'repair', which was skipped" in shown


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_pictures(pipeline: Path, form: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = FORMATS[form](picture(load("dag.yaml").plan))
    assert "if quality is good" in text and "if quality is poor or 3" in text and "SKIPPED" not in text
    run("r", "good")
    assert "SKIPPED" in "\n".join(told(capsys, "graph", "dag.yaml", "--run", "r", "--format", form))


def test_a_picture_of_a_run_with_a_map(project: Path) -> None:
    branch = graph(v=guarded({"parameter": "item", "is": 2}), w=guarded({"parameter": "item", "is": 9}))
    Path("dag.yaml").write_text(json.dumps({"dag": graph(m=each({}, branch))}))
    found = {"m": ["SUCCESS"], "m._.v": ["SKIPPED", "SUCCESS"], "m._.w": ["SKIPPED", "SKIPPED"]}
    boxes = picture(load("dag.yaml").plan, found).boxes
    assert boxes["m._.v"].label()[-2:] == ["if item is 2", "SUCCESS 1/2"]
    assert boxes["m._.w"].label()[-2:] == ["if item is 9", "SKIPPED 2/2"]


CASES = """good:
  steps: {judge: {set: {quality: good}}, publish: {set: {url: here}}}
  expect: {steps: {publish: SUCCESS, repair: SKIPPED}, parameters: {url: here}}
a failure:
  steps: {judge: {set: {quality: 3}}, repair: {fail: true}}
  expect: {status: FAIL, steps: {publish: SKIPPED, repair: FAIL, report: null}}
no value:
  expect: {status: FAIL, steps: {publish: FAIL, repair: null}}
"""


def test_cases(pipeline: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (pipeline / "cases.yaml").write_text(CASES)
    assert magnus(["test", "dag.yaml", "cases.yaml"]) == 0, capsys.readouterr()
    (pipeline / "cases.yaml").write_text("a: {expect: {status: SKIPPED, steps: {publish: SKIP}}}\n")
    assert magnus(["test", "dag.yaml", "cases.yaml"]) == REFUSED
    said = capsys.readouterr().err
    assert "'status' is 'SKIPPED', not SUCCESS or FAIL" in said
    assert "'publish' is 'SKIP', not SUCCESS, FAIL or SKIPPED" in said


@pytest.mark.filterwarnings("error")
def test_the_schema_of_a_condition() -> None:
    definitions = build()["$defs"]
    assert list(definitions["WhenSpec"]["properties"]) == ["parameter", "is", "is_not", "in"]
    assert definitions["WhenSpec"]["properties"]["in"]["minItems"] == 1
    assert "default" not in json.dumps(definitions["WhenSpec"])
    assert definitions["TaskSpec"]["properties"]["when"]["$ref"] == "#/$defs/WhenSpec"
