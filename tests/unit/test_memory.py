"""A task that the kernel killed for its memory: what the counts of a control group say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magnus_render.runtime import memory


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n", True),
        ("low 0\nmax 7\noom 0\noom_kill 0\n", False),
        ("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n", True),
        ("oom_kill_disable 1\nunder_oom 0\n", False),
        ("", False),
        (None, False),
    ],
)
def test_the_counts_of_a_group(
    text: str | None, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "memory.events"
    if text is not None:
        file.write_text(text)
    monkeypatch.setattr(memory, "_COUNTS", (str(file),))
    assert not memory.ran_out()
    monkeypatch.setattr(os, "getpid", lambda: 1)
    assert memory.ran_out() is expected
