"""The versions of Argo that check and run what is rendered: tests use the newer one, unless `MAGNUS_ARGO` names the other.

MAGNUS_ARGO=3.7.4 pytest tests/engines/argo tests/conformance

Tests with `on_both` run on each, whatever the variable says, and so does `test_older.py` on the older one: what versions may
differ in, which is retries, exit handlers, lists, conditions, limits, locks, schedules and commands.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

OLDER, NEWER = VERSIONS = ("3.7.4", "4.0.5")
VARIABLE = "MAGNUS_ARGO"


def version() -> str:
    """Return the version to use now.

    Raises:
        ValueError: the variable names none that there is.
    """
    wanted = os.environ.get(VARIABLE) or NEWER
    if wanted not in VERSIONS:
        raise ValueError(f"{VARIABLE}={wanted}: there are {', '.join(VERSIONS)}")
    return wanted


def module(wanted: str) -> str:
    """Return the name of a version's Go module."""
    return f"github.com/argoproj/argo-workflows/v{major(wanted)}"


def major(wanted: str) -> str:
    """Return the first number of a version."""
    return wanted.partition(".")[0]


def on_both(test: Callable[..., Any]) -> Callable[..., Any]:
    """Run a test of the engine on each version: `conftest.py` has the fixture."""
    each = pytest.mark.parametrize("argo_version", VERSIONS, indirect=True)
    marked: Callable[..., Any] = pytest.mark.usefixtures("argo_version")(each(test))
    return marked
