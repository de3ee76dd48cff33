"""Check manifests with Argo's own code, of each version that is supported: lint, and the full CRDs with their rules.

Compiled from Argo's Go modules (`go/`, `tests/engines/argo/version.py`). Complaints start with the check they come from:

- `parse`: the strict reading of `argo lint --strict`, and what it passes over (keys given twice, other kinds);
- `lint`: `argo lint --offline`, which stops at an object's first mistake;
- `crd`: what an API server with the full CRDs refuses.

One that not all versions make begins with the version: `argo 4.0.5: crd`.

For people: `python -m tests.engines.argo_lint FILE...`.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from tests.engines.argo.version import VERSIONS
from tests.engines.argo_lint.build import BuildFailed, build
from tests.tools import unavailable

__all__ = ["LintMissing", "lint", "missing", "require"]

_lock = threading.Lock()
_processes: dict[tuple[int, str], subprocess.Popen[str]] = {}
"""By the process that asks, and the version."""


class LintMissing(Exception):
    """Manifests cannot be checked here; the text says why."""


@functools.cache
def missing() -> str | None:
    """Return why manifests cannot be checked here, if they cannot. Builds the programs if they are not there."""
    try:
        for version in VERSIONS:
            build(version)
    except BuildFailed as error:
        return f"argo-lint cannot be built: {error}"
    return None


def require() -> None:
    """Skip the test if manifests cannot be checked; with CI=true, fail it."""
    if (reason := missing()) is not None:
        unavailable(reason)


def lint(documents: Mapping[str, str], versions: Sequence[str] = VERSIONS) -> list[str]:
    """Return what all checks have against manifests that belong together: nothing, if they are good.

    Args:
        documents: the text of each file by its name. A templateRef may name an object of any of them.
        versions: those of Argo whose checks are asked.

    Raises:
        LintMissing: it cannot be done here.
    """
    said_by: dict[tuple[str, str], set[str]] = {}
    for version in versions:
        for finding in _findings(documents, version):
            for error in finding["errors"]:
                said_by.setdefault((_place(finding), error), set()).add(version)
    return [
        f"{place}: {'' if some == {*versions} else f'argo {min(some)}: '}{error}"
        for (place, error), some in said_by.items()
    ]


def _place(finding: Mapping[str, Any]) -> str:
    value = finding["object"]
    if value is None:
        return str(finding["file"])
    metadata = value.get("metadata") or {}
    return f"{finding['file']}: {value.get('kind')} {metadata.get('name') or metadata.get('generateName')}"


def _findings(documents: Mapping[str, str], version: str) -> list[dict[str, Any]]:
    with _lock:
        process = _process(version)
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(dict(documents)) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("argo-lint has ended")
    findings: list[dict[str, Any]] = json.loads(answer)
    return findings


def _process(version: str) -> subprocess.Popen[str]:
    process = _processes.get((os.getpid(), version))
    if process is not None and process.poll() is None:
        return process
    if (reason := missing()) is not None:
        raise LintMissing(reason)
    program, crds = build(version)
    process = subprocess.Popen(
        [str(program), str(crds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    _processes[os.getpid(), version] = process
    atexit.register(process.communicate)
    return process
