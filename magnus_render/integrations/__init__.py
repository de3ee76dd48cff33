"""Integrations: which services work under which executor or target, and how.

Every executor and target declares its own. Further ones register in the entry-point group `magnus_render.integration`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from magnus_render.errors import Refused
from magnus_render.services import lookup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.integrations.base import BaseIntegration, Service
    from magnus_render.plan import Config

_SERVICES: tuple[Service, ...] = ("run_log_store", "catalog", "secrets")


class Engine(Protocol):
    """An executor or a target, as far as integrations care."""

    @property
    def name(self) -> str:
        """Its type in a configuration."""

    @property
    def integrations(self) -> tuple[type[BaseIntegration], ...]:
        """Those that belong to it."""


def problems(engine: Engine, config: Config) -> Iterator[tuple[Service, str]]:
    """Yield why services cannot work under an executor or target, each reason with its service."""
    found = list(applying(engine, config))
    for service, integration in found:
        for problem in integration.validate(engine.name, config):
            yield service, problem
    store = config["run_log_store"]["type"]
    if lookup.find("run_log_store", store).local_only and not any(one.provider == store for _, one in found):
        use = "`run_log_store: {type: file-system}`, with a path that all steps share"
        yield (
            "run_log_store",
            f"run_log_store '{store}' keeps records in the process of `magnus execute`: under '{engine.name}' every "
            f"step is a process of its own and would find none. Use {use}, or the type s3",
        )


def applying(engine: Engine, config: Config) -> Iterator[tuple[Service, BaseIntegration]]:
    """Yield the integrations of the triples in use, with the service that each is about."""
    for service in _SERVICES:
        provider = config[service]["type"]
        for found in (*engine.integrations, *_installed(engine, config)):
            if (
                found.service == service
                and found.executor in (engine.name, "*")
                and found.provider in (provider, "*")
            ):
                yield service, found()


def _installed(engine: Engine, config: Config) -> list[type[BaseIntegration]]:
    """Return third-party integrations.

    Asked for only where a third-party type is in use: reading package metadata costs as much as rendering.
    """
    ours = type(engine).__module__.startswith(f"{__name__.partition('.')[0]}.")
    if ours and all(config[service]["type"] in lookup.BUILT_IN[service] for service in _SERVICES):
        return []
    from importlib.metadata import entry_points

    found: list[type[BaseIntegration]] = []
    for entry_point in entry_points(group="magnus_render.integration"):
        try:
            found.append(entry_point.load())
        except Exception as error:  # third-party code may raise anything at import
            reason = f"{type(error).__name__}: {error}"
            raise Refused(f"integration '{entry_point.name}' cannot be loaded: {reason}") from error
    return found
