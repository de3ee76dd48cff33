"""`magnus runs report`: writes the page to a file or to standard output."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from magnus_render.errors import Refused, UsageError
from magnus_render.render import output
from magnus_render.report.page import GENERATOR, page
from magnus_render.texts import safe

if TYPE_CHECKING:
    from magnus_render.report.told import Told

_BEGINNING = 1024
"""The name of the generator is within so many bytes from the beginning of a report."""


def write(told: Told, path: str | None, force: bool) -> None:
    """Write the report of a run to a file, or to standard output if `path` is None.

    Raises `Refused` if the file exists and is no report, unless `force`. Raises the `MagnusError` of `page` and
    `output.write`.
    """
    if path is None:
        sys.stdout.flush()
        sys.stdout.buffer.write(page(told).encode(errors="replace"))
        return
    if not path:
        raise UsageError("runs report: -o FILE is empty")
    if os.path.isdir(path):
        raise Refused(f"{safe(path)} is a folder: -o takes the name of a file, such as report.html")
    if not force and os.path.isfile(path) and not _is_report(path):
        raise Refused(f"{safe(path)} is there, and is no report of a run: --force replaces it")
    output.write(path, page(told))


def _is_report(path: str) -> bool:
    """Tell whether a file is a report of magnus, or empty."""
    try:
        with open(path, "rb") as file:
            beginning = file.read(_BEGINNING)
    except OSError as error:
        raise Refused(f"{safe(path)}: {error.strerror}") from error
    return not beginning or f'<meta name="generator" content="{GENERATOR}">'.encode() in beginning
