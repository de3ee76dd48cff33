"""npm's `asl-validator`, which scripts/tools.sh installs: one Node process for all state machines of a test run."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import threading
from pathlib import Path

from tests.engines.cache import cache
from tests.tools import find, unavailable

VERSION = "4.0.0"
_PROGRAM = Path(__file__).with_name("validator.js")
_lock = threading.Lock()
_processes: dict[int, subprocess.Popen[str]] = {}


class ValidatorMissing(Exception):
    """asl-validator cannot be run here; the text says why."""


def missing() -> str | None:
    """Return why asl-validator cannot be run here, if it cannot."""
    if find("node") is None:
        return "node is not installed"
    described = _module() / "package.json"
    if not described.exists():
        return f"asl-validator is not installed in {cache()} (scripts/tools.sh installs it)"
    if (version := json.loads(described.read_text())["version"]) != VERSION:
        return f"asl-validator is {version}, not {VERSION} (scripts/tools.sh installs it)"
    return None


def require() -> None:
    """Skip the test if there is no asl-validator; with CI=true, fail it."""
    if (reason := missing()) is not None:
        unavailable(reason)


def validate(text: str) -> list[str]:
    """Return what asl-validator has against a state machine: nothing, if it is good.

    Raises:
        ValidatorMissing: it cannot be run here.
    """
    with _lock:
        process = _process()
        assert process.stdin and process.stdout
        process.stdin.write(json.dumps(text) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise RuntimeError("asl-validator has ended")
        complaints: list[str] = json.loads(answer)
        return complaints


def _process() -> subprocess.Popen[str]:
    process = _processes.get(os.getpid())
    if process is not None and process.poll() is None:
        return process
    if (reason := missing()) is not None:
        raise ValidatorMissing(reason)
    node = find("node")
    assert node is not None
    process = subprocess.Popen(
        [node, str(_PROGRAM), str(_module())], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _processes[os.getpid()] = process
    atexit.register(process.communicate)
    return process


def _module() -> Path:
    return cache() / "npm" / "node_modules" / "asl-validator"
