"""Folded logs of runs, compared: what engines may differ in is left out."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from magnus_render.runtime.fold import Log, Step

_TIMES = frozenset(("run_id", "start_time", "end_time", "duration", "log", "code_identity", "platform"))
"""What engines may differ in."""


def comparable(log: Log) -> Log:
    """Return a folded log without what engines may differ in: times, run id, logs, what the platform ended."""
    result: Log = {key: value for key, value in log.items() if key not in _TIMES}
    pending = [result]
    while pending:
        graph = pending.pop()
        graph["steps"] = {path: dict(step) for path, step in graph["steps"].items()}
        for step in graph["steps"].values():
            step["attempts"] = [
                {**{k: v for k, v in attempt.items() if k not in _TIMES}, "attempt_number": number}
                for number, attempt in enumerate(users_attempts(step), 1)
            ]
            step["branches"] = {path: dict(branch) for path, branch in step["branches"].items()}
            pending.extend(step["branches"].values())
    return result


def users_attempts(step: Step) -> list[dict[str, Any]]:
    """Return the attempts of a folded step without those that the platform ended."""
    return [attempt for attempt in step["attempts"] if not attempt.get("platform")]
