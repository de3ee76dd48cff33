"""What takes moto longer than a test should wait."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_callback
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_batch import (
    StateTaskServiceBatch,
)
from moto.stepfunctions.parser.asl.component.state.exec.state_task.service.state_task_service_ecs import (
    StateTaskServiceEcs,
)
from moto.stepfunctions.parser.asl.utils import boto_client

from tests.engines.stepfunctions import compute
from tests.engines.stepfunctions.fixes import Patch, fix, patch_all_imports

SECONDS_BETWEEN_CHECKS = 0.05


@fix("clients")
def share_clients(patch: Patch) -> None:
    """moto: every task makes a client of its own from the default session, which must not be done by two threads at
    once, takes 50 ms, and looks `localhost` up. Here: one client a service and role, for 127.0.0.1, which signs with the
    role's name (`permissions`).
    """
    original = boto_client.boto_client_for
    clients: dict[tuple[str, str, str], Any] = {}
    lock = threading.Lock()

    def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
        role = state_credentials.role_arn.rpartition("/")[2] if state_credentials is not None else ""
        with lock:
            if (region, service, role) not in clients:
                made = original(region, service, state_credentials)
                if role:
                    made._request_signer._credentials.access_key = role
                clients[region, service, role] = made
            return clients[region, service, role]

    patch_all_imports(patch, "boto_client_for", original, boto_client_for)


@fix("routing")
def remember_backends(patch: Patch) -> None:
    """moto: looks through its own folder for every request, a third of what a request takes. Here: once a host name."""
    original = DomainDispatcherApplication.get_backend_for_host
    known: dict[str | None, Any] = {}

    def get_backend_for_host(self: Any, host: str | None) -> Any:
        if host not in known:
            known[host] = original(self, host)
        return known[host]

    patch(DomainDispatcherApplication, "get_backend_for_host", get_backend_for_host)


@fix("quick-checks")
def wait_for_ends(patch: Patch) -> None:
    """moto: asks every half second whether a job has ended (AWS: about once a minute, or by an event). Here: the state
    is woken by the job's end, and asks then; child executions are asked for every 0.05 seconds.
    """
    patch(state_task_service_callback, "_DELAY_SECONDS_SYNC_CONDITION_CHECK", SECONDS_BETWEEN_CHECKS)
    for service, identify in (
        (StateTaskServiceBatch, lambda submitted: submitted["JobId"]),
        (StateTaskServiceEcs, lambda submitted: submitted["Tasks"][0]["TaskArn"].rpartition("/")[2]),
    ):
        patch(service, "_build_sync_resolver", _with_wait(service._build_sync_resolver, identify))


def _with_wait(build: Callable[..., Any], identify: Callable[[Any], str]) -> Callable[..., Any]:
    def _build_sync_resolver(self: Any, env: Any, *args: Any, **options: Any) -> Any:
        identity = identify(env.stack[-1])
        resolver = build(self, env, *args, **options)

        @functools.wraps(resolver)
        def resolve() -> Any:
            return resolver() if compute.ended(identity, SECONDS_BETWEEN_CHECKS) else None

        return resolve

    return _build_sync_resolver
