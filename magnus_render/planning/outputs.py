"""Compares the bytes to which two definitions are rendered for a target."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from magnus_render.render.pipeline import render_loaded
from magnus_render.targets.lookup import find

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus_render.graph.load import Loaded
    from magnus_render.render.pipeline import Rendered
    from magnus_render.targets.base import Source


class OutputChange(NamedTuple):
    """One output that differs, and the number of lines in which it does."""

    name: str
    """'' for the pipeline's own output, else the name of a separate `dag`."""
    added: int
    removed: int


@dataclass
class Outputs:
    """The outputs of two definitions for a target, compared."""

    target: str
    changes: list[OutputChange] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """True if all outputs have the same bytes."""
        return not self.changes


def compare_outputs(
    target: str, source: Source, old: tuple[Loaded, str, str | None], new: tuple[Loaded, str, str | None]
) -> Outputs:
    """Render two definitions for a target, as if both stood at `source`, and compare the bytes.

    Each is given with its file and the file of its configuration. Raises `DefinitionError` if one cannot be rendered, and
    `UsageError` for an unknown target.
    """
    chosen = find(target)
    texts = []
    for loaded, file, config in (old, new):
        rendered = render_loaded(chosen, loaded, file, config, source)
        texts.append(_texts(rendered))
    return Outputs(chosen.name, list(_changes(*texts)))


def _texts(rendered: Rendered) -> dict[str, str]:
    return {"": rendered.text, **rendered.others}


def _changes(old: dict[str, str], new: dict[str, str]) -> Iterator[OutputChange]:
    for name in dict.fromkeys((*old, *new)):
        left, right = old.get(name), new.get(name)
        if left != right:
            yield OutputChange(name, *changed_lines(left or "", right or ""))


def changed_lines(old: str, new: str) -> tuple[int, int]:
    """Return how many lines a new text adds to an old one, and how many it removes."""
    lines = difflib.unified_diff(old.splitlines(keepends=True), new.splitlines(keepends=True), n=0)
    signs = [line[:1] for line in list(lines)[2:]]
    return signs.count("+"), signs.count("-")
