"""The cluster: etcd, kube-apiserver and Argo's controller, once for all processes of a user that ask for it.

A supervisor process runs them. Whoever uses them keeps a connection to its socket open; when the last is closed (a
process that dies closes its own), or `stop` is asked, it ends them and itself, unless `start` has told it to stay.

    python -m tests.engines.argo.cluster        the supervisor
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import functools
import json
import os
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.engines.argo import build
from tests.engines.argo.api import Api, ApiError, core

ROOT = Path(__file__).resolve().parents[3]
NAMESPACE = "argo"
"""Where the controller finds its configuration."""
START_LIMIT = 120.0
_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
_CONTROLLER_CONFIG = {
    "workflowEvents": {"enabled": False},
    "nodeEvents": {"enabled": False},
    "metricsConfig": {"enabled": False},
    "telemetryConfig": {"enabled": False},
    "podGCGracePeriodSeconds": 0,
    "podGCDeleteDelayDuration": "0s",
}
_CONTROLLER_ENVIRONMENT = {
    # Events wait so long for others of their workflow: a second or more is for clusters whose caches lag behind.
    "DEFAULT_REQUEUE_TIME": "20ms",
    # How long the controller hopes to see a pod, or what it had to tell, that is gone: 10 s, 2 min and 10 min.
    "RECENTLY_STARTED_POD_DURATION": "4s",
    "RECENTLY_DELETED_POD_DURATION": "5s",
    "TASK_RESULT_TIMEOUT_DURATION": "6s",
    "ARGO_PROGRESS_PATCH_TICK_DURATION": "0",
    "SKIP_WORKFLOW_DURATION_ESTIMATION": "true",
}


class ClusterError(Exception):
    """The cluster could not be started; the text says why, with the end of its logs."""


@dataclass
class Cluster:
    """A running cluster, as long as this is not closed."""

    api: Api
    folder: Path
    """Logs: etcd.log, kube-apiserver.log, workflow-controller.log. Certificate and key: certs/apiserver.*."""
    processes: dict[str, int]
    """Process ids by program; `supervisor` too."""
    connection: socket.socket

    def close(self) -> None:
        """Use it no more."""
        self.connection.close()


def join(stay: bool = False) -> Cluster:
    """Use the cluster, started if there is none; `stay`: it runs until `stop`, whoever uses it.

    Raises:
        ClusterError: it cannot be started.
    """
    if (reason := build.missing()) is not None:
        raise ClusterError(reason)
    state = _state()
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with open(state / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = _connect()
        if found is None:
            _start()
            found = _connect()
    if found is None:
        raise ClusterError("the cluster has ended as soon as it was there")
    if stay:
        found.connection.sendall(b"stay\n")
    return found


def stop() -> bool:
    """End the cluster, whoever uses it; return whether there was one."""
    found = _connect()
    if found is None:
        return False
    found.connection.sendall(b"stop\n")
    while found.connection.recv(4096):
        pass
    return True


def status() -> dict[str, int] | None:
    """Return the process ids of the running cluster."""
    found = _connect()
    if found is None:
        return None
    found.close()
    return found.processes


def _state() -> Path:
    return Path(tempfile.gettempdir()) / f"magnus-argo-{os.geteuid()}-{build.folder().name}"


def _connect() -> Cluster | None:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(_state() / "socket"))
        line = connection.makefile("rb").readline()
    except OSError:
        line = b""
    if not line:
        connection.close()
        return None
    told = json.loads(line)
    folder = Path(told["folder"])
    api = Api(told["port"], told["token"], folder / "certs" / "apiserver.crt")
    return Cluster(api, folder, told["processes"], connection)


_outliving: list[subprocess.Popen[bytes]] = []
"""Processes that end when nobody uses them any more: this one does not wait for them."""


def _start() -> None:
    with tempfile.TemporaryFile() as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "tests.engines.argo.cluster"],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        _outliving.append(supervisor)
        assert supervisor.stdout
        with supervisor.stdout as answer:
            if answer.read(1) != b"+":
                supervisor.wait()
                log.seek(0)
                raise ClusterError(log.read().decode(errors="replace"))


class Supervisor:
    """Starts the programs, and ends them when nobody uses them."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="magnus-argo-"))
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._token = secrets.token_hex()
        self._port = 0
        self._keep_logs = False

    def run(self) -> None:
        """Be the supervisor, until all is over."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: sys.exit(0))
        try:
            shutil.copytree(build.store(), self._folder / "etcd")
            api = self._start_server()
            self._wait_for_kinds(api)
            data = {"config": json.dumps(_CONTROLLER_CONFIG)}
            config = {"metadata": {"name": "workflow-controller-configmap"}, "data": data}
            api.create(core(NAMESPACE, "configmaps"), config)
            self._start_controller()
            self._serve()
        finally:
            self._end()

    def fill(self, target: Path) -> None:
        """Make etcd's folder with Argo's definitions in it, which takes the API server long to take in.

        Raises:
            ClusterError: the programs do not start.
        """
        try:
            api = self._start_server()
            for definition in build.crds():
                api.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)
            self._wait_for_kinds(api)
            for name in reversed(self._programs):
                self._programs[name].terminate()
                self._programs[name].wait()
            shutil.copytree(self._folder / "etcd", target)
        finally:
            self._end()

    def _end(self) -> None:
        for name in reversed(self._programs):
            self._programs[name].kill()
            self._programs[name].wait()
        shutil.rmtree(self._folder / "etcd" if self._keep_logs else self._folder, ignore_errors=True)

    def _start_server(self) -> Api:
        store, self._port = _free_port(), _free_port()
        self._start(
            "etcd",
            f"--data-dir={self._folder / 'etcd'}",
            f"--listen-client-urls=http://127.0.0.1:{store}",
            f"--advertise-client-urls=http://127.0.0.1:{store}",
            "--listen-peer-urls=http://127.0.0.1:0",
            "--unsafe-no-fsync",
            "--max-request-bytes=10000000",
            "--log-level=warn",
        )
        self._wait(lambda: socket.create_connection(("127.0.0.1", store)).close())
        key = self._folder / "certs" / "apiserver.key"
        tokens = self._folder / "tokens"
        tokens.write_text(f"{self._token},engine,engine,system:masters\n")
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{store}",
            "--bind-address=127.0.0.1",
            f"--secure-port={self._port}",
            f"--cert-dir={key.parent}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--endpoint-reconciler-type=none",
            "--enable-priority-and-fairness=false",
            "--kubelet-preferred-address-types=InternalIP",
            # Every run has a namespace of its own, which no controller would fill with accounts, or empty.
            "--disable-admission-plugins=NamespaceLifecycle,ServiceAccount,PodSecurity",
        )
        api = Api(self._port, self._token, key.with_suffix(".crt"))
        self._wait(functools.partial(_try, api, "/api/v1/nodes"))
        return api

    def _wait_for_kinds(self, api: Api) -> None:
        for definition in build.crds():
            path = f"/apis/argoproj.io/v1alpha1/{definition['spec']['names']['plural']}"
            self._wait(functools.partial(_try, api, path))
        self._wait(functools.partial(_list_kinds, api))

    def _start_controller(self) -> None:
        server = {
            "server": f"https://127.0.0.1:{self._port}",
            "certificate-authority": str(self._folder / "certs" / "apiserver.crt"),
        }
        kubeconfig = self._folder / "kubeconfig"
        kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "engine", "cluster": server}],
                    "users": [{"name": "engine", "user": {"token": self._token}}],
                    "contexts": [{"name": "engine", "context": {"cluster": "engine", "user": "engine"}}],
                    "current-context": "engine",
                }
            )
        )
        self._start(
            "workflow-controller",
            f"--kubeconfig={kubeconfig}",
            f"--namespace={NAMESPACE}",
            **_CONTROLLER_ENVIRONMENT,
        )

    def _start(self, name: str, *arguments: str, **environment: str) -> None:
        with open(self._folder / f"{name}.log", "wb") as log:
            self._programs[name] = subprocess.Popen(
                [str(build.program(name)), *arguments],
                env={"HOME": str(self._folder), "PATH": os.defpath, **environment},
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def _wait(self, ready: Callable[[], None]) -> None:
        """Wait until something can be done.

        Raises:
            ClusterError: a program has ended, or it takes too long.
        """
        end = time.monotonic() + START_LIMIT
        while True:
            try:
                return ready()
            except (OSError, ApiError) as error:
                for name, process in self._programs.items():
                    if process.poll() is not None:
                        log = (self._folder / f"{name}.log").read_text(errors="replace")
                        raise ClusterError(
                            f"{name} has ended with {process.returncode}:\n{log[-3000:]}"
                        ) from None
                if time.monotonic() > end:
                    raise ClusterError(f"not ready in {START_LIMIT:.0f} seconds: {error}") from None
            time.sleep(0.05)

    def _serve(self) -> None:
        address = _state() / "socket"
        address.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(address))
        listener.listen(128)
        processes = {name: process.pid for name, process in self._programs.items()}
        told = {
            "port": self._port,
            "token": self._token,
            "folder": str(self._folder),
            "processes": {"supervisor": os.getpid(), **processes},
        }
        selector = selectors.DefaultSelector()
        selector.register(listener, selectors.EVENT_READ)
        for process in self._programs.values():
            selector.register(os.pidfd_open(process.pid), selectors.EVENT_READ)
        os.write(1, b"+")
        os.dup2(2, 1)
        users: set[socket.socket] = set()
        stay = False
        while True:
            for key, _ in selector.select():
                if key.fileobj is listener:
                    user = listener.accept()[0]
                    with contextlib.suppress(OSError):  # it has gone again
                        user.sendall(json.dumps(told).encode() + b"\n")
                    selector.register(user, selectors.EVENT_READ)
                    users.add(user)
                    continue
                if not isinstance(key.fileobj, socket.socket):
                    address.unlink(missing_ok=True)
                    self._keep_logs = True  # a program has ended: its users will want to know why
                    return
                user = key.fileobj
                wish = _receive(user)
                stay = stay or wish == b"stay\n"
                if wish == b"stop\n":
                    address.unlink(missing_ok=True)
                    return
                if not wish:
                    selector.unregister(user)
                    users.discard(user)
                    user.close()
            if not users and not stay:
                address.unlink(missing_ok=True)
                return


def _receive(user: socket.socket) -> bytes:
    try:
        return user.recv(4096)
    except OSError:
        return b""


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _try(api: Api, path: str) -> None:
    api.watch(path).close()


def _list_kinds(api: Api) -> None:
    """Raise `ApiError` as long as commands cannot learn from the API server which kinds there are."""
    listed = {kind["name"] for kind in api.get("/apis/argoproj.io/v1alpha1")["resources"]}
    missing = {one["spec"]["names"]["plural"] for one in build.crds()} - listed
    if missing:
        raise ApiError(404, f"not listed: {', '.join(sorted(missing))}")


def main() -> None:
    try:
        Supervisor().run()
    except ClusterError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
