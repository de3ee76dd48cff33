"""Whether bash can parse a text."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import tempfile


@functools.cache
def _bash() -> str | None:
    return shutil.which("bash")


def error(text: str) -> str | None:
    """Return what `bash -n` says against a text, None if nothing (or if there is no bash to ask)."""
    bash = _bash()
    if bash is None:
        return None
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C"}
    # From a file: bash reads a pipe byte by byte, which takes longer than all the rest of rendering.
    with tempfile.TemporaryFile() as file:
        file.write(text.encode())
        file.seek(0)
        done = subprocess.run(
            [bash, "--norc", "-n"], stdin=file, capture_output=True, env=environment, check=False
        )
    # A here-document without an end is a warning and status 0, but never what was meant.
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode == 0 and not said:
        return None
    return said.splitlines()[0].removeprefix(f"{bash}: ") if said else f"bash -n exits {done.returncode}"
