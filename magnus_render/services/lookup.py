"""Finds a service by its type, and the services of a callback by its environment."""

from __future__ import annotations

import os

from magnus_render import jsontext, registry
from magnus_render.errors import Refused, UsageError
from magnus_render.plan import SERVICES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, overload

    from magnus_render.plan import ServiceConfig, Services
    from magnus_render.services.base import BaseCatalog, BaseRunLogStore, BaseSecrets

if TYPE_CHECKING:

    @overload
    def load(kind: Literal["run_log_store"], config: ServiceConfig) -> BaseRunLogStore: ...
    @overload
    def load(kind: Literal["catalog"], config: ServiceConfig) -> BaseCatalog: ...
    @overload
    def load(kind: Literal["secrets"], config: ServiceConfig) -> BaseSecrets: ...


def load(kind: str, config: ServiceConfig) -> Any:
    """Return the service that a configuration block describes.

    Raise `errors.Refused` if the type or a key of its `config` is unknown.
    """
    return find(kind, config["type"])(config.get("config") or {})


def find(kind: str, type_: str) -> Any:
    """Return the class of a service type; raise `errors.Refused` naming the known types if there is none."""
    found = registry.find(kind, type_)
    if found is None:
        from magnus_render.services.options import did_you_mean

        known = registry.names(kind)
        raise Refused(f"unknown {kind} '{type_}'{did_you_mean(type_, known)}: known are {', '.join(known)}")
    return found


def services(given: Any, where: str) -> Services:
    """Return the services described by a value of an engine's settings; raise `errors.UsageError` if it describes none."""
    for kind in SERVICES:
        block = given.get(kind) if isinstance(given, dict) else None
        if not isinstance(block, dict):
            block = {}
        if not (isinstance(block.get("config"), dict) and isinstance(block.get("type"), str)):
            raise UsageError(f"{where}: '{kind}' must have a type and a config")
    found: Services = given
    return found


def services_of_environment() -> Services | None:
    """Return the stores that the environment variable MAGNUS_CONFIG names, None without it; raise `errors.UsageError`."""
    text = os.environ.get("MAGNUS_CONFIG")
    if not text:
        return None
    try:
        given = jsontext.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"MAGNUS_CONFIG is not JSON: {error}") from None
    return services(given, "MAGNUS_CONFIG")
