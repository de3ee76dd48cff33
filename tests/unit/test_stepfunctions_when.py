"""The Step Functions target: what becomes of tasks that have a condition."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import render
from tests.unit.stepfunctions_rendering import (
    EXECUTOR,
    STORES,
    caught,
    command,
    graph,
    machine,
    task,
)

WHEN: dict[str, Any] = {"parameter": "k", "is": "v"}
QUIET: dict[str, Any] = {"type": "as-is", "next": "success"}


def rules(choice: Any) -> list[tuple[str, str]]:
    return [(rule["Condition"], rule["Next"]) for rule in choice["Choices"]]


def test_a_choice_leads_to_the_task_or_past_it(tmp_path: Path) -> None:
    steps = graph(t=task("c"), c=task("u", when=WHEN, on_failure="h", description="It."), u=task(), h=task())
    states = machine(tmp_path, steps)["States"]
    assert list(states)[:6] == ["run: start", "t", "c: choice", "c: when", "c", "u"]
    assert states["t"]["Next"] == "c: choice"
    read = states["c: choice"]
    assert read["Comment"].startswith("Whether the task runs")
    assert read["Arguments"]["Key"] == "{% 'run_log/' & $run & '/steps/c/start.json' %}"
    assert (read["Next"], caught(read)) == ("c: when", "h")
    choice = states["c: when"]
    assert rules(choice) == [("{% $states.input = 'skip' %}", "u"), ("{% $states.input = 'run' %}", "c")]
    assert (choice["Default"], choice["Output"]) == ("h", "{% 'c' %}")
    assert (states["c"]["Comment"], states["c"]["Next"], caught(states["c"])) == ("It.", "u", "h")


def test_where_no_step_decides_a_callback_does_first(tmp_path: Path) -> None:
    steps = graph(
        c=task("d", when=WHEN, retry=3), d=task("q", when=WHEN), q={**QUIET, "next": "e"}, e=task(when=WHEN)
    )
    states = machine(tmp_path, steps)["States"]
    assert states["run: start"]["Next"] == "c: choose"
    assert command(states["c: choose"])[1:] == ["choose", "{% $run %}", "c"]
    assert (states["c: choose"]["Next"], caught(states["c: choose"])) == ("c: choice", "fail")
    assert "--attempt" in command(states["c"])
    assert states["c"]["Next"] == rules(states["c: when"])[0][1] == "d: choose"
    assert states["q"]["Next"] == "e: choose"
    assert rules(states["e: when"])[0][1] == "success"


def test_in_a_map_the_record_of_the_item_is_read(tmp_path: Path) -> None:
    over = {
        "type": "map",
        "iterate_on": "l",
        "iterate_as": "i",
        "branch": graph(c=task(when=WHEN)),
        "next": "success",
    }
    item = machine(tmp_path, graph(m=over))["States"]["m"]["ItemProcessor"]["States"]
    assert item["m: branch"]["Next"] == "m.c: choose"
    assert "$replace($branch, '.', '/') & '/c/start.json'" in item["m.c: choice"]["Arguments"]["Key"]
    assert rules(item["m.c: when"])[0][1] == "m.success"
    assert item["m.c: when"]["Output"] == "{% $branch & '.c' %}"


def test_a_failure_after_which_nothing_calls_back_is_confirmed(tmp_path: Path) -> None:
    states = machine(tmp_path, graph(t=task("c"), c=task(when=WHEN, on_failure="q"), q=QUIET))["States"]
    assert caught(states["c: choice"]) == caught(states["c"]) == states["c: when"]["Default"] == "c: failed"
    assert "--confirm-failure" in command(states["c: failed"])


def test_a_task_that_leads_to_failure_names_itself_if_it_is_skipped_too(tmp_path: Path) -> None:
    states = machine(tmp_path, graph(c=task("fail", when=WHEN)))["States"]
    assert [rule.get("Output") for rule in states["c: when"]["Choices"]] == ["{% 'c' %}", None]
    assert states["c"]["Output"] == "{% 'c' %}"


def test_a_handler_that_may_be_skipped_hands_the_names_of_what_failed_on(tmp_path: Path) -> None:
    states = machine(tmp_path, graph(t=task(on_failure="h"), h=task("fail", when=WHEN)))["States"]
    assert caught(states["t"]) == "h: choose"
    assert states["h: choose"]["Output"] == states["h"]["Output"] == "{% $states.input %}"
    assert states["h: choice"]["Output"] == "{% [$parse($states.result.Body).choice, $states.input] %}"
    choice = states["h: when"]
    assert rules(choice)[0] == ("{% $states.input[0] = 'skip' %}", "fail")
    assert {rule["Output"] for rule in choice["Choices"]} == {"{% $states.input[1] %}"}


SKIP, RUN, END = (
    '{"Condition": {{ state.choices[0].condition | json }}, "Next": %s}',
    '{"Condition": {{ state.choices[1].condition | json }}, "Next": %s}',
    '"Type": "Choice", "Choices": [%s], "Default": %s',
)
TASK, PAST, FAILURE = (
    "{{ state.next | json }}",
    "{{ state.choices[0].next | json }}",
    "{{ state.otherwise | json }}",
)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            END % (f"{SKIP % TASK}, {RUN % PAST}", FAILURE),
            [
                "state 'c: when': rule 1 is for 'skip', and leads to 'c'",
                "state 'c: when': rule 2 is for 'run', and leads to 'success'",
            ],
        ),
        (
            END % (SKIP % PAST, TASK),
            [
                "state 'c: when': none of its rules is for the branch 'run'",
                "state 'c: when': its Default leads to the task: it is to run only where that was decided",
                "state 'c: choice': its Catch leads to 'fail', the Default of 'c: when' to 'c': both are what follows the "
                "failure of the task",
            ],
        ),
    ],
)
def test_a_template_that_mixes_up_the_rules_is_refused(tmp_path: Path, written: str, told: list[str]) -> None:
    folder = tmp_path / "own" / "stepfunctions"
    folder.mkdir(parents=True)
    (folder / "state-when.json.j2").write_text(written)
    path = tmp_path / "dag.yaml"
    path.write_text(json.dumps({"dag": graph(c=task(when=WHEN)), "executor": EXECUTOR, **STORES}))
    with pytest.raises(DefinitionError) as refused:
        render(str(path), "stepfunctions", templates=str(tmp_path / "own"))
    assert [item.message for item in refused.value.diagnostics if item.code == "MR252"] == told


def test_a_template_that_leads_past_the_choice_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "own" / "stepfunctions"
    folder.mkdir(parents=True)
    (folder / "state-start.json.j2").write_text('"Type": "Pass", "Assign": {"run": "r"}, "Next": "c"')
    path = tmp_path / "dag.yaml"
    path.write_text(json.dumps({"dag": graph(c=task(when=WHEN)), "executor": EXECUTOR, **STORES}))
    with pytest.raises(DefinitionError) as refused:
        render(str(path), "stepfunctions", templates=str(tmp_path / "own"))
    told = [item.message for item in refused.value.diagnostics if item.code == "MR252"]
    assert told == ["state 'run: start': Next leads to 'c', past the Choice that may skip it"]
