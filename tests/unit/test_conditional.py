"""What callbacks record of a conditional, and what they refuse; the whole meaning is in the conformance suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.errors import FAILED, PLATFORM, REFUSED, SUCCESS, USAGE
from magnus_render.runtime.handover import NOT_CHOSEN
from tests.unit.view_graphs import begin, call, graph, log, step, task

pytestmark = pytest.mark.usefixtures("project")
GOOD, BAD = graph(x=task()), graph(y=task("exit 1", on_failure="z"), z=task())


def choose(branches: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "conditional", "parameter": "p", "branches": branches, **fields}


def pick(**fields: Any) -> dict[str, Any]:
    return choose({"good": GOOD, "bad": BAD}, **fields)


def record(address: str) -> Any:
    return json.loads(Path(f".run_log_store/r/steps/{address.replace('.', '/')}/start.json").read_text())


def started(value: Any, **fields: Any) -> None:
    begin(graph(a=task(), c=pick(**fields), b=task()), p=value)


def test_the_step_before_hands_the_choice_over(capfd: pytest.CaptureFixture[str]) -> None:
    started("good")
    assert step("a", "--fan-out", "out/choice") == SUCCESS
    assert Path("out/choice").read_text() == "good\n"
    assert record("c")["choice"] == "good" and record("c")["message"] == ""
    capfd.readouterr()
    assert call("choose", "c", "--fan-out", "again.json") == SUCCESS
    assert (capfd.readouterr().out, Path("again.json").read_text()) == ("good\n", "good\n")
    assert [step("c.good.x"), step("b")] == [SUCCESS, SUCCESS]
    assert list(log()["steps"]["c"]["branches"]) == ["c.good"]


def test_no_branch_has_the_name(capfd: pytest.CaptureFixture[str]) -> None:
    started("neither")
    assert step("a", "--fan-out", "choice") == SUCCESS
    assert Path("choice").read_text() == f"{NOT_CHOSEN}\n"
    assert "c: no branch is named like the value of parameter 'p'\n" in capfd.readouterr().err
    assert call("choose", "c") == FAILED
    assert [step("c.good.x"), step("b")] == [REFUSED, REFUSED]
    assert log()["steps"]["c"]["status"] == "FAIL" and log()["steps"]["c"]["branches"] == {}


@pytest.mark.parametrize(
    ("value", "branch"),
    [
        ("1", "1"), (1, "1"), (-1, "-1"), (1.5, "default"), (True, "true"), ("true", "true"), ("True", "default"),
        (None, "null"), ("", "default"), ([], "[]"), ([1, "é"], '[1,"é"]'), ({"b": 1, "a": []}, '{"a":[],"b":1}'),
        ("default", "default"), (" 1", "default"), ("1\n", "default"), ("x" * 10_000, "default"), ("é", "é"),
    ],
)  # fmt: skip
def test_a_value_is_compared_as_text(value: Any, branch: str) -> None:
    names = ("1", "-1", "true", "null", "[]", '[1,"é"]', '{"a":[],"b":1}', "é")
    begin(graph(c=choose(dict.fromkeys(names, GOOD), default=GOOD)), p=value)
    assert call("choose", "c") == SUCCESS
    names_of = {one["slug"]: one["name"] for one in plan()["c"]["branches"]}
    assert names_of[record("c")["choice"]] == branch


def plan() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for page in Path(".run_log_store/r/plan").glob("*/[0-9]*.json"):
        found.update(json.loads(page.read_text())["nodes"])
    return found


def test_a_branch_that_is_not_taken_never_begins(capfd: pytest.CaptureFixture[str]) -> None:
    started("good")
    assert [step("c.good.x"), step("a")] == [REFUSED, SUCCESS]
    assert [step("c.bad.y"), step("c.bad.z"), step("c.bad.fail")] == [REFUSED, REFUSED, FAILED]
    assert "'bad' is not a branch that is taken at 'c'" in capfd.readouterr().err
    assert call("execute_single_node", "c.bad.y", "--confirm-failure") == FAILED
    assert not Path(".run_log_store/r/steps/c/bad").exists()
    assert [step("c.good.x"), step("b")] == [SUCCESS, SUCCESS]


def test_a_branch_begins_once_it_is_chosen(capfd: pytest.CaptureFixture[str]) -> None:
    begin(graph(c=pick()), p="good")
    assert step("c.good.x") == PLATFORM
    assert "it is not recorded which branches 'c' has" in capfd.readouterr().err
    assert [call("choose", "c"), step("c.good.x")] == [SUCCESS, SUCCESS]


def test_the_handler_of_a_conditional() -> None:
    begin(graph(a=task(), c=pick(on_failure="h"), b=task(next="success"), h=task()), p="none")
    assert [step("a"), step("b"), step("h")] == [SUCCESS, REFUSED, SUCCESS]
    assert list(log()["steps"]) == ["a", "c", "h", "success"]


EACH = {"type": "map", "iterate_on": "p", "iterate_as": "i", "branch": GOOD}


@pytest.mark.parametrize("undecided", [pick(on_failure="h"), {**EACH, "on_failure": "h"}])
def test_the_handler_of_what_was_never_decided(undecided: dict[str, Any]) -> None:
    """The platform lost each callback that was to decide, and the engine went on."""
    begin(graph(c=undecided, b=task(next="success", on_failure="h"), h=task()), p="good")
    assert step("h") == SUCCESS
    steps = log()["steps"]
    assert [(name, one["status"]) for name, one in steps.items()] == [
        ("c", "FAIL"),
        ("h", "SUCCESS"),
        ("success", "SUCCESS"),
    ]


@pytest.mark.parametrize(
    "changed",
    [{"choice": "zzz"}, {"choice": ""}, {"choice": None}, {"choice": "good", "message": "it failed"}],
)
def test_a_choice_that_is_none_is_damaged(changed: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    """A choice is there, it is a branch, and it is empty only where a message says why."""
    started("good")
    assert step("a") == SUCCESS
    path = Path(".run_log_store/r/steps/c/start.json")
    kept = {**json.loads(path.read_text()), **changed}
    path.unlink()
    path.write_text(json.dumps({key: value for key, value in kept.items() if value is not None}))
    capfd.readouterr()
    assert [call("choose", "c"), step("c.good.x"), step("b", "--after", "c")] == [REFUSED] * 3
    assert magnus(["runs", "show", "r"]) == REFUSED
    out, err = capfd.readouterr()
    assert err.count("the record steps/c/start.json is damaged: ") == 4 and "Traceback" not in out + err


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("default", None, "lacks 'default'"),
        ("parameter", None, "lacks 'parameter'"),
        ("default", "zzz", "its default is one of them"),
        ("branches", [{"slug": "good", "name": "good"}] * 2, "of which each is another"),
    ],
)
def test_a_plan_without_what_a_conditional_needs_is_refused(
    field: str, value: Any, why: str, capfd: pytest.CaptureFixture[str]
) -> None:
    begin(graph(a=task(), c=pick(), b=task()), p="good")
    Path("config.yaml").write_text("run_log_store: {type: file-system}")
    assert (
        magnus(
            ["render", "dag.yaml", "--plan", "plan.json", "-c", "config.yaml", "-t", "bash", "-o", "run.sh"]
        )
        == 0
    )
    document = json.loads(Path("plan.json").read_text())
    node = document["plan"]["nodes"]["c"]
    node.pop(field) if value is None else node.update({field: value})
    Path("plan.json").write_text(json.dumps(document))
    capfd.readouterr()
    assert magnus(["execute_single_node", "q", "a", "--plan", "plan.json"]) == REFUSED
    out, err = capfd.readouterr()
    assert why in err and "Traceback" not in out + err


def test_only_a_conditional_chooses(capfd: pytest.CaptureFixture[str]) -> None:
    started("good")
    assert [call("choose", "a"), call("map_count", "c")] == [USAGE, USAGE]
    assert "map_count: 'c' is a conditional" in capfd.readouterr().err
