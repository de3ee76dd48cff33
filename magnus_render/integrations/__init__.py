"""Integrations: which services work under which executor or target, and how (DESIGN §1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.errors import Refused
from magnus_render.integrations.argo import CatalogOnVolume, RunLogOnVolume
from magnus_render.integrations.base import BaseIntegration
from magnus_render.integrations.buffered import BufferedElsewhere, BufferedLocal
from magnus_render.integrations.step_functions import CatalogOnDisk, RunLogOnDisk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.integrations.base import Service
    from magnus_render.plan import Config

BUILT_IN: tuple[type[BaseIntegration], ...] = (
    BufferedLocal,
    BufferedElsewhere,
    RunLogOnDisk,
    CatalogOnDisk,
    RunLogOnVolume,
    CatalogOnVolume,
)
_SERVICES: tuple[Service, ...] = ("run_log_store", "catalog", "secrets")


def check(executor: str, config: Config) -> list[str]:
    """Return why the services of a configuration cannot work under an executor or target, each with the fix."""
    return [problem for _, problem in problems(executor, config)]


def problems(executor: str, config: Config) -> Iterator[tuple[Service, str]]:
    """Yield why services cannot work under an executor or target, each reason with its service."""
    for service, integration in integrations(executor, config):
        for problem in integration.validate(executor, config):
            yield service, problem


def integrations(executor: str, config: Config) -> Iterator[tuple[Service, BaseIntegration]]:
    """Yield the integrations of the triples in use, with the service that each is about."""
    for service in _SERVICES:
        provider = config[service]["type"]
        for found in (*BUILT_IN, *_installed(executor, config)):
            if (
                found.service == service
                and found.executor in (executor, "*")
                and found.provider in (provider, "*")
            ):
                yield service, found()


def _installed(executor: str, config: Config) -> list[type[BaseIntegration]]:
    """Return third-party integrations.

    Asked for only where a third-party type is in use: reading package metadata costs as much as rendering.
    """
    from magnus_render.services.lookup import BUILT_IN as SERVICES

    own = {"local", "bash", "demo-renderer", "aws-step-functions", "stepfunctions", "argo"}
    if executor in own and all(config[service]["type"] in SERVICES[service] for service in _SERVICES):
        return []
    from importlib.metadata import entry_points

    found: list[type[BaseIntegration]] = []
    for entry_point in entry_points(group="magnus_render.integration"):
        try:
            loaded = entry_point.load()
        except Exception as error:  # third-party code may raise anything at import
            reason = f"{type(error).__name__}: {error}"
            raise Refused(f"integration '{entry_point.name}' cannot be loaded: {reason}") from error
        if loaded not in BUILT_IN:
            found.append(loaded)
    return found
