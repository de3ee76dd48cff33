"""Jobs of Step Functions as containers."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid

from tests.engines import images
from tests.engines.stepfunctions.jobs import FOLDER, Command, Running, credentials


class ContainerStarter:
    """Starts jobs as containers of the image that they name.

    The folder of a job (MAGNUS_TEST_FOLDER) is in the container as if the image held it: what the job writes there is
    gone when it ends, so that no step can lean on the disk of another.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint

    def __call__(self, command: Command) -> Running:
        return Container(command, {"CI": "1", **credentials(self._endpoint), **command.environment})


class Container:
    """A job that is a container."""

    def __init__(self, command: Command, environment: dict[str, str]) -> None:
        self._name = f"magnus-{uuid.uuid4().hex}"
        options = ["--rm", "--name", self._name, "--network", "host", "--pull", "never"]
        for name, value in environment.items():
            options += ["--env", f"{name}={value}"]
        if folder := environment.get(FOLDER):
            overlay = ":O" if "overlay" in images.engine() else ""
            options += ["--volume", f"{folder}:{folder}{overlay}", "--workdir", folder]
        with open(command.log, "ab") as log:
            self._process = subprocess.Popen(
                [*images.engine(), "run", *options, command.image, *command.argv],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._descriptor = os.pidfd_open(self._process.pid)

    def fileno(self) -> int:
        return self._descriptor

    def signal(self, number: int) -> None:
        killed = images.podman("kill", "--signal", signal.Signals(number).name, self._name)
        if killed.returncode != 0 and number == signal.SIGKILL:  # it may not have been started yet
            images.podman("rm", "--force", self._name)

    def exit_code(self) -> int:
        os.close(self._descriptor)
        code = self._process.wait()
        return code if code >= 0 else 128 - code
