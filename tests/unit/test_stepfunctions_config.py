"""What the services would refuse of a configuration for Step Functions is refused before anything is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from magnus_render.diagnostics import DefinitionError, Diagnostic
from magnus_render.render.pipeline import render
from magnus_render.targets.stepfunctions.check_config import NAMES
from tests.unit.stepfunctions_rendering import EXECUTOR, graph, made, task

ACCOUNT = "eu-west-1:111122223333"
BATCH, MACHINE = f"arn:aws:batch:{ACCOUNT}", f"arn:aws:states:{ACCOUNT}:stateMachine"


def config(**keys: Any) -> dict[str, Any]:
    return {"type": "aws-step-functions", "config": {**EXECUTOR["config"], **keys}}


def found(folder: Path, executor: dict[str, Any], dag: Any = None, **blocks: Any) -> list[Diagnostic]:
    """Return the errors that come of checking the configuration."""
    try:
        made(folder, dag or graph(a=task()), executor, **blocks)
    except DefinitionError as error:
        return [item for item in error.diagnostics if item.severity == "error"]
    return []


def test_the_case(tmp_path: Path) -> None:
    file = tmp_path / "dag.yaml"
    file.write_text(
        "dag: {start_at: a, steps: {a: {type: task, command: m.f, next: success}, "
        "success: {type: success}, fail: {type: fail}}}\n"
        "run_log_store: {type: s3, config: {bucket: runs}}\n"
        "catalog: {type: s3, config: {bucket: runs}}\n"
        "executor:\n"
        "  type: aws-step-functions\n"
        "  config:\n"
        "    job_queue: q\n"
        "    job_definition: d\n"
        '    tags: {"aws:team": x, version: "2.8.1+mc(0.10.0)", motif: "^GATC"}\n'
        '    environment: {AWS_BATCH_JOB_ATTEMPT: 1, "a=b": 2, MAGNUS_CONFIG: oops}\n'
    )
    with pytest.raises(DefinitionError) as caught:
        render(str(file), "stepfunctions")
    places = sorted((item.line, item.column, item.code) for item in caught.value.diagnostics if item.line)
    assert places == [
        (9, 12, "MR206"),
        (9, 27, "MR206"),
        (9, 56, "MR206"),
        (10, 19, "MR205"),
        (10, 45, "MR205"),
        (10, 55, "MR205"),
    ]
    assert all(item.fix for item in caught.value.diagnostics if item.line)


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ({"aws:x": "a"}, "begins with 'aws:'"),
        ({"AwS:x": "a"}, "begins with 'AwS:'"),
        ({"x": "aws:a"}, "its value begins with"),
        ({"k" * 129: "a"}, "129 characters, 128 are allowed"),
        ({"k": "a" * 257}, "257 characters, 256 are allowed"),
        ({"a\tb": "x"}, "control character"),
        ({"a": "x\ny"}, "has '\\n' in it"),
        ({"a": "x,y"}, "has ',' in it"),
        ({"a*": "x"}, "has '*' in it"),
        ({f"k{n}": n for n in range(51)}, "51 tags, AWS takes 50"),
    ],
)
@pytest.mark.parametrize("compute", ["batch", "ecs", "sagemaker"])
def test_tags(tmp_path: Path, tags: dict[str, Any], message: str, compute: str) -> None:
    (error,) = found(tmp_path, config(tags=tags, compute=compute))
    assert error.code in ("MR206", "MR103") and message in error.message and error.line


def test_tags_that_are_fine(tmp_path: Path) -> None:
    tags = {"k" * 128: "v" * 256, "größe/ü:@+-=._ ": "Ⅷ ½", "n": 1.5, "empty": "", "t": True}
    assert not found(tmp_path, config(tags={**tags, **{f"k{n}": n for n in range(45)}}))


@pytest.mark.parametrize("name", ["a b", "1a", "", "a=b", "é", "MAGNUS_WALK", "MAGNUS_VAR_x", "AWS_BATCH"])
def test_variables(tmp_path: Path, name: str) -> None:
    (error,) = found(tmp_path, config(environment={name: 1, "MAGNUS_PRM_x": 1, "a.b-c_1": 2}))
    assert error.code in ("MR205", "MR103") and error.line


def test_variables_of_other_computes(tmp_path: Path) -> None:
    assert not found(tmp_path, config(compute="ecs", environment={"AWS_BATCH_X": 1, "a.b": 2}, **ECS))
    keys = {"compute": "sagemaker", **SAGEMAKER}
    (error,) = found(tmp_path, config(environment={"a.b": 1}, **keys))
    assert error.code == "MR205" and "SageMaker" in error.message


ECS = {"cluster": "c", "task_definition": "t:3", "container": "main", "subnets": ["subnet-0a1b2c3d"]}
SAGEMAKER = {"image": "i:1", "role": "arn:aws:iam::111122223333:role/r"}
GOOD = {
    "job_queue": ["q", "a-B_9" * 25, f"{BATCH}:job-queue/q", f"arn:aws-cn:batch:{ACCOUNT}:job-queue/q"],
    "job_definition": ["d", "d:7", f"{BATCH}:job-definition/d", f"{BATCH}:job-definition/d:7"],
    "cluster": ["c", f"arn:aws:ecs:{ACCOUNT}:cluster/c"],
    "task_definition": ["t", "t:1", f"arn:aws:ecs:{ACCOUNT}:task-definition/t:1"],
    "container": ["main"],
    "subnets": [["subnet-0a1b2c3d", "subnet-0123456789abcdef0"]],
    "security_groups": [["sg-0a1b2c3d"], []],
    "image": ["python:3.12", "111122223333.dkr.ecr.eu-west-1.amazonaws.com/churn@sha256:0"],
    "role": ["arn:aws:iam::111122223333:role/service-role/churn+x"],
    "instance_type": ["ml.m5.large", "ml.m8i-flex.16xlarge"],
    "function": ["f", "f:live", "111122223333:function:f", f"arn:aws:lambda:{ACCOUNT}:function:f:$LATEST"],
    "state_machine": ["churn", f"{MACHINE}:churn", f"{MACHINE}:churn:live"],
}  # fmt: skip
BAD = {
    "job_queue": ["q/x", "a" * 129, "a b", f"{BATCH}:job-definition/q", "arn:aws:batch:a:1:job-queue/q", "{% $q %}"],
    "job_definition": ["d:x", "d:1:2", f"{BATCH}:job-queue/d"],
    "cluster": ["c.d", f"arn:aws:eks:{ACCOUNT}:cluster/c"],
    "task_definition": ["t/1", f"arn:aws:ecs:{ACCOUNT}:task-definition/t:*"],
    "container": ["a b"],
    "subnets": [["subnet-xyz"], [f"subnet-{n:08x}" for n in range(17)]],
    "security_groups": [["default"], [f"sg-{n:08x}" for n in range(6)]],
    "image": ["a b", "a" * 256],
    "role": ["churn", "arn:aws:iam::1:role/x", "arn:aws:iam::111122223333:user/x"],
    "instance_type": ["m5.large", "ml.large"],
    "function": ["a b", "f" * 65, f"arn:aws:lambda:{ACCOUNT}:layer:f"],
    "state_machine": ["a b", "m" * 81, f"arn:aws:states:{ACCOUNT}:activity:x"],
}  # fmt: skip


def test_every_name_has_examples() -> None:
    assert GOOD.keys() == BAD.keys() == NAMES.keys()


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in GOOD.items() for value in values])
def test_names_and_arns_that_are_fine(tmp_path: Path, key: str, value: Any) -> None:
    assert not [item for item in found(tmp_path, config(**{key: value})) if item.code == "MR207"]


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, values in BAD.items() for value in values])
def test_names_and_arns_that_no_service_takes(tmp_path: Path, key: str, value: Any) -> None:
    for executor, dag in (
        (config(**{key: value}), None),
        (EXECUTOR, graph(a=task(executor_config={"stepfunctions": {key: value}}))),
    ):
        (error,) = found(tmp_path, executor, dag)
        assert error.code == "MR207" and f"'{key}" in error.message and error.fix
        line = (tmp_path / "dag.yaml").read_text().splitlines()[error.line - 1]
        assert line[error.column - 1 :].startswith((key, str(value[0]))), "the place is the key's"


def test_what_is_known_later_is_taken_as_it_is(tmp_path: Path) -> None:
    later = "$${Name}"
    keys = {
        "job_queue": later,
        "job_definition": f"{later}:1",
        "tags": {"a": later},
        "environment": {"A": later},
    }
    text = made(tmp_path, graph(a=task()), config(**keys)).text
    assert '"JobQueue": "${Name}"' in text


def test_a_nodes_own(tmp_path: Path) -> None:
    own = {"tags": {"aws:a": 1}, "environment": {"MAGNUS_WALK": 1}}
    errors = found(
        tmp_path, config(tags={"ok": 1}), graph(a=task(executor_config={"aws-step-functions": own}))
    )
    assert [item.code for item in errors] == ["MR205", "MR206"]
    lines = (tmp_path / "dag.yaml").read_text().splitlines()
    assert [lines[item.line - 1].strip() for item in errors] == ["MAGNUS_WALK: 1", "aws:a: 1"]
    assert all(item.message.startswith("step 'a': executor_config.aws-step-functions: ") for item in errors)


def test_tags_of_pipeline_and_node_together(tmp_path: Path) -> None:
    pipeline = config(tags={f"a{n}": n for n in range(30)})
    step = task(executor_config={"stepfunctions": {"tags": {f"b{n}": n for n in range(21)}}})
    (error,) = found(tmp_path, pipeline, graph(a=step))
    assert "51 tags" in error.message and error.message.startswith("step 'a'")


def test_a_node_on_another_compute(tmp_path: Path) -> None:
    pipeline = config(environment={"a.b": 1, "OK": 1}, **SAGEMAKER)
    step = task(executor_config={"stepfunctions": {"compute": "sagemaker"}})
    (error,) = found(tmp_path, pipeline, graph(a=step))
    assert error.code == "MR205" and "SageMaker" in error.message and error.message.startswith("step 'a'")


@pytest.mark.parametrize(
    "store",
    [{"bucket": "b"}, {"bucket": "a b"}, {"bucket": "s3://runs"}, {"bucket": "runs", "kms_key": "a b"}],
)
def test_stores(tmp_path: Path, store: dict[str, str]) -> None:
    (error,) = found(tmp_path, EXECUTOR, catalog={"type": "s3", "config": store})
    assert error.code == "MR207" and error.message.startswith("catalog: ") and error.line
