"""Rendering: load a definition, plan for a target, run its template, verify, and write or compare the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnus_render.render.pipeline import Rendered, render

__all__ = ["Rendered", "render"]


def __getattr__(name: str) -> Any:
    """Return what renders, imported as it is asked for: pictures and templates are used without it."""
    if name not in __all__:
        raise AttributeError(name)
    from magnus_render.render import pipeline

    return getattr(pipeline, name)
