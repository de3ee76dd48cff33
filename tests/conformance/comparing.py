"""What engines must agree on: the folded log without what they may differ in (docs/semantics.md)."""

from __future__ import annotations

import json
from typing import Any

DIFFERS = {"run_id", "walk", "start_time", "end_time", "duration", "log", "code_identity"}


def comparable(log: dict[str, Any]) -> dict[str, Any]:
    """Return a folded log without times, run id, log-file names, code identity and attempts that the platform ended."""
    kept = {key: value for key, value in log.items() if key not in DIFFERS}
    kept["steps"] = {path: _step(step) for path, step in log["steps"].items()}
    return kept


def _step(step: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in step.items() if key not in DIFFERS}
    users = [attempt for attempt in step["attempts"] if not attempt.get("platform")]
    kept["attempts"] = [
        {**{k: v for k, v in attempt.items() if k not in DIFFERS}, "attempt_number": number}
        for number, attempt in enumerate(users, 1)
    ]
    kept["branches"] = {
        path: {**branch, "steps": {inner: _step(s) for inner, s in branch["steps"].items()}}
        for path, branch in step["branches"].items()
    }
    return kept


def text(log: dict[str, Any]) -> str:
    """Return a log as text in which equal logs, and only those, are equal.

    The order of steps and branches counts, that of parameters and metrics does not; JSON types count.
    """

    def ordered(value: Any, key: str = "") -> Any:
        if isinstance(value, dict) and key in ("steps", "branches"):
            return [[path, _fields(step)] for path, step in value.items()]
        return value

    def _fields(step: dict[str, Any]) -> dict[str, Any]:
        return {key: ordered(value, key) for key, value in step.items()}

    return json.dumps(_fields(log), sort_keys=True, indent=1, ensure_ascii=False)


def check_equal(expected: dict[str, Any], found: dict[str, Any], of: str, what: str) -> None:
    """Raise AssertionError with a unified diff if two comparable logs differ; `of` and `what` name their origin."""
    import difflib

    left, right = text(expected), text(found)
    if left != right:
        diff = difflib.unified_diff(left.splitlines(), right.splitlines(), of, what, lineterm="", n=6)
        raise AssertionError("\n".join(["the logs differ:", *diff]))
