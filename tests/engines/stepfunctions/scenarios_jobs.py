"""Scenarios of the services that run steps."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

from tests.engines.stepfunctions.client import ACCOUNT, CLUSTER, Client
from tests.engines.stepfunctions.scenarios import (
    PROJECT,
    caught,
    execute,
    job,
    new_name,
    result,
    scenario,
    task,
)


@scenario("forty-at-once", 40)
def forty_at_once(client: Client) -> Any:
    states = {
        "map": {
            "Type": "Map",
            "Items": "{% [1..60] %}",
            "ItemProcessor": {"StartAt": "job", "States": {"job": job("sleep", "0.5")}},
            "Output": "",
            "End": True,
        }
    }
    running = most = 0
    for event in execute(client, states).history:
        running += event["type"] == "MapIterationStarted"
        running -= event["type"] == "MapIterationSucceeded"
        most = max(most, running)
    return most


@scenario("member-names", "job")
def member_names(client: Client) -> Any:
    return result(client, {"job": job("true", Output="{% $states.result.JobName %}")})


@scenario("exit-code", 0)
def exit_code(client: Client) -> Any:
    return result(client, {"job": job("true", Output="{% $states.result.Container.ExitCode %}")})


@scenario("token-per-attempt", "good")
def token_per_attempt(client: Client) -> Any:
    marker = new_name()
    state = job("sh", "-c", f"test -e {marker} || {{ touch {marker}; exit 1; }}", Output="good")
    state["Retry"] = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
    return result(client, {"job": state})


@scenario("abandoned-jobs", ["States.Timeout", True, "States.Timeout", True])
def abandoned_jobs(client: Client) -> Any:
    """Jobs that outlive their states: what Catch sees, and whether the job ends."""
    observed = []
    for start in (job, functools.partial(task, client)):
        word = new_name()
        state = start("sh", "-c", "sleep 5", word, TimeoutSeconds=1)
        observed.append(result(client, caught(state)))
        (record,) = client.jobs(word)
        observed.append(client.ended(record["id"], 2))
    return observed


@scenario("batch-processes", [{"exit_code": 75}, {"exit_code": 75}, {"exit_code": 1}])
def batch_processes(client: Client) -> Any:
    """75 twice, then 1; only 75 is tried again."""
    name = new_name()
    script = f"echo >> {name}; test $(wc -l < {name}) = 3 && exit 1; exit 75"
    retry = {
        "Attempts": 5,
        "EvaluateOnExit": [{"OnExitCode": "75", "Action": "RETRY"}, {"OnReason": "*", "Action": "EXIT"}],
    }
    execute(client, {"job": job("sh", "-c", script, name, Arguments={"RetryStrategy": retry})}, seconds=5)
    (record,) = client.jobs(name)
    return [{"exit_code": attempt["exit_code"]} for attempt in record["attempts"]]


@scenario("ended-by-somebody", [False, True])
def ended_by_somebody(client: Client) -> Any:
    batch, told = client.aws("batch"), []
    for end in (False, True):
        command = {"command": ["sh", "-c", "sleep 30" if end else "true", new_name()]}
        identity = batch.submit_job(
            jobName="job", jobQueue=PROJECT, jobDefinition=PROJECT, containerOverrides=command
        )["jobId"]
        if end:
            batch.terminate_job(jobId=identity, reason="ordered by a test")
        assert client.ended(identity, 30)
        told.append(batch.describe_jobs(jobs=[identity])["jobs"][0].get("isTerminated"))
    return told


@scenario("batch-faults", "Batch.ServerException")
def batch_faults(client: Client) -> Any:
    word = new_name()
    client.fault([word], submit=["ServerException"])
    return result(client, caught(job("true", word)))


@scenario("job-environment", 1)
def job_environment(client: Client) -> Any:
    identity = result(client, {"job": job("true", Output="{% $states.result.JobId %}")})
    for _ in range(3):
        (described,) = client.aws("batch").describe_jobs(jobs=[identity])["jobs"]
    return [entry["name"] for entry in described["container"]["environment"]].count("AWS_BATCH_JOB_ID")


@scenario("describe-jobs", "good", provoke=("jobs-while-describing",))
def describe_jobs(client: Client) -> Any:
    return result(client, {"job": job("true", Output="good")})


@scenario("ecs-processes", True)
def ecs_processes(client: Client) -> Any:
    word = new_name()
    result(client, {"task": task(client, "true", word)}, seconds=5)
    return [record["attempts"][0]["exit_code"] for record in client.jobs(word)] == [0]


@scenario("ecs-exit-code", "States.TaskFailed")
def ecs_exit_code(client: Client) -> Any:
    return result(client, caught(task(client, "false")))


@scenario("ecs-faults", ["ECS.AmazonECSException"])
def ecs_faults(client: Client) -> Any:
    return [ecs_error_names(client)]


@scenario("ecs-error-names", "ECS.AmazonECSException")
def ecs_error_names(client: Client) -> Any:
    word = new_name()
    client.fault([word], submit=["AmazonECSException"])
    return result(client, caught(task(client, "true", word)))


@scenario("ecs-security-groups", "good")
def ecs_security_groups(client: Client) -> Any:
    return result(client, {"task": task(client, "true", groups=False, Output="good")})


@scenario("ecs-tags", [{"key": "team", "value": "churn"}])
def ecs_tags(client: Client) -> Any:
    state = task(client, "true", Output="{% $states.result.TaskArn %}")
    state["Arguments"]["Tags"] = [{"Key": "team", "Value": "churn"}]
    found = client.aws("ecs").describe_tasks(
        cluster=CLUSTER, tasks=[result(client, {"task": state})], include=["TAGS"]
    )
    return found["tasks"][0]["tags"]


def processing_job(*argv: str) -> dict[str, Any]:
    """Return a task state, the last one, that runs a command on SageMaker."""
    cluster = {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 1}
    arguments = {
        "ProcessingJobName": new_name(),
        "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/magnus",
        "AppSpecification": {"ImageUri": PROJECT, "ContainerEntrypoint": list(argv)},
        "ProcessingResources": {"ClusterConfig": cluster},
    }
    resource = "arn:aws:states:::sagemaker:createProcessingJob.sync"
    return {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}


@scenario("sagemaker-sync", "Completed")
def sagemaker_sync(client: Client) -> Any:
    state = processing_job("true") | {"Output": "{% $states.result.ProcessingJobStatus %}"}
    return result(client, {"job": state})


@scenario("sagemaker-processes", "States.TaskFailed")
def sagemaker_processes(client: Client) -> Any:
    return result(client, caught(processing_job("false")))


@scenario("lambda-processes", [{"a": 1}, "JSONDecodeError"])
def lambda_processes(client: Client) -> Any:
    name = new_name()
    client.function(name, "json.loads", Path(), {})
    observed = []
    for given in ('{"a": 1}', "no JSON"):
        arguments = {"FunctionName": name, "Payload": json.dumps(given)}
        resource = "arn:aws:states:::lambda:invoke"
        state = {"Type": "Task", "Resource": resource, "Arguments": arguments, "End": True}
        states = caught(state | {"Output": "{% $states.result.Payload %}"})
        observed.append(result(client, states, seconds=10))
    return observed
