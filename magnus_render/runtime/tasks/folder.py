"""The private folder by which a task talks to its supervisor (`tasks/base.py` lists its files)."""

from __future__ import annotations

import os

from magnus_render import jsontext

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from magnus_render.runtime.tasks.base import Context

PARAMETERS, OUTPUT, METRICS = "parameters.json", "output", "metrics"
CATALOG, SECRETS, MESSAGE, CONTEXT = "catalog", "secrets", "message", "context.json"
FINAL = "final"
"""Is there if no further attempt can succeed."""
_PLATFORM = "platform"


def prepare(context: Context) -> None:
    """Write the parameters a task sees, and the empty files that it may add to.

    The other files come into being with their first line.
    """
    folder = context.folder
    values = jsontext.dumps({**context.parameters, **context.map_variables}, ensure_ascii=False)
    write(folder, PARAMETERS, values)
    write(folder, OUTPUT, "")
    write(folder, METRICS, "")


def write(folder: str, name: str, text: str) -> None:
    """Write a file of the folder anew."""
    _write(folder, name, text, os.O_TRUNC)


def platform_failed(folder: str, reason: str) -> None:
    """Leave word that the platform failed and not the task, and why, if that can be done.

    It takes no descriptor: there may be none.
    """
    try:
        os.symlink(reason.replace("\0", "")[:1000] or "-", os.path.join(folder, _PLATFORM))
    except OSError:
        pass


def platform_failure(folder: str) -> str:
    """Return why the platform failed, '' if it has not."""
    try:
        return os.readlink(os.path.join(folder, _PLATFORM))
    except FileNotFoundError:
        return ""


def append(folder: str, name: str, line: str) -> None:
    """Add a line to a file of the folder, whole and at once: several processes may do so at a time.

    A line before it that somebody left unended is ended.
    """
    try:
        with open(os.path.join(folder, name), "rb", buffering=0) as file:
            unended = (
                file.seek(0, os.SEEK_END) > 0 and file.seek(-1, os.SEEK_END) >= 0 and file.read(1) != b"\n"
            )
    except FileNotFoundError:
        unended = False
    _write(folder, name, f"\n{line}\n" if unended else f"{line}\n", os.O_APPEND)


def append_json(folder: str, name: str, value: Any) -> None:
    """Add a line that holds one JSON value."""
    append(folder, name, jsontext.dumps(value, allow_nan=False))


def _write(folder: str, name: str, text: str, flag: int) -> None:
    descriptor = os.open(os.path.join(folder, name), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | flag, 0o600)
    try:
        data = text.encode("utf-8", "backslashreplace")
        while data:
            data = data[os.write(descriptor, data) :]
    finally:
        os.close(descriptor)


def read(folder: str, name: str) -> bytes:
    """Return what a file of the folder holds; nothing if there is none."""
    try:
        descriptor = os.open(os.path.join(folder, name), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return b""
    with open(descriptor, "rb", buffering=0) as file:
        return file.read()
