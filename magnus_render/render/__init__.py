"""Rendering: load a definition, plan for a target, run its template, verify, and write or compare the text."""

from __future__ import annotations

from magnus_render.render.pipeline import Rendered, render

__all__ = ["Rendered", "render"]
