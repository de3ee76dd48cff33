"""What a request to AWS asks for: its actions, each with the resource that it is about.

Actions and resources are those of the Service Authorization Reference. What is asked for without a request that moto makes:
`model.py`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.batch.models import batch_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.ecs.models import ecs_backends
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends

Call = tuple[str, str, str]
"""An action, the resource that it is about, and what is known of the request: `KEY=VALUE` of a condition, or ''."""
REGION = "us-east-1"
_ACCOUNT = DEFAULT_ACCOUNT_ID


def of_request(service: str, environ: dict[str, Any]) -> Iterator[Call]:
    """Yield what a request asks for; one that no rule knows asks for what nobody is given."""
    if service == "s3":
        yield from _of_s3(environ)
        return
    body = content(environ)
    path, target = unquote(environ["PATH_INFO"]), environ.get("HTTP_X_AMZ_TARGET", "")
    if service == "lambda" and path.endswith("/invocations"):
        yield "lambda:InvokeFunction", arn("lambda", f"function:{path.split('/')[-2]}"), ""
        return
    action = (target or path).rpartition("/")[2].rpartition(".")[2]
    rule = _OF_REQUEST.get((service, action.lower()))
    if rule is None:
        yield f"{service}:{action}", "unknown", ""
    else:
        yield from rule(json.loads(body or b"{}"))


def content(environ: dict[str, Any]) -> bytes:
    """Return the body of a request, and leave it for the next reader."""
    body: bytes = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def arn(service: str, rest: str) -> str:
    """Return the ARN of something in the account and region of the engine."""
    return f"arn:aws:{service}:{REGION}:{_ACCOUNT}:{rest}"


# ---- Amazon S3 ----


def _of_s3(environ: dict[str, Any]) -> Iterator[Call]:
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    method, resource = environ["REQUEST_METHOD"], f"arn:aws:s3:::{bucket}/{key}"
    if not key:
        yield (
            "s3:ListBucket" if method in ("GET", "HEAD") else "s3:DeleteObject"
        ), f"arn:aws:s3:::{bucket}", ""
    elif method in ("GET", "HEAD"):
        yield from _of_reading(bucket, key, resource)
    elif method == "DELETE":
        yield ("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"), resource, ""
    else:
        yield "s3:PutObject", resource, ""
        if kms := environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID"):
            yield _of_key("kms:GenerateDataKey", kms)
        if "uploadId" in query and method == "POST":
            # The parts of an object are decrypted as it is put together (Amazon S3 user guide, multipart upload).
            upload = s3_backends[_ACCOUNT]["aws"].get_bucket(bucket).multiparts.get(query["uploadId"][0])
            if upload is not None and upload.kms_key_id:
                yield _of_key("kms:Decrypt", upload.kms_key_id)


def _of_reading(bucket: str, key: str, resource: str) -> Iterator[Call]:
    yield "s3:GetObject", resource, ""
    found = s3_backends[_ACCOUNT]["aws"].get_object(bucket, key)
    if found is None:
        yield "s3:ListBucket", f"arn:aws:s3:::{bucket}", ""
    elif found.kms_key_id:
        yield _of_key("kms:Decrypt", found.kms_key_id)


def _of_key(action: str, name: str) -> Call:
    """Return what is asked for a key; one that is named by its alias is asked for by its own ARN, and has that alias."""
    name = name.rpartition(":key/")[2]
    if "alias/" in name:
        return action, arn("kms", "key/of-alias"), f"kms:ResourceAliases=alias/{name.partition('alias/')[2]}"
    return action, arn("kms", f"key/{name}"), ""


# ---- services that run steps ----


def _submit_job(request: Mapping[str, Any]) -> Iterator[Call]:
    backend = batch_backends[_ACCOUNT][REGION]
    definition = backend.get_job_definition(request["jobDefinition"])
    yield "batch:SubmitJob", definition.arn if definition else "unknown", ""
    queue = backend.get_job_queue(request["jobQueue"])
    yield "batch:SubmitJob", queue.arn if queue else "unknown", ""
    if request.get("tags"):
        yield "batch:TagResource", arn("batch", "job/new"), ""


def _run_task(request: Mapping[str, Any]) -> Iterator[Call]:
    definition = ecs_backends[_ACCOUNT][REGION].describe_task_definition(request["taskDefinition"])
    yield "ecs:RunTask", definition.arn, ""
    if request.get("tags"):
        yield "ecs:TagResource", arn("ecs", f"task/{request['cluster']}/new"), ""
    for role in (definition.task_role_arn, definition.execution_role_arn):
        if role:
            yield _pass_role(role, "ecs-tasks")


def _of_task(action: str) -> Callable[[Mapping[str, Any]], Iterator[Call]]:
    def rule(request: Mapping[str, Any]) -> Iterator[Call]:
        for task in request.get("tasks") or [request.get("task")]:
            yield action, task, ""

    return rule


def _processing_job(request: Mapping[str, Any]) -> Iterator[Call]:
    job = arn("sagemaker", f"processing-job/{request['ProcessingJobName'].lower()}")
    yield "sagemaker:CreateProcessingJob", job, ""
    if request.get("Tags"):
        yield "sagemaker:AddTags", job, ""
    yield _pass_role(request["RoleArn"], "sagemaker")


def _of_processing_job(action: str) -> Callable[[Mapping[str, Any]], Iterator[Call]]:
    def rule(request: Mapping[str, Any]) -> Iterator[Call]:
        yield action, arn("sagemaker", f"processing-job/{request['ProcessingJobName'].lower()}"), ""

    return rule


def _pass_role(role: str, service: str) -> Call:
    return "iam:PassRole", role, f"iam:PassedToService={service}.amazonaws.com"


# ---- other services ----


def _secret(request: Mapping[str, Any]) -> Iterator[Call]:
    found = secretsmanager_backends[_ACCOUNT][REGION].secrets.get(request["SecretId"])
    yield "secretsmanager:GetSecretValue", found.arn if found else arn("secretsmanager", "secret:unknown"), ""


def _member(action: str, name: str) -> Callable[[Mapping[str, Any]], Iterator[Call]]:
    """Return the rule of a request that has the ARN among its members."""

    def rule(request: Mapping[str, Any]) -> Iterator[Call]:
        yield action, request[name], ""

    return rule


def _send_message(request: Mapping[str, Any]) -> Iterator[Call]:
    yield "sqs:SendMessage", arn("sqs", request["QueueUrl"].rpartition("/")[2]), ""


_OF_REQUEST: dict[tuple[str, str], Callable[[Mapping[str, Any]], Iterator[Call]]] = {
    ("batch", "submitjob"): _submit_job,
    ("batch", "describejobs"): lambda request: iter([("batch:DescribeJobs", "*", "")]),
    ("batch", "terminatejob"): lambda request: iter(
        [("batch:TerminateJob", arn("batch", f"job/{request['jobId']}"), "")]
    ),
    ("secretsmanager", "getsecretvalue"): _secret,
    ("sqs", "sendmessage"): _send_message,
    ("states", "startexecution"): _member("states:StartExecution", "stateMachineArn"),
    ("states", "describeexecution"): _member("states:DescribeExecution", "executionArn"),
    ("states", "stopexecution"): _member("states:StopExecution", "executionArn"),
    ("ecs", "runtask"): _run_task,
    ("ecs", "describetasks"): _of_task("ecs:DescribeTasks"),
    ("ecs", "stoptask"): _of_task("ecs:StopTask"),
    ("sagemaker", "createprocessingjob"): _processing_job,
    ("sagemaker", "describeprocessingjob"): _of_processing_job("sagemaker:DescribeProcessingJob"),
    ("sagemaker", "stopprocessingjob"): _of_processing_job("sagemaker:StopProcessingJob"),
}
