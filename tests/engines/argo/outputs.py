"""What Argo's executor reports of a main container that has ended: the outputs of its template.

Source of the rules: `argoexec wait` and the emissary (`executor.go`, `emissary.go`), which trims one newline.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.engines.argo.api import Json

_LONGEST_RESULT = 256 * 1024  # bytes, of which the last are kept


@dataclass(frozen=True)
class Report:
    """What the wait container has to tell."""

    outputs: Json
    error: str | None
    """The first thing that went wrong: then the wait container fails."""


def report(template: Json, find: Callable[[str], Path | None], stdout: Path | None) -> Report:
    """Read the outputs of a template.

    `find` gives the file at a path of the container, or None if it cannot be had any more; `stdout` is its standard
    output, if it is to be the result.
    """
    outputs: Json = copy.deepcopy(template.get("outputs") or {})
    errors = []
    if stdout is not None:
        data = stdout.read_bytes() if stdout.exists() else b""
        outputs["result"] = data.removesuffix(b"\n")[-_LONGEST_RESULT:].decode(errors="replace")
    for parameter in outputs.get("parameters", ()):
        source = parameter.get("valueFrom") or {}
        if not (path := source.get("path")):
            continue
        text = _read(find(path))
        if text is None:
            text = source.get("default")
        if text is None:
            errors.append(f"open /var/run/argo/outputs/parameters{path}: no such file or directory")
            break
        parameter["value"] = str(text).removesuffix("\n")
    if outputs.pop("artifacts", None):
        errors.append("You need to configure artifact storage.")
    return Report(outputs, errors[0] if errors else None)


def _read(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return path.read_bytes().decode(errors="replace")
    except OSError:
        return None
