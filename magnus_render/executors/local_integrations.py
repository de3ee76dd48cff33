"""Integrations of services that need something when this process walks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.integrations.base import BaseIntegration

if TYPE_CHECKING:
    from contextlib import ExitStack

    from magnus_render.plan import Config, ServiceConfig


class Buffered(BaseIntegration):
    """The walking process makes a folder as the store for its steps, and deletes it when it ends."""

    executor = "local"
    service = "run_log_store"
    provider = "buffered"

    def configure_for_traversal(self, config: Config, stack: ExitStack) -> Config:
        from magnus_render.services.run_log_store import BufferedRunLogStore

        store = BufferedRunLogStore(config["run_log_store"]["config"])
        stack.callback(store.close)
        folder: ServiceConfig = {"type": "file-system", "config": {**store.config, "path": store.path}}
        return {**config, "run_log_store": folder}


class BufferedMocked(Buffered):
    """The same for the executor `mocked`."""

    executor = "mocked"
