"""Names of catalogued things: what is a name, and which names a glob matches."""

from __future__ import annotations

import os

from magnus_render.runtime.tasks.base import TaskFailure

NOTEBOOK_OUTPUT = "notebook_output_path"
"""Option of a notebook task: the name of the executed notebook."""


def name_of(text: str) -> str:
    """Return the name that a text means, of a file, of an object or of a glob: segments with one `/` between them.

    All that is put and got is named by this, so that "a//b" and "./a/b" are "a/b" everywhere. Raises `TaskFailure` for
    what leads out of the data folder, or names nothing in it.
    """
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if text.startswith("/") or ".." in parts:
        raise TaskFailure(f"catalog: '{text}' leads out of the data folder")
    if not parts or "\0" in text:
        raise TaskFailure(f"catalog: {text!r} is no name of a file")
    return "/".join(parts)


def executed_notebook(notebook: str, step: str = "") -> str:
    """Return the name of a notebook once it is executed: by its base name, and by the step where that is not enough."""
    stem = os.path.splitext(os.path.basename(notebook))[0]
    return f"{stem}.{step}_out.ipynb" if step else f"{stem}_out.ipynb"


def is_literal(pattern: str) -> bool:
    """Tell whether a pattern names one path."""
    return not any(c in pattern for c in "*?[")


def matches(pattern: str, path: str) -> bool:
    """Tell whether a path (with `/`) matches a glob.

    `*` and `?` stay within a segment and do not match a leading dot, `**` crosses segments; a pattern that matches a
    folder matches all below it.
    """
    if path == pattern or path.startswith(pattern.rstrip("/") + "/"):
        return True
    if is_literal(pattern):
        return False
    from fnmatch import fnmatchcase

    wanted = [part for part in pattern.split("/") if part not in ("", ".")]
    parts = path.split("/")
    # The positions in `wanted` that the segments read so far can have led to.
    places = {0}
    for part in parts:
        if len(wanted) in places:
            return True
        step: set[int] = set()
        for at in _through(places, wanted):
            if at == len(wanted):
                continue
            if wanted[at] == "**":
                if not part.startswith("."):
                    step.add(at)
            elif fnmatchcase(part, wanted[at]) and (not part.startswith(".") or wanted[at].startswith(".")):
                step.add(at + 1)
        places = step
        if not places:
            return False
    return len(wanted) in _through(places, wanted)


def _through(places: set[int], wanted: list[str]) -> set[int]:
    """Add the positions reached by letting `**` stand for nothing."""
    reached = set(places)
    for at in sorted(places):
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            reached.add(at)
    return reached
