"""Golden files: one folder per case, with its `dag.yaml` and what it is rendered to.

A case may have a `config.yaml` and, in `environment.json`, variables to render with. `make golden` writes all golden
files anew; a test fails if one differs, and prints the difference and that command.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from magnus_render.render import Rendered, render

FOLDER = Path(__file__).parent
CASES = sorted(path.parent.name for path in FOLDER.glob("*/dag.yaml"))
OUTPUTS = {"bash": "bash.sh"}
"""The file that each target's output is kept in."""


def rendered(case: str, target: str) -> Rendered:
    """Render a case in its own folder, with its environment."""
    folder = FOLDER / case
    variables = folder / "environment.json"
    saved = dict(os.environ)
    before = os.getcwd()
    try:
        os.environ.update(json.loads(variables.read_text()) if variables.exists() else {})
        os.chdir(folder)
        return render("dag.yaml", target, "config.yaml" if Path("config.yaml").exists() else None)
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(saved)
