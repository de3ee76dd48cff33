"""What a test asks of the server besides AWS's own requests: JSON by POST to /_engine/NAME."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable, Iterable
from datetime import datetime
from enum import Enum
from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_api._internal import moto_api_backend
from moto.stepfunctions.parser.models import stepfunctions_parser_backends

from tests.engines.stepfunctions import compute, faults, fixes, permissions

PREFIX = "/_engine/"
_SECONDS_BETWEEN_LOOKS = 0.01
_Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def wrap(application: _Application) -> _Application:
    """Return a WSGI application that answers the engine's own requests and leaves all others to `application`."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if not path.startswith(PREFIX):
            return application(environ, start_response)
        try:
            request = json.loads(environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)))
            status, reply = "200 OK", _REQUESTS[path.removeprefix(PREFIX)](**request)
        except Exception:
            status, reply = "500 Internal Server Error", traceback.format_exc()
        start_response(status, [("Content-Type", "application/json")])
        return [json.dumps(reply, default=_encode).encode()]

    return answer


def _reset() -> None:
    """Forget all that was created in AWS, all faults and all records of jobs."""
    moto_api_backend.reset()
    faults.clear()
    compute.clear()
    permissions.permit({})


def _wait(execution: str, seconds: float) -> dict[str, Any]:
    """Wait for the end of an execution, at most so many seconds; return what became of it."""
    region = execution.split(":")[3]
    backend = stepfunctions_parser_backends[DEFAULT_ACCOUNT_ID][region]
    found = backend.describe_execution(execution)
    end = time.monotonic() + seconds
    while found.status == "RUNNING" and time.monotonic() < end:
        time.sleep(_SECONDS_BETWEEN_LOOKS)
    return {
        "status": found.status,
        "error": found.error,
        "cause": found.cause,
        "output": found.output,
        "history": found.to_history_output()["events"],
    }


def _fault(**fault: Any) -> None:
    faults.order(faults.from_json(fault))


_REQUESTS: dict[str, Callable[..., Any]] = {
    "ended": compute.ended,
    "fixes": fixes.apply,
    "names": fixes.names,
    "fault": _fault,
    "jobs": compute.records,
    "permit": permissions.permit,
    "called": permissions.called,
    "refused_machine": permissions.refused_of_machine,
    "refused_schedule": permissions.refused_of_schedule,
    "reset": _reset,
    "settled": compute.settled,
    "wait": _wait,
}


def _encode(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"no JSON: {value!r}")
