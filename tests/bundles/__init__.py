"""Pipelines that together have each feature that asks for permissions, twelve for each target: a folder each, with
`dag.yaml` and, for each target that it is bundled for, a configuration: `aws.yaml`, `argo.yaml`. One with a `magnus.yaml`
is bundled for its environments.

Their files hold the run's id: a catalog stores content that it has once only, so that a later run would put nothing.
`hang.sh PLACE` lets a step wait, so that a test can stop the run meanwhile.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARAMETERS: dict[str, Any] = {"items": ["a", "b"], "kind": "good", "hang": ""}
"""What each of them is started with. With a place for `hang`, it waits there."""
FAILING = {"ends"}
"""Those that lead to a failure."""


def names(config: str) -> list[str]:
    """Return the names of the pipelines that have a configuration of this name."""
    return sorted(path.parent.name for path in HERE.glob(f"*/{config}"))


def places(folder: Path) -> list[str]:
    """Return where the pipeline of a folder can be let to wait."""
    return re.findall(r"hang[.]sh (\w+)", (folder / "dag.yaml").read_text(encoding="utf-8"))


def copy(name: str, folder: Path) -> None:
    """Make a folder with the files of a pipeline; `${FOLDER}` in a configuration is that folder."""
    shutil.copytree(HERE / name, folder)
    shutil.copy(HERE / "hang.sh", folder)
    for config in folder.glob("*.yaml"):
        config.write_text(
            config.read_text(encoding="utf-8").replace("${FOLDER}", str(folder)), encoding="utf-8"
        )
