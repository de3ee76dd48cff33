"""Lambda: functions whose handlers run in real processes."""

from __future__ import annotations

import json
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction

from tests.engines.stepfunctions import compute, function
from tests.engines.stepfunctions.fixes import Patch, fix


@fix("lambda-processes")
def run_functions(patch: Patch) -> None:
    """moto: a function is a Docker container of a published image. AWS: its handler gets the event.

    Here: the handler is one that this Python can import, called in a process with the function's environment.
    """
    patch(LambdaFunction, "_invoke_lambda", _invoke)


def _invoke(self: Any, event: Any = None) -> tuple[str, bool, str]:
    """Return the answer, whether it is that of an error, and what was printed."""
    with tempfile.TemporaryDirectory() as folder:
        given, result = Path(folder, "event.json"), Path(folder, "result.json")
        given.write_text(json.dumps(event))
        words = [str(word) for word in event.get("argv", ())] if isinstance(event, dict) else []
        argv = [sys.executable, str(function.__file__), self.handler, str(given), str(result), *words]
        record = compute.Record("lambda", self.function_name, str(uuid.uuid4()), argv)
        ending = compute.attempt(
            record, dict(self.environment_vars), "process", float(self.timeout), lambda: None
        )
        if not result.exists():
            crashed = {"errorMessage": ending.reason, "errorType": "Runtime.ExitError"}
            return json.dumps(crashed), True, ""
        return result.read_text(), not ending.succeeded, ""
