"""The life of a pod, from its binding to the report of its end: what kubelet and Argo's executor do together."""

from __future__ import annotations

import math
import os
import posixpath
import select
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal

from tests.conformance.warm import ROOT
from tests.engines.argo import outputs, resource
from tests.engines.argo.api import Api, ApiError, Json, argo, core
from tests.engines.argo.faults import Crash, Faults
from tests.engines.argo.pods import INIT, MAIN, WAIT, CannotStart, Container, Mount, Pod
from tests.engines.argo.warm import EMISSARY, Command, Running, Starter

KILLED = 137
"""Exit code that the emissary gives for any signal."""
EVICTED = "The node was low on resource: memory."
OVERDUE = "Pod was active on the node longer than the specified deadline"
_SCRATCH = ("/tmp", "/var/tmp", "/dev/shm")
_SECONDS_BETWEEN_LOOKS = 0.01


@dataclass(frozen=True)
class Image:
    """What a container has of its image: the same for all pods of a run."""

    folder: Path
    """The working folder, unless the container states another."""
    environment: Mapping[str, str]
    volumes: Mapping[str, Path]
    """Folders by claim name."""


@dataclass
class Record:
    """What became of a pod."""

    name: str
    node: str
    """Name of its node in the workflow, such as `pipeline-x7.map(2:"b").step(0)`."""
    template: str
    argv: list[str]
    folder: Path = field(repr=False)
    exit_code: int | None = None
    """The main container's, if it lived to have one."""
    reason: str = ""
    """Evicted, DeadlineExceeded, Deleted, or why it could not start."""

    log: str = field(default="", repr=False)
    """What it printed: standard output, then standard error; read when the run is over."""

    def keep_log(self) -> None:
        """Read the log, before its files are removed."""
        texts = [path.read_bytes() for name in ("stdout", "stderr") if (path := self.folder / name).exists()]
        self.log = b"".join(texts).decode(errors="replace")


_Order = tuple[Literal["delete", "gone", "main", "wait"], int]
"""What a pod is told: its deletion with a grace period, that it is gone, or a signal for a container."""


@dataclass(frozen=True)
class Place:
    """Where pods run."""

    api: Api
    node: str
    """Its name."""
    starter: Starter
    logs: Path
    """Folder of the cluster's logs."""


class Life:
    """A pod's life, in a thread of its own; `failed` is told if the engine itself cannot go on."""

    def __init__(
        self,
        place: Place,
        pod: Pod,
        image: Image,
        faults: Faults,
        folder: Path,
        failed: Callable[[str], None],
    ) -> None:
        self._api, self._node, self._starter = place.api, place.node, place.starter
        self._kubeconfig = place.logs / "kubeconfig"
        self._executor = replace(self._api, user=pod.user) if pod.user else self._api
        self._pod, self._image, self._faults, self._failed = pod, image, faults, failed
        self.record = Record(pod.name, pod.node_name, "", [], folder)
        self._orders: SimpleQueue[_Order] = SimpleQueue()
        self._woken = os.eventfd(0)
        self._running: Running | None = None
        self._container: Container | None = None
        self._started = _now()
        self._began = time.monotonic()
        self._reason = self._message = ""
        self._deleted = self._gone = self._cut_short = False
        self._kill_at: float | None = None
        self._thread = threading.Thread(target=self._live, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end."""
        self._thread.join()
        os.close(self._woken)

    def tell(self, order: _Order) -> None:
        """Give an order."""
        self._orders.put(order)
        os.eventfd_write(self._woken, 1)

    def _live(self) -> None:
        try:
            self._live_and_end()
        except Exception:
            self._failed(traceback.format_exc())

    def _live_and_end(self) -> None:
        try:
            self._bind()
            try:
                crash = self._begin()
            except CannotStart as error:
                self._wait_in_vain(str(error))
                return
            self._watch(crash)
            self._end(crash)
        except ApiError as error:
            if error.status not in (404, 409):  # the pod is gone, or another of its name is there
                raise
        finally:
            if self._running is not None:
                self._running.signal(signal.SIGKILL)
                self._running.exit_code()

    def _bind(self) -> None:
        binding = {"target": {"kind": "Node", "name": self._node}, "metadata": {"name": self._pod.name}}
        self._api.create(core(self._pod.namespace, "pods", f"{self._pod.name}/binding"), binding)

    def _begin(self) -> Crash:
        pod, folder = self._pod, self.record.folder
        folder.mkdir(parents=True)
        self.record.template = pod.template.get("name", "")
        container = pod.container(self._image.volumes, folder)
        self.record.argv = container.argv
        self._container = container = Container(
            container.argv,
            container.environment,
            [*container.mounts, *self._private(container)],
            container.working_folder,
        )
        crash = self._faults.next(self.record.template, container.argv)
        if not (crash.happens and crash.when == "start"):
            self._running = self._starter.start(
                Command(
                    container.argv,
                    {**self._image.environment, **container.environment, **self._kubernetes(pod)},
                    container.working_folder or str(self._image.folder),
                    container.mounts,
                    (ROOT, Path(sys.prefix), self._image.folder, folder),
                    folder,
                )
            )
        self._create_result()
        running = {"running": {"startedAt": self._started}}
        self._report(running, running, "Running")
        return crash

    def _kubernetes(self, pod: Pod) -> dict[str, str]:
        """Return what leads the command of a `resource` template to the API server."""
        return {"KUBECONFIG": str(self._kubeconfig)} if "resource" in pod.template else {}

    def _private(self, container: Container) -> list[Mount]:
        """Return mounts that give the pod folders of its own for its output files."""
        paths = [
            parameter["valueFrom"]["path"]
            for parameter in self._pod.template.get("outputs", {}).get("parameters", ())
            if parameter.get("valueFrom", {}).get("path")
        ]
        found: list[Mount] = []
        for folder in sorted({posixpath.dirname(posixpath.normpath(path)) for path in paths}):
            if folder == str(self._image.folder) or _source(folder, [*container.mounts, *found]) is not None:
                continue
            if folder in _SCRATCH or not os.path.exists(folder) or not os.listdir(folder):
                own = self.record.folder / "outputs" / str(len(found))
                own.mkdir(parents=True)
                found.append(Mount(own, folder))
        return found

    def _wait_in_vain(self, reason: str) -> None:
        """Report that the container cannot be made, and wait until the pod is deleted."""
        self.record.reason = reason
        waiting = {"waiting": {"reason": "CreateContainerConfigError", "message": reason}}
        running = {"running": {"startedAt": self._started}}
        self._report(waiting, running, "Pending")
        end = None if self._pod.deadline is None else self._began + self._pod.deadline
        while not (self._deleted or self._gone):
            if self._woken in _readable((self._woken,), _left(end)):
                self._obey()
            elif end is not None:
                end = None
                self._reason, self._message = "DeadlineExceeded", OVERDUE
                self._report(waiting, self._terminated(KILLED), "Failed")
        self._delete()

    def _watch(self, crash: Crash) -> None:
        """Wait until the main container has ended or is lost, and bring that about when it is time."""
        end = None if self._pod.deadline is None else self._began + self._pod.deadline
        step_end = _deadline(self._pod)
        while self._running is not None:
            if isinstance(crash.when, Path) and crash.happens:
                self._running.signal(signal.SIGKILL)
                _readable((self._running,), None)
                return
            times = [moment for moment in (end, step_end, self._kill_at) if moment is not None]
            if isinstance(crash.when, Path):
                times.append(time.monotonic() + _SECONDS_BETWEEN_LOOKS)
            ready = _readable((self._running, self._woken), _left(min(times, default=None)))
            if self._running in ready:
                return
            if self._woken in ready:
                self._obey()
            now = time.monotonic()
            if end is not None and now >= end:
                end = None
                self._reason, self._message = "DeadlineExceeded", OVERDUE
                self._terminate(self._pod.grace)
            if step_end is not None and now >= step_end:
                step_end = None
                self._running.signal(signal.SIGTERM)
            if self._kill_at is not None and now >= self._kill_at:
                self._kill_at = None
                self._running.signal(signal.SIGKILL)

    def _obey(self) -> None:
        os.eventfd_read(self._woken)
        while True:
            try:
                what, number = self._orders.get_nowait()
            except Empty:
                return
            if what == "delete":
                self._deleted = True
                self._terminate(number)
            elif what == "gone":
                self._gone = True
                self._terminate(0)
            elif what == "wait":
                self._cut_short = True
            elif self._running is not None:
                self._running.signal(number)

    def _terminate(self, grace: float) -> None:
        """End all containers, as a kubelet does."""
        self._cut_short = True
        if self._running is not None:
            self._running.signal(signal.SIGTERM if grace > 0 else signal.SIGKILL)
            self._kill_at = time.monotonic() + grace

    def _end(self, crash: Crash) -> None:
        running, self._running = self._running, None
        code = running.exit_code() if running is not None else -signal.SIGKILL
        kind = crash.kind if crash.happens else ""
        code = KILLED if code < 0 or kind == "kill" else code
        if self._gone:
            self.record.reason = "Deleted"
            return
        if kind == "delete":
            self.record.reason = "Deleted"
            self._delete()
            return
        if kind == "evict":
            self._reason, self._message = "Evicted", EVICTED
            self._cut_short, code = True, KILLED
        self.record.exit_code = code
        self._report_end(code)
        self.record.reason = self._reason
        if self._deleted:
            self._delete()

    def _report_end(self, code: int) -> None:
        template = resource.told(self._pod.template, self.record.folder)
        told = outputs.report(template, self._find, self._result_file())
        self._complete_result(told.outputs)
        error = self.record.folder / "error"
        main = self._terminated(code, error.read_text() if code == EMISSARY and error.exists() else None)
        wait = self._terminated(0 if told.error is None else EMISSARY, told.error)
        failed = code != 0 or told.error is not None or self._reason
        self._report(main, wait, "Failed" if failed else "Succeeded")

    def _find(self, path: str) -> Path | None:
        assert self._container is not None
        path = posixpath.normpath(path)
        found = _source(path, self._container.mounts)
        if self._cut_short and (found is None or self.record.folder in found.parents):
            return None  # the wait container has ended before the emissary could copy it
        return found or Path(path)

    def _result_file(self) -> Path | None:
        if self._pod.environment.get("ARGO_INCLUDE_SCRIPT_OUTPUT") != "true":
            return None
        return self.record.folder / "stdout"

    def _terminated(self, code: int, message: str | None = None) -> Json:
        state: Json = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "startedAt": self._started,
            "finishedAt": _now(),
        }
        return {"terminated": state if message is None else {**state, "message": message}}

    def _report(self, main: Json, wait: Json, phase: str) -> None:
        spec = self._pod.manifest["spec"]
        images = {part["name"]: part.get("image", "") for part in spec["containers"] + spec["initContainers"]}
        done = {
            "terminated": {
                "exitCode": 0,
                "reason": "Completed",
                "startedAt": self._started,
                "finishedAt": self._started,
            }
        }

        def status(name: str, state: Json) -> Json:
            told = {"name": name, "state": state, "ready": "running" in state, "restartCount": 0}
            return {**told, "image": images.get(name, ""), "imageID": ""}

        told: Json = {
            "phase": phase,
            "startTime": self._started,
            "hostIP": "127.0.0.1",
            "podIP": "127.0.0.1",
            "initContainerStatuses": [status(INIT, done)],
            "containerStatuses": [
                status(name, state) for name, state in ((WAIT, wait), (MAIN, main)) if name in images
            ],
        }
        if self._reason:
            told |= {"reason": self._reason, "message": self._message}
        self._api.patch(core(self._pod.namespace, "pods", f"{self._pod.name}/status"), {"status": told})

    def _create_result(self) -> None:
        owner = self._pod.workflow
        labels = {
            "workflows.argoproj.io/workflow": owner["name"],
            "workflows.argoproj.io/report-outputs-completed": "false",
        }
        metadata = {"name": self._pod.node_id, "labels": labels, "ownerReferences": [owner]}
        result = {
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "WorkflowTaskResult",
            "metadata": metadata,
        }
        try:
            self._executor.create(argo(self._pod.namespace, "workflowtaskresults"), result)
        except ApiError as error:
            if error.status != 409:  # of another pod of this node, which is gone
                raise

    def _complete_result(self, found: Json) -> None:
        labels = {"workflows.argoproj.io/report-outputs-completed": "true"}
        path = argo(self._pod.namespace, "workflowtaskresults", self._pod.node_id)
        self._executor.patch(path, {"metadata": {"labels": labels}, "outputs": found})

    def _delete(self) -> None:
        if self._gone:
            return
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._pod.uid}}
        self._api.delete(core(self._pod.namespace, "pods", self._pod.name), options)


def _readable(sources: tuple[Running | int, ...], seconds: float | None) -> list[Running | int]:
    """Return what can be read, after so many seconds at most.

    Many pods at once have more descriptors than `select` takes, so `poll` is asked.
    """
    poll = select.poll()
    found = {source if isinstance(source, int) else source.fileno(): source for source in sources}
    for descriptor in found:
        poll.register(descriptor, select.POLLIN)
    ready = poll.poll(None if seconds is None else math.ceil(seconds * 1000))
    return [found[descriptor] for descriptor, _ in ready]


def _left(end: float | None) -> float | None:
    """Return the seconds until a moment of the monotonic clock."""
    return None if end is None else max(0.0, end - time.monotonic())


def _source(path: str, mounts: list[Mount]) -> Path | None:
    """Return where a path of the container lies on this machine, if it is in a mount."""
    for mount in sorted(mounts, key=lambda mount: -len(mount.target)):
        target = posixpath.normpath(mount.target)
        if path == target or path.startswith(target.rstrip("/") + "/"):
            return mount.source / posixpath.relpath(path, target)
    return None


def _deadline(pod: Pod) -> float | None:
    """Return when the executor ends the main container, on the monotonic clock."""
    text = pod.environment.get("ARGO_DEADLINE", "")
    if not text or text.startswith("0001-"):
        return None
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return time.monotonic() + (moment - datetime.now(timezone.utc)).total_seconds()


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
