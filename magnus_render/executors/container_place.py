"""Where the callbacks of `local-container` run: attempts of tasks in containers, the rest in this process.

Callbacks that only read and write records (counts, confirmations, the creation of the run) need no image, so they run
without a container. A container sees the project read-only, and has a folder of its own for the files of its step.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus_render.errors import PLATFORM, REFUSED, SUCCESS, MagnusError, Refused
from magnus_render.executors.container_engine import (
    FAILED,
    KILLED,
    NOT_FOUND,
    NOT_STARTED,
    Engine,
    is_about,
    new_name,
)
from magnus_render.executors.container_integrations import HIDDEN, MOUNTS, PASSED
from magnus_render.executors.place import Here
from magnus_render.integrations.base import within
from magnus_render.plan import TASK, services_of
from magnus_render.runtime import outcome, workspace
from magnus_render.runtime.records import Run, attempts_of
from magnus_render.services import lookup
from magnus_render.services.secrets import HANDED
from magnus_render.texts import scalar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from magnus_render.executors.base import Order
    from magnus_render.executors.container_config import ContainerConfig
    from magnus_render.executors.frames import Call
    from magnus_render.executors.pool import Child
    from magnus_render.plan import Config, Node

_FOLDERS = "_containers"
"""A folder among the workspaces of a run. No step has that slug, for slugs do not begin with `_`."""


class _Running:
    """A container, and the folder that it and this process share."""

    __slots__ = ("began", "folder", "name", "project")

    def __init__(self, folder: str, project: str) -> None:
        self.name = new_name()
        self.began = time.time()
        self.folder = folder
        self.project = project


class ContainerPlace(Here):
    """Containers of one run."""

    def __init__(
        self,
        order: Order,
        here: Config,
        there: Config,
        scratch: str,
        options: Mapping[str, ContainerConfig],
        added: Mapping[str, Sequence[str]],
    ) -> None:
        """`options` has the configuration of each task by its definition address, `added` the keys of integrations."""
        super().__init__(order, here, scratch, lambda node: True)
        self.run_id = order.run_id
        self.options = options
        self.mounts = added.get(MOUNTS, ())
        self.passed = added.get(PASSED, ())
        self.hidden = added.get(HIDDEN, ())
        self.told = json.dumps(services_of(there))
        self.secrets = lookup.load("secrets", here["secrets"])
        self.hands_secrets = there["secrets"]["config"].get("prefix") == HANDED
        self.home = os.getcwd()
        self.folders = os.path.join(self.home, workspace.ROOT, "workspaces", order.run_id, _FOLDERS)
        """The folder that has a folder for each running container."""
        self.engine: Engine
        self.caller: list[str]
        self.projects: dict[str, str] = {}
        """The path of the project in each image."""
        self._running: dict[Call, _Running] = {}
        self._mine = False
        """True once folders of an earlier walk of this run have been deleted."""

    def ready(self) -> None:
        super().ready()
        every = list(self.options.values())
        if not every:
            return
        self.engine = Engine(every[0].engine)
        self.caller = self.engine.as_caller()
        for folder in (self.home, *self.mounts):
            self.engine.check_path(folder)
        if unset := sorted({name for one in every for name in one.secret_environment} - os.environ.keys()):
            raise Refused(
                f"executor.config: secret_environment names what is not set here: {', '.join(unset)}"
            )
        self.engine.remove(*self.engine.left_behind())
        for options in every:
            if options.image not in self.projects:
                folder = self.engine.working_folder(options.image, options.pull)
                if options.project == "mount":
                    folder = self.home
                elif folder in ("", "/"):
                    raise Refused(
                        f"image '{options.image}' sets no working folder, where a baked project is: write WORKDIR into its "
                        "Containerfile, or use project: mount"
                    )
                self.projects[options.image] = folder
        for folder in self.mounts:
            os.makedirs(folder, exist_ok=True)

    def folder(self, call: Call) -> tuple[str, str]:
        if not _in_container(call):
            return super().folder(call)
        running = self._of(call)
        return running.folder, os.path.join(running.project, workspace.ROOT)

    def work(self, call: Call | None, argv: list[str], environment: Mapping[str, str]) -> Callable[[], int]:
        if call is None or not _in_container(call):
            return super().work(call, argv, environment)
        running = self._of(call)
        secrets = self._secrets(call.node)
        told = {**environment, "MAGNUS_CONFIG": self.told, **secrets}
        command = [*self.engine.command, *self._run(call, running, told), *argv]

        def run() -> int:
            os.execvpe(command[0], command, {**os.environ, **told})

        return run

    def listens(self, call: Call) -> bool:
        """The first process of a container gets no signal without a handler for it, so none before the attempt has begun."""
        running = self._running.get(call)
        if running is None:
            return True
        try:
            run = self._records()
            started = attempts_of(run.names(call.address), "start")
            return bool(started) and run.of(call.address, f"{max(started)}.start")["time"] >= running.began
        except MagnusError:
            return True

    def _records(self) -> Run:
        run = Run.open(lookup.load("run_log_store", self.services["run_log_store"]), self.run_id)
        assert run is not None, "its steps run"
        return run

    def ended(self, call: Call, child: Child) -> int:
        status = super().ended(call, child)
        running = self._running.pop(call, None)
        if running is None:
            return status
        if child.stopped or status < 0 or status in (FAILED, KILLED):
            self.engine.remove(running.name)
        shutil.rmtree(running.folder, ignore_errors=True)
        if status == FAILED:
            return PLATFORM
        if status in (NOT_STARTED, NOT_FOUND):
            options, said = self._options(call), child.said.strip()
            command = options.magnus_command[0]
            if not is_about(said, command):
                return PLATFORM
            child.said = (
                f"image '{options.image}' cannot start '{command}' ({said}): install magnus-render in it, or name the "
                "command: magnus_command"
            )
            return REFUSED
        if status == SUCCESS and (lost := self._lost(call)):
            child.said = lost
            return PLATFORM
        return status

    def _lost(self, call: Call) -> str:
        """Return why a step is not done although its container ended with 0; '' if its record says that it succeeded.

        It happens with docker's client on podman's socket: with `--rm` it ends with 0 even if the container has failed
        (docker 20.10 with podman 4.3).
        """
        try:
            ended = outcome.of(self._records(), call.address)
        except MagnusError as error:
            return str(error)
        if ended is not None and ended["status"] == "SUCCESS":
            return ""
        return (
            f"{self.engine.called} says that the container ended with status 0, but the step has left no record that it "
            "succeeded: does the command speak to the socket of another engine?"
        )

    def how(self, call: Call, status: int) -> str:
        if status == KILLED and call.kind == "step":
            limit = self._options(call).resources.memory
            memory = f"more memory than its limit of {limit}" if limit else "more memory than there is"
            return f"the container was killed: it took {memory}, or somebody ended it"
        return super().how(call, status)

    def close(self) -> None:
        """Remove containers that still run because this process itself failed, and folders that are empty now."""
        if self._running:
            self.engine.remove(*(running.name for running in self._running.values()))
        for running in self._running.values():
            shutil.rmtree(running.folder, ignore_errors=True)
        folder = self.folders
        with suppress(OSError):  # there are other files in it
            while folder != self.home:
                os.rmdir(folder)
                folder = os.path.dirname(folder)

    # ---- one container ----

    def _of(self, call: Call) -> _Running:
        """Return the container of a call. Its folder is made at the first time."""
        running = self._running.get(call)
        if running is None:
            options = self._options(call)
            if not self._mine:  # no other walk has this run now: only a killed one left folders
                shutil.rmtree(self.folders, ignore_errors=True)
                self._mine = True
            folder = os.path.join(self.folders, os.urandom(6).hex())
            os.makedirs(self.folders, exist_ok=True)
            os.mkdir(folder, 0o700)
            if options.user:
                os.chmod(folder, 0o777)  # the user in the container may be anyone
            running = self._running[call] = _Running(folder, self.projects[options.image])
        return running

    def _run(self, call: Call, running: _Running, told: Mapping[str, str]) -> list[str]:
        """Return the engine's command line up to the arguments of `magnus`."""
        options = self._options(call)
        project = running.project
        words = ["run", "--rm", "--pull", "never", "--name", running.name]
        words += ["--label", f"magnus.run={self.run_id}", "--label", f"magnus.step={call.address}"]
        words += ["--workdir", project]
        if options.project == "mount":
            words += _mount(self.home, project, readonly=True)
        words += _mount(running.folder, os.path.join(project, workspace.ROOT))
        for folder in self.mounts:
            words += _mount(folder, folder)
        for file in map(os.path.realpath, self.hidden):
            if within(file, self.home) and (options.project == "baked" or os.path.isfile(file)):
                hidden = os.path.join(project, os.path.relpath(file, self.home))
                words += _mount(os.devnull, hidden, readonly=True)
        for volume in options.volumes:
            words += ["--volume", volume]
        words += self._user(options)
        for name, value in options.environment.items():
            words += ["--env", f"{name}={scalar(value)}"]
        for name in [*told, *self._passed(options)]:
            words += ["--env", name]
        if options.network:
            words += ["--network", options.network]
        words += self._resources(options)
        command, *arguments = options.magnus_command
        return [*words, *options.run_options, "--entrypoint", command, options.image, *arguments]

    def _user(self, options: ContainerConfig) -> list[str]:
        if options.user == "image":
            return []
        if options.user:
            return ["--user", options.user]
        words = list(self.caller)
        if os.getuid() and "HOME" not in options.environment:
            words += ["--env", "HOME=/tmp"]  # the image has no home folder for this user
        return words

    def _passed(self, options: ContainerConfig) -> list[str]:
        """Return the names of this environment's variables that a step gets."""
        wanted = [*options.secret_environment, *self.passed]
        return sorted(
            name
            for name in os.environ
            if any(name == one or (one[-1] == "*" and name.startswith(one[:-1])) for one in wanted)
        )

    def _resources(self, options: ContainerConfig) -> list[str]:
        limits = options.resources
        words = []
        if limits.cpus:
            words += ["--cpus", scalar(limits.cpus)]
        if limits.memory:
            words += ["--memory", limits.memory]
        if limits.shm_size:
            words += ["--shm-size", limits.shm_size]
        if limits.gpus and self.engine.name == "podman":
            every = ["all"] if limits.gpus == "all" else [str(number) for number in range(limits.gpus)]
            words += [word for gpu in every for word in ("--device", f"nvidia.com/gpu={gpu}")]
        elif limits.gpus:
            words += ["--gpus", str(limits.gpus)]
        return words

    def _secrets(self, node: Node) -> dict[str, str]:
        """Return the variables that hand a step the secrets that it asks for."""
        found = {}
        for name in (node.get("secrets") or {}).values() if self.hands_secrets else ():
            with suppress(KeyError):  # the step itself reports that a secret is missing
                found[f"{HANDED}{name}"] = self.secrets.get(name)
        return found

    def _options(self, call: Call) -> ContainerConfig:
        return self.options[call.node["address"]]


def _in_container(call: Call) -> bool:
    return call.kind == "step" and call.node["type"] == TASK


def _mount(source: str, target: str, readonly: bool = False) -> list[str]:
    """Return the option that mounts a folder; the engine reads its value as a line of CSV."""
    fields = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if readonly else [])]
    quoted = (
        '"{}"'.format(field.replace('"', '""')) if set(field) & set(',"') else field for field in fields
    )
    return ["--mount", ",".join(quoted)]
