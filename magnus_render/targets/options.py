"""Functions of all targets to read their configuration by one model: the common block, and each node's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from magnus_render.spec.blocks import problems
from magnus_render.targets import codes
from magnus_render.targets.base import Finding, own_config

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Findings

Model = TypeVar("Model", bound=BaseModel)


def common(target: BaseTarget, config: Config) -> Mapping[str, Any]:
    """Return `executor.config` if it was written for this target."""
    executor = config["executor"]
    return executor["config"] if executor["type"] == target.name else {}


def read(model: type[Model], values: Mapping[str, Any]) -> Model:
    """Return a block that `check` found nothing wrong with."""
    # An empty block needs no validation. To build a model's validator takes longer than to use it.
    return model.model_validate(dict(values)) if values else model.model_construct()


def check(target: BaseTarget, model: type[BaseModel], plan: Plan, config: Config, findings: Findings) -> None:
    """Add what is wrong with the common block and with each node's own."""
    given = common(target, config)
    for problem in problems(model, given):
        text = f"executor.config: {problem.text}"
        findings.add(codes.EXECUTOR_CONFIG, None, text, problem.fix, config=("executor", *problem.path))
    for node, own in owners(target, plan):
        for problem in problems(model, {**given, **own}, only=own):
            text = f"executor_config.{target.name}: {problem.text}"
            at = ("executor", *problem.path)
            findings.add(codes.EXECUTOR_CONFIG, node, text, problem.fix, "executor_config", config=at)


def unset(
    model: type[BaseModel], given: Mapping[str, Any], keys: Iterable[str], code: str
) -> Iterator[Finding]:
    """Yield a warning for each of some keys that the user left out, if its default must be replaced."""
    for key in keys:
        if key not in given:
            value = model.model_fields[key].default
            used = f"the output uses '{value}'" if value else "the output has none"
            what = f"executor.config: '{key}' is not configured: {used}"
            yield Finding(code, what, f"write {key}: ...", severity="warning", config=("executor",))


def owners(target: BaseTarget, plan: Plan) -> Iterator[tuple[Node, Mapping[str, Any]]]:
    """Yield the nodes that have a configuration of their own for a target, with it."""
    for node in plan["nodes"].values():
        own = own_config(target, node)
        if own:
            yield node, own
