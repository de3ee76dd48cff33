"""Pictures of a pipeline: Mermaid, Graphviz, SVG, and a tree of plain text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.render.pictures.model import Picture, picture, statuses
from magnus_render.render.pictures.svg import svg
from magnus_render.render.pictures.text import dot, mermaid, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

FORMATS: Mapping[str, Callable[[Picture], str]] = {"mermaid": mermaid, "dot": dot, "svg": svg, "ascii": tree}

__all__ = ["FORMATS", "Picture", "picture", "statuses"]
