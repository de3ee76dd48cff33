"""The checks find what is wrong, each of its kind, and nothing in Argo's own examples."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.engines import argo_lint
from tests.engines.argo.version import NEWER, OLDER, VERSIONS
from tests.engines.argo_lint.build import module

WORKFLOW = """\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {generateName: some-}
spec:
  entrypoint: main
  templates:
  - name: main
    dag:
      tasks:
      - {name: first, template: step}
      - {name: second, depends: first.Succeeded, template: step}
  - name: step
    container: {image: some, command: ["true"]}
"""
TEMPLATE = """\
apiVersion: argoproj.io/v1alpha1
kind: WorkflowTemplate
metadata: {name: shared}
spec:
  templates:
  - name: step
    container: {image: some, command: ["true"]}
"""
CRON = """\
apiVersion: argoproj.io/v1alpha1
kind: CronWorkflow
metadata: {name: nightly}
spec:
  schedules: ["0 3 * * *"]
  workflowSpec: {workflowTemplateRef: {name: shared}, entrypoint: step}
"""
REFERRING = WORKFLOW.replace("template: step}", "templateRef: {name: shared, template: step}}", 1)

# What is wrong with Argo's own examples: fields that the newer version has no more, and mistakes.
_REMOVED = {
    "dag-daemon-retry-strategy.yaml": {"spec.templates[2].synchronization.mutex"},
    "fibonacci-seq-conditional-param.yaml": {"spec.templates[1].memoize.cache.configMap.key"},
    "steps-daemon-retry-strategy.yaml": {"spec.templates[2].synchronization.mutex"},
    "synchronization-mutex-tmpl-level-legacy.yaml": {
        "spec.templates[1].synchronization.mutex",
        "spec.templates[2].synchronization.mutex",
    },
    "synchronization-mutex-wf-level-legacy.yaml": {"spec.synchronization.mutex"},
    "synchronization-tmpl-level-legacy.yaml": {"spec.templates[1].synchronization.semaphore"},
    "synchronization-wf-level-legacy.yaml": {"spec.synchronization.semaphore"},
}
_NO_WORKFLOWS = {
    "event-consumer-workfloweventbinding.yaml": "WorkflowEventBinding",
    "github-path-filter-workfloweventbinding.yaml": "WorkflowEventBinding",
    "simple-parameters-configmap.yaml": "ConfigMap",
    "testvolume.yaml": "PersistentVolumeClaim",
    "workflow-count-resourcequota.yaml": "ResourceQuota",
}
_OLDER_MISTAKES = {
    ("memoize-simple.yaml", "argo 3.7.4: crd: spec.templates[0].memoize.cache.configMap.key: Required value"),
    (
        "github-path-filter-workflowtemplate.yaml",
        'crd: spec.arguments.parameters[0].value: Invalid value: "array": '
        'spec.arguments.parameters[0].value in body must be of type string: "array"',
    ),
}
_NEWER_MISTAKES = {
    ("fun-with-gifs.yaml", "crd: metadata.name"),
    ("fun-with-gifs.yaml", "crd: metadata.labels"),
    ("k8s-jobs.yaml", "crd: metadata.name"),
    ("k8s-patch-json-workflow.yaml", "parse: yaml"),
}


@pytest.fixture(autouse=True)
def installed() -> None:
    argo_lint.require()


def test_good_manifests() -> None:
    assert argo_lint.lint({"a": WORKFLOW, "b": f"---\n{TEMPLATE}---\n{CRON}", "c": REFERRING}) == []


def complaints_of_examples(version: str, judges: Sequence[str]) -> set[tuple[str, str]]:
    documents = {str(file): file.read_text() for file in (module(version) / "examples").rglob("*.yaml")}
    assert len(documents) > 180
    found = set()
    for complaint in argo_lint.lint(documents, judges):
        file, _, text = complaint.split(": ", 2)
        found.add((Path(file).name, text))
    return found - {
        (name, f'parse: "{kind}" is no kind of a workflow') for name, kind in _NO_WORKFLOWS.items()
    }


def test_examples_of_the_older_version() -> None:
    removed = {
        (name, f'argo 4.0.5: {check}: unknown field "{path}"')
        for name, paths in _REMOVED.items()
        for path in paths
        for check in ("parse", "crd")
    }
    assert complaints_of_examples(OLDER, VERSIONS) == _OLDER_MISTAKES | removed


def test_examples_of_the_newer_version() -> None:
    found = complaints_of_examples(NEWER, [NEWER])
    assert {(name, ":".join(text.split(":")[:2])) for name, text in found} == _NEWER_MISTAKES


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        pytest.param("", ["parse: there is no object in it"], id="empty"),
        pytest.param(
            "a: [", ["parse: error converting YAML to JSON: yaml: line 1: did not find"], id="no YAML"
        ),
        pytest.param("- a", ["parse: "], id="no object"),
        pytest.param(
            "apiVersion: v1\nkind: Secret\n", ['parse: "Secret" is no kind of a workflow'], id="kind"
        ),
        pytest.param(
            WORKFLOW.replace("v1alpha1", "v2"),
            ['parse: apiVersion is "argoproj.io/v2", not "argoproj.io/v1alpha1"'],
            id="version",
        ),
        pytest.param(
            WORKFLOW.replace("  entrypoint", "  entrypoint: main\n  entrypoint"),
            ['parse: yaml: unmarshal errors:\n  line 6: key "entrypoint" already set in map'],
            id="key given twice",
        ),
        pytest.param(
            WORKFLOW.replace("image: some", "image: some, imagine: 1"),
            [
                'parse: unknown field "spec.templates[1].container.imagine"',
                'crd: unknown field "spec.templates[1].container.imagine"',
            ],
            id="unknown field",
        ),
        pytest.param(
            WORKFLOW.replace("{generateName: some-}", "{generateName: some-, colour: red}"),
            [
                'parse: unknown field "metadata.colour"',
                'crd: unknown field "metadata.colour"',
            ],
            id="unknown field of metadata",
        ),
        pytest.param(
            WORKFLOW.replace("depends: first.Succeeded", "depends: third"),
            ["lint: templates.main sorting failed: invalid dependency third"],
            id="lint",
        ),
        pytest.param(
            REFERRING,
            ['lint: templates.main.tasks.first couldn\'t find workflow template "shared"'],
            id="templateRef to nothing",
        ),
        pytest.param(
            WORKFLOW.replace(
                "image: some", "image: some, env: [{name: A, valueFrom: {secretKeyRef: {name: a}}}]"
            ),
            [
                "crd: spec.templates[1].container.env[0].valueFrom.secretKeyRef.key: Required value",
            ],
            id="missing field",
        ),
        pytest.param(
            WORKFLOW.replace("generateName: some-", "name: Some"),
            ['crd: metadata.name: Invalid value: "Some": a lowercase RFC 1123 subdomain must'],
            id="name",
        ),
        pytest.param(
            CRON.replace('schedules: ["0 3 * * *"]', "schedules: [never]").replace("shared", "none"),
            ["lint: cron schedule", 'argo 4.0.5: crd: spec.schedules[0]: Invalid value: "never"'],
            id="schedule",
        ),
        pytest.param(
            WORKFLOW.replace("  templates:", "  synchronization: {mutex: {name: one}}\n  templates:"),
            [
                'argo 4.0.5: parse: unknown field "spec.synchronization.mutex"',
                'argo 4.0.5: crd: unknown field "spec.synchronization.mutex"',
            ],
            id="field that Argo 4 has no more",
        ),
        pytest.param(
            WORKFLOW.replace("    container:", "    suspend: {}\n    container:"),
            [
                "lint: templates.main.tasks.first templates.step multiple template types",
                'argo 4.0.5: crd: spec.templates: Invalid value: "array": template must have at most one template type',
            ],
            id="rule of a CRD",
        ),
        pytest.param(
            f"{TEMPLATE}---\n{TEMPLATE}", ["lint: WorkflowTemplate shared is in file too"], id="twice"
        ),
    ],
)
def test_bad_manifests(text: str, complaints: list[str]) -> None:
    found = argo_lint.lint({"file": text})
    assert len(found) == len(complaints), found
    for one, expected in zip(found, complaints, strict=True):
        assert expected in one


def test_for_people(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(WORKFLOW)
    bad.write_text(REFERRING)
    command = [sys.executable, "-m", "tests.engines.argo_lint"]

    assert subprocess.run([*command, str(good)], capture_output=True, text=True).returncode == 0
    done = subprocess.run([*command, str(good), str(bad)], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout.startswith(f"{bad}: Workflow some-: lint: ")
    assert subprocess.run(command, capture_output=True, text=True).returncode == 2
