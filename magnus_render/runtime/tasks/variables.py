"""Parameters as environment variables: what a step's command sees, and what counts of what it leaves there."""

from __future__ import annotations

from magnus_render import jsontext
from magnus_render.runtime.tasks.values import exact, loose

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from magnus_render.runtime.tasks.base import Context

PARAMETER, TRACK = "MAGNUS_PRM_", "MAGNUS_TRACK_"
"""Prefixes of the variables that are parameters and metrics."""
LONGEST = 64 * 1024
"""Bytes of a parameter's text that still becomes a variable."""
ALTOGETHER = 512 * 1024
"""Bytes of all variables of parameters: the kernel refuses to start programs with much more. The smaller go first."""

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_")
_STEP = "_STEP_"


def given(context: Context) -> dict[str, str]:
    """Return the parameters and map variables that a step sees as variables: strings as they are, other values as JSON."""
    texts = []
    for name, value in {**context.parameters, **context.map_variables}.items():
        if not name or not _LETTERS.issuperset(name):
            continue
        text = value if isinstance(value, str) else jsontext.dumps(value, ensure_ascii=False)
        try:
            size = len(text.encode())
        except UnicodeEncodeError:  # half of a surrogate pair
            continue
        if size <= LONGEST and "\0" not in text:
            texts.append((size + len(name), name, text))
    room = ALTOGETHER
    found = {}
    for size, name, text in sorted(texts):
        room -= size
        if room >= 0:
            found[PARAMETER + name] = text
    return found


def exported(context: Context, environment: Mapping[str, str], before: Mapping[str, str]) -> dict[str, Any]:
    """Return the parameters that an environment sets: variables `MAGNUS_PRM_<name>` that are new or changed.

    They are read as they are written: the variable of a string stays a string; any other is JSON where that is what its
    text says, else a string.
    """
    visible = {**context.parameters, **context.map_variables}
    found: dict[str, Any] = {}
    for variable, value in environment.items():
        name = variable[len(PARAMETER) :]
        if variable.startswith(PARAMETER) and name and before.get(variable) != value:
            found[name] = value if isinstance(visible.get(name), str) else exact(value)
    return found


def tracked(environment: Mapping[str, str], before: Mapping[str, str]) -> dict[str, Any]:
    """Return the metrics that an environment gives: variables `MAGNUS_TRACK_<name>` that are new or changed.

    A value is JSON where it parses, else a string. `MAGNUS_TRACK_<name>_STEP_<n>` is the value of a metric at a step.
    """
    metrics: dict[str, Any] = {}
    for variable, text in environment.items():
        name = variable[len(TRACK) :]
        if variable.startswith(TRACK) and name and before.get(variable) != text:
            metric, _, step = name.rpartition(_STEP)
            if metric and step.isascii() and step.isdigit():
                at_steps = metrics.setdefault(metric, {})
                if isinstance(at_steps, dict):
                    at_steps[str(int(step))] = loose(text)
            else:
                metrics[name] = loose(text)
    return metrics
