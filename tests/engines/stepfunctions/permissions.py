"""Permissions, enforced: a request that is signed with the name of a role is served only if the role's policy allows it.

moto enforces IAM too (`set_initial_no_auth_action_count`), but it compares actions alone: nearly all of its services ask for
the resource `*`, and its interpreter calls with keys that belong to nobody. So each request is asked about here, with the
resource that it is about, by moto's evaluator of policies (`moto.iam.access_control.IAMPolicy`). The interpreter's clients
and the jobs sign with a role's name for their access key; names that nobody registered may do anything.
What Step Functions asks of a role without a request that moto makes is asked as an execution starts (`_at_start`).
"""

from __future__ import annotations

import functools
import io
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.batch.models import batch_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam import access_control
from moto.s3.models import s3_backends
from moto.secretsmanager.models import secretsmanager_backends
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

Call = tuple[str, str]
"""An action and the resource that it is about."""
_REGION = "us-east-1"
_CREDENTIAL = re.compile(r"Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/aws4_request")
_RULES = {
    "batch:submitJob.sync": "BatchJobs",
    "ecs:runTask.sync": "ECSTask",
    "states:startExecution.sync:2": "StepFunctionsExecution",
}
_policies: dict[str, str] = {}
_calls: dict[str, list[tuple[Call, bool]]] = {}
_lock = threading.Lock()


def permit(policies: Mapping[str, Any]) -> None:
    """Register roles, by their names, with what they may do; forget those before, and their calls."""
    with _lock:
        _policies.clear()
        _calls.clear()
        _policies.update({name: json.dumps(policy) for name, policy in policies.items()})


def called() -> dict[str, list[Any]]:
    """Return for each role what it asked for, each once: [action, resource], and whether it was allowed."""
    with _lock:
        return {
            role: [[list(call), allowed] for call, allowed in dict.fromkeys(calls)]
            for role, calls in _calls.items()
        }


def allows(policy: str, call: Call) -> bool:
    """Tell whether a policy, as JSON, allows a call."""
    return (
        access_control.IAMPolicy(policy).is_action_permitted(*call)
        is access_control.PermissionResult.PERMITTED
    )


def match(pattern: str, text: str) -> Any:
    """moto: takes a pattern for a regular expression whose `*` alone means something else. AWS: `*` is any characters, `?`
    is any one, all else is itself.
    """
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch("".join(parts), text, re.DOTALL)


def wrap(application: Callable[..., Any]) -> Callable[..., Any]:
    """Return a WSGI application that refuses what roles may not do, and leaves the rest to `application`."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
        role, service = found.groups() if found else ("", "")
        if role in _policies:
            denied = [call for call in _asked(service, environ) if not _allowed(role, call)]
            if denied:
                return _refuse(service, denied[0], start_response)
        return application(environ, start_response)

    return answer


def _allowed(role: str, call: Call) -> bool:
    allowed = allows(_policies[role], call)
    with _lock:
        _calls.setdefault(role, []).append((call, allowed))
    return allowed


def _refuse(service: str, call: Call, start_response: Callable[..., Any]) -> list[bytes]:
    text = f"not authorized to perform: {call[0]} on resource: {call[1]}"
    body = json.dumps({"__type": "AccessDeniedException", "code": "AccessDeniedException", "message": text})
    kind = "application/json"
    if service == "s3":
        body = f"<Error><Code>AccessDenied</Code><Message>{text}</Message></Error>"
        kind = "application/xml"
    start_response("403 Forbidden", [("Content-Type", kind), ("x-amzn-errortype", "AccessDeniedException")])
    return [body.encode()]


def _asked(service: str, environ: dict[str, Any]) -> Iterator[Call]:
    """Yield what a request asks for; one that no rule knows asks for what nobody is given."""
    if service == "s3":
        yield from _of_s3(environ)
        return
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    action = (environ.get("HTTP_X_AMZ_TARGET") or environ["PATH_INFO"]).rpartition("/")[2].rpartition(".")[2]
    rule = _OF_REQUEST.get((service, action.lower()))
    if rule is None:
        yield f"{service}:{action}", "unknown"
    else:
        yield from rule(json.loads(body or b"{}"))


def _arn(service: str, rest: str) -> str:
    return f"arn:aws:{service}:{_REGION}:{DEFAULT_ACCOUNT_ID}:{rest}"


def _of_s3(environ: dict[str, Any]) -> Iterator[Call]:
    bucket, _, key = unquote(environ["PATH_INFO"]).lstrip("/").partition("/")
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    method, resource = environ["REQUEST_METHOD"], f"arn:aws:s3:::{bucket}/{key}"
    if not key:
        yield ("s3:ListBucket" if method in ("GET", "HEAD") else "s3:DeleteObject"), f"arn:aws:s3:::{bucket}"
    elif method in ("GET", "HEAD"):
        yield "s3:GetObject", resource
        found = s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_object(bucket, key)
        if found is None:
            yield "s3:ListBucket", f"arn:aws:s3:::{bucket}"
        elif found.kms_key_id:
            yield "kms:Decrypt", _arn("kms", f"key/{found.kms_key_id}")
    elif method == "DELETE":
        yield ("s3:AbortMultipartUpload" if "uploadId" in query else "s3:DeleteObject"), resource
    else:
        yield "s3:PutObject", resource
        if kms := environ.get("HTTP_X_AMZ_SERVER_SIDE_ENCRYPTION_AWS_KMS_KEY_ID"):
            yield "kms:GenerateDataKey", _arn("kms", f"key/{kms}")
        if "uploadId" in query and method == "POST":
            # The parts of an object are decrypted as it is put together (Amazon S3 user guide, multipart upload).
            upload = (
                s3_backends[DEFAULT_ACCOUNT_ID]["aws"].get_bucket(bucket).multiparts.get(query["uploadId"][0])
            )
            if upload is not None and upload.kms_key_id:
                yield "kms:Decrypt", _arn("kms", f"key/{upload.kms_key_id}")


def _submit_job(request: Mapping[str, Any]) -> Iterator[Call]:
    backend = batch_backends[DEFAULT_ACCOUNT_ID][_REGION]
    definition = backend.get_job_definition(request["jobDefinition"])
    yield "batch:SubmitJob", definition.arn if definition else "unknown"
    queue = backend.get_job_queue(request["jobQueue"])
    yield "batch:SubmitJob", queue.arn if queue else "unknown"
    if request.get("tags"):
        yield "batch:TagResource", _arn("batch", "job/new")


def _secret(request: Mapping[str, Any]) -> Iterator[Call]:
    backend = secretsmanager_backends[DEFAULT_ACCOUNT_ID][_REGION]
    found = backend.secrets.get(request["SecretId"])
    yield "secretsmanager:GetSecretValue", found.arn if found else _arn("secretsmanager", "secret:unknown")


def _start_execution(request: Mapping[str, Any]) -> Iterator[Call]:
    yield "states:StartExecution", request["stateMachineArn"]


def _of_execution(action: str) -> Callable[[Mapping[str, Any]], Iterator[Call]]:
    def rule(request: Mapping[str, Any]) -> Iterator[Call]:
        yield action, request["executionArn"]

    return rule


def _run_task(request: Mapping[str, Any]) -> Iterator[Call]:
    name = request["taskDefinition"]
    yield "ecs:RunTask", _arn("ecs", f"task-definition/{name}" + ("" if ":" in name else ":1"))
    if request.get("tags"):
        yield "ecs:TagResource", _arn("ecs", f"task/{request['cluster']}/new")


def _of_task(action: str) -> Callable[[Mapping[str, Any]], Iterator[Call]]:
    def rule(request: Mapping[str, Any]) -> Iterator[Call]:
        for task in request.get("tasks") or [request.get("task")]:
            yield action, task

    return rule


_OF_REQUEST: dict[tuple[str, str], Callable[[Mapping[str, Any]], Iterator[Call]]] = {
    ("batch", "submitjob"): _submit_job,
    ("batch", "describejobs"): lambda request: iter([("batch:DescribeJobs", "*")]),
    ("batch", "terminatejob"): lambda request: iter(
        [("batch:TerminateJob", _arn("batch", f"job/{request['jobId']}"))]
    ),
    ("secretsmanager", "getsecretvalue"): _secret,
    ("states", "startexecution"): _start_execution,
    ("states", "describeexecution"): _of_execution("states:DescribeExecution"),
    ("states", "stopexecution"): _of_execution("states:StopExecution"),
    ("ecs", "runtask"): _run_task,
    ("ecs", "describetasks"): _of_task("ecs:DescribeTasks"),
    ("ecs", "stoptask"): _of_task("ecs:StopTask"),
}


def refused_at_start(machine: str) -> list[list[str]]:
    """Return what the role of a machine may not do of what Step Functions itself does, beside the requests of states.

    It makes the rule that tells of the end of a `.sync` state (developer guide, "Run a Job (.sync)"), and an execution of
    the machine for each item of a distributed map (developer guide, "Map state in Distributed mode").
    """
    backend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][_REGION]
    found = backend.describe_state_machine(machine)
    role = found.roleArn.rpartition("/")[2]
    if role not in _policies:
        return []
    return [
        list(call)
        for call in dict.fromkeys(_at_start(json.loads(found.definition), machine))
        if not _allowed(role, call)
    ]


def _at_start(value: Any, machine: str) -> Iterator[Call]:
    if isinstance(value, list):
        for part in value:
            yield from _at_start(part, machine)
    elif isinstance(value, dict):
        rule = _RULES.get(str(value.get("Resource", "")).removeprefix("arn:aws:states:::"))
        for action in ("DescribeRule", "PutRule", "PutTargets") if rule else ():
            yield f"events:{action}", _arn("events", f"rule/StepFunctionsGetEventsFor{rule}Rule")
        if value.get("Mode") == "DISTRIBUTED":
            item = f"{machine.replace(':stateMachine:', ':execution:')}/label:item"
            yield "states:StartExecution", machine
            yield "states:DescribeExecution", item
            yield "states:StopExecution", item
        for part in value.values():
            yield from _at_start(part, machine)


@functools.cache
def apply() -> None:
    """Let moto's evaluator read patterns as AWS does."""
    access_control.IAMPolicyStatement._match = staticmethod(match)  # type: ignore[method-assign]
