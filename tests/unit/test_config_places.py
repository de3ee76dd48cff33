"""Errors in a configuration are reported where the value stands, whatever target it is for."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnus_render.diagnostics import DefinitionError, Diagnostic
from magnus_render.render.pipeline import render

DEFINITION = """
dag:
  start_at: a
  steps:
    a: {type: task, command: m.f, next: success}
    success: {type: success}
    fail: {type: fail}
"""
ARGO = """
executor:
  type: argo
  config:
    image: registry.example/p:1
    service_account_name: magnus
"""
ON_S3 = "run_log_store: {type: s3, config: {bucket: runs}}\ncatalog: {type: s3, config: {bucket: runs}}\n"


@pytest.fixture(autouse=True)
def _definition(project: Path) -> None:
    (project / "dag.yaml").write_text(DEFINITION)


def said(target: str, config: str, file: str = "config.yaml") -> list[Diagnostic]:
    """Return what is said of a configuration, in a file of its own or in the definition."""
    if file == "dag.yaml":
        config = DEFINITION + config
    Path(file).write_text(config)
    try:
        return render("dag.yaml", target, None if file == "dag.yaml" else file).diagnostics
    except DefinitionError as error:
        return error.diagnostics


def check(target: str, config: str, code: str, marked: str) -> None:
    """Check that the code is reported once, where a text stands that the configuration has once."""
    assert config.count(marked) == 1
    before = config[: config.index(marked)]
    place = before.count("\n") + 1, len(before) - before.rfind("\n")
    (found,) = (item for item in said(target, config) if item.code == code)
    assert (found.file, found.line, found.column) == ("config.yaml", *place)
    assert found.snippet == config.splitlines()[found.line - 1]
    (inside,) = (item for item in said(target, config, "dag.yaml") if item.code == code)
    lines = DEFINITION.count("\n")
    assert (inside.file, inside.line, inside.column) == ("dag.yaml", found.line + lines, found.column)


@pytest.mark.parametrize(
    ("key", "code", "marked"),
    [
        ("image_pull_policy: always", "MR103", "image_pull_policy"),
        ("persistent_volumes: [{claim: a, mount_path: mnt}]", "MR103", "mount_path"),
        (
            "persistent_volumes:\n    - claim: a\n      mount_path: /a\n      readonly: yes",
            "MR103",
            "readonly",
        ),
        ("image_pull_secrets: [a, b, C]", "MR103", "C]"),
        ("environment: {A: {B: 1}}", "MR103", "A:"),
        ("secret_environment: {A: {secret: s}}", "MR103", "A:"),
        ("timezone: UTC", "MR305", "timezone"),
        ("kind: CronWorkflow", "MR305", "kind"),
        ("environment: {A: 1}\n    secret_environment: {A: {secret: s, key: k}}", "MR306", "A: {"),
        ("labels: {a b: c}", "MR322", "labels"),
        ("node_selector: {a: b c}", "MR322", "node_selector"),
        ("pod_spec_patch: {hostname: a, hostIP: b}", "MR323", "pod_spec_patch"),
        ("tolerations: [{key: a, tolerationSeconds: b}]", "MR324", "tolerations"),
        ("environment: {MAGNUS_WALK: 1}", "MR346", "MAGNUS_WALK"),
        ("resources: {requests: {cpu: many}}", "MR350", "resources"),
        ("schedule: 0 0 * *", "MR354", "schedule"),
        ("schedule: '@daily'\n    timezone: Berlin", "MR354", "timezone"),
        ("tolerations: [{key: a, operator: Is}]", "MR355", "tolerations"),
        ("pod_spec_patch: '{'", "MR361", "pod_spec_patch"),
    ],
)
def test_argo(key: str, code: str, marked: str) -> None:
    check("argo", f"{ARGO}    {key}\n{ON_S3}", code, marked)


def test_stores_of_argo() -> None:
    stores = "run_log_store: {type: buffered}\ncatalog: {type: s3, config: {bucket: runs}}\n"
    check("argo", ARGO + stores, "MR108", "run_log_store")
    stores = "run_log_store: {type: s3, config: {bucket: runs}}\ncatalog: {type: file-system, config: {path: /a}}\n"
    check("argo", ARGO + stores, "MR108", "path")


def test_bash() -> None:
    check("bash", 'executor:\n  type: bash\n  config: {launcher: [a, "b\\x7f"]}\n', "MR103", '"b')
    check("bash", "run_log_store: {type: buffered}\n", "MR108", "run_log_store")


def test_step_functions() -> None:
    config = "executor: {type: aws-step-functions, config: {compute: batch, resources: {cpu: 1}}}\n"
    check("aws-step-functions", config + ON_S3, "MR103", "cpu")
    config = "catalog:\n  type: file-system\n  config:\n    path: /a\n"
    check("aws-step-functions", config, "MR108", "path")


def test_what_is_missing_is_reported_at_its_block_or_of_the_file() -> None:
    found = said("argo", "executor:\n  type: argo\n  config: {image: a}\n" + ON_S3)
    assert [(item.code, item.file, item.line, item.column) for item in found] == [
        ("MR301", "config.yaml", 1, 1)
    ]
    found = said("argo", ON_S3)
    assert {(item.file, item.line) for item in found} == {("config.yaml", 0)}
    Path("config.yaml").unlink()
    assert {(item.file, item.line) for item in render("dag.yaml", "argo").diagnostics} == {("dag.yaml", 0)}


def test_messages_are_in_words() -> None:
    config = (
        ARGO
        + "    pod_gc: Sometimes\n    magnus_command: []\n    labels: {a: 1}\n    schedule: [1]\n"
        + ON_S3
    )
    assert [(item.message.removeprefix("executor.config: "), item.fix) for item in said("argo", config)] == [
        ("'schedule[0]' is not a text", "put it in quotes"),
        (
            "'pod_gc' is 'Sometimes', not 'OnPodCompletion', 'OnPodSuccess', 'OnWorkflowCompletion' or "
            "'OnWorkflowSuccess'",
            "",
        ),
        ("'magnus_command' is empty", ""),
        ("'labels.a' is not a text", "put it in quotes"),
    ]
    config = "executor: {type: stepfunctions, config: {volume_size: 20000, resources: {gpus: 0}}}\n" + ON_S3
    errors = [item.message for item in said("stepfunctions", config) if item.severity == "error"]
    assert errors == [
        "executor.config: 'resources.gpus' must be more than 0, not 0",
        "executor.config: 'volume_size' must be at most 16,384, not 20,000",
    ]
