"""The `buffered` run log store: for a walk by this process alone, gone when it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.integrations.base import BaseIntegration

if TYPE_CHECKING:
    from contextlib import ExitStack

    from magnus_render.plan import Config, ServiceConfig


class BufferedLocal(BaseIntegration):
    """The walking process makes the store; nodes find it as a folder."""

    executor = "local"
    service = "run_log_store"
    provider = "buffered"

    def configure_for_traversal(self, config: Config, stack: ExitStack) -> Config:
        from magnus_render.services.run_log_store import BufferedRunLogStore

        store = BufferedRunLogStore(config["run_log_store"]["config"])
        stack.callback(store.close)
        folder: ServiceConfig = {"type": "file-system", "config": {"path": store.path}}
        return {**config, "run_log_store": folder}


class BufferedElsewhere(BaseIntegration):
    """Any other executor runs its nodes in processes that share no memory with the walk."""

    executor = "*"
    service = "run_log_store"
    provider = "buffered"

    def validate(self, executor: str, config: Config) -> list[str]:
        if executor == "local":
            return []
        use = "`run_log_store: {type: file-system}`, with a path that all steps share"
        return [
            f"run_log_store 'buffered' keeps records in the process of `magnus execute`: under '{executor}' every "
            f"step is a process of its own and would find none. Use {use}, or the type s3"
        ]
