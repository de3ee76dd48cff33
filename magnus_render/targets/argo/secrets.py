"""Which values of the cluster's Secrets reach which pods: those of the steps that ask for them, and no others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.services import lookup
from magnus_render.targets.argo import names
from magnus_render.targets.lint.report import mapping
from magnus_render.targets.secrets import variables

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.argo.config import SecretKey

_STORES = "AWS_"
"""Prefix of the variables that stores themselves read. Every callback needs them, also if a step asks for them too."""


def asked_for(plan: Plan, config: Config) -> dict[str, list[str]]:
    """Return the environment variables that steps declare as secrets, sorted, by the address of the step."""
    asking = [node for node in plan["nodes"].values() if node.get("secrets")]
    if not asking:
        return {}
    store = lookup.load("secrets", config["secrets"])
    found = {node["address"]: set(variables(node, store).values()) for node in asking}
    return {
        address: sorted(v for v in asked if not v.startswith(_STORES)) for address, asked in found.items()
    }


def shared(given: Collection[str], plan: Plan, config: Config) -> list[str]:
    """Return those variables of the pipeline's `secret_environment` that no step declares: all pods get them."""
    asked = {name for listed in asked_for(plan, config).values() for name in listed}
    return [name for name in given if name not in asked]


def brought(given: Mapping[str, Any], own: Mapping[str, Any]) -> set[str] | None:
    """Return the variables that the pipeline's configuration and a step's own bring it, None if they may bring others."""
    if given.get("pod_spec_patch") or own.get("pod_spec_patch"):
        return None
    keys = ("environment", "secret_environment")
    return {str(name) for one in (given, own) for key in keys for name in mapping(one.get(key))}


class Secrets:
    """The pipeline's `secret_environment`: which values every pod gets, and which only some steps."""

    def __init__(self, given: Mapping[str, SecretKey], plan: Plan, config: Config) -> None:
        self.shared = {name: given[name] for name in shared(given, plan, config)}
        """The variables that every pod gets."""
        self._of = {
            address: {name: given[name] for name in asked if name in given}
            for address, asked in asked_for(plan, config).items()
        }
        sets = {_key(found) for found in self._of.values() if found}
        self._labels = names.distinct({key: _label(key) for key in sets})

    def of(self, node: Node) -> dict[str, SecretKey]:
        """Return what a step's pod gets because the step asks for it."""
        return self._of.get(node["address"], {})

    def template(self, name: str, found: Mapping[str, SecretKey]) -> str:
        """Return the name of a template that several steps share, told apart by the secrets it gets."""
        return names.shortened(f"{name}-with-{self._labels[_key(found)]}") if found else name


def _key(found: Mapping[str, SecretKey]) -> str:
    return "\n".join(found)


def _label(key: str) -> str:
    return "-".join(
        "".join(c if c.isalnum() else "-" for c in name).strip("-") for name in key.lower().split("\n")
    )
