"""Helpers for the tests of spec/ and graph/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from magnus_render.diagnostics import DefinitionError
from magnus_render.graph.load import Loaded, load
from magnus_render.spec.reader import Reader
from magnus_render.spec.report import Report
from tests.tools import environment

ENDS = "    success: {type: success}\n    fail: {type: fail}\n"
INLINE = "{start_at: ok, steps: {ok: {type: success}, no: {type: fail}}}"


def tree(text: str | bytes) -> tuple[Any, list[str]]:
    """Return the tree of a YAML text and the codes of what is wrong with it."""
    report = Report()
    value = Reader(report).parse("dag.yaml", text.encode() if isinstance(text, str) else text)
    return value, [item.code for item in report.diagnostics]


def dag(steps: str, start: str = "a", rest: str = "") -> str:
    """Return a definition with the given lines of steps (indented by four), and the two status nodes."""
    return f"dag:\n  start_at: {start}\n  steps:\n{steps.rstrip()}\n{ENDS}{rest}"


def loaded(folder: Path, text: str, config: str | None = None, **environ: str) -> Loaded:
    """Load a definition written to a folder."""
    file = folder / "dag.yaml"
    file.write_text(text, encoding="utf-8")
    if config is not None:
        (folder / "config.yaml").write_text(config, encoding="utf-8")
    return load(str(file), None if config is None else str(folder / "config.yaml"), environ=environ)


def codes_of(folder: Path, text: str, config: str | None = None, **environ: str) -> list[str]:
    """Return the codes of all diagnostics of a definition, usable or not."""
    try:
        return [item.code for item in loaded(folder, text, config, **environ).diagnostics]
    except DefinitionError as error:
        return [item.code for item in error.diagnostics]


def magnus(folder: Path, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command line in a folder, with no MAGNUS_* but those given."""
    return subprocess.run(
        [sys.executable, "-c", "from magnus_render.cli.main import main; main()", *words],
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
