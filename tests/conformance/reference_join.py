"""What the reference says of the ends of branches: how they are joined (DESIGN §3.4)."""

from __future__ import annotations

import json
from typing import Any

from tests.conformance.reference_state import File, State


def equal(a: Any, b: Any) -> bool:
    """Equality as JSON: types count, the order of keys does not."""
    return json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)


def listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else words[0]


def join_parallel(ends: list[tuple[str, State]]) -> tuple[dict[str, Any], dict[str, File], str]:
    """What branches set, in the order of declaration; the later one wins, with a warning where values differ."""
    values = {key: end.parameters[key] for _, end in ends for key in end.parameters if key in end.added}
    files = {path: end.files[path] for _, end in ends for path in end.files if path in end.filed}
    lines = []
    for key in sorted(values):
        by = [f"'{name}'" for name, end in ends if key in end.added]
        if not all(equal(end.parameters[key], values[key]) for _, end in ends if key in end.added):
            lines.append(f"branches {listed(by)} set '{key}' to different values: that of {by[-1]} is kept")
    for path in sorted(files):
        by = [f"'{name}'" for name, end in ends if path in end.filed]
        if any(end.files[path].text != files[path].text for _, end in ends if path in end.filed):
            lines.append(
                f"branches {listed(by)} catalogued '{path}' with different content: that of {by[-1]} is kept"
            )
    return values, files, "\n".join(lines)


def join_map(ends: list[tuple[str, State]]) -> tuple[dict[str, Any], dict[str, File], str]:
    """Of each parameter set inside, the list of its values by item; of each file, the last."""
    keys = {key for _, end in ends for key in end.added}
    values = {key: [end.parameters[key] if key in end.added else None for _, end in ends] for key in keys}
    files = {path: end.files[path] for _, end in ends for path in end.files if path in end.filed}
    lines = []
    for path in sorted(files):
        by = [item for item, end in ends if path in end.filed]
        if any(end.files[path].text != files[path].text for _, end in ends if path in end.filed):
            lines.append(
                f"items {listed(by)} catalogued '{path}' with different content: that of item {by[-1]} is kept"
            )
    return values, files, "\n".join(lines)
