"""The check of Argo manifests: manifests without a mistake, and every mistake by itself."""

from __future__ import annotations

import copy
import math
from itertools import pairwise
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from magnus_render.diagnostics import explained
from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.edges import _well_formed
from magnus_render.targets.argo.lint.run import verify
from magnus_render.targets.argo.lint.schedule import schedule_problem
from magnus_render.targets.argo.lint.yaml import load
from magnus_render.targets.base import Finding
from tests.engines import argo_lint
from tests.engines.argo.version import NEWER, OLDER
from tests.unit.argo_manifests import MANIFESTS
from tests.unit.argo_mistakes import MISTAKES, NEWER_ALONE, OURS_ALONE, Mistake, good


def about(finding: Finding, label: str) -> bool:
    if label:
        return finding.message.startswith(f"{label}: ")
    return not finding.message.startswith("template ")


def codes_of(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize("name", MANIFESTS)
def test_nothing_is_found_in_a_good_manifest(name: str) -> None:
    assert verify(good(name)) == []


@pytest.mark.parametrize("name", MISTAKES)
def test_each_mistake_is_found(name: str) -> None:
    mistake = MISTAKES[name]
    hits = [f for f in verify(mistake.documents()) if f.code == mistake.code and about(f, mistake.about)]
    assert hits
    assert {f.severity for f in hits} == {"error"}


def test_every_code_has_an_explanation_and_a_mistake() -> None:
    ours = {code for code in explained() if "MR320" <= code <= "MR379"}
    assert ours == {value for name, value in vars(codes).items() if name.isupper()}
    elsewhere = {"MR356", "MR357", "MR358", "MR360"}  # limits, tested below
    assert ours == {mistake.code for mistake in MISTAKES.values()} | elsewhere


# ---- Argo's own checks ----


@pytest.mark.parametrize("name", MANIFESTS)
def test_argo_finds_nothing_in_a_good_manifest(name: str) -> None:
    argo_lint.require()
    assert argo_lint.lint({f"{name}.yaml": MANIFESTS[name]}) == []


@pytest.mark.parametrize(("version", "missed"), [(NEWER, OURS_ALONE), (OLDER, OURS_ALONE | NEWER_ALONE)])
def test_what_argo_does_not_find(version: str, missed: frozenset[str]) -> None:
    argo_lint.require()
    found = {
        name for name, mistake in MISTAKES.items() if argo_lint.lint({"x.yaml": mistake.text()}, [version])
    }
    assert set(MISTAKES) - found == missed


# ---- messages ----


def said(name: str) -> tuple[str, str]:
    mistake = MISTAKES[name]
    hit = next(f for f in verify(mistake.documents()) if f.code == mistake.code)
    return hit.message, hit.fix


def test_messages_and_fixes() -> None:
    assert said("unknown template") == (
        "template 'pipeline', task 'own': template 'owned' is no template of WorkflowTemplate 'regions'",
        "did you mean 'own'?",
    )
    assert said("withParam of no ancestor") == (
        "template 'pipeline', task 'm': withParam uses {{tasks.a.outputs.parameters.items}}, but it does not depend on 'a'",
        "name 'a' in depends",
    )
    assert said("env value y") == (
        "template 'b': container.env[0].value is true, not a string",
        "put it into quotes: YAML reads it as something else than text",
    )
    assert said("schedule of Argo 3") == (
        "CronWorkflow 'nightly': spec has no field 'schedule'",
        "Argo 4 has dropped it: write schedules, a list",
    )
    assert (
        said("field of Argo 4.1")[1] == "it is new in Argo 4.1: max_time ends a run whose pods stay pending"
    )
    assert said("days by name") == (
        "CronWorkflow 'nightly': schedule '0 6 * * MON-FRI': Argo 4 takes numbers alone",
        "write '0 6 * * 1-5'",
    )
    assert said("empty list not accepted") == (
        "template 'pipeline', task 'p': it waits for the success of 'm', which ends as Skipped where its list may be empty",
        "write '(m.Succeeded || m.Skipped)'",
    )
    assert said("cycle")[0] == (
        "template 'pipeline': its tasks wait for each other: a -> own -> lines -> p -> m -> a"
    )


def test_findings_name_the_node() -> None:
    def found(name: str, **node_of: str) -> set[str]:
        findings = verify(
            MISTAKES[name].documents(), node_of={k.replace("__", "."): v for k, v in node_of.items()}
        )
        return {f.address for f in findings if f.code == MISTAKES[name].code}

    assert found("retry limit", b="m._.n._.b") == {"m._.n._.b"}
    assert found("depends on no task", pipeline__lines="l", lines="x", pipeline="y") == {"l"}
    assert found("depends on no task", lines="x", pipeline="y") == {"x"}
    assert found("depends on no task", pipeline="y") == {"y"}
    assert found("unknown onExit", pipeline="y") == {""}


# ---- what is the user's own ----


def test_what_argo_accepts_is_let_through_in_native_templates() -> None:
    for name in ("bare name", "two leaves", "empty list not accepted"):
        assert verify(MISTAKES[name].documents(), native=["pipeline"]) == []
    for name in ("variable in args", "unknown tag in data", "item in a leaf", "no retry policy"):
        assert verify(MISTAKES[name].documents(), native=["step", "b"]) == []
    assert verify(MISTAKES["parameter no"].documents(), native=["p"]) == []
    assert codes_of(verify(MISTAKES["two types"].documents(), native=["pass"])) == ["MR327"]


NATIVE = """
- {name: x, http: {url: "https://example.org", successCondition: "response.statusCode == 200"}}
- name: x
  resource: {action: create, setOwnerReference: true, manifest: "kind: Job", successCondition: status.succeeded > 0}
  outputs: {parameters: [{name: made, valueFrom: {jsonPath: "{.metadata.name}"}}]}
- name: x
  containerSet:
    containers: [{name: main, image: a, command: [b]}, {name: c, image: a, dependencies: [main]}]
- name: x
  steps:
    - - {name: one, template: step, arguments: {parameters: [{name: step, value: 1}]}, withSequence: {count: 3}}
    - - name: two
        template: step
        when: "{{steps.one.status}} == Succeeded"
        arguments: {parameters: [{name: step, value: "{{steps.one.outputs.result}} {{item.a}}"}]}
        withItems: [{a: 1}]
- name: x
  dag:
    tasks:
      - name: a
        inline: {inputs: {parameters: [{name: q, value: z}]}, script: {image: i, source: "{{inputs.parameters.q}}"}}
      - {name: b, dependencies: [a], template: count, arguments: {parameters: [{name: step, value: s}]}}
- name: x
  daemon: true
  sidecars: [{name: s, image: docker:dind, securityContext: {privileged: true}, mirrorVolumeMounts: true}]
  metrics: {prometheus: [{name: m, help: h, gauge: {value: "{{duration}}", realtime: true}}]}
  memoize: {key: "{{workflow.name}}", maxAge: 10s, cache: {configMap: {name: c}}}
  synchronization: {mutexes: [{name: m}]}
  script: {image: python, command: [python], source: "print('{{item}}', '{{ user }}')", resources: {limits: {cpu: 0.5}}}
- name: x
  inputs: {artifacts: [{name: f, path: /in, s3: {key: k, bucket: b, accessKeySecret: {name: s, key: k}}}]}
  container: {image: a, args: ["$(HOME)", "{{inputs.artifacts.f.path}}", "{{workflow.labels.who}}"]}
  outputs: {artifacts: [{name: o, path: /out, archive: {none: {}}}]}
- {name: x, plugin: {hello: {world: 1}}}
- {name: x, suspend: {}}
"""


@pytest.mark.parametrize("number", range(9))
def test_native_templates_of_every_type(number: int) -> None:
    (document,) = good("template")
    document["spec"]["templates"].append(load(NATIVE)[0][number])
    assert verify([document], native=["x"]) == []


def test_there_are_as_many_native_templates() -> None:
    assert len(load(NATIVE)[0]) == 9


def test_other_objects_are_none_of_our_business() -> None:
    assert verify([{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}}]) == []


@pytest.mark.parametrize("document", [None, [], "x", 1, {}])
def test_an_object_is_a_mapping_that_says_what_it_is(document: Any) -> None:
    assert set(codes_of(verify([document]))) == {"MR320"}


def test_templates_of_other_manifests() -> None:
    caller, called = good("pair")
    assert verify([caller]) == []
    assert verify([caller], others=[called]) == []
    called["spec"]["templates"][0]["name"] = "outer"
    assert "MR328" in codes_of(verify([caller], others=[called]))


# ---- references ----


def leaf(text: str, **more: Any) -> list[str]:
    """Return the codes found in a template with one argument."""
    template = {
        "name": "x",
        "inputs": {"parameters": [{"name": "a"}, {"name": "b-c"}]},
        "container": {"image": "i", "command": ["c"], "args": [text]},
        **more,
    }
    arguments = {"parameters": [{"name": "run-id", "value": ""}, {"name": "a"}, {"name": "b-c"}]}
    spec = {"entrypoint": "x", "arguments": arguments, "templates": [template]}
    metadata = {"name": "w", "labels": {"team": "data"}}
    return codes_of(
        verify(
            [{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "spec": spec}]
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        "{{inputs.parameters.a}}{{ inputs.parameters.b-c }}{{inputs.parameters}}",
        "{{workflow.creationTimestamp.%Y}} {{workflow.status}} {{workflow.labels.team}} {{workflow.parameters.json}}",
        "{{pod.name}} {{node.name}} {{workflow.duration}} {{workflow.failures}}",
        "{{=inputs.parameters['b-c'] + workflow.parameters['run-id']}}",
        "{{=sprig.trim(inputs.parameters.a) == 'it' ? \"}\" : `{`}}",
        "{{=asInt(inputs.parameters.a) > 1 && !(workflow.name in ['a', \"b\"])}}",
        "{{=toJson(filter([1, 2], {# > 1}))}}",
        "} }} {x}",
        "",
    ],
)
def test_references_that_are_there(text: str) -> None:
    assert leaf(text) == []


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{inputs.parameters.b}}", "MR339"),
        ("{{inputs.artifacts.a.path}}", "MR339"),
        ("{{inputs.params.a}}", "MR339"),
        ("{{workflow.labels.Team}}", "MR339"),
        ("{{workflow.id}}", "MR339"),
        ("{{=workflow.parameters.runid}}", "MR339"),
        ("{{steps.a.status}}", "MR339"),
        ("{{outputs.parameters.x.path}}", "MR339"),
        ("{{lastRetry.exitCode}}", "MR339"),
        ("{{=inputs.parameters.b-c}}", "MR342"),
        ("{{=}}", "MR342"),
        ("{{=(1]}}", "MR342"),
        ("{{}}", "MR341"),
        ("{{{inputs.parameters.a}}}", "MR341"),
    ],
)
def test_references_that_are_not(text: str, code: str) -> None:
    assert leaf(text) == [code]


def test_retries_where_there_is_a_strategy() -> None:
    assert (
        leaf("{{retries}} {{lastRetry.message}}", retryStrategy={"limit": 2, "retryPolicy": "Always"}) == []
    )


@pytest.mark.parametrize("code", ["x", "x&&x", "!x", "!(x||x)&&x", "((x))", "!!x"])
def test_conditions_that_parse(code: str) -> None:
    assert _well_formed(code)


@pytest.mark.parametrize("code", ["", "xx", "x&&", "||x", "x&x", "(x", "x)", "()", "x!", "x.", "x==x", "!"])
def test_conditions_that_do_not_parse(code: str) -> None:
    assert not _well_formed(code)


# ---- YAML and schedules ----


def test_words_are_read_as_kubernetes_does() -> None:
    words = "[y, N, on, nO, 1e3, 0755, 0o17, 0x1F, 1_000, 0b11, -3, .5, 1., 08, 12:30, 2024-01-31, ~, null, a, -a]"
    assert load(words)[0] == [
        *(True, False, True, "nO", 1000.0, 493, 15, 31, 1000, 3, -3, 0.5, 1.0, 8.0),
        *("12:30", "2024-01-31", None, None, "a", "-a"),
    ]
    infinite, negative, nothing = load("[.inf, -.INF, .NaN]")[0]
    assert (infinite, negative, math.isnan(nothing)) == (math.inf, -math.inf, True)
    assert load("a: &x {b: 1}\nc: {<<: *x, d: 2}")[0]["c"] == {"b": 1, "d": 2}


def test_a_key_given_twice() -> None:
    with pytest.raises(yaml.YAMLError, match="the key 'a' is given twice"):
        load("a: 1\nb: 2\na: 3")


@pytest.mark.parametrize(
    "schedule",
    ["* * * * *", "*/5 0-6/2 ? JAN-mar,5 sun", "0 0 1 1 *", "@daily", "@every 90s", "0 0 31 12 6"],
)
def test_schedules(schedule: str) -> None:
    assert schedule_problem(schedule) == ""


@pytest.mark.parametrize(
    "schedule",
    [
        "",
        "* * * *",
        "60 * * * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "a * * * *",
        "* * 0 * *",
        "* * * 13 *",
        "@every",
    ],
)
def test_bad_schedules(schedule: str) -> None:
    assert schedule_problem(schedule)


# ---- limits ----


def dag(tasks: list[dict[str, Any]], **spec: Any) -> dict[str, Any]:
    """Return a workflow with one DAG, whose tasks run the template `t`."""
    templates = [
        {"name": "main", "dag": {"tasks": [{"template": "t", **task} for task in tasks]}},
        {"name": "t", "suspend": {"duration": "0"}},
    ]
    return {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": "x-"},
        "spec": {"entrypoint": "main", "templates": templates, **spec},
    }


def chain(number: int) -> list[dict[str, Any]]:
    first: list[dict[str, Any]] = [{"name": "s0"}]
    return first + [{"name": f"s{n}", "depends": f"s{n - 1}.Succeeded"} for n in range(1, number)]


def test_counts() -> None:
    assert verify([dag(chain(200))]) == []
    (finding,) = verify([dag(chain(201))])
    assert finding.code == "MR357" and "201 tasks" in finding.message
    document = dag(chain(2))
    document["spec"]["templates"] += [{"name": f"t{n}", "suspend": {}} for n in range(198)]
    assert verify([document]) == []
    document["spec"]["templates"].append({"name": "one-more", "suspend": {}})
    assert codes_of(verify([document])) == ["MR357"]
    given = [{"name": f"p{n}", "value": ""} for n in range(501)]
    assert codes_of(verify([dag(chain(2), arguments={"parameters": given})])) == ["MR357"]


def test_sizes() -> None:
    document = dag(chain(2))
    document["spec"]["templates"][1]["metadata"] = {"annotations": {"a": "x" * 200_000}}
    assert verify([document], size=300_000) == []
    document["spec"]["templates"][0]["metadata"] = {"annotations": {"a": "x" * 200_000}}
    assert verify([document], size=500_000) == []  # a Workflow is created, never applied
    document |= {"kind": "WorkflowTemplate", "metadata": {"name": "x"}}
    (finding,) = verify([document], size=500_000)
    assert (finding.code, finding.severity) == ("MR358", "warning")
    document["spec"]["templates"] += [
        {"name": f"t{n}", "suspend": {}, "metadata": {"annotations": {"a": "é" * 100_000}}} for n in range(4)
    ]
    (finding,) = verify([document], size=1_300_000)
    assert (finding.code, finding.severity) == ("MR356", "error")


def test_long_and_wide_manifests() -> None:
    long = chain(5000)
    long[-1]["when"] = "{{tasks.s0.status}} == Succeeded"
    assert codes_of(verify([dag(long)], size=1)) == ["MR357"]
    long[0]["depends"] = "s4999.Failed"
    assert codes_of(verify([dag(long)], size=1)) == ["MR357", "MR332"]
    every = " && ".join(f"s{n}.Succeeded" for n in range(2000))
    wide: list[dict[str, Any]] = [{"name": f"s{n}"} for n in range(2000)]
    assert codes_of(verify([dag([*wide, {"name": "last", "depends": every}])], size=1)) == ["MR357"]


@pytest.mark.parametrize(("deep", "found"), [(99, []), (100, ["MR360"]), (150, ["MR360"])])
def test_templates_within_templates(deep: int, found: list[str]) -> None:
    document = dag([{"name": "t"}])
    templates = document["spec"]["templates"]
    names = ["main", *(f"t{number}" for number in range(deep - 2)), "t"]
    templates[:-1] = [
        {"name": name, "dag": {"tasks": [{"name": "t", "template": inner}]}}
        for name, inner in pairwise(names)
    ]
    assert codes_of(verify([document])) == found


def test_deep_values() -> None:
    value: Any = "{{item}}"
    for _ in range(5000):
        value = [value]
    assert "MR324" in codes_of(verify([dag([{"name": "a", "arguments": {"parameters": value}}])]))


def test_a_finding_of_the_defaults_is_made_once() -> None:
    findings = verify(MISTAKES["workflow's field"].documents())
    assert codes_of(findings) == ["MR339"]


# ---- whatever comes ----

WORDS = """
    apiVersion argoproj.io/v1alpha1 kind Workflow CronWorkflow metadata name spec entrypoint templates dag tasks depends
    steps container script args env value valueFrom secretKeyRef key withParam withItems withSequence inline templateRef
    retryStrategy backoff duration limit inputs outputs parameters arguments templateDefaults volumes volumeMounts hooks
    schedules timezone workflowSpec resources requests limits labels annotations tolerations a b pipeline step 2 1h
"""
TEXTS = (
    st.sampled_from(WORDS.split())
    | st.sampled_from(
        ["{{item}}", "{{tasks.a.outputs.result}}", "{{=", "{{", "}}", "$(A)", "a.Succeeded", "(a", "-"]
    )
    | st.text("{}=$().[]'\"`-ab1 &|!/:@*", max_size=12)
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=6),
    max_leaves=30,
)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_nothing_raises(value: Any) -> None:
    assert all(isinstance(item, Finding) for item in verify([value]))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_nothing_in_a_manifest_raises(data: st.DataObject) -> None:
    documents: Any = copy.deepcopy(GOOD[data.draw(st.sampled_from(sorted(GOOD)))])
    for _ in range(data.draw(st.integers(1, 3))):
        target = documents[0]
        for _ in range(data.draw(st.integers(0, 8))):
            values = target.values() if isinstance(target, dict) else target
            inner = [v for v in values if v and isinstance(v, dict | list)]
            if not inner:
                break
            target = data.draw(st.sampled_from(inner))
        if isinstance(target, dict):
            target[data.draw(st.sampled_from(sorted(target, key=str)) | TEXTS)] = data.draw(VALUES)
        elif target:
            target[data.draw(st.integers(0, len(target) - 1))] = data.draw(VALUES)
    for finding in verify(documents, size=10**6):
        assert isinstance(finding, Finding)
        assert isinstance(finding.message + finding.fix + finding.address, str)


@pytest.mark.parametrize("value", [True, 1, None, 1.5])
@pytest.mark.parametrize("field", ["withParam", "depends", "when", "template", "arguments", "name"])
def test_a_field_of_a_task_with_a_value_of_another_kind(field: str, value: Any) -> None:
    assert all(isinstance(item, Finding) for item in verify([dag([{"name": "a", field: value}])]))


GOOD = {name: good(name) for name in MANIFESTS}


def test_a_mistake_replaces_a_text_that_stands_there_once() -> None:
    with pytest.raises(AssertionError, match="stands there 0 times"):
        Mistake("no such text", "", "MR320").documents()
