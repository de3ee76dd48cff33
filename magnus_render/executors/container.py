"""The `local-container` executor: magnus walks here, and every attempt of a task runs in a container of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render.executors import configured
from magnus_render.executors.base import BaseExecutor, Order, processors
from magnus_render.executors.container_integrations import INTEGRATIONS
from magnus_render.plan import TASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.executors.place import Place
    from magnus_render.plan import Config, Plan


class LocalContainerExecutor(BaseExecutor):
    """Runs the steps by docker, podman or nerdctl."""

    name = "local-container"
    summary = "steps in containers of docker, podman or nerdctl"
    integrations = INTEGRATIONS
    needed = ("image",)
    older_keys: ClassVar[Mapping[str, str]] = {"docker_image": "image"}
    hands_secrets = True

    @classmethod
    def configuration(cls) -> Any:
        from magnus_render.executors.container_config import ContainerConfig

        return ContainerConfig

    @classmethod
    def problems(cls, config: Mapping[str, Any]) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
        return configured.problems(cls, config, {"image": "any"})

    def __init__(self, config: Mapping[str, Any]) -> None:
        configured.check(type(self), config, {"image": "write image: NAME, of an image with magnus in it"})
        self.given = dict(config)
        self.max_workers = config.get("max_workers") or max(2, processors())

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        from magnus_render.executors.container_config import PER_RUN

        return configured.node_problems(self.name, self.configuration(), self.given, plan, PER_RUN)

    def place(self, order: Order, here: Config, there: Config, scratch: str) -> Place:
        from magnus_render.executors.container_place import ContainerPlace

        options = {
            address: self.configuration().model_validate(
                configured.merged(self.given, configured.own(self.name, node))
            )
            for address, node in order.plan["nodes"].items()
            if node["type"] == TASK
        }
        return ContainerPlace(order, here, there, scratch, options, there["executor"]["config"])
