"""Compiled templates, kept from one process to the next in the user's cache folder.

Jinja compiles a template to Python's byte code. That takes more than half of the time of a small rendering, beyond its
imports. Nothing depends on the cache: where it cannot be written, each process compiles anew.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys

import jinja2
from jinja2.bccache import Bucket

from magnus_render import __version__


class Compiled(jinja2.FileSystemBytecodeCache):
    """Byte code of templates, a file each; what Jinja finds there is of the same source, or is compiled anew.

    A file is named by the path of its template, the version of Python, ours, and whether HTML is escaped: all that byte
    code depends on besides. Nothing is written where Python is told to write no byte code (`PYTHONDONTWRITEBYTECODE`).
    """

    def __init__(self, folder: str, autoescape: bool) -> None:
        kind = "html" if autoescape else "text"
        super().__init__(folder, f"%s.{kind}.{sys.implementation.cache_tag}.{__version__}")

    def load_bytecode(self, bucket: Bucket) -> None:
        """Fill a bucket with what was kept; leave it empty if that is damaged, or cannot be read."""
        try:
            super().load_bytecode(bucket)
        except Exception:  # a file that was cut off or written over raises whatever pickle and marshal do
            bucket.reset()

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled, if that can be; a full or read-only disk is no fault of the template's."""
        if not sys.dont_write_bytecode:
            with contextlib.suppress(OSError):
                super().dump_bytecode(bucket)


def kept(autoescape: bool) -> Compiled | None:
    """Return the cache in `$XDG_CACHE_HOME`, or `~/.cache`; None where there is no folder that is the user's alone.

    Who can write to the folder runs code as the user. So a folder of somebody else's is not used.
    """
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = os.path.join(home, "magnus-render", "templates")
    if not os.path.isabs(folder):
        return None
    try:
        if not sys.dont_write_bytecode:
            os.makedirs(folder, mode=0o700, exist_ok=True)
        found = os.stat(folder)
    except OSError:
        return None
    if found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o022:
        return None
    return Compiled(folder, autoescape)
