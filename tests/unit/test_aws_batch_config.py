"""The configuration of `local-aws-batch`: what is refused before a run begins, with its place and its fix."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.errors import Refused
from magnus_render.executors.aws_batch import BatchExecutor, submission
from magnus_render.executors.configured import merged
from magnus_render.executors.submitter import Job

NEEDED = {"job_queue": "q", "job_definition": "d:1"}
DAG = """
dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: "true", next: s, executor_config: {%s: %s}}
    s: {type: success}
    f: {type: fail}
"""
STORES: dict[str, Any] = {
    "run_log_store": {"type": "s3", "config": {"bucket": "runs"}},
    "catalog": {"type": "s3", "config": {"bucket": "runs"}},
}


def validated(
    folder: Path, capfd: pytest.CaptureFixture[str], executor: dict[str, Any], own: Any = None, **blocks: Any
) -> tuple[int, str]:
    """Validate a pipeline with these keys of the executor, and of its step; return the exit status and what was said."""
    config = {"executor": {"type": "aws-batch", "config": executor}, **STORES, **blocks}
    (folder / "c.yaml").write_text(json.dumps(config))
    (folder / "dag.yaml").write_text(DAG % ("aws-batch", json.dumps(own or {})))
    status = magnus(["validate", "dag.yaml", "-c", "c.yaml"])
    captured = capfd.readouterr()
    return status, captured.out + captured.err


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"job_queue": "a b"}, "'job_queue' is not at most 128 letters, digits, '-' and '_', or an ARN"),
        ({"job_definition": "arn:aws:batch:eu-west-1:1:x"}, "'job_definition' is not at most 128 letters"),
        ({"timeout": 59}, "'timeout' must be at least 60, not 59"),
        ({"resources": {"memory": 0}}, "'resources.memory' must be more than 0"),
        ({"resources": {"cpus": 1}}, "unknown key 'resources.cpus'"),
        ({"environment": {"AWS_BATCH_X": "1"}}, "names that begin with AWS_BATCH are reserved"),
        ({"environment": {"A=B": "1"}}, "is no variable's name"),
        ({"tags": {"a;b": "c"}}, "the tag 'a;b': its key has ';' in it: use letters"),
        ({"tags": {"aws:x": "c"}}, "the tag 'aws:x': its key begins with 'aws:', which is AWS's own"),
        ({"tags": {"k": "v" * 257}}, "the tag 'k': its value has 257 characters, 256 are allowed"),
        ({"tags": {"magnus-run": "v"}}, "the tag 'magnus-run', which magnus gives each job itself"),
        ({"tags": {f"t{n}": 1 for n in range(49)}}, "has 49 tags, AWS Batch takes 48"),
        ({"share_identifier": "a-b"}, "'share_identifier' is not at most 255 letters and digits"),
        ({"scheduling_priority": 10000}, "'scheduling_priority' must be at most 9,999"),
        ({"queue": "q"}, "'local-aws-batch' has no key 'queue'"),
    ],
)
def test_what_aws_batch_would_refuse(
    project: Path, capfd: pytest.CaptureFixture[str], config: dict[str, Any], message: str
) -> None:
    status, text = validated(project, capfd, {**NEEDED, **config})
    assert status == 65 and message in " ".join(text.split()), text
    assert "c.yaml:1:" in text


def test_all_that_is_allowed(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = {
        "job_queue": "arn:aws:batch:eu-west-1:123456789012:job-queue/churn",
        "job_definition": "arn:aws:batch:eu-west-1:123456789012:job-definition/churn:7",
        "region": "eu-west-1",
        "resources": {"vcpus": 0.25, "memory": 512, "gpus": 1},
        "timeout": 60,
        "environment": {"A.b-c": 1, "ON": True},
        "tags": {"team": "a@b", "n": 1},
        "share_identifier": "research",
        "scheduling_priority": 0,
        "magnus_command": "python -m magnus",
    }
    own = {"resources": {"memory": 8192}, "job_queue": "large", "tags": {}}
    assert validated(project, capfd, config, own)[0] == 0


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"timeout": 5}, "step 'a': executor_config.local-aws-batch: 'timeout' must be at least 60, not 5"),
        ({"region": "eu-west-1"}, "'region' is of the whole run: write it into executor.config"),
        ({"mounts": ["/x"]}, "'mounts' is of the whole run"),
    ],
)
def test_what_a_step_overrides(
    project: Path, capfd: pytest.CaptureFixture[str], own: dict[str, Any], message: str
) -> None:
    status, text = validated(project, capfd, NEEDED, own)
    assert status == 65 and message in " ".join(text.split()), text


def test_mappings_of_a_step_are_merged_with_those_of_the_pipeline() -> None:
    config = {
        **NEEDED,
        "environment": {"A": 1, "B": 1},
        "resources": {"vcpus": 2, "memory": 4096},
        "tags": {"team": "x"},
    }
    own = {
        "environment": {"B": 2},
        "resources": {"memory": 8192},
        "tags": {"step": "y"},
        "job_queue": "large",
    }
    job = Job("r", "a", "a", 1, ["run_job"], config=merged(config, own))
    request = submission(job, "eu-west-1")
    asked = {one["type"]: one["value"] for one in request["containerOverrides"]["resourceRequirements"]}
    variables = {one["name"]: one["value"] for one in request["containerOverrides"]["environment"]}
    assert (request["jobQueue"], asked) == ("large", {"VCPU": "2", "MEMORY": "8192"})
    assert variables == {"AWS_REGION": "eu-west-1", "A": "1", "B": "2"}
    assert {"team": "x", "step": "y"}.items() <= request["tags"].items()


def test_the_tags_of_a_step_are_counted_with_those_of_the_pipeline(
    project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = {**NEEDED, "tags": {f"a{n}": n for n in range(30)}}
    status, text = validated(project, capfd, config, {"tags": {f"b{n}": n for n in range(30)}})
    assert status == 65 and "'tags' has 60 tags, AWS Batch takes 48 besides those of magnus" in " ".join(
        text.split()
    )


def test_what_is_needed() -> None:
    with pytest.raises(Refused) as caught:
        BatchExecutor({"region": "eu-west-1"})
    told = str(caught.value)
    assert "'job_queue' is missing: write job_queue: NAME, or its ARN" in told
    assert "'job_definition' is missing: write job_definition: NAME, or its ARN" in told


@pytest.mark.parametrize("service", ["run_log_store", "catalog"])
def test_a_folder_that_all_jobs_mount(project: Path, capfd: pytest.CaptureFixture[str], service: str) -> None:
    folder = {service: {"type": "file-system", "config": {"path": "/mnt/shared/x"}}}
    status, text = validated(project, capfd, NEEDED, **folder)
    assert status == 65 and f"{service} 'file-system' keeps files in '/mnt/shared/x'" in " ".join(
        text.split()
    )
    assert validated(project, capfd, {**NEEDED, "mounts": ["/mnt/shared"]}, **folder)[0] == 0


def test_an_environment_that_is_too_long_is_refused_before_the_run(project: Path) -> None:
    """Before anything is created, or asked of AWS."""
    executor = {**NEEDED, "environment": {"LONG": "x" * 8100}}
    config = {"executor": {"type": "local-aws-batch", "config": executor}, **STORES}
    (project / "c.yaml").write_text(json.dumps(config))
    (project / "dag.yaml").write_text(DAG % ("local", "{}"))
    done = subprocess.run(
        [str(Path(sys.executable).parent / "magnus"), "execute", "-c", "c.yaml"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 65
    assert "step 'a': command and environment of its job have 8," in done.stderr
