"""Jobs that call `magnus` as forks of a process that has imported it before.

python -m tests.engines.stepfunctions.warm SOCKET       the server: it ends when its standard input does
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from tests.conformance.warm import child
from tests.engines import disk, warm
from tests.engines.stepfunctions.jobs import Command, Process, Running, program


class WarmStarter(warm.Server):
    """Starts jobs: those whose program is the `magnus` beside this Python as forks, others as new processes."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.engines.stepfunctions.warm", folder)

    def __call__(self, command: Command) -> Running:
        if program(command) == warm.MAGNUS:
            return Fork(command, self.address)
        return Process(command)


class Fork(warm.Fork, Running):
    """A job that is a fork of the warm process."""

    def __init__(self, command: Command, address: str) -> None:
        self._command = command
        request = {
            "argv": command.argv[1:],
            "cwd": str(command.folder),
            "env": command.environment,
            "stdout": f"{command.log}.stdout",
            "stderr": f"{command.log}.stderr",
            "disk": f"{command.log}.disk",
        }
        super().__init__(address, request)

    def exit_code(self) -> int:
        """Wait for its end; return its exit code as a shell has it."""
        code = super().exit_code()
        with open(self._command.log, "ab") as log:
            for part in ("stdout", "stderr"):
                path = Path(f"{self._command.log}.{part}")
                log.write(path.read_bytes())
                path.unlink()
        shutil.rmtree(f"{self._command.log}.disk", ignore_errors=True)
        return code if code >= 0 else 128 - code


def _job(request: dict[str, Any]) -> int:
    """Be the job, in the forked child."""
    return child({**request, "cwd": disk.give(request["env"], request["cwd"], request["disk"])})


if __name__ == "__main__":
    warm.serve(sys.argv[1], _job)
