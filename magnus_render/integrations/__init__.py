"""Integrations: which services work under which executor or target, and how.

Every executor and target declares its own. Further ones register in the entry-point group `magnus_render.integration`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from magnus_render import registry
from magnus_render.plan import SERVICES
from magnus_render.services import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.integrations.base import BaseIntegration
    from magnus_render.plan import Config, Service


_ANYTHING = "example"
"""A value for required keys that have no influence on how services work together."""


class Engine(Protocol):
    """An executor or a target, as far as integrations need it."""

    @property
    def name(self) -> str:
        """Its type in a configuration."""

    @property
    def integrations(self) -> tuple[type[BaseIntegration], ...]:
        """The integrations of this executor or target."""


def problems(engine: Engine, config: Config) -> Iterator[tuple[Service, str]]:
    """Yield why services cannot work under an executor or target, each reason with its service."""
    applied = list(applying(engine, config))
    for service, integration in applied:
        for problem in integration.validate(engine.name, config):
            yield service, problem
    store = config["run_log_store"]["type"]
    if lookup.find("run_log_store", store).local_only and not any(
        one.provider == store for _, one in applied
    ):
        others = [
            f"`run_log_store: {{type: {name}}}`{' with a path that all steps share' if 'path' in (found.keys or ()) else ''}"
            for name, found in registry.described("run_log_store")
            if not found.local_only and not _refused(engine, name)
        ]
        yield (
            "run_log_store",
            f"run_log_store '{store}' keeps records in the process of `magnus execute`. Here every step is a process of "
            f"its own, and would find none. Use {', or '.join(others)}",
        )


def _refused(engine: Engine, store: str) -> bool:
    """Tell whether no configuration of a run log store works under an executor or target."""
    config = least(engine, "run_log_store", store)
    of = [one for service, one in applying(engine, config) if service == "run_log_store"]
    return any(one.validate(engine.name, config) and not one.needs for one in of)


def least(engine: Engine, service: Service, provider: str) -> Config:
    """Return the shortest configuration with a service of a type, and the defaults of all other services."""
    config: Config = {
        "executor": {"type": engine.name, "config": {}},
        "run_log_store": {"type": registry.DEFAULT["run_log_store"], "config": {}},
        "catalog": {"type": registry.DEFAULT["catalog"], "config": {}},
        "secrets": {"type": registry.DEFAULT["secrets"], "config": {}},
    }
    needed = getattr(registry.find(service, provider), "needed", ())
    config[service] = {"type": provider, "config": dict.fromkeys(needed, _ANYTHING)}
    return config


def applying(engine: Engine, config: Config) -> Iterator[tuple[Service, BaseIntegration]]:
    """Yield the integrations of the triples in use, with the service that each is about."""
    known = (*engine.integrations, *_installed())
    for service in SERVICES:
        provider = config[service]["type"]
        for found in known:
            if (
                found.service == service
                and found.executor in (engine.name, "*")
                and found.provider in (provider, "*")
            ):
                yield service, found()


def _installed() -> list[type[BaseIntegration]]:
    """Return the integrations that other packages register; raise `Refused` if one cannot be loaded."""
    return [registry.find("integration", name) for name in registry.names("integration")]
