"""Checks for executors whose configuration is a pydantic model, most keys of which a node may override."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from magnus_render.plan import Node, Plan
    from magnus_render.registry import Described


def problems(
    executor: type[Described], config: Mapping[str, Any], instead: Mapping[str, Any]
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    """Yield the problems for `BaseExecutor.problems`; `instead` has values for required keys that are not given."""
    from magnus_render.spec import blocks, kinds

    known = kinds.of(executor) or {}
    sound = {
        key: value for key, value in config.items() if key in known and not kinds.read(known[key], value)[0]
    }
    for problem in blocks.problems(executor.configuration(), {**instead, **sound}, only=sound):
        yield problem.path, problem.text, problem.fix


def check(executor: type[Described], config: Mapping[str, Any], missing: Mapping[str, str]) -> None:
    """Raise `errors.Refused` for a configuration with mistakes; `missing` has the fix for each key that must be given."""
    from magnus_render.spec.blocks import problems

    found = [_said("", problem.text, problem.fix) for problem in problems(executor.configuration(), config)]
    found += [_said("", f"'{key}' is missing", fix) for key, fix in missing.items() if key not in config]
    if found:
        raise Refused("\n".join(found))


def own(executor: str, node: Node) -> dict[str, Any]:
    """Return the keys that a node overrides."""
    found: dict[str, Any] = node.get("executor_config", {}).get(executor, {})
    return found


def merged(given: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration that holds for a node: the pipeline's with the node's own over it.

    Mappings, such as `environment`, are merged key by key. Any other value of the node replaces the pipeline's.
    """
    whole = {**given, **own}
    for key, value in own.items():
        if isinstance(value, dict) and isinstance(given.get(key), dict):
            whole[key] = {**given[key], **value}
    return whole


def node_problems(
    executor: str, model: Any, given: Mapping[str, Any], plan: Plan, per_run: Collection[str]
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the keys that nodes override, each with the node's address.

    `per_run` are the keys that no node may override.
    """
    from magnus_render.spec.blocks import problems

    for address, node in plan["nodes"].items():
        overridden = own(executor, node)
        where = f"step '{node['path']}': executor_config.{executor}: "
        for key in overridden:
            if key in per_run:
                yield address, f"{where}'{key}' is of the whole run: write it into executor.config"
        for problem in problems(model, merged(given, overridden), only=overridden):
            yield address, _said(where, problem.text, problem.fix)


def _said(where: str, text: str, fix: str) -> str:
    said = f"{where or 'executor.config: '}{text}"
    return f"{said}: {fix}" if fix else said
