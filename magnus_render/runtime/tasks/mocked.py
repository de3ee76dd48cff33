"""Tasks that run nothing: what comes of them is written in the definition."""

from __future__ import annotations

from magnus_render.runtime.tasks.base import BaseTask, TaskFailure
from magnus_render.services.options import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_KEYS = ("set", "fail")


class MockedTask(BaseTask):
    """`command_config` says what an attempt comes to; `command` is not run, and what it names need not exist.

    `set` are the parameters that a success sets. `fail` is how many attempts fail before one succeeds; true: all.
    """

    def told(self, attempt: int) -> dict[str, Any] | None:
        result = self.node["command_config"]
        failing = result.get("fail", 0)
        if failing is True or attempt <= failing:
            raise TaskFailure(f"mocked: attempt {attempt} fails")
        return dict(result.get("set", {}))

    def validate(self, options: Mapping[str, Any]) -> list[str]:
        return [problem for _, problem in problems(options)]


def problems(result: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what is wrong with what a task is to come to, each with its key."""
    found = [
        (key, f"unknown key '{key}'{did_you_mean(str(key), _KEYS)}: known are {', '.join(_KEYS)}")
        for key in result
        if key not in _KEYS
    ]
    given = result.get("set", {})
    if not isinstance(given, dict) or not all(isinstance(name, str) and name for name in given):
        found.append(("set", f"'set' must be a mapping of parameters, not {given!r}"))
    failing = result.get("fail", 0)
    if not isinstance(failing, int) or failing < 0:
        found.append(
            ("fail", f"'fail' must be a number of attempts, or true for all of them, not {failing!r}")
        )
    return found
