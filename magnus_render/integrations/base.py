"""The base class of integrations: how one (executor, service, provider) triple works together, or why it cannot.

A definition is the same for every executor. An integration makes what must differ, such as the place of the run log, or
a mounted volume. An executor or target declares its own in `integrations`.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import ExitStack

    from magnus_render.plan import Config, Service


class BaseIntegration:
    """A triple that works as it is: no method changes anything."""

    executor: str = ""
    """Type of the executor or target, `*` for all of them."""
    service: Service = "run_log_store"
    provider: str = ""
    """Type of the service, `*` for all of them."""
    needs: str = ""
    """What a user must do before this triple works; '' for nothing. `validate` refuses what is known to be missing."""

    def validate(self, executor: str, config: Config) -> list[str]:
        """Return why this triple cannot work, each with a fix; asked before rendering or executing.

        `executor` is the type in use: `config["executor"]` may be meant for another.
        """
        return []

    def configure_for_traversal(self, config: Config, stack: ExitStack) -> Config:
        """Return the configuration for the process that walks the graph; `stack` is closed when the walk is over."""
        return config

    def configure_for_execution(self, config: Config) -> Config:
        """Return the configuration for the processes, jobs or pods that run the nodes."""
        return config


def at_own_place(config: Config, service: Service, described: Callable[[Mapping[str, Any]], Any]) -> Config:
    """Return a configuration with absolute paths, by which a service is found from any working folder."""
    block = config[service]
    changed = config.copy()
    changed[service] = {"type": block["type"], "config": described(block["config"]).config}
    return changed


def within(path: str, folder: str) -> bool:
    """Tell whether an absolute POSIX path is that of a folder, or lies in it."""
    path, folder = posixpath.normpath(path), posixpath.normpath(folder)
    return posixpath.isabs(path) and (path == folder or path.startswith(folder.rstrip("/") + "/"))
