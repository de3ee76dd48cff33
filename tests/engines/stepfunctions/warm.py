"""Jobs that call `magnus` as forks of a process that has imported it before.

python -m tests.engines.stepfunctions.warm SOCKET       the server: it ends when its standard input does
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conformance.warm import child
from tests.engines import warm
from tests.engines.stepfunctions.jobs import Command, Process, Running, program


class WarmStarter(warm.Server):
    """Starts jobs: those whose program is the `magnus` beside this Python as forks, others as new processes."""

    def __init__(self, folder: Path) -> None:
        super().__init__("tests.engines.stepfunctions.warm", folder)

    def __call__(self, command: Command) -> Running:
        if program(command) == warm.MAGNUS:
            return Fork(command, self.address)
        return Process(command)


class Fork(warm.Fork):
    """A job that is a fork of the warm process."""

    def __init__(self, command: Command, address: str) -> None:
        self._command = command
        request = {
            "argv": command.argv[1:],
            "cwd": str(command.folder),
            "env": command.environment,
            "stdout": f"{command.log}.stdout",
            "stderr": f"{command.log}.stderr",
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
        return code if code >= 0 else 128 - code


if __name__ == "__main__":
    warm.serve(sys.argv[1], child)
