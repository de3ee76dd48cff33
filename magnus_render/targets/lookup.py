"""Which targets there are, by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from magnus_render.errors import UsageError

if TYPE_CHECKING:
    from magnus_render.targets.base import BaseTarget

GROUP = "magnus_render.target"
_BUILT_IN = {
    "argo": "magnus_render.targets.argo:ArgoTarget",
    "bash": "magnus_render.targets.bash:BashTarget",
    "demo-renderer": "magnus_render.targets.bash:BashTarget",
    "aws-step-functions": "magnus_render.targets.stepfunctions:StepFunctionsTarget",
    "stepfunctions": "magnus_render.targets.stepfunctions:StepFunctionsTarget",
}
"""Names of the built-in targets: finding them needs no scan of the installed distributions."""


def named(name: str) -> BaseTarget | None:
    """Return the target of a name or alias, None if there is none."""
    if name in _BUILT_IN:
        return load(_BUILT_IN[name])
    return next((target for target in every() if name in target.names()), None)


def find(name: str) -> BaseTarget:
    """Return the target of a name or alias; raise `UsageError` that lists the known ones."""
    found = named(name)
    if found is not None:
        return found
    import difflib

    targets = every()
    known = [known for target in targets for known in target.names()]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known targets: {', '.join(known)}"
    raise UsageError(f"there is no target '{name}'\n  help: {hint}")


def every() -> list[BaseTarget]:
    """Return all targets, built-in and installed, sorted by name."""
    targets = {target.name: target for target in map(load, places())}
    return [targets[name] for name in sorted(targets)]


def places() -> list[str]:
    """Return where all targets are, built-in and installed, as `module:class`, sorted."""
    from importlib.metadata import entry_points

    return sorted({*(point.value for point in entry_points(group=GROUP)), *_BUILT_IN.values()})


def load(place: str) -> BaseTarget:
    """Return the target at a place; raise ImportError if it cannot be imported."""
    module, _, name = place.partition(":")
    target: BaseTarget = getattr(import_module(module), name)()
    return target
