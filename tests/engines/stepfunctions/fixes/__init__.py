"""What moto's Step Functions, and services that it calls, do otherwise than AWS, put right: one function per defect.

Each function's docstring says what moto does and how AWS behaves. Any of them can be left out (`apply(without=...)`),
which is how the tests show that each is still needed: an upgrade of moto that mends a defect makes its test fail.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from importlib import import_module
from typing import Any

Patch = Callable[[Any, str, Any], None]
"""`patch(owner, name, value)` sets an attribute of a class or module until the next `apply`."""

_MODULES = (
    "jsonata",
    "parsing",
    "tasks",
    "errors",
    "variables",
    "executions",
    "maps",
    "batch",
    "ecs",
    "lambdas",
    "sagemaker",
    "s3",
    "speed",
)
_fixes: dict[str, Callable[[Patch], None]] = {}
_replaced: list[tuple[Any, str, Any]] = []
_ABSENT = object()


def fix(name: str) -> Callable[[Callable[[Patch], None]], Callable[[Patch], None]]:
    """Register the decorated function as the fix of that name."""

    def register(function: Callable[[Patch], None]) -> Callable[[Patch], None]:
        if name in _fixes:
            raise ValueError(f"two fixes are called {name}")
        _fixes[name] = function
        return function

    return register


def names() -> list[str]:
    """Return the names of all fixes, in the order in which they are applied."""
    for module in _MODULES:
        import_module(f"{__name__}.{module}")
    return list(_fixes)


def apply(without: Collection[str] = (), provoke: Collection[str] = ()) -> None:
    """Bring moto into the state in which all fixes but those named are applied, and these provocations.

    Raises:
        ValueError: a name is no fix's.
        KeyError: a name is no provocation's.
    """
    if unknown := set(without) - set(names()):
        raise ValueError(f"no such fix: {', '.join(sorted(unknown))}")
    while _replaced:
        owner, name, value = _replaced.pop()
        if value is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, value)
    for name, function in _fixes.items():
        if name not in without:
            function(_patch)
    for name in provoke:
        import_module(f"{__name__}.provocations").PROVOCATIONS[name](_patch)


def patch_all_imports(patch: Patch, name: str, old: Any, new: Any) -> None:
    """Replace a function in every module of moto that imported it by its name."""
    for module in [module for key, module in sys.modules.items() if key.startswith("moto.")]:
        if vars(module).get(name) is old:
            patch(module, name, new)


def _patch(owner: Any, name: str, value: Any) -> None:
    _replaced.append((owner, name, vars(owner).get(name, _ABSENT)))
    setattr(owner, name, value)
