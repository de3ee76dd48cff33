"""Runs that an engine started by writing their start itself: the first callback creates them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.graph.load import load

DEFINITION = """\
dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: "exit $MAGNUS_PRM_code", retry: 2, next: b}
    b: {type: task, command_type: shell, command: "env | grep ^MAGNUS_ > env.txt", next: success}
    success: {type: success}
    fail: {type: fail}
"""
STORE = Path(".run_log_store/r")


@pytest.fixture(autouse=True)
def _environment(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "dag.yaml").write_text(DEFINITION)
    services = {
        "run_log_store": {"type": "file-system", "config": {}},
        "catalog": {"type": "do-nothing", "config": {}},
        "secrets": {"type": "do-nothing", "config": {}},
    }
    monkeypatch.setenv("MAGNUS_CONFIG", json.dumps(services))
    monkeypatch.setenv("MAGNUS_FILE", "dag.yaml")
    monkeypatch.setenv("MAGNUS_WALK", "arn:execution:r")
    monkeypatch.setenv("MAGNUS_DAG_HASH", load("dag.yaml").plan["dag_hash"])


def start(given: Any, **fields: Any) -> None:
    dag_hash = load("dag.yaml").plan["dag_hash"]
    record = {
        "dag_hash": dag_hash,
        "target": "aws-step-functions",
        "walk": "arn:execution:r",
        "input": given,
        **fields,
    }
    STORE.mkdir(parents=True)
    (STORE / "start.json").write_text(json.dumps(record))


def step(*words: str) -> int:
    return magnus(["execute_single_node", "r", *words])


def record(name: str) -> Any:
    return json.loads((STORE / name).read_text())


def test_the_first_callback_creates_the_run_from_the_input(project: Path) -> None:
    start({"parameters": {"code": 0, "deep": {"A": [1]}}, "tag": "nightly"})
    assert step("a") == 0
    run = record("run.json")
    assert run["parameters"]["values"] == {"code": 0, "deep": {"A": [1]}}
    assert (run["tag"], run["target"], run["walk"]) == ("nightly", "aws-step-functions", "arn:execution:r")
    assert step("b") == 0
    seen = (project / "env.txt").read_text()
    assert "MAGNUS_RUN_ID=r" in seen
    assert not any(
        name in seen for name in ("MAGNUS_CONFIG", "MAGNUS_FILE", "MAGNUS_WALK", "MAGNUS_DAG_HASH")
    )


def test_parameters_as_a_text_keep_every_number_as_it_is() -> None:
    start({"parameters": '{"code": 0, "a": 1.0, "b": 12345678901234567890123}'})
    assert step("a") == 0
    assert '"a":1.0' in (STORE / "run.json").read_text()
    assert record("run.json")["parameters"]["values"]["b"] == 12345678901234567890123


@pytest.mark.parametrize("given", [{}, None, {"AWS_STEP_FUNCTIONS_STARTED_BY_EXECUTION_ID": "arn"}])
def test_all_of_the_input_is_optional(given: Any) -> None:
    start(given)
    assert step("a") == 0
    assert record("run.json")["parameters"]["values"] == {}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([1], "not a JSON object"),
        ({"parameters": [1]}, "'parameters' must be a JSON object"),
        ({"parameters": "[1]"}, "neither JSON"),
        ({"parameters": "{"}, "is a text, but neither JSON"),
        ({"use_cached": 7}, "'use_cached' must be a text"),
        ({"paramters": {}}, "unknown name 'paramters'"),
        ({"use_cached": "gone"}, "there is no run 'gone'"),
    ],
)
def test_input_that_starts_no_run(given: Any, said: str, capfd: pytest.CaptureFixture[str]) -> None:
    start(given)
    assert step("a") == 65
    assert said in capfd.readouterr().err
    assert not (STORE / "run.json").exists()


def test_an_image_with_another_definition_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    start({}, dag_hash="0" * 16)
    assert step("a") == 65
    assert "drifted apart" in capfd.readouterr().err


def test_another_execution_does_not_get_into_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    start({"parameters": {"code": 0}})
    assert step("a") == 0
    monkeypatch.setenv("MAGNUS_WALK", "arn:execution:other")
    assert step("b") == 65


def test_an_engine_may_count_attempts_that_never_came_to_one() -> None:
    """Submissions that failed count for Step Functions: the user's attempts are those that are recorded."""
    start({"parameters": {"code": 3}})
    assert step("a", "--attempt", "3") == 1
    assert record("steps/a/1.end.json")["try_"] == 1
    assert not (STORE / "steps/a/outcome.json").exists()
    assert step("a", "--attempt", "4") == 1
    assert record("steps/a/outcome.json")["try_"] == 2
    assert record("steps/a/outcome.json")["handed_to"] == "fail"


def test_attempts_that_the_platform_ended_are_not_the_users() -> None:
    start({"parameters": {"code": 3}})
    step("a", "--attempt", "1")
    end = record("steps/a/1.end.json")
    (STORE / "steps/a/1.end.json").write_text(json.dumps({**end, "platform": True, "status": "CRASHED"}))
    assert step("a", "--attempt", "2") == 1
    assert record("steps/a/2.end.json")["try_"] == 1


def given(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MAGNUS_INPUT", base64.b64encode(text.encode()).decode())


NASTY = {"code": 0, "a": "{{workflow.name}}{{=1+1}}$(HOME)$$'\"\\\n", "b": 1.0, "c": 12345678901234567890123}


@pytest.mark.parametrize("coded", [False, True])
def test_an_engine_without_a_store_hands_the_input_to_every_callback(
    monkeypatch: pytest.MonkeyPatch, coded: bool
) -> None:
    text = json.dumps(NASTY)
    text = base64.b64encode(text.encode()).decode() if coded else text
    given(monkeypatch, json.dumps({"parameters": text, "use_cached": ""}))
    monkeypatch.setenv("MAGNUS_TARGET", "argo")
    assert step("a") == 0
    run = record("run.json")
    assert json.dumps(run["parameters"]["values"], sort_keys=True) == json.dumps(NASTY, sort_keys=True)
    assert (run["target"], run["original_run_id"]) == ("argo", "")


@pytest.mark.parametrize("text", ["", "{", json.dumps([1]), json.dumps({"parameters": "e"})])
def test_input_of_the_environment_that_starts_no_run(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], text: str
) -> None:
    monkeypatch.setenv("MAGNUS_INPUT", base64.b64encode(text.encode()).decode() or "not base64!")
    assert step("a") == 65
    assert "MAGNUS_INPUT" in (said := capfd.readouterr().err) or "input" in said
