"""The Step Functions target: what becomes of conditionals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import render
from tests.unit.stepfunctions_rendering import (
    ENDS,
    EXECUTOR,
    STORES,
    caught,
    command,
    dag,
    graph,
    machine,
    made,
    task,
)

QUIET: dict[str, Any] = {"type": "as-is", "next": "success"}
EMPTY: dict[str, Any] = {"start_at": "success", "steps": ENDS}
DOOMED: dict[str, Any] = {"start_at": "fail", "steps": ENDS}


def conditional(then: str = "success", **fields: Any) -> dict[str, Any]:
    branches = {"a": graph(t=task()), "B b": graph(t=task())}
    return {"type": "conditional", "parameter": "k", "branches": branches, "next": then, **fields}


def over(branch: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "type": "map",
        "iterate_on": "l",
        "iterate_as": "i",
        "branch": branch,
        "next": "success",
        **fields,
    }


def rules(choice: Any) -> list[tuple[str, str]]:
    return [
        (rule["Condition"].removeprefix("{% $states.input = ").removesuffix(" %}"), rule["Next"])
        for rule in choice["Choices"]
    ]


def test_the_choice_is_read_from_the_record_and_leads_into_its_branch(tmp_path: Path) -> None:
    steps = graph(t=task("c"), c=conditional("u", description="Which?", on_failure="h"), u=task(), h=task())
    states = machine(tmp_path, steps)["States"]
    assert list(states)[:6] == ["run: start", "t", "c: choice", "c", "c.a.t", "c.B b.t"]
    assert states["t"]["Next"] == "c: choice"
    read = states["c: choice"]
    assert read["Resource"].endswith(":aws-sdk:s3:getObject")
    assert read["Arguments"]["Key"] == "{% 'run_log/' & $run & '/steps/c/start.json' %}"
    assert (read["Next"], caught(read)) == ("c", "h")
    choice = states["c"]
    assert (choice["Comment"], choice["Default"], choice["Output"]) == ("Which?", "h", "{% 'c' %}")
    assert rules(choice) == [("'a'", "c.a.t"), ("'b-b-90c71e0a'", "c.B b.t")]
    assert (states["c.a.t"]["Next"], caught(states["c.a.t"])) == ("u", "h")
    assert command(states["c.B b.t"])[3] == "c.b-b-90c71e0a.t"


def test_where_no_step_chooses_a_callback_does_first(tmp_path: Path) -> None:
    quiet = {"type": "as-is", "next": "c2"}
    states = machine(tmp_path, graph(c=conditional("q"), q=quiet, c2=conditional()))["States"]
    assert states["run: start"]["Next"] == "c: choose"
    assert command(states["c: choose"])[1:] == ["choose", "{% $run %}", "c"]
    assert (states["c: choose"]["Next"], caught(states["c: choose"])) == ("c: choice", "fail")
    assert states["c.a.t"]["Next"] == "q"
    assert states["q"]["Next"] == "c2: choose"


def test_the_default_has_a_rule_like_any_branch(tmp_path: Path) -> None:
    choice = machine(tmp_path, graph(c=conditional("u", default=EMPTY), u=task()))["States"]["c"]
    assert rules(choice)[-1] == ("'default'", "u")
    assert choice["Default"] == "fail"


def test_conditionals_in_maps_and_bounded_parallels(tmp_path: Path) -> None:
    branches = {"x": graph(c=conditional()), "y": graph(c=conditional())}
    steps = {
        "m": over(graph(c=conditional()), next="p"),
        "p": {"type": "parallel", "branches": branches, "max_concurrency": 1, "next": "success"},
    }
    states = machine(tmp_path, graph(**steps))["States"]
    item = states["m"]["ItemProcessor"]["States"]
    assert item["m: branch"]["Next"] == "m.c: choose"
    assert "$replace($branch, '.', '/') & '/c/start.json'" in item["m.c: choice"]["Arguments"]["Key"]
    assert item["m.c"]["Output"] == "{% $branch & '.c' %}"
    assert (item["m.c"]["Default"], item["m.c.a.t"]["Next"]) == ("m.fail", "m.success")
    bounded = states["p"]["ItemProcessor"]["States"]
    assert rules(bounded["p: branch"]) == [("0", "p.x.c: choose")]
    assert bounded["p: branch"]["Default"] == "p.y.c: choose"


def test_a_separate_dag_in_a_branch_and_a_conditional_in_a_separate_dag(tmp_path: Path) -> None:
    inner = dag(graph(c=conditional()), separate=True)
    rendered = made(tmp_path, graph(c=conditional(branches={"a": graph(d=inner)})))
    assert list(rendered.others) == ["c.a.d"]
    states = json.loads(rendered.text)["States"]
    assert rules(states["c"]) == [("'a'", "c.a.d")]
    child = json.loads(rendered.others["c.a.d"])["States"]
    assert child["run: start"]["Next"] == "c.a.d.c: choose"
    assert child["c.a.d.c: choice"]["Arguments"]["Key"].endswith("& '/c/start.json' %}")


def test_conditionals_deep_in_one_another(tmp_path: Path) -> None:
    """Each level is entered and left without a state of its own but the two that choose."""
    steps = graph(t=task())
    for _ in range(60):
        steps = graph(c=conditional(branches={"a": steps}))
    states = machine(tmp_path, steps)["States"]
    assert len(states) == 60 * 3 + 5
    last = list(states)[-4]
    assert (states[last]["Next"], caught(states[last])) == ("success", "fail")


# ---- failures ----


def test_a_branch_that_fails_without_any_callback_is_recorded_where_it_fails(tmp_path: Path) -> None:
    branches = {"a": DOOMED, "b": graph(n={**QUIET, "next": "fail"}), "c": EMPTY}
    states = machine(tmp_path, graph(c=conditional(branches=branches, on_failure="h"), h=task()))["States"]
    assert rules(states["c"]) == [("'a'", "c.a.fail"), ("'b'", "c.b.n"), ("'c'", "success")]
    for slug in "ab":
        record = states[f"c.{slug}.fail"]
        assert command(record)[3] == f"c.{slug}.fail"
        assert record["Next"] == caught(record) == "h"


@pytest.mark.parametrize("then", ["success", "q"])
def test_a_failure_after_which_nothing_calls_back_is_confirmed(tmp_path: Path, then: str) -> None:
    states = machine(tmp_path, graph(c=conditional("u", on_failure=then), u=task(), q=QUIET))["States"]
    confirmation = states["c: failed"]
    assert command(confirmation)[1:] == ["execute_single_node", "{% $run %}", "c", "--confirm-failure"]
    assert (confirmation["Next"], caught(confirmation)) == (then, "fail")
    for state in ("c: choose", "c: choice", "c.a.t"):
        assert caught(states[state]) == "c: failed"
    assert states["c"]["Default"] == "c: failed"


def test_a_handler_that_leads_to_failure_names_itself_as_other_composites_do(tmp_path: Path) -> None:
    branches = {"a": graph(t=task()), "b": EMPTY}
    steps = graph(t=task(on_failure="c"), c=conditional("fail", branches=branches))
    states = machine(tmp_path, steps)["States"]
    assert [rule.get("Output") for rule in states["c"]["Choices"]] == ["{% 'c' %}", "{% 'c' %}"]
    assert states["c.a.t"]["Output"] == "{% $states.input %}"


def test_a_step_of_a_branch_that_leads_to_failure_names_itself(tmp_path: Path) -> None:
    states = machine(tmp_path, graph(c=conditional("fail")))["States"]
    assert [rule.get("Output") for rule in states["c"]["Choices"]] == [None, None]
    assert states["c.a.t"]["Output"] == "{% 'c.a.t' %}"


# ---- templates of the user's ----


def test_a_template_that_mixes_up_the_branches_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "own" / "stepfunctions"
    folder.mkdir(parents=True)
    (folder / "state-conditional.json.j2").write_text(
        '"Type": "Choice", "Choices": [{% for rule in state.choices %}'
        '{"Condition": {{ rule.condition | json }}, "Next": {{ state.choices[0].next | json }}}'
        '{{ "," if not loop.last }}{% endfor %}], "Default": {{ state.choices[1].next | json }}'
    )
    path = tmp_path / "dag.yaml"
    document = {"dag": graph(c=over(graph(c=conditional()))), "executor": EXECUTOR, **STORES}
    path.write_text(json.dumps(document))
    with pytest.raises(DefinitionError) as refused:
        render(str(path), "stepfunctions", templates=str(tmp_path / "own"))
    assert [item.message for item in refused.value.diagnostics if item.code == "MR252"] == [
        "state 'c.c': rule 2 is for the branch 'b-b-90c71e0a', and leads into 'a'",
        "state 'c.c': its Default leads into a branch, to 'c.c.B b.t'",
        "state 'c.c: choice': its Catch leads to 'c.fail', the Default of 'c.c' to 'c.c.B b.t': both are what follows the "
        "failure of the conditional",
    ]
