"""Functions of all built-in services: to read a `config` block, and to say which operation failed, and where."""

from __future__ import annotations

import os
from errno import EACCES, EROFS

from magnus_render.errors import PlatformError, Refused

UNWRITABLE = (EACCES, EROFS)
"""Error numbers of a path that may not be written to, because of its rights or because the disk is mounted read-only."""
LOG_LIMIT = 64 << 20
SMALLEST_LOG_LIMIT = 1024
LOG_LIMIT_MEANS = (
    "Bytes of an attempt's log that are kept: half of them at its beginning, half at its end.",
    1 << 20,
)
"""The meaning of `log_limit` of a run log store, and an example."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any


def check_keys(service: str, config: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise `Refused` if `config` has a key that is not known. `service` is e.g. "catalog 'file-system'"."""
    known = tuple(known)
    for key in config:
        if key not in known:
            told = f"it takes {', '.join(known)}" if known else "it takes no configuration"
            raise Refused(f"{service}: unknown key '{key}'{did_you_mean(str(key), known)}: {told}")


def text(service: str, config: Mapping[str, Any], key: str, default: str) -> str:
    """Return a value of `config` that must be a non-empty string without NUL, or raise `Refused`."""
    value = config.get(key, default)
    if not isinstance(value, str) or not value or "\0" in value:
        raise Refused(f"{service}: '{key}' must be a non-empty string, not {value!r}")
    return value


def log_limit(service: str, config: Mapping[str, Any]) -> int:
    """Return how many bytes of an attempt's log are kept: `log_limit` of a run log store's `config`."""
    value = config.get("log_limit", LOG_LIMIT)
    if type(value) is not int or value < SMALLEST_LOG_LIMIT:
        raise Refused(
            f"{service}: 'log_limit' must be a whole number of bytes from {SMALLEST_LOG_LIMIT}, not {value!r}"
        )
    return value


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" for the nearest known word, or ''."""
    from difflib import get_close_matches

    near = get_close_matches(word, list(known), n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def platform_error(doing: str, path: str, error: OSError, fix: str = "") -> PlatformError:
    """Return the error for a failed system call: "cannot write /mnt/r1/run.json: No space left on device".

    `fix` is added if `path` may not be written to, because of its rights or because the disk is mounted read-only.
    """
    told = f": {fix}" if fix and error.errno in UNWRITABLE else ""
    return PlatformError(f"cannot {doing} {path}: {error.strerror or error}{told}")


def temporary_name(folder: str) -> str:
    """Return an unused path in `folder`, hidden from readers (they ignore names that begin with a dot)."""
    return f"{folder}/.tmp-{os.getpid()}-{os.urandom(8).hex()}"


def read_whole(descriptor: int, size: int) -> bytes:
    """Read a file to its end: one system call may read less than the `size` that is expected."""
    data = os.read(descriptor, size + 1)
    while len(data) != size and (more := os.read(descriptor, 1 << 20)):
        data += more
    return data


def write_all(descriptor: int, data: bytes | memoryview) -> None:
    """Write all of `data`: one system call may write less."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove_quietly(path: str) -> None:
    """Delete a temporary file. A failure to do so is ignored: it would hide the error that is being handled."""
    try:
        os.unlink(path)
    except OSError:
        pass
