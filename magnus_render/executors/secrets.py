"""Looks for the secrets of all steps before the first one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.runtime.masking import not_there
from magnus_render.services import lookup
from magnus_render.services.options import did_you_mean
from magnus_render.spec import codes

if TYPE_CHECKING:
    from magnus_render.diagnostics import Diagnostic, Severity
    from magnus_render.graph.load import Loaded
    from magnus_render.services.base import BaseSecrets


def missing_secrets(loaded: Loaded, severity: Severity) -> list[Diagnostic]:
    """Return a diagnostic for each secret that a step declares and its store does not have.

    It looks at all steps, also at handlers: a secret that is missing in a handler would be noticed at the worst moment.
    Raises the store's `MagnusError`, such as `PlatformError` if it cannot be reached.
    """
    provider = lookup.load("secrets", loaded.config["secrets"])
    there: dict[str, bool] = {}
    found = []
    for node in loaded.plan["nodes"].values():
        for variable, name in (node.get("secrets") or {}).items():
            if name not in there:
                there[name] = _is_there(provider, name)
            if not there[name]:
                what = f"step '{node['path']}': {not_there(name, provider.where())}"
                fix, at = _fix(provider, name), node["address"]
                found.append(
                    loaded.diagnostic(
                        codes.NO_SECRET, severity, at, what, fix, field="secrets", entry=variable
                    )
                )
    return found


def _is_there(provider: BaseSecrets, name: str) -> bool:
    try:
        provider.get(name)
    except KeyError:
        return False
    return True


def _fix(provider: BaseSecrets, name: str) -> str:
    remedy = provider.remedy(name)
    near = did_you_mean(name, provider.known()).strip(" ()")
    return f"{near} Else {remedy}" if near and remedy else near or remedy
