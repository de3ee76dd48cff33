"""The check of Step Functions definitions: a machine without a mistake, and every mistake by itself."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magnus_render.diagnostics import explained
from magnus_render.targets.base import Finding
from magnus_render.targets.stepfunctions.lint import codes, quotas, services
from magnus_render.targets.stepfunctions.lint.jsonata import read
from magnus_render.targets.stepfunctions.lint.members import java_name
from magnus_render.targets.stepfunctions.lint.run import verify
from tests.unit.asl_mistakes import BATCH, BY_MODEL, CONDITIONALS, MISTAKES, NODES, Machine, good

WARNINGS = {"no Default", "unknown States error", "retries of Runtime"}
SMALL = 1000


def found(machine: Any, *, size: int = SMALL, models: bool = True) -> list[Finding]:
    return verify(machine, size=size, node_of=NODES, conditionals=CONDITIONALS, models=models)


def about(finding: Finding, state: str) -> bool:
    begins = finding.message.startswith(f"state '{state}': ")
    return begins if state else not finding.message.startswith("state '")


def codes_of(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.fixture
def no_botocore(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    services._model.cache_clear()
    yield
    services._model.cache_clear()


@pytest.mark.parametrize("models", [True, False])
def test_nothing_is_found_in_a_good_machine(models: bool) -> None:
    assert found(good(), models=models) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_found(name: str) -> None:
    mistake, machine = MISTAKES[name], good()
    mistake.make(machine)
    assert machine != good()
    if name in BY_MODEL:
        pytest.importorskip("botocore")
    hits = [f for f in found(machine) if f.code == mistake.code and about(f, mistake.state)]
    assert hits
    assert {f.severity for f in hits} == ({"warning"} if name in WARNINGS else {"error"})


@pytest.mark.parametrize("name", sorted(MISTAKES.keys() - BY_MODEL))
def test_most_are_found_without_botocore(name: str, no_botocore: None) -> None:
    mistake, machine = MISTAKES[name], good()
    mistake.make(machine)
    assert any(f.code == mistake.code and about(f, mistake.state) for f in found(machine))


def test_a_good_machine_without_botocore(no_botocore: None) -> None:
    assert found(good()) == []


def test_every_code_has_an_explanation_and_a_mistake() -> None:
    ours = {code for code in explained() if "MR220" <= code <= "MR259"}
    assert ours == {value for name, value in vars(codes).items() if name.isupper()}
    elsewhere = {"MR248", "MR249", "MR250", "MR251"}  # limits, tested below
    assert ours == {mistake.code for mistake in MISTAKES.values()} | elsewhere


@pytest.mark.parametrize("machine", [None, [], "x", 1])
def test_a_definition_is_an_object(machine: Any) -> None:
    assert codes_of(found(machine)) == ["MR220"]


def test_messages_and_fixes() -> None:
    def said(name: str) -> tuple[str, str]:
        mistake, machine = MISTAKES[name], good()
        mistake.make(machine)
        hit = next(f for f in found(machine) if f.code == mistake.code)
        return hit.message, hit.fix

    assert said("dangling rule") == (
        "state 'outcome': Next of rule 1 leads to 'Far', which is no state of the state machine",
        "did you mean 'far'?",
    )
    assert said("undefined variable") == (
        "state 'A': Output uses $rnu, which is not defined",
        "did you mean '$run'?",
    )
    assert said("bare name") == (
        "state 'A': the expression in Output refers to run at its top level: '{% run %}'",
        "write $run for a variable, $states.input.run for the input",
    )
    assert said("typo in a field") == (
        "state 'map': a Map state has no field 'MaxConcurency'",
        "did you mean 'MaxConcurrency'?",
    )
    assert said("variable in distributed") == (
        "state 'far.branch': Output uses $run, which is not seen inside a distributed Map",
        "hand it over with ItemSelector, and assign it in the first state inside",
    )


def test_findings_name_the_node() -> None:
    machine = good()
    machine["States"]["A"]["Next"] = "gone"
    machine["States"]["count"]["Output"] = "{% nothing %}"
    findings = verify(machine, size=SMALL, node_of={"A": "a"})
    assert [f.address for f in findings if f.code == "MR221"] == ["a"]
    machine = good()
    machine["States"]["map: count"] = machine["States"].pop("count")
    machine["States"]["until"]["Next"] = "map: count"
    machine["States"]["map: count"]["Output"] = "{% nothing %}"
    assert [f.address for f in verify(machine, size=SMALL, node_of={"map": "m"})] == ["m"]


# ---- expressions ----


@pytest.mark.parametrize(
    "code",
    [
        "$a.b[c > 1 and d = 'x'].{'e': f}",
        "$a^(>b, <c)[0]",
        "$map($a, function($v, $i)<n-n:n> { $v * $i })",
        "($x := 1; $y := $x + 1; $y)",
        "$a ~> $f(1, ?) ~> | b | {'c': 1}, ['d'] |",
        "$match('x/y', /x\\/[/]y/i)",
        "/* why */ $a ? 'b' : \"it's\"",
        "$a@$v.b#$i[$v = $i]",
        "λ($q){$q}(1)",
        "[1..3, 5]",
        "$a.*.**.`b c`.'d'",
        "-$a - -1.5e-3",
        "and or in",
        "{}",
        "[]",
        "$a[]",
    ],
)
def test_expressions_that_parse(code: str) -> None:
    assert read(code).problem == ""


@pytest.mark.parametrize(
    "code",
    [
        *(
            "",
            "$a $b",
            "$a +",
            "+ $a",
            "[1,]",
            "{'a':1,}",
            "{1}",
            "{:1}",
            "(;)",
            "($a;;1)",
            "(1,2)",
            "$f(1;2)",
        ),
        *(
            "$a[",
            "$a)",
            "'abc",
            "`a",
            "/a",
            "/* a",
            '"\\x"',
            "'\\u12'",
            "1..3",
            "$a:1",
            "$a,$b",
            "$a.1",
            "$a ?? 1",
        ),
        *(
            "$a @ b",
            "$a^b",
            "1 := 2",
            "function($a,){1}",
            "function($a)",
            "function(a){1}",
            "$a ! $b",
            "| $a | 1",
        ),
    ],
)
def test_expressions_that_do_not_parse(code: str) -> None:
    assert read(code).problem


def test_what_an_expression_refers_to() -> None:
    expression = read("$a & $states.input.b & $map($c, function($v) { $v.d & $e }) & ($f := 1; $f) & $f")
    assert expression.variables == ["a", "c", "e", "f"]
    assert expression.states == [("input", "b")]
    assert expression.bare == []
    assert read("$states.context.'Execution'.Id").states == [("context", "Execution", "Id")]
    assert read("$merge([$states, {'a': b}])").states == [()]


@pytest.mark.parametrize(
    ("code", "bare"),
    [
        ("a.b", ["a"]),
        ("$.a", ["$"]),
        ("$$", ["$$"]),
        ("{a: 1}", ["a"]),
        ("$map($x, function($v) { b })", ["b"]),
        ("`a b` & c", ["a b", "c"]),
        ("$x.a[b = $].{c: d}^(e)", []),
        ("$x.$string($)", []),
        ("$x.(a & b)", []),
        ("[true, false, null]", []),
    ],
)
def test_what_needs_a_context(code: str, bare: list[str]) -> None:
    assert read(code).bare == bare


# ---- variables ----


def passes(*states: tuple[str, dict[str, Any]]) -> Machine:
    """Return a chain of Pass states."""
    machine: Machine = {"QueryLanguage": "JSONata", "StartAt": states[0][0], "States": {}}
    for number, (name, fields) in enumerate(states):
        last = number + 1 == len(states)
        onward = {"End": True} if last else {"Next": states[number + 1][0]}
        machine["States"][name] = {"Type": "Pass", **onward, **fields}
    return machine


def test_a_variable_is_there_after_the_state_that_assigns_it() -> None:
    assert found(passes(("a", {"Assign": {"x": 1}}), ("b", {"Output": "{% $x %}"}))) == []
    assert codes_of(found(passes(("a", {"Assign": {"x": 1}, "Output": "{% $x %}"}), ("b", {})))) == ["MR241"]


def test_a_variable_may_come_round_a_loop() -> None:
    machine = passes(("a", {"Output": "{% $exists($x) ? $x : 0 %}"}), ("b", {"Assign": {"x": 1}}), ("c", {}))
    rule = {"Condition": "{% $x > 1 %}", "Next": "c"}
    machine["States"]["again"] = {"Type": "Choice", "Choices": [rule], "Default": "a"}
    machine["States"]["b"]["Next"] = "again"
    assert found(machine) == []


def test_a_rule_assigns_on_its_own_way_only() -> None:
    machine = passes(("a", {"Output": "{% $x %}"}), ("end", {}))
    rule = {"Condition": True, "Next": "end", "Assign": {"x": 1}}
    machine["States"]["pick"] = {"Type": "Choice", "Choices": [rule], "Default": "a"}
    machine["StartAt"] = "pick"
    assert codes_of(found(machine)) == ["MR241"]


def test_what_is_not_reached_is_said_once() -> None:
    machine = good()
    machine["StartAt"] = "success"
    machine["States"]["success"]["Output"] = "{% 1 %}"
    assert set(codes_of(found(machine))) == {"MR222"}


# ---- limits ----


def test_size() -> None:
    machine = passes(("a", {"Comment": "x" * 1000}))
    assert found(machine, size=1_048_576) == []
    (finding,) = found(machine, size=1_048_577)
    assert finding.code == "MR248"
    assert "1,048,577 bytes" in finding.message and "--compact" in finding.fix
    machine["States"]["a"]["Comment"] = "é" * 600_000
    (finding,) = found(machine, size=1_300_000)
    assert "--compact" not in finding.fix and "separate: true" in finding.fix


def test_payload() -> None:
    machine = passes(("a", {"Output": "x" * 262_142}))
    assert found(machine, size=300_000) == []
    machine["States"]["a"]["Output"] += "x"
    assert codes_of(found(machine, size=300_000)) == ["MR251"]


def batch(**fields: Any) -> dict[str, Any]:
    arguments = {"JobName": "a", "JobQueue": "q", "JobDefinition": "d"}
    return {"Type": "Task", "Resource": BATCH, "Arguments": arguments, **fields}


def jobs(number: int) -> Machine:
    states: Machine = {f"s{n}": batch(Next=f"s{n + 1}") for n in range(number)}
    states[f"s{number}"] = {"Type": "Succeed"}
    return {"QueryLanguage": "JSONata", "StartAt": "s0", "States": states}


def test_history() -> None:
    # 6 events a job that is waited for, 2 for the Succeed, 2 for the execution.
    assert found(jobs(4166)) == []
    (finding,) = found(jobs(4167))
    assert (finding.code, finding.severity) == ("MR249", "error")
    assert "at least 25,006 events" in finding.message


def test_history_that_only_the_longest_way_fills() -> None:
    machine = jobs(4167)
    rule = {"Condition": "{% $states.input.short %}", "Next": "s4167"}
    machine["States"]["pick"] = {"Type": "Choice", "Choices": [rule], "Default": "s0"}
    machine["StartAt"] = "pick"
    (finding,) = found(machine)
    assert (finding.code, finding.severity) == ("MR249", "warning")


def test_failing_early_is_no_way_to_keep_the_history_short() -> None:
    machine = jobs(4167)
    rule = {"Condition": "{% $states.input.ok %}", "Next": "s0"}
    machine["States"]["pick"] = {"Type": "Choice", "Choices": [rule], "Default": "fail"}
    machine["States"]["fail"] = {"Type": "Fail"}
    machine["StartAt"] = "pick"
    (finding,) = found(machine)
    assert (finding.code, finding.severity) == ("MR249", "error")


def mapped(steps: int, **config: str) -> Machine:
    inside = jobs(steps)
    del inside["QueryLanguage"]
    if config:
        inside["ProcessorConfig"] = config
    state = {"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": inside, "End": True}
    return {"QueryLanguage": "JSONata", "StartAt": "map", "States": {"map": state}}


def test_items_that_fill_the_history() -> None:
    # An item has 6 events a job, 2 for the Succeed, 2 of its own; around them are 4 and 2.
    most = (25_000 - 6) // (6 * 30 + 4)
    assert most < quotas.FEW_ITEMS
    (finding,) = found(mapped(30))
    assert (finding.code, finding.severity) == ("MR250", "warning")
    assert f"more than {most} items" in finding.message
    assert found(mapped(3)) == []
    assert found(mapped(30, Mode="DISTRIBUTED", ExecutionType="STANDARD")) == []


def test_a_distributed_item_has_a_history_of_its_own() -> None:
    (finding,) = found(mapped(4167, Mode="DISTRIBUTED", ExecutionType="STANDARD"))
    assert finding.code == "MR249" and "each item" in finding.message


# ---- services ----


def test_names_of_aws_sdk_calls() -> None:
    pairs = {
        "SSEKMSKeyId": "SsekmsKeyId",
        "ETag": "ETag",
        "ACL": "Acl",
        "ContentMD5": "ContentMD5",
        "jobName": "JobName",
    }
    assert {name: java_name(name) for name in pairs} == pairs
    pytest.importorskip("botocore")
    machine = good()
    arguments = machine["States"]["start"]["Arguments"]
    arguments["SSEKMSKeyId"] = arguments.pop("SsekmsKeyId")
    (finding,) = found(machine)
    assert (finding.code, finding.severity, finding.fix) == ("MR244", "warning", "write SsekmsKeyId")


def test_arguments_given_as_one_expression_are_not_checked() -> None:
    machine = good()
    machine["States"]["A"]["Arguments"] = "{% $merge([$states.input, {'JobName': 'a'}]) %}"
    assert found(machine) == []


def test_an_action_that_the_service_does_not_have() -> None:
    pytest.importorskip("botocore")
    machine = good()
    machine["States"]["count"]["Resource"] = "arn:aws:states:::aws-sdk:s3:getObjects"
    assert ("MR232", "did you mean 'getObject'?") in [(f.code, f.fix) for f in found(machine)]


@pytest.mark.parametrize(
    "resource",
    [
        "arn:aws-cn:states:::batch:submitJob.sync",
        "arn:aws:states:eu-west-1:123456789012:activity:sign",
        "arn:aws:states:::athena:startQueryExecution.sync",
        "arn:aws:states:::aws-sdk:nosuchservice:doThings",
        "arn:aws:states:::http:invoke",
    ],
)
def test_other_resources(resource: str) -> None:
    arguments = {"JobName": "a", "JobQueue": "q", "JobDefinition": "d"}
    assert found(passes(("a", {"Type": "Task", "Resource": resource, "Arguments": arguments}))) == []


# ---- whatever comes ----

WORDS = """
    StartAt States Type Task Map Parallel Choice Wait Pass Fail Succeed Next End Default Choices Condition Branches
    ItemProcessor ProcessorConfig Mode DISTRIBUTED Arguments Output Assign Retry Catch ErrorEquals States.ALL Resource
    Items ItemReader Label MaxConcurrency Seconds TimeoutSeconds QueryLanguage JSONata a b
"""
TEXTS = (
    st.sampled_from(WORDS.split())
    | st.sampled_from([BATCH, "arn:aws:states:::aws-sdk:s3:getObject", "{%", "%}", "{%}"])
    | st.text("$ab.[](){}'\"`\\/*<>|:=?,;^@#%-&~ 1", max_size=12).map(lambda code: f"{{%{code}%}}")
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=300, deadline=None)
@given(VALUES)
def test_no_json_raises(machine: Any) -> None:
    assert all(isinstance(item, Finding) for item in found(machine))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_nothing_in_a_machine_raises(data: st.DataObject) -> None:
    machine: Any = good()
    for _ in range(data.draw(st.integers(1, 3))):
        target = machine
        for _ in range(data.draw(st.integers(0, 7))):
            inner = [
                v
                for v in (target.values() if isinstance(target, dict) else target)
                if v and isinstance(v, dict | list)
            ]
            if not inner:
                break
            target = data.draw(st.sampled_from(inner))
        if isinstance(target, dict):
            target[data.draw(st.sampled_from(sorted(target)) | TEXTS)] = data.draw(VALUES)
        elif target:
            target[data.draw(st.integers(0, len(target) - 1))] = data.draw(VALUES)
    assert all(isinstance(item, Finding) for item in found(machine))
    json.dumps([item.message for item in found(machine)])


def test_long_machines() -> None:
    assert codes_of(found(jobs(10_000))) == ["MR249"]
    assert codes_of(found(passes(*((f"s{n}", {"Assign": {f"v{n}": n}}) for n in range(2000))))) == []


def test_deep_machines() -> None:
    machine = passes(("last", {"Output": "{% $v0 + $v49 %}"}))
    for depth in range(49, -1, -1):
        del machine["QueryLanguage"]
        kind = {"Type": "Map", "Items": "{% $states.input %}", "ItemProcessor": machine}
        if depth % 2:
            kind = {"Type": "Parallel", "Branches": [machine]}
        machine = passes((f"p{depth}", {"Assign": {f"v{depth}": depth}}), (f"m{depth}", kind))
    (finding,) = found(machine)
    assert finding.code == "MR250" and "'m0'" in finding.message


def test_deep_expressions() -> None:
    depth = 20_000
    assert read("(" * depth + "1" + ")" * depth).problem == ""
    assert read("(" * depth + "1" + ")" * (depth - 1)).problem
