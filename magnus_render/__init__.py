"""One pipeline definition, any engine, the same run."""

from __future__ import annotations

__version__ = "0.1.0"
