"""Permissions, enforced: a request that is signed with the name of a role is served only if the role's policy allows it.

moto enforces IAM too (`set_initial_no_auth_action_count`), but it compares actions alone: nearly all of its services ask for
the resource `*`, and its interpreter calls with keys that belong to nobody. So each request is asked about here, with the
resource that it is about, by moto's evaluator of policies (`moto.iam.access_control.IAMPolicy`). The interpreter's clients
and the jobs sign with a role's name for their access key; names that nobody registered may do anything.
What a request asks for: `asked.py`. What is asked of a role without a request that moto makes is asked as a machine is
deployed (`refused_of_machine`), and as a job begins (`refused_of_container`).
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

from tests.engines.stepfunctions import asked
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
    held = {"Version": "2012-10-17", "Statement": list(_held(json.loads(policy)["Statement"], known))}
    found = access_control.IAMPolicy(json.dumps(held)).is_action_permitted(action, resource)
    return bool(held["Statement"]) and found is access_control.PermissionResult.PERMITTED


def _held(statements: list[dict[str, Any]], known: str) -> Iterator[dict[str, Any]]:
    """Yield the statements whose conditions hold, without these.

    moto: knows conditions of trust alone, and takes one that does not hold for a denial of what others allow. AWS: the
    statement does not count. The operators are those that a bundle has.
    """
    for statement in statements:
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


def refused_of_machine(machine: str) -> list[list[str]]:
    """Return what the role of a machine may not do of what Step Functions itself does (`asked.of_machine`)."""
    backend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][asked.REGION]
    found = backend.describe_state_machine(machine)
    return _refused(found.roleArn, asked.of_machine(json.loads(found.definition), machine))


def refused_of_container(properties: Mapping[str, Any], job: str) -> list[list[str]]:
    """Return what the execution role of a job's container may not do of what its agent does (`asked.of_container`)."""
    role = properties.get("executionRoleArn", "")
    return _refused(role, asked.of_container(properties, job)) if role else []


def _refused(role: str, calls: Iterable[Call]) -> list[list[str]]:
    name = role.rpartition("/")[2]
    if name not in _policies:
        return []
    return [list(call) for call in dict.fromkeys(calls) if not _allowed(name, call)]


@functools.cache
def apply() -> None:
    """Let moto's evaluator read patterns as AWS does."""
    access_control.IAMPolicyStatement._match = staticmethod(match)  # type: ignore[method-assign]
