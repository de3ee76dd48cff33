"""Permissions, enforced: a request that is signed with the name of a role is served only if the role's policy allows it.

moto enforces IAM too (`set_initial_no_auth_action_count`), but it compares actions alone: nearly all of its services ask for
the resource `*`, and its interpreter calls with keys that belong to nobody. So each request is asked about here, with the
resource that it is about, by moto's evaluator of policies (`moto.iam.access_control.IAMPolicy`). The interpreter's clients
and the jobs sign with a role's name for their access key; names that nobody registered may do anything.
What a request asks for: `asked.py`. What services do with a role where moto makes no request (`model.py`) is asked for as
a machine or a schedule is deployed (`refused_of_machine`, `refused_of_schedule`), as a job begins (`refused_of_container`),
and as an execution begins, whose traces are lost if it is refused.
The policy of who may take on a role is registered beside its own, as the role's name with `Trust` behind it.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam import access_control
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from tests.engines.stepfunctions import asked, model
from tests.engines.stepfunctions.asked import Call

_CREDENTIAL = re.compile(r"Credential=([^/]+)/[^/]+/[^/]+/([^/]+)/aws4_request")
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
    action, resource, known = call
    statements = list(_held(json.loads(policy)["Statement"], resource, known))
    held = {"Version": "2012-10-17", "Statement": statements}
    found = access_control.IAMPolicy(json.dumps(held)).is_action_permitted(action, resource)
    return bool(statements) and found is access_control.PermissionResult.PERMITTED


def _held(statements: list[dict[str, Any]], asking: str, known: str) -> Iterator[dict[str, Any]]:
    """Yield the statements whose conditions hold, without these; of those that trust somebody, the ones that trust `asking`.

    moto: knows conditions of trust alone, and takes one that does not hold for a denial of what others allow. It asks for no
    service among the principals, and takes each statement without resources for one that allows. AWS: the statement does not
    count. The operators are those that a bundle has.
    """
    for statement in statements:
        assert statement["Effect"] == "Allow", statement
        if asking not in statement.get("Principal", {"Service": asking})["Service"]:
            continue
        conditions = statement.get("Condition", {})
        assert conditions.keys() <= {"StringEquals", "ForAnyValue:StringEquals"}, conditions
        if all(f"{key}={value}" == known for pairs in conditions.values() for key, value in pairs.items()):
            yield {key: value for key, value in statement.items() if key != "Condition"}


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
            denied = [call for call in asked.of_request(service, environ) if not _allowed(role, call)]
            if denied:
                return _refuse(service, denied[0], start_response)
        if environ.get("HTTP_X_AMZ_TARGET") == "AWSStepFunctions.StartExecution":
            _trace(environ)
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


def _trace(environ: dict[str, Any]) -> None:
    """Ask for what Step Functions sends to AWS X-Ray of the execution that a request starts, which goes on if it may not."""
    name = json.loads(asked.content(environ))["stateMachineArn"]
    for machine in _machines().state_machines:
        if machine.arn == name:
            _refused(machine.roleArn, model.of_tracing(machine.tracingConfiguration))


def refused_of_machine(machine: str) -> list[list[str]]:
    """Return what Step Functions may not do as it makes a machine: take on its role, and what it does with that role."""
    found = _machines().describe_state_machine(machine)
    calls = (
        *model.of_logging(found.loggingConfiguration),
        *model.of_definition(json.loads(found.definition), machine),
    )
    return _untrusted(found.roleArn, model.STATES) + _refused(found.roleArn, calls)


def refused_of_schedule(role: str) -> list[list[str]]:
    """Return what EventBridge Scheduler may not do as it makes a schedule: take on the schedule's role."""
    return _untrusted(role, model.SCHEDULER)


def refused_of_container(properties: Mapping[str, Any], job: str) -> list[list[str]]:
    """Return what Amazon ECS may not do as it starts the container of a job: take on its roles, and what it does with the
    execution role."""
    roles = [properties[one] for one in ("jobRoleArn", "executionRoleArn") if one in properties]
    refused = [call for role in roles for call in _untrusted(role, model.TASKS)]
    role = properties.get("executionRoleArn", "")
    return refused + (_refused(role, model.of_container(properties, job)) if role else [])


def _machines() -> Any:
    return stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asked.REGION]


def _untrusted(role: str, service: str) -> list[list[str]]:
    return _refused(f"{role}Trust", [model.assume(service)])


def _refused(role: str, calls: Iterable[Call]) -> list[list[str]]:
    name = role.rpartition("/")[2]
    if name not in _policies:
        return []
    return [list(call) for call in dict.fromkeys(calls) if not _allowed(name, call)]


@functools.cache
def apply() -> None:
    """Let moto's evaluator read patterns as AWS does."""
    access_control.IAMPolicyStatement._match = staticmethod(match)  # type: ignore[method-assign]
