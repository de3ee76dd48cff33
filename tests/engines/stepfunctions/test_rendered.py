"""What is rendered, on the engine: other computes, real containers, faults of the platform, secrets, long lists."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import cases
from tests.conformance.checking import run
from tests.conformance.comparing import check_equal, comparable
from tests.conformance.engines import Local, RunSpec
from tests.conformance.stepfunctions import (
    BUCKET,
    MACHINE,
    Containers,
    Ecs,
    EcsContainers,
    StepFunctions,
)
from tests.engines import images
from tests.engines.stepfunctions.client import shared

FIVE = ["map-simple", "retry-third-attempt", "walk-handled", "dag-separate", "catalog-flow"]
"""A map, retries, a failure that is handled, child machines, files."""
LONG = int(os.environ.get("MAGNUS_LONG_LIST", "1000"))
ENDS = {"success": {"type": "success"}, "fail": {"type": "fail"}}


def shell(command: str, then: str = "success", **fields: Any) -> dict[str, Any]:
    return {"type": "task", "command_type": "shell", "command": command, "next": then, **fields}


def write(folder: Path, steps: dict[str, Any], **blocks: Any) -> None:
    dag = {"start_at": next(iter(steps)), "steps": {**steps, **ENDS}}
    (folder / "data").mkdir(parents=True)
    (folder / "dag.yaml").write_text(json.dumps({"dag": dag, **blocks}), encoding="utf-8")


@pytest.mark.parametrize("name", FIVE)
def test_on_ecs(name: str, tmp_path: Path) -> None:
    run(cases.load(name), [Ecs()], tmp_path / "case")


@pytest.mark.parametrize("engine", [Containers(), EcsContainers()], ids=["batch", "ecs"])
@pytest.mark.parametrize("name", FIVE)
def test_in_containers(name: str, engine: StepFunctions, tmp_path: Path) -> None:
    images.require()
    run(cases.load(name), [engine], tmp_path / "case")


def test_faults_of_the_platform_spend_none_of_the_users_attempts(tmp_path: Path) -> None:
    """Submissions are refused, hosts are lost: the log is that of an undisturbed run."""
    branch = shell('test "$MAGNUS_ATTEMPT" = 3', retry=3)
    steps: dict[str, Any] = {
        "a": branch | {"next": "p"},
        "p": {
            "type": "parallel",
            "next": "b",
            "branches": {"x": {"start_at": "t", "steps": {"t": branch, **ENDS}}},
        },
        "b": shell('echo ran >> "$HOME/ran.txt"', "c"),
        "c": shell("sleep 0.01", "d"),
        "d": shell("exit 4", retry=2),
    }
    logs = []
    for engine in (Local(), StepFunctions()):
        folder = tmp_path / engine.name
        write(folder, steps)
        if isinstance(engine, StepFunctions):
            client = shared()
            for step, submit in (("a", 2), ("p.x.t", 4), ("d", 1)):
                client.fault(
                    ["faulty-1", step], submit=["ServerException", "AWSBatchException"] * (submit // 2)
                )
            client.fault(["faulty-1", "b"], host_loss=["end"])
            client.fault(["faulty-1", "c"], host_loss=["start", "start"])
        logs.append(comparable(engine.run(folder, RunSpec("faulty-1")).log))
    check_equal(logs[0], logs[1], "local", "stepfunctions")
    ran = tmp_path / "stepfunctions" / "ran.txt"
    assert ran.read_text() == "ran\n", "its success was recorded before its host was lost"


def test_a_platform_failure_is_tried_again(tmp_path: Path) -> None:
    """A callback that is told to stop exits 75, which Batch tries again."""
    steps = {
        "a": shell('test -e "$HOME/here" || { touch "$HOME/here"; kill -TERM $PPID; sleep 30; }', retry=1)
    }
    write(tmp_path / "p", steps)
    outcome = StepFunctions().run(tmp_path / "p", RunSpec("stopped-1", executor={"environment": {}}))
    assert outcome.log["status"] == "SUCCESS", outcome.stderr
    assert [attempt["status"] for attempt in outcome.log["steps"]["a"]["attempts"]] == ["CRASHED", "SUCCESS"]


def test_a_secret_is_nowhere_but_in_its_step(tmp_path: Path) -> None:
    value = "hunter-2-and-then-some"
    client = shared()
    client.aws("secretsmanager").create_secret(Name="churn/password", SecretString=value)
    command = f'test "$PASSWORD" = {value[:8]}"{value[8:]}" && echo "the password is $PASSWORD" && echo "$PASSWORD" >&2'
    write(tmp_path / "p", {"a": shell(command, "b", secrets={"PASSWORD": "password"}), "b": shell("exit 1")})
    secrets = {"secrets": {"type": "aws-secrets-manager", "config": {"prefix": "churn/"}}}
    outcome = StepFunctions().run(tmp_path / "p", RunSpec("secret-1", config=secrets))
    assert outcome.log["steps"]["a"]["status"] == "SUCCESS", outcome.stderr
    assert value not in outcome.stderr  # what all jobs printed
    assert "the password is" in outcome.stderr
    assert value not in (tmp_path / "p" / MACHINE).read_text()
    assert value not in json.dumps(outcome.log)
    s3 = client.aws("s3")
    seen = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET):
        for found in page["Contents"]:
            if "secret-1" in found["Key"]:
                seen += 1
                assert value.encode() not in s3.get_object(Bucket=BUCKET, Key=found["Key"])["Body"].read()
    assert seen > 5


def test_a_long_list_of_any_items(tmp_path: Path) -> None:
    items = [{"n": n, "text": '{% $x %} it\'s "quoted" \\ \n'} for n in range(LONG)]
    branch = {"start_at": "nothing", "steps": {"nothing": {"type": "as-is", "next": "success"}, **ENDS}}
    steps = {
        "list": shell("true", "each"),
        "each": {
            "type": "map",
            "iterate_on": "items",
            "iterate_as": "item",
            "branch": branch,
            "next": "last",
        },
        "last": shell('test "$MAGNUS_PRM_items" != ""'),
    }
    spec = RunSpec("long-1", parameter_file="parameters.json")
    logs = []
    for engine in (Local(), StepFunctions()):
        folder = tmp_path / engine.name
        write(folder, steps)
        (folder / "parameters.json").write_text(json.dumps({"items": items}))
        logs.append(comparable(engine.run(folder, spec).log))
    assert len(logs[0]["steps"]["each"]["branches"]) == len(items)
    check_equal(logs[0], logs[1], "local", "stepfunctions")
