"""Where the tests keep tools that are no Python packages, and what is expensive to make: outside the checkout."""

from __future__ import annotations

import os
from pathlib import Path


def cache() -> Path:
    """Return ${XDG_CACHE_HOME:-~/.cache}/magnus-render, the same folder as scripts/tools.sh uses."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "magnus-render"
