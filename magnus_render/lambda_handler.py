"""The handler of a Lambda function that runs steps: `magnus_render.lambda_handler.handler`.

A state machine of the Step Functions target with `compute: lambda` invokes it with `{"argv": [...], "environment":
[{"Name": ..., "Value": ...}]}`. The callback runs as a process of its own, in a workspace below `/tmp` (nothing else may
be written there), and an error tells the machine how it ended: `PlatformFailed` is tried again without spending one of
the step's attempts.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import Any

from magnus_render.errors import PLATFORM, SUCCESS


class StepFailed(Exception):
    """The step failed, or was refused: its message is in the run log, and in the function's own log."""


class PlatformFailed(Exception):
    """The store or the platform failed: the same call may be made again."""


def handler(event: dict[str, Any], context: object = None) -> dict[str, Any]:
    """Run one callback.

    Returns `{"status": 0}`. Raises `StepFailed` and `PlatformFailed`, whose names Step Functions sees as the errors'.
    """
    argv = [str(word) for word in event["argv"]]
    environment = {**os.environ, "MAGNUS_WORKSPACES": "step"}
    environment.update({pair["Name"]: pair["Value"] for pair in event.get("environment", [])})
    project = os.environ.get("LAMBDA_TASK_ROOT") or os.getcwd()
    # The project's own folder is read-only there; an instance is used again, so nothing may be left behind.
    with tempfile.TemporaryDirectory(prefix="magnus-lambda-") as folder:
        for name in os.listdir(project):
            os.symlink(os.path.join(project, name), os.path.join(folder, name))
        ended = subprocess.run(argv, cwd=folder, env=environment, stdin=subprocess.DEVNULL, check=False)
    if ended.returncode == SUCCESS:
        return {"status": SUCCESS}
    what = f"{' '.join(argv[:4])} exited with status {ended.returncode}"
    raise (PlatformFailed if ended.returncode == PLATFORM else StepFailed)(what)
