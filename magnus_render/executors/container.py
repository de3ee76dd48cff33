"""The `local-container` executor: magnus walks here, and every attempt of a task runs in a container of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render.errors import Refused
from magnus_render.executors.base import BaseExecutor, Order, processors
from magnus_render.executors.container_integrations import INTEGRATIONS
from magnus_render.plan import TASK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.executors.place import Place
    from magnus_render.plan import Config, Node, Plan


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
        from magnus_render.spec import blocks, kinds

        known = kinds.of(cls) or {}
        sound = {
            key: value
            for key, value in config.items()
            if key in known and not kinds.read(known[key], value)[0]
        }
        for problem in blocks.problems(cls.configuration(), {"image": "any", **sound}, only=sound):
            yield problem.path, problem.text, problem.fix

    def __init__(self, config: Mapping[str, Any]) -> None:
        from magnus_render.spec.blocks import problems

        found = [_said("", problem.text, problem.fix) for problem in problems(self.configuration(), config)]
        if "image" not in config:
            found.append(_said("", "'image' is missing", "write image: NAME, of an image with magnus in it"))
        if found:
            raise Refused("\n".join(found))
        self.given = dict(config)
        self.max_workers = config.get("max_workers") or max(2, processors())

    def check(self, plan: Plan) -> Iterator[tuple[str | tuple[str, ...], str]]:
        from magnus_render.executors.container_config import PER_RUN
        from magnus_render.spec.blocks import problems

        for address, node in plan["nodes"].items():
            own = self._own(node)
            where = f"step '{node['path']}': executor_config.{self.name}: "
            for key in own:
                if key in PER_RUN:
                    yield address, f"{where}'{key}' is of the whole run: write it into executor.config"
            for problem in problems(self.configuration(), {**self.given, **own}, only=own):
                yield address, _said(where, problem.text, problem.fix)

    def place(self, order: Order, here: Config, there: Config, scratch: str) -> Place:
        from magnus_render.executors.container_place import ContainerPlace

        options = {
            address: self.configuration().model_validate({**self.given, **self._own(node)})
            for address, node in order.plan["nodes"].items()
            if node["type"] == TASK
        }
        return ContainerPlace(order, here, there, scratch, options, there["executor"]["config"])

    def _own(self, node: Node) -> dict[str, Any]:
        own: dict[str, Any] = node.get("executor_config", {}).get(self.name, {})
        return own


def _said(where: str, text: str, fix: str) -> str:
    said = f"{where or 'executor.config: '}{text}"
    return f"{said}: {fix}" if fix else said
