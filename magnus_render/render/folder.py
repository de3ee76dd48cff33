"""The folder of a bundle: the files to write, files of others that would be replaced, and files that stay."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus_render.render import output

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from magnus_render.render.pipeline import Bundled

MARK = "`magnus bundle` wrote"
"""The text by which a file of a bundle is known. Artefacts in it have the marks of their target instead."""
_FOLDERS = ("base", "image", "overlays")
"""Folders that a bundle may have."""


def files(folder: str, made: Bundled) -> list[output.File]:
    """Return the files of a bundle as they are written into a folder."""
    return [
        output.File(os.path.join(folder, name), text, executable=text.startswith("#!"))
        for name, text in made.files.items()
    ]


def foreign(folder: str, made: Bundled) -> Iterator[str]:
    """Yield the files that a bundle would replace, and that no bundle wrote: they hold something else, and have no mark."""
    for file in files(folder, made):
        there = output.content(file.path)
        if there not in (None, b"", file.text.encode()) and not output.has_mark(
            file.path, [MARK, *made.marks]
        ):
            yield file.path


def others(folder: str, names: Collection[str]) -> list[str]:
    """Return the names in a bundle's folder, and in the folders of its files, that are not the bundle's own.

    Files that a killed command left are not among them (`output.is_temporary`).
    """
    found = list[str]()
    for place in sorted({part for name in names for part in _around(name)}):
        own = {os.path.relpath(name, place).split(os.sep, 1)[0] for name in names}
        there = os.path.join(folder, place)
        listed = sorted(set(os.listdir(there)) - own) if os.path.isdir(there) else []
        found += (
            os.path.normpath(os.path.join(place, one)) for one in listed if not output.is_temporary(one)
        )
    return found


def left(folder: str, names: Sequence[str], marks: Sequence[str]) -> Iterator[str]:
    """Yield the files of an older bundle among the names that `others` found: those with one of some marks."""
    for path in (path for name in names for path in _files(folder, name)):
        if output.has_mark(path, marks):
            yield path


def _files(folder: str, name: str) -> Iterator[str]:
    """Yield a file, or the files of a folder that a bundle may have made. Other folders are not looked into."""
    path = os.path.join(folder, name)
    if os.path.dirname(name) or name in _FOLDERS:
        for there, folders, names in os.walk(path):
            folders.sort()
            yield from (os.path.join(there, one) for one in sorted(names) if not output.is_temporary(one))
    if not os.path.isdir(path):
        yield path


def _around(name: str) -> Iterator[str]:
    """Yield the folders that a file is in, from the outermost on."""
    yield os.curdir
    parts = os.path.dirname(name).split("/")
    yield from ("/".join(parts[:number]) for number in range(1, len(parts) + 1) if parts[0])
