"""Rendering: load a definition, compile its plan for a target, run the templates, lint, and write or compare the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnus_render.render.pipeline import Rendered, render

__all__ = ["Rendered", "render"]


def __getattr__(name: str) -> Any:
    """Return a name of `pipeline`, which is imported only when it is needed: pictures and templates do not need it."""
    if name not in __all__:
        raise AttributeError(name)
    from magnus_render.render import pipeline

    return getattr(pipeline, name)
