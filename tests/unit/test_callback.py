"""The callbacks: who may call, what is recorded once, what a redelivered or a resumed call does."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.errors import REFUSED
from magnus_render.runtime.comparing import comparable
from magnus_render.runtime.fold import fold
from magnus_render.runtime.reading import read_run
from magnus_render.runtime.records import valid_run_id
from magnus_render.services import lookup

DEFINITION = """\
dag:
  start_at: a
  steps:
    a:
      type: task
      command_type: shell
      command: echo ran >> ran.txt; echo '{"items":[10, 20]}' >> "$MAGNUS_OUTPUT"
      next: m
    m:
      type: map
      iterate_on: items
      iterate_as: item
      next: success
      on_failure: repair
      branch:
        start_at: b
        steps:
          b:
            type: task
            command_type: shell
            command: "test $MAGNUS_PRM_item != 20 || exit $MAGNUS_PRM_code"
            retry: 2
            next: success
          success: {type: success}
          fail: {type: fail}
    repair: {type: task, command_type: shell, command: "true", next: fail}
    success: {type: success}
    fail: {type: fail}
"""


@pytest.fixture(autouse=True)
def _definition(project: Path) -> None:
    (project / "dag.yaml").write_text(DEFINITION)


def call(command: str, *words: str) -> int:
    return magnus([command, "r", *words, "-f", "dag.yaml"])


def log(run_id: str = "r") -> dict[str, Any]:
    store = lookup.load("run_log_store", {"type": "file-system", "config": {"path": ".run_log_store"}})
    plan, run, records = read_run(store, run_id)
    return fold(plan, run, records, 0.0)


def test_a_whole_walk_by_hand(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("start_run", "--param", "code=0", "--walk", "w") == 0
    assert call("execute_single_node", "a", "--walk", "w", "--fan-out", "count") == 0
    assert (project / "count").read_text() == "2\n"
    assert call("map_count", "m", "--walk", "w") == 0
    assert capfd.readouterr().out.endswith("2\n")
    assert call("execute_single_node", "m.0.b") == 0
    assert call("execute_single_node", "m.1.b", "--map-variable", '{"item": 20}') == 0
    assert log()["status"] == "SUCCESS"
    assert log()["parameters"] == {"code": 0, "items": [10, 20]}


def test_a_redelivered_call_runs_nothing_and_counts_again(project: Path) -> None:
    assert call("start_run", "--param", "code=0") == 0
    for number in range(3):
        assert call("execute_single_node", "a", "--fan-out", f"count{number}") == 0
        assert (project / f"count{number}").read_text() == "2\n"
    assert (project / "ran.txt").read_text() == "ran\n"
    assert len(log()["steps"]["a"]["attempts"]) == 1


def test_attempts_are_numbered_as_they_come_and_the_last_one_hands_over(project: Path) -> None:
    call("start_run", "--param", "code=3")
    call("execute_single_node", "a")
    assert call("execute_single_node", "m.1.b", "--attempt", "1") == 1
    assert not (project / ".run_log_store/r/steps/m/1/end.json").exists()
    assert call("execute_single_node", "m.1.b", "--attempt", "2") == 1
    assert json.loads((project / ".run_log_store/r/steps/m/1/end.json").read_text())["status"] == "FAIL"
    assert call("execute_single_node", "m.0.b") == 0
    assert call("execute_single_node", "repair", "--after", "m") == 0
    assert call("execute_single_node", "fail") == 1
    found = log()
    assert found["status"] == "FAIL"
    step = found["steps"]["m"]["branches"]["m.1"]["steps"]["m.1.b"]
    assert [attempt["message"] for attempt in step["attempts"]] == ["exited with status 3"] * 2


def test_resume_returns_recorded_failures_and_runs_what_was_cut_off(project: Path) -> None:
    call("start_run", "--param", "code=3")
    call("execute_single_node", "a")
    call("execute_single_node", "m.1.b", "--attempt", "1")
    (project / ".run_log_store/r/steps/m/0/b").mkdir(parents=True)
    start = json.loads((project / ".run_log_store/r/steps/m/1/b/1.start.json").read_text())
    (project / ".run_log_store/r/steps/m/0/b/1.start.json").write_text(json.dumps(start))
    assert call("start_run", "--resume", "--walk", "another") == 0
    assert call("execute_single_node", "m.1.b", "--attempt", "1", "--resume", "--walk", "another") == 1
    assert call("execute_single_node", "m.0.b", "--attempt", "1", "--resume") == 0
    found = comparable(log())["steps"]["m"]["branches"]
    assert len(found["m.1"]["steps"]["m.1.b"]["attempts"]) == 1
    assert len(found["m.0"]["steps"]["m.0.b"]["attempts"]) == 1  # the one cut off was the platform's


def test_a_run_that_failed_is_closed(capfd: pytest.CaptureFixture[str]) -> None:
    call("start_run")
    call("execute_single_node", "fail")
    assert call("start_run", "--resume") == 65
    assert "--use-cached r" in capfd.readouterr().err


def test_refusals(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("start_run", "--walk", "one", "--param", "x=1") == 0
    assert call("start_run", "--walk", "one", "--param", "x=1") == 0  # the same walk, the same words
    for words, says in [
        (("start_run", "--walk", "two"), "in use"),
        (("start_run", "--walk", "one", "--param", "x=2"), "other initial parameters"),
        (("start_run", "--walk", "one", "--param", "x=1", "--tag", "t"), "another tag"),
        (("start_run", "--walk", "one", "--param", "x=1", "--dag-hash", "0" * 16), "drifted apart"),
        (("execute_single_node", "a", "--walk", "two"), "another walk"),
        (("execute_single_node", "a", "--dag-hash", "0" * 16), "drifted apart"),
        (("execute_single_node", "none"), "no step"),
        (("execute_single_node", "m.7.b"), "before"),
        (("start_run", "--resume", "--param", "x=2"), "differs"),
    ]:
        status = call(*words)
        err = capfd.readouterr().err
        assert "Traceback" not in err
        if says == "before":  # a map that nothing has entered
            assert status in (65, 75), words
        else:
            assert status == 65, words
            assert says in err
    (project / "dag.yaml").write_text(DEFINITION.replace("ran.txt", "other.txt"))
    assert call("start_run", "--walk", "one", "--param", "x=1") == 65
    assert "drifted apart" in capfd.readouterr().err
    assert magnus(["start_run", "unknown", "--resume", "-f", "dag.yaml"]) == 65
    assert magnus(["start_run", "fresh", "--use-cached", "unknown", "-f", "dag.yaml"]) == 65


@pytest.mark.parametrize(
    "words",
    [
        ["execute_single_node"],
        ["execute_single_node", "r"],
        ["execute_single_node", "r", "a", "more"],
        ["execute_single_node", "r", "a", "--attempt", "0", "-f", "dag.yaml"],
        ["execute_single_node", "r", "a", "--attempt", "x", "-f", "dag.yaml"],
        ["execute_single_node", "r", "a", "--attempt"],
        ["execute_single_node", "r", "a", "--no-such"],
        ["execute_single_node", "r", "a", "--map-variable", "{", "-f", "dag.yaml"],
        ["execute_single_node", "r", "a", "--map-variable", '{"x": 1}', "-f", "dag.yaml"],
        ["execute_single_node", "r", "repair", "--after", "a", "-f", "dag.yaml"],
        ["execute_single_node", "r", "m.0.b", "--after", "a", "-f", "dag.yaml"],
        ["map_count", "r", "a", "-f", "dag.yaml"],
        ["fan_in", "r", "a", "-f", "dag.yaml"],
        ["start_run", "r/../x", "-f", "dag.yaml"],
        ["start_run", "r"],
        ["start_run", "s", "--param", "x", "-f", "dag.yaml"],
        ["start_run", "s", "--use-cached", "s", "-f", "dag.yaml"],
        ["start_run", "s", "--plan", "missing.json"],
    ],
)
def test_usage(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    call("start_run")
    call("execute_single_node", "a")
    assert magnus(words) == 64
    assert "magnus: " in capfd.readouterr().err


def test_names_addresses_and_old_blanks(project: Path) -> None:
    definition = "dag: {start_at: my step, steps: {my step: {type: task, command_type: shell, command: 'true', next: ok},"
    (project / "dag.yaml").write_text(definition + " ok: {type: success}, no: {type: fail}}}\n")
    assert call("start_run") == 0
    for spelling in ("my step", "my%step"):
        assert call("execute_single_node", spelling) == 0
    assert len(log()["steps"]["my step"]["attempts"]) == 1


def test_a_plan_file_spares_the_yaml(project: Path) -> None:
    assert magnus(["render", "dag.yaml", "--target", "bash", "-o", "run.sh", "--plan", "plan.json"]) == 0
    (project / "dag.yaml").unlink()
    assert magnus(["start_run", "p", "--plan", "plan.json"]) == 0
    assert magnus(["execute_single_node", "p", "a", "--plan", "plan.json"]) == 0
    assert log("p")["steps"]["a"]["status"] == "SUCCESS"


def test_a_step_may_create_the_run_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGNUS_PRM_container", "ignored")
    assert call("execute_single_node", "a", "--param", "x=1") == 0
    assert log()["parameters"] == {"x": 1, "items": [10, 20]}


def test_environment_of_the_starter_gives_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGNUS_PRM_Text", "plain")
    monkeypatch.setenv("MAGNUS_PRM_number", "1.0")
    assert call("start_run", "--param", "number=2") == 0
    monkeypatch.setenv("MAGNUS_PRM_Text", "too late")
    assert call("execute_single_node", "a") == 0
    assert log()["parameters"] == {"Text": "plain", "number": 2, "items": [10, 20]}


@pytest.mark.parametrize(
    ("text", "valid"),
    [("a", True), ("A-1_b", True), ("0", True), ("x" * 80, True)]
    + [(text, False) for text in ("", "x" * 81, "-a", "_a", "a.b", "a/b", "é", "a b", "a\n", "٣")],
)
def test_run_ids(text: str, valid: bool) -> None:
    assert valid_run_id(text) is valid


def test_a_long_pipeline_costs_a_callback_the_same(project: Path) -> None:
    """A step reads its own page: the number of records read does not grow with the pipeline."""
    counts = []
    for steps in (10, 2000):
        following = [*(f"s{i}" for i in range(1, steps)), "ok"]
        nodes = "".join(
            f"    s{i}: {{type: task, command_type: shell, command: 'true', next: {following[i]}}}\n"
            for i in range(steps)
        )
        (project / "dag.yaml").write_text(
            f"dag:\n  start_at: s0\n  steps:\n{nodes}    ok: {{type: success}}\n    no: {{type: fail}}\n"
        )
        run_id = f"r{steps}"
        assert magnus(["start_run", run_id, "-f", "dag.yaml"]) == 0
        for step in range(3):
            assert magnus(["execute_single_node", run_id, f"s{step}", "-f", "dag.yaml"]) == 0
        store = lookup.load("run_log_store", {"type": "file-system", "config": {"path": ".run_log_store"}})
        counts.append(_reads_of_a_step(store, run_id))
    assert counts[0] == counts[1]


def _reads_of_a_step(store: Any, run_id: str) -> int:
    from magnus_render.runtime import state
    from magnus_render.runtime.records import Run

    reads = []
    read = store.read
    store.read = lambda key: reads.append(key) or read(key)
    run = Run.open(store, run_id)
    assert run is not None
    state.seen_by(run, "s3")
    return len(reads)


def calls(command: str, *words: str) -> int:
    return call("execute_single_node", command, *words)


def fail_at_items(code: int = 1) -> None:
    Path("parameters.json").write_text(json.dumps({"code": code}))
    call("start_run", "-p", "parameters.json")
    calls("a")


def test_an_engine_may_ask_to_be_told_that_an_attempt_is_left() -> None:
    fail_at_items()
    assert calls("m.1.b", "--again", "76") == 76
    assert calls("m.1.b", "--again", "76", "--attempt", "2") == 1
    attempts = log()["steps"]["m"]["branches"]["m.1"]["steps"]["m.1.b"]["attempts"]
    assert [attempt["status"] for attempt in attempts] == ["FAIL", "FAIL"]


def test_a_step_that_failed_for_good_is_not_run_again_when_the_call_is_delivered_again() -> None:
    fail_at_items()
    calls("m.1.b")
    calls("m.1.b", "--attempt", "2")
    before = log()
    assert calls("m.1.b", "--attempt", "2") == 1  # as Argo does when it loses a pod that has ended
    assert calls("m.1.b", "--attempt", "3") == 1  # and as its retries do
    assert log() == before


def test_a_failed_attempt_is_not_run_again_when_the_engine_names_it_again() -> None:
    fail_at_items()
    assert calls("m.1.b", "--attempt", "1", "--again", "76") == 76
    before = log()
    assert calls("m.1.b", "--attempt", "1", "--again", "76") == 76
    assert log() == before
    assert calls("m.1.b") == 1  # nobody says which attempt it is: the next
    assert len(log()["steps"]["m"]["branches"]["m.1"]["steps"]["m.1.b"]["attempts"]) == 2


def test_a_step_killed_outright_has_spent_the_attempt(project: Path) -> None:
    fail_at_items()
    calls("m.1.b")
    (project / ".run_log_store/r/steps/m/1/b/2.start.json").write_text(
        (project / ".run_log_store/r/steps/m/1/b/1.start.json").read_text().replace('"try_":1', '"try_":2')
    )
    assert calls("m.1.b", "--attempt", "3") == 1
    assert not (project / ".run_log_store/r/steps/m/1/b/3.start.json").exists()


def test_indices_for_an_engine_that_takes_a_list() -> None:
    call("start_run")
    assert calls("a", "--fan-out", "out/items.json") == 0
    assert Path("out/items.json").read_text() == "[0,1]\n"
    assert call("map_count", "m", "--fan-out", "again.json") == 0
    assert Path("again.json").read_text() == "[0,1]\n"


@pytest.mark.parametrize(
    "given",
    [
        '{"parameters": {"a": NaN}}',
        '{"parameters": "{\\"a\\": 1e400}"}',
        "[" * 3000,
        '{"parameters": {"": 1}}',
    ],
)
def test_initial_parameters_that_are_no_json_are_refused(
    given: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAGNUS_INPUT", base64.b64encode(given.encode()).decode())
    assert call("start_run") == 65
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("given", ["[1]", "{}", "nonsense", '{"run_log_store": 1}', "[" * 3000])
def test_a_configuration_that_is_none_is_refused(
    given: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAGNUS_CONFIG", given)
    assert call("execute_single_node", "a") == 64
    assert capfd.readouterr().err.startswith("magnus: MAGNUS_CONFIG")


@pytest.mark.parametrize("given", ["{}", "[]", '{"plan": 1, "services": {}}'])
def test_a_file_that_is_no_plan_is_refused(
    given: str, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (project / "plan.json").write_text(given)
    assert magnus(["start_run", "r", "--plan", "plan.json"]) in (64, 65)
    assert capfd.readouterr().err.startswith("magnus: plan.json: ")


@pytest.mark.parametrize("words", [("--attempt", "9" * 5000), ("--use-cached", "../x")])
def test_words_that_are_not_what_they_should_be(words: tuple[str, str]) -> None:
    assert call("execute_single_node", "a", *words) == 64


def test_a_run_of_another_format_is_refused(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert call("start_run") == 0
    path = project / ".run_log_store/r/run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": 1}))
    said = "run 'r' has records of format 1, this version of magnus-render reads and writes format 2"
    for words in (
        ("start_run",),
        ("start_run", "--resume"),
        ("execute_single_node", "a"),
        ("map_count", "m"),
    ):
        assert call(*words) == 65
        assert said in capfd.readouterr().err
    assert magnus(["start_run", "s", "-f", "dag.yaml", "--use-cached", "r"]) == 65
    assert magnus(["runs", "show", "r"]) == 65
    assert capfd.readouterr().err.count(said) == 2
    assert magnus(["runs", "list"]) == 0
    out, err = capfd.readouterr()
    assert out.splitlines()[1].split() == ["r", "FORMAT", "1"] and said in err and "prune" not in err
    assert magnus(["runs", "prune", "--keep", "0"]) == 0
    assert said in capfd.readouterr().out and path.exists()


@pytest.mark.parametrize("command", [("start_run",), ("execute_single_node", "a"), ("map_count", "m")])
def test_an_output_that_was_rendered_for_other_records_is_refused(
    command: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    project: Path,
) -> None:
    monkeypatch.setenv("MAGNUS_RECORDS", "1")
    assert call(command[0], *command[1:]) == REFUSED
    said = capsys.readouterr().err
    assert "rendered for records of format 1" in said and "writes format 2" in said
    assert not (project / ".run_log_store").exists()
    monkeypatch.setenv("MAGNUS_RECORDS", "2")
    assert call("start_run") == 0


def test_a_task_does_not_see_for_which_records_its_pipeline_was_rendered(
    monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    (project / "dag.yaml").write_text(DEFINITION.replace("echo ran >> ran.txt", "env > ran.txt"))
    monkeypatch.setenv("MAGNUS_RECORDS", "2")
    assert call("execute_single_node", "a") == 0
    assert "MAGNUS_RECORDS" not in (project / "ran.txt").read_text()
