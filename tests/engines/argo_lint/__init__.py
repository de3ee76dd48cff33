"""Check manifests with Argo's own code: lint, the full CRDs, and the schemas of Argo 4.

Lint and CRDs are those of Argo Workflows 3.7.4, compiled from its Go module (`go/`). Of Argo 4 there are the schemas alone
(`schemas.py`). Complaints start with the check they come from:

- `parse`: the strict reading of `argo lint --strict`, and what it passes over (keys given twice, other kinds);
- `lint`: `argo lint --offline`, which stops at an object's first mistake;
- `crd`: what an API server with the full CRDs refuses;
- `argo 4.0.5`: Argo 4's schema.

For people: `python -m tests.engines.argo_lint FILE...`.
"""

from __future__ import annotations

import atexit
import functools
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from typing import Any

from tests.engines.argo_lint import schemas
from tests.engines.argo_lint.build import BuildFailed, build
from tests.tools import unavailable

__all__ = ["LintMissing", "lint", "missing", "require"]

_lock = threading.Lock()
_processes: dict[int, subprocess.Popen[str]] = {}


class LintMissing(Exception):
    """Manifests cannot be checked here; the text says why."""


@functools.cache
def missing() -> str | None:
    """Return why manifests cannot be checked here, if they cannot. Builds the program if it is not there."""
    if (reason := schemas.missing()) is not None:
        return reason
    try:
        build()
    except BuildFailed as error:
        return f"argo-lint cannot be built: {error}"
    return None


def require() -> None:
    """Skip the test if manifests cannot be checked; with CI=true, fail it."""
    if (reason := missing()) is not None:
        unavailable(reason)


def lint(documents: Mapping[str, str]) -> list[str]:
    """Return what all checks have against manifests that belong together: nothing, if they are good.

    Args:
        documents: the text of each file by its name. A templateRef may name an object of any of them.

    Raises:
        LintMissing: it cannot be done here.
    """
    complaints = []
    for finding in _findings(documents):
        value = finding["object"]
        where = finding["file"]
        if value is not None:
            metadata = value.get("metadata") or {}
            where += f": {value.get('kind')} {metadata.get('name') or metadata.get('generateName')}"
            finding["errors"] += schemas.complaints(value)
        complaints += [f"{where}: {error}" for error in finding["errors"]]
    return complaints


def _findings(documents: Mapping[str, str]) -> list[dict[str, Any]]:
    with _lock:
        process = _process()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(dict(documents)) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
    if not answer:
        raise RuntimeError("argo-lint has ended")
    findings: list[dict[str, Any]] = json.loads(answer)
    return findings


def _process() -> subprocess.Popen[str]:
    process = _processes.get(os.getpid())
    if process is not None and process.poll() is None:
        return process
    if (reason := missing()) is not None:
        raise LintMissing(reason)
    program, crds = build()
    process = subprocess.Popen(
        [str(program), str(crds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
    )
    _processes[os.getpid()] = process
    atexit.register(process.communicate)
    return process
