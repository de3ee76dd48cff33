"""`magnus validate` says what `magnus render` and `magnus execute` say, and everything at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.front_end import magnus

STEP = "a: {type: task, command_type: shell, command: 'true', next: success}"
ENDS = "success: {type: success}, fail: {type: fail}"
DAG = f"dag: {{start_at: a, steps: {{{STEP}, {ENDS}}}}}\n"
S3 = "run_log_store: {type: s3, config: {bucket: runs}}\ncatalog: {type: s3, config: {bucket: runs}}\n"
AWS = "executor: {type: stepfunctions, config: {job_queue: q, job_definition: d, tags: {'aws:x': 1}}}\n" + S3
ARGO = (
    "executor: {type: argo, config: {image: 'a b', service_account_name: m, environment: {MAGNUS_WALK: 1}}}\n"
    + S3
)
BASH = "executor: {type: bash, config: {launcher: ['a\\x7f'], launchers: b}}\n"


def codes(text: str) -> list[str]:
    return sorted(item["code"] for item in json.loads(text))


def said(folder: Path, *words: str) -> tuple[int, str]:
    """Return the exit status, and the diagnostics as they are printed."""
    done = magnus(folder, *words)
    return done.returncode, (done.stdout + done.stderr).strip()


@pytest.mark.parametrize(("config", "target"), [(AWS, "stepfunctions"), (ARGO, "argo"), (BASH, "bash")])
def test_validate_says_what_render_says(tmp_path: Path, config: str, target: str) -> None:
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "c.yaml").write_text(config)
    (tmp_path / "both.yaml").write_text(DAG + config)
    rendered = said(tmp_path, "render", "dag.yaml", "-t", target, "-c", "c.yaml")
    assert said(tmp_path, "validate", "dag.yaml", "-c", "c.yaml") == rendered
    assert rendered[0] == 65 and "error MR" in rendered[1]
    assert said(tmp_path, "validate", "both.yaml") == said(tmp_path, "render", "both.yaml", "-t", target)


def test_validate_makes_and_verifies_the_whole_output(tmp_path: Path) -> None:
    text = "a: {type: as-is, render_string: {bash: 'if true; then'}, next: success}"
    (tmp_path / "dag.yaml").write_text(
        f"dag: {{start_at: a, steps: {{{text}, {ENDS}}}}}\nexecutor: {{type: bash}}\n"
    )
    status, out = said(tmp_path, "validate", "dag.yaml")
    assert status == 65 and "MR105: step 'a': bash cannot parse its render_string" in out


@pytest.mark.parametrize("command", [["validate"], ["render", "-t", "stepfunctions"]])
def test_an_unknown_key_hides_nothing(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "c.yaml").write_text(
        AWS.replace("job_queue: q", "job_queue: 'a b', job_que: c").replace("runs}", "runs, buckt: b}")
    )
    node = "b: {type: task, command_type: shel, command: 'true', next: nowhere, nxt: 1}"
    broken = f"dag: {{start_at: a, dog: 1, steps: {{{STEP}, {node}, {ENDS}}}}}\n"
    (tmp_path / "dag.yaml").write_text(broken)
    done = magnus(tmp_path, *command, "dag.yaml", "-c", "c.yaml")
    assert done.returncode == 65
    found = [
        line.split(" error ")[1][:5]
        for line in (done.stdout + done.stderr).splitlines()
        if ": error MR" in line
    ]
    assert sorted(found) == sorted(
        ["MR020", "MR020", "MR042", "MR025", "MR033", "MR033", "MR033", "MR206", "MR207"]
    ), (done.stdout + done.stderr)


def test_an_unknown_field_of_a_step_keeps_nothing_from_being_checked(tmp_path: Path) -> None:
    step = (
        "a: {type: task, command: m.f, comand: x, retry: {attempts: 2, dely: 1}, timeout: 901, next: success}"
    )
    executor = "executor: {type: stepfunctions, config: {compute: lambda, function: f}}\n"
    (tmp_path / "dag.yaml").write_text(f"dag: {{start_at: a, steps: {{{step}, {ENDS}}}}}\n{executor}{S3}")
    done = magnus(tmp_path, "validate", "dag.yaml", "--format", "json")
    assert codes(done.stdout) == ["MR020", "MR020", "MR203"]


def test_a_variable_that_is_not_set_is_told_once(tmp_path: Path) -> None:
    config = (
        "executor: {type: argo, config: {image: '${A}', schedule: ['${B}'], environment: {'X': '${C}'}, labels: {a: b c}}}\n"
        "run_log_store: {type: s3, config: {bucket: runs, prefix: '${D}'}}\ncatalog: {type: s3, config: {bucket: '${E}'}}\n"
    )
    (tmp_path / "dag.yaml").write_text(DAG + config)
    done = magnus(tmp_path, "validate", "dag.yaml", "--format", "json")
    assert [code for code in codes(done.stdout) if code != "MR301"] == [*["MR017"] * 5, "MR322"]


def test_a_wrong_value_is_told_once(tmp_path: Path) -> None:
    wrong = "tags: [a], magnus_command: 5, distributed: maybe, volume_size: 0, environment: x"
    config = f"executor: {{type: stepfunctions, config: {{job_queue: q, job_definition: d, {wrong}}}}}\n"
    (tmp_path / "dag.yaml").write_text(
        DAG + config + "run_log_store: {type: s3}\ncatalog: {type: s3, config: {}}\n"
    )
    done = magnus(tmp_path, "validate", "dag.yaml", "--format", "json")
    assert codes(done.stdout) == ["MR033"] * 7


@pytest.mark.parametrize(
    ("config", "kind", "target"), [(ARGO, "argo", "stepfunctions"), (AWS, "aws-step-functions", "argo")]
)
def test_a_configuration_for_another_engine_is_said_to_be_that(
    tmp_path: Path, config: str, kind: str, target: str
) -> None:
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "c.yaml").write_text(config)
    done = magnus(tmp_path, "render", "dag.yaml", "-t", target, "-c", "c.yaml")
    assert done.returncode == 0
    assert f"c.yaml:1:1: warning MR109: this configuration is for '{kind}'" in done.stderr
    assert magnus(tmp_path, "render", "dag.yaml", "-t", target, "-c", "c.yaml", "--strict").returncode == 65


def test_a_configuration_for_local_says_nothing_of_what_is_rendered(tmp_path: Path) -> None:
    (tmp_path / "dag.yaml").write_text(DAG + "executor: {type: local, config: {max_workers: 2}}\n")
    done = magnus(tmp_path, "render", "dag.yaml", "-t", "bash")
    assert (done.returncode, done.stderr) == (0, "")


EXECUTE = ["execute", "-f", "dag.yaml"]
COMMANDS = (
    ["validate", "dag.yaml"],
    EXECUTE,
    ["render", "dag.yaml", "-t", "bash"],
    ["execute_step", "a", "-f", "dag.yaml"],
)


@pytest.mark.parametrize("executor", ["kubeflow", "lcal"])
def test_an_executor_that_does_not_exist_gets_one_answer(tmp_path: Path, executor: str) -> None:
    (tmp_path / "dag.yaml").write_text(
        f"executor: {{type: {executor}, config: {{docker_image: 'python:3.12'}}}}\n{DAG}"
    )
    answers = {said(tmp_path, *command) for command in COMMANDS}
    assert len(answers) == 1
    ((status, text),) = answers
    assert status == 65
    assert f"dag.yaml:1:18: error MR032: executor: there is no type '{executor}'" in text
    assert (
        "help: did you mean 'local'?" in text
        or "help: known: argo, aws-step-functions, bash, local, local-aws-batch, local-container" in text
    )


@pytest.mark.parametrize(
    "config",
    [
        "catalog: {type: s3, config: {bucket: runs, prefix: 'a b'}}\n",
        "run_log_store: {type: buffered}\n",
        "executor: {type: local, config: {max_workers: 0}}\n",
    ],
)
def test_validate_says_what_execute_says(tmp_path: Path, config: str) -> None:
    (tmp_path / "dag.yaml").write_text(DAG + config)
    validated, executed = said(tmp_path, "validate", "dag.yaml"), said(tmp_path, *EXECUTE)
    assert validated[0] == executed[0] or validated[0] == 0
    if validated[0]:
        assert validated == executed


def test_a_nodes_own_for_local(tmp_path: Path) -> None:
    step = STEP.replace("next", "executor_config: {local: {isolated: true, max_workers: 2}}, next")
    (tmp_path / "dag.yaml").write_text(f"dag: {{start_at: a, steps: {{{step}, {ENDS}}}}}\n")
    validated = said(tmp_path, "validate", "dag.yaml")
    assert validated == said(tmp_path, *EXECUTE)
    assert validated[0] == 65 and "dag.yaml:1:" in validated[1] and "max_workers" in validated[1]


@pytest.mark.parametrize("target", ["argo", "bash", "stepfunctions"])
def test_an_unknown_store_hides_nothing(tmp_path: Path, target: str) -> None:
    stores = (
        "run_log_store: {type: s4, config: {x: 1}}\ncatalog: {type: s3, config: {bucket: runs, buckt: 1}}\n"
    )
    (tmp_path / "dag.yaml").write_text(f"{DAG}executor: {{type: {target}}}\n{stores}")
    done = magnus(tmp_path, "validate", "dag.yaml", "--format", "json")
    assert [code for code in codes(done.stdout) if code not in ("MR201", "MR301")] == ["MR032", "MR033"]
    assert done.stderr == ""
