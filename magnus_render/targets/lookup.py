"""Which targets there are, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render import registry
from magnus_render.errors import Refused, UsageError

if TYPE_CHECKING:
    from magnus_render.targets.base import BaseTarget


def named(name: str) -> BaseTarget | None:
    """Return the target of a name or alias, None if there is none; raise `Refused` if it cannot be loaded."""
    found: type[BaseTarget] | None = registry.find("target", registry.canonical("target", name))
    return None if found is None else found()


def find(name: str) -> BaseTarget:
    """Return the target of a name or alias; raise `UsageError` that lists the known ones."""
    found = named(name)
    if found is not None:
        return found
    import difflib

    known = [known for target in every()[0] for known in target.names()]
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean '{close[0]}'?" if close else f"known targets: {', '.join(known)}"
    raise UsageError(f"there is no target '{name}'\n  help: {hint}")


def every() -> tuple[list[BaseTarget], list[str]]:
    """Return all targets, built-in and installed, sorted by name, and why others cannot be loaded."""
    targets: list[BaseTarget] = []
    broken = []
    for name in registry.names("target"):
        try:
            targets.append(registry.find("target", name)())
        except Refused as error:
            broken.append(str(error))
    return targets, broken
