"""Jobs of Step Functions and of AWS Batch as containers."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

from tests.engines import images
from tests.engines.stepfunctions.jobs import FOLDER, Command, Running, credentials

GRACE = 30.0
"""Seconds from SIGTERM to SIGKILL (ECS developer guide, ECS_CONTAINER_STOP_TIMEOUT)."""
LABEL = "magnus.test.job"
"""A label of each container: the id of its job, if that is one of Batch."""
LONGEST = 900
"""Seconds after which podman itself ends a container, should this engine be killed."""
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
CANNOT_START = "CannotStartContainerError: podman could not start it"
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""What a container on EC2 does not learn from its host."""


class ContainerStarter:
    """Starts jobs as containers of the image that they name.

    The folder of a job (MAGNUS_TEST_FOLDER) is in the container as if the image held it: what the job writes there is
    gone when it ends, so that no step can lean on the disk of another. The variables of a container are those of its
    image and of its job alone, and what stands for the job's role.
    """

    def __init__(self, endpoint: str) -> None:
        self._role = {name: value for name, value in credentials(endpoint).items() if name not in _REGIONS}

    def __call__(self, command: Command) -> Running:
        _remove_old()
        return Container(command, {**self._role, **command.environment})


class Container(Running):
    """A job that is a container. It is removed when it has ended."""

    grace = GRACE

    def __init__(self, command: Command, environment: dict[str, str]) -> None:
        self._name = f"magnus-{uuid.uuid4().hex}"
        folder = environment.pop(FOLDER, "")
        options = ["--name", self._name, "--network", "host", "--pull", "never", "--timeout", str(LONGEST)]
        options += ["--label", f"{LABEL}={environment.get('AWS_BATCH_JOB_ID', '')}"]
        options += [word for pair in environment.items() for word in ("--env", "=".join(pair))]
        options += _container(command.container)
        if folder:
            options += ["--volume", f"{folder}:{folder}{_as_image(command.container)}", "--workdir", folder]
        with open(command.log, "ab") as log:
            self._process = subprocess.Popen(
                [*images.engine(), "run", *options, command.image, *command.argv],
                cwd=command.log.parent,  # conmon leaves a file `oom` where it was started
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._descriptor = os.pidfd_open(self._process.pid)
        self._reason = ""

    def fileno(self) -> int:
        return self._descriptor

    def signal(self, number: int) -> None:
        killed = images.podman("kill", "--signal", signal.Signals(number).name, self._name)
        if killed.returncode != 0 and number == signal.SIGKILL:  # it may not have been started yet
            self._remove()

    def exit_code(self) -> int | None:
        os.close(self._descriptor)
        code = self._process.wait()
        if code:
            self._reason = self._why()
        self._remove()
        if code == 125 and self._reason == CANNOT_START:
            return None
        return code if code >= 0 else 128 - code

    def reason(self) -> str:
        return self._reason

    def _why(self) -> str:
        told = images.podman("inspect", "--format", "{{.State.OOMKilled}} {{.State.Status}}", self._name)
        out_of_memory, _, status = told.stdout.strip().partition(" ")
        if out_of_memory == "true":
            return OUT_OF_MEMORY
        return "" if status == "exited" else CANNOT_START

    def _remove(self) -> None:
        images.podman("rm", "--force", "--ignore", "--time", "0", self._name)


def _container(properties: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options of podman for what a job definition says of its container."""
    if properties.get("memory"):
        limit = f"{properties['memory']}m"
        yield from ("--memory", limit, "--memory-swap", limit)
    if properties.get("user"):
        yield from ("--user", properties["user"])
    if properties.get("readonlyRootFilesystem"):
        yield from ("--read-only", "--read-only-tmpfs=false")
    for tmpfs in properties.get("linuxParameters", {}).get("tmpfs", []):
        yield from ("--tmpfs", f"{tmpfs['containerPath']}:size={tmpfs['size']}m")
    places = {volume["name"]: volume["host"]["sourcePath"] for volume in properties.get("volumes", [])}
    for mount in properties.get("mountPoints", []):
        yield from ("--volume", f"{places[mount['sourceVolume']]}:{mount['containerPath']}")


def _as_image(properties: Mapping[str, Any]) -> str:
    """Return the option of a volume that is what an image holds."""
    if properties.get("readonlyRootFilesystem"):
        return ":ro"
    return ":O" if "overlay" in images.engine() else ""


@functools.cache
def _remove_old() -> None:
    """Remove what an engine that was killed has left, once."""
    images.podman("container", "prune", "--force", "--filter", f"label={LABEL}", "--filter", "until=1h")
