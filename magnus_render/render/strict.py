"""Warnings of `--strict` alone: a definition works without their fixes, but a production run should have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.plan import TASK
from magnus_render.spec import codes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.diagnostics import Diagnostic
    from magnus_render.graph.load import Loaded

_SHOWN = 3
"""How many tasks a warning names."""


def missing(loaded: Loaded) -> Iterator[Diagnostic]:
    """Yield one warning for all tasks that nothing ends if they hang, at the first of them.

    There is not a warning for each, because a pipeline may have hundreds. Nodes of other types run no command of the
    user, but for an as-is: its text must limit itself.
    """
    plan = loaded.plan
    tasks = [node for node in plan["nodes"].values() if node["type"] == TASK]
    endless = [node for node in tasks if node["timeout"] is None]
    if plan["max_time"] is not None or not endless:
        return
    named = ", ".join(f"'{node['path']}'" for node in endless[:_SHOWN])
    more = ", ..." if len(endless) > _SHOWN else ""
    have = f"{len(endless)} of {len(tasks)} tasks {'has' if len(endless) == 1 else 'have'} no timeout"
    what = f"{have} ({named}{more}), and the pipeline has no max_time"
    fix = "write 'max_time: 86400' (seconds) into the dag, or 'timeout: 3600' into each task, to end a task that hangs"
    yield loaded.diagnostic(codes.ENDLESS, "warning", endless[0]["address"], what, fix)
