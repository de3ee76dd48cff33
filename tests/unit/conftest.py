"""Fixtures that several unit tests use."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, which is the project's, without what the environment says of a configuration."""
    monkeypatch.chdir(tmp_path)
    for name in ("MAGNUS_CONFIG", "MAGNUS_WORKSPACES"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path
