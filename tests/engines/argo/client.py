"""How tests use the engine: `Client` submits manifests, runs their pods and gives back what became of them.

client = shared()
run = client.run([template], tmp_path, {"run-id": "run-1"})
assert run.phase == "Succeeded", run.told
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import gzip
import json
import os
import shutil
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.engines.argo import cluster, manifests
from tests.engines.argo.api import ApiError, Json, Watch, argo, core
from tests.engines.argo.faults import Fault, Faults
from tests.engines.argo.kubelet import Node
from tests.engines.argo.pods import Pod
from tests.engines.argo.run import EngineError, Run
from tests.engines.argo.runner import Image, Life, Place, Record
from tests.engines.argo.version import version
from tests.engines.argo.warm import Starter

TIME_LIMIT = 120.0
RESYNC = 20.0
"""Seconds after which the controller is made to look at a workflow again."""
_OBJECTS = (
    ("workflows", argo),
    ("cronworkflows", argo),
    ("workflowtemplates", argo),
    ("workflowtaskresults", argo),
    ("pods", core),
    ("secrets", core),
    ("configmaps", core),
)


class Client:
    """A node of the shared cluster, and what a test asks of it. A context manager; or call `close`.

    Every run has a namespace of its own, so runs of one client or of several, at the same time too, do not meet.
    """

    def __init__(self) -> None:
        self._cluster = cluster.join()
        self._folder = Path(tempfile.mkdtemp(prefix="magnus-argo-pods-"))
        self._starter = Starter(self._folder)
        self._active: dict[str, Namespace] = {}
        certificate = self._cluster.folder / "certs" / "apiserver.crt"
        name = f"node-{uuid.uuid4().hex[:12]}"
        self._node = Node(self._cluster.api, name, certificate, self._signal)
        self._place = Place(self._cluster.api, name, self._starter, self._cluster.folder)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all runs, and the cluster, if nobody else uses it."""
        for started in list(self._active.values()):
            started.close()
        with contextlib.suppress(OSError, ApiError):  # the cluster is gone
            self._node.close()
        self._starter.close()
        self._cluster.close()

    @property
    def logs(self) -> Path:
        """The folder of the cluster's logs."""
        return self._cluster.folder

    def run(
        self,
        documents: Sequence[str],
        folder: Path,
        arguments: Mapping[str, str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        volumes: Mapping[str, Path] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        faults: Iterable[Fault] = (),
        timeout: float = TIME_LIMIT,
    ) -> Run:
        """Submit the first of the YAML documents and wait for its end, at most `timeout` seconds; remove all objects.

        A WorkflowTemplate or CronWorkflow is created and submitted as `argo submit --from` does; the other documents are
        created before. Their namespace is replaced. `arguments` override the workflow's parameters. Pods run in
        `folder`, with `env` as their image's variables (and PATH, HOME, CI); `volumes` are folders by claim name,
        `secrets` texts by name and key.

        Raises:
            ApiError: the API server refused a manifest.
            EngineError: the engine failed.
        """
        with self.start(
            documents, folder, arguments, env=env, volumes=volumes, secrets=secrets, faults=faults
        ) as started:
            return started.wait(timeout)

    def start(
        self,
        documents: Sequence[str],
        folder: Path,
        arguments: Mapping[str, str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        volumes: Mapping[str, Path] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        faults: Iterable[Fault] = (),
    ) -> Namespace:
        """Do the same as `run`, but do not wait: the caller does, and closes what this returns."""
        opened = self.open(folder, env=env, volumes=volumes, secrets=secrets, faults=faults)
        return opened.submit(documents, arguments or {})

    def open(
        self,
        folder: Path,
        *,
        env: Mapping[str, str] | None = None,
        volumes: Mapping[str, Path] | None = None,
        secrets: Mapping[str, Mapping[str, str]] | None = None,
        faults: Iterable[Fault] = (),
    ) -> Namespace:
        """Make a namespace in which pods run as `run` says, for workflows of whoever submits them."""
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        base = {"PATH": path, "HOME": str(folder), "CI": "1"}
        image = Image(folder, {**base, **(env or {})}, dict(volumes or {}))
        return Namespace(self._place, image, Faults(faults), self._folder, self._active, secrets or {})

    def _signal(self, namespace: str, pod: str, container: str, number: int) -> None:
        if (started := self._active.get(namespace)) is not None:
            started.signal(pod, container, number)


class Namespace:
    """A namespace with a node that runs its pods, and the workflow that was submitted there last.

    A context manager; or call `close`.
    """

    def __init__(
        self,
        place: Place,
        image: Image,
        faults: Faults,
        folder: Path,
        active: dict[str, Namespace],
        secrets: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._place, self._api, self._image, self._faults = place, place.api, image, faults
        self.name = f"run-{uuid.uuid4().hex[:12]}"
        self._folder = folder / self.name
        self._active = active
        active[self.name] = self
        self._lives: dict[str, Life] = {}
        self._pods: list[Record] = []
        self._failure: str | None = None
        self._closed = False
        self._watches: list[Watch] = []
        self._workflow: Json = {}
        self._submission: Json = {}
        self._templates: list[str] = []
        watch = self._api.watch(core(self.name, "pods"))
        self._watches.append(watch)
        self._watcher = threading.Thread(
            target=self._guarded, args=(lambda: self._follow(watch),), daemon=True
        )
        for name, texts in secrets.items():
            self._api.create(
                core(self.name, "secrets"), {"metadata": {"name": name}, "stringData": dict(texts)}
            )
        self._watcher.start()

    def __enter__(self) -> Namespace:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def workflow(self) -> str:
        """The workflow's name."""
        return str(self._workflow["metadata"]["name"])

    @property
    def kubeconfig(self) -> Path:
        """File that tells commands how the cluster is reached."""
        return self._place.logs / "kubeconfig"

    def submit(self, documents: Sequence[str], arguments: Mapping[str, str]) -> Namespace:
        """Create the objects of a workflow, which is the one to wait for, or close this.

        Raises:
            ApiError: the API server refused a manifest.
        """
        try:
            self._submit(documents, arguments)
        except BaseException:
            self.close()
            raise
        return self

    def _submit(self, documents: Sequence[str], arguments: Mapping[str, str]) -> None:
        main, *others = manifests.parse(documents, self.name)
        for manifest in others:
            self._create(manifest)
        created = None
        if main["kind"] == "CronWorkflow":
            main["spec"]["suspend"] = True  # no run of its own may start meanwhile
        if main["kind"] != "Workflow":
            created = self._create(main)
        self._templates = [
            one["metadata"]["name"] for one in (main, *others) if one["kind"] == "WorkflowTemplate"
        ]
        self._submission = manifests.workflow(main, created, arguments)
        self._workflow = self._create(self._submission)

    def follow(self, name: str) -> None:
        """Let a workflow that somebody else has submitted be the one to wait for."""
        self._workflow = self._api.get(argo(self.name, "workflows", name))

    def first_submitted(self, wanted: Callable[[str], bool]) -> str:
        """Wait for a workflow with such a name; return its name."""
        watch = self._api.watch(argo(self.name, "workflows"))
        timer = threading.Timer(TIME_LIMIT, watch.close)
        timer.start()
        try:
            return next(name for _, found in watch if wanted(name := found["metadata"]["name"]))
        finally:
            timer.cancel()
            watch.close()

    def until_allowed(self, user: str, verb: str, kind: str, group: str = "argoproj.io") -> None:
        """Wait until the API server has heard of a role that lets a user do something with objects here."""
        resource = {"namespace": self.name, "group": group, "resource": kind, "verb": verb}
        body = {"spec": {"user": user, "resourceAttributes": resource}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        end = time.monotonic() + TIME_LIMIT
        while not self._api.create(path, body)["status"]["allowed"]:
            if time.monotonic() > end:
                raise EngineError(f"{user} may not {verb} {kind}")

    def wait(self, timeout: float = TIME_LIMIT) -> Run:
        """Wait for the end of the workflow, at most so many seconds; return what became of it.

        Raises:
            EngineError: the engine failed.
        """
        return self.until(lambda run: run.completed, timeout)

    def until(self, condition: Callable[[Run], bool], timeout: float = TIME_LIMIT) -> Run:
        """Wait, at most so many seconds, until a condition holds; return the state in which it does, or the last.

        Raises:
            EngineError: the engine failed.
        """
        watch = self._api.watch(argo(self.name, "workflows"))
        self._watches.append(watch)
        timer = threading.Timer(timeout, watch.close)
        timer.start()
        over = threading.Event()
        threading.Thread(target=self._resync, args=(over,), daemon=True).start()
        try:
            self._guarded(lambda: self._until(watch, condition))
        finally:
            over.set()
            timer.cancel()
            watch.close()
        if self._failure is not None:
            raise EngineError(self._failure)
        for pod in self._pods:
            pod.keep_log()
        return self._seen()

    def _resync(self, over: threading.Event) -> None:
        """Let the controller look at the workflow every so often, as it does every 20 minutes by itself.

        It misses a change now and then: of a pod that was deleted as it ended, say.
        """
        number = 0
        while not over.wait(RESYNC):
            number += 1
            try:
                body = {"metadata": {"annotations": {"engine/resync": str(number)}}}
                self._api.patch(argo(self.name, "workflows", self.workflow), body)
            except (ApiError, OSError):  # it has ended meanwhile
                return

    def stop(self) -> None:
        """Do what `argo stop` does: end what runs, but start exit handlers."""
        self._shut_down("Stop")

    def terminate(self) -> None:
        """Do what `argo terminate` does: end all at once."""
        self._shut_down("Terminate")

    def signal(self, pod: str, container: str, number: int) -> None:
        """Send a signal to a container of a pod."""
        if (life := self._lives.get(pod)) is not None and container in ("main", "wait"):
            life.tell(("main" if container == "main" else "wait", number))

    def close(self) -> None:
        """End its pods and remove its objects."""
        if self._closed:
            return
        self._closed = True
        for watch in self._watches:
            watch.close()
        self._watcher.join()
        with contextlib.suppress(OSError, ApiError):  # the cluster is gone
            for kind, path in _OBJECTS:
                self._api.delete(path(self.name, kind), {"gracePeriodSeconds": 0})
        for life in self._lives.values():
            life.tell(("gone", 0))
        for life in self._lives.values():
            life.join()
        self._active.pop(self.name, None)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _shut_down(self, strategy: str) -> None:
        self._api.patch(argo(self.name, "workflows", self.workflow), {"spec": {"shutdown": strategy}})

    def _create(self, manifest: Json) -> Json:
        kind = manifests.plural(manifest)
        path = core if manifest["apiVersion"] == "v1" else argo
        return self._api.create(f"{path(self.name, kind)}?fieldValidation=Strict", manifest)

    def _seen(self) -> Run:
        status = self._workflow.get("status", {})
        nodes = status.get("nodes", {})
        if packed := status.get("compressedNodes"):
            nodes = json.loads(gzip.decompress(base64.b64decode(packed)))
        return Run(
            self.workflow,
            status.get("phase") or "Pending",
            status.get("message", ""),
            nodes,
            list(self._pods),
            self._workflow,
        )

    def _until(self, watch: Watch, condition: Callable[[Run], bool]) -> None:
        for change, manifest in watch:
            if manifest["metadata"]["name"] != self.workflow:
                continue
            if change == "DELETED":
                return
            self._workflow = manifest
            run = self._seen()
            if self._too_early(run):
                self._api.delete(argo(self.name, "workflows", self.workflow))
                self._workflow = self._create(self._submission)
            elif condition(run):
                return

    def _too_early(self, run: Run) -> bool:
        """Whether the controller had not yet heard of a template that has been created just before the workflow."""
        if not run.completed or run.pods or "not found" not in run.message:
            return False
        return any(name in run.message for name in self._templates)

    def _follow(self, watch: Watch) -> None:
        """Give every new pod a life, and tell it of its deletion."""
        for change, manifest in watch:
            name, metadata = manifest["metadata"]["name"], manifest["metadata"]
            if change == "ADDED":
                self._make(manifest)
            elif change == "DELETED":
                self._lives[name].tell(("gone", 0))
            elif "deletionTimestamp" in metadata:
                self._lives[name].tell(("delete", int(metadata.get("deletionGracePeriodSeconds", 0))))

    def _make(self, manifest: Json) -> None:
        pod = Pod(manifest, self._get)
        folder = self._folder / str(len(self._pods))
        life = Life(self._place, pod, self._image, self._faults, folder, self._fail)
        self._lives[pod.name] = life
        self._pods.append(life.record)
        life.start()

    def _get(self, kind: str, name: str) -> Json | None:
        try:
            return self._api.get(core(self.name, kind, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except (ApiError, OSError) as error:
            self._fail(f"{error}; the cluster's logs are in {self._place.logs}")

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        for watch in self._watches:
            watch.close()


_shared: dict[tuple[int, str], Client] = {}


def shared() -> Client:
    """Return this process's client of the version that is used now, made when it is first asked for.

    It is closed with the process.
    """
    key = os.getpid(), version()
    if key not in _shared:
        _shared[key] = Client()
        atexit.register(_shared[key].close)
    return _shared[key]
