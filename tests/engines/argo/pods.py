"""What a pod's main container is to be run as: command, environment and mounts, as a kubelet would have them.

Sources of the rules: Kubernetes's kubelet (`kubelet_pods.go`, `container/helpers.go`) and Argo's controller, which puts
its emissary before each command and passes the template to its init container (`workflowpod.go`).
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.engines.argo import build, resource
from tests.engines.argo.api import Json
from tests.engines.argo.expansion import expand

MAIN, WAIT, INIT = "main", "wait", "init"
GRACE = 30
_OWN_VOLUMES = ("var-run-argo", "tmp-dir-argo")  # between Argo's containers
_STAGING = "argo-staging"
_FOLDER = "<folder>"
_TEMPLATE, _OFFLOADED = "ARGO_TEMPLATE", "offloaded"

Getter = Callable[[str, str], Json | None]
"""Returns the object of a kind (`secrets`, `configmaps`) and name, if there is one."""


class CannotStart(Exception):
    """The container cannot be made; the pod waits with this reason, as it would for a kubelet."""


@dataclass(frozen=True)
class Mount:
    """A folder or file of this machine at a path of the container."""

    source: Path
    target: str
    read_only: bool = False


@dataclass(frozen=True)
class Container:
    """What a main container runs."""

    argv: list[str]
    environment: dict[str, str]
    """Without what the image has."""
    mounts: list[Mount] = field(default_factory=list)
    working_folder: str | None = None


class Pod:
    """A pod as Argo's controller has made it; `get` finds the Secrets and ConfigMaps of its namespace."""

    def __init__(self, manifest: Json, get: Getter) -> None:
        self.manifest = manifest
        self._get = get
        self.name = str(manifest["metadata"]["name"])
        self.namespace = str(manifest["metadata"]["namespace"])
        self.uid = str(manifest["metadata"]["uid"])

    @cached_property
    def main(self) -> Json:
        """The main container."""
        return self._container("containers", MAIN)

    @cached_property
    def template(self) -> Json:
        """The template, without its input parameters, as the init container is told it.

        It is a variable of that container, so the kubelet replaces references in it, such as `$$` in a script.
        """
        text = self._environment(self._container("initContainers", INIT))[_TEMPLATE]
        if text == _OFFLOADED:
            text = (self._data("configmaps", {"name": self.name}) or {})[_TEMPLATE]
        found: Json = json.loads(text)
        return found

    @property
    def node_id(self) -> str:
        """Id of the workflow's node."""
        return str(self.manifest["metadata"]["annotations"]["workflows.argoproj.io/node-id"])

    @property
    def node_name(self) -> str:
        """Name of the workflow's node, such as `workflow.task(0)`."""
        return str(self.manifest["metadata"]["annotations"]["workflows.argoproj.io/node-name"])

    @property
    def workflow(self) -> Json:
        """Reference to the workflow, as of its owner."""
        (owner,) = self.manifest["metadata"]["ownerReferences"]
        return {key: owner[key] for key in ("apiVersion", "kind", "name", "uid")}

    @property
    def user(self) -> str:
        """In whose name its executor speaks to the API server: its account, or the engine itself if it states none.

        Runs have no account `default`: all namespaces would need its permissions.
        """
        account = self.manifest["spec"].get("serviceAccountName", "")
        return f"system:serviceaccount:{self.namespace}:{account}" if account else ""

    @property
    def grace(self) -> int:
        """Seconds from SIGTERM to SIGKILL."""
        return int(self.manifest["spec"].get("terminationGracePeriodSeconds", GRACE))

    @property
    def deadline(self) -> int | None:
        """Seconds that it may be active."""
        found = self.manifest["spec"].get("activeDeadlineSeconds")
        return None if found is None else int(found)

    @cached_property
    def environment(self) -> dict[str, str]:
        """The main container's variables.

        Raises:
            CannotStart: a Secret or ConfigMap is missing.
        """
        return self._environment(self.main)

    @cached_property
    def command(self) -> list[str]:
        """The main container's command and arguments, without Argo's emissary, before references are replaced.

        That of a `resource` template is the engine's own (`resource.py`), which works as the pod's account.
        """
        if "resource" in self.template:
            if (reason := resource.missing(self.template)) is not None:
                raise CannotStart(reason)
            kubectl = str(build.program("kubectl"))
            return [sys.executable, resource.__file__, kubectl, self.user, self.namespace, _FOLDER]
        command = list(self.main.get("command", ()))
        return command[command.index("--") + 1 :] + list(self.main.get("args") or ())

    def container(self, volumes: Mapping[str, Path], folder: Path) -> Container:
        """Return what is to be run: `volumes` by claim name; the pod's own files are made in `folder`.

        Raises:
            CannotStart: a Secret, a claim or something else is missing, or the engine lacks it.
        """
        others = {part["name"] for part in self.manifest["spec"]["containers"]} - {MAIN, WAIT}
        if others or len(self.manifest["spec"]["initContainers"]) > 1:
            raise CannotStart("the engine has no sidecars and no init containers")
        argv = [expand(word, self.environment) for word in self.command]
        if "resource" in self.template:
            resource.prepare(self.template, folder)
            argv[argv.index(_FOLDER)] = str(folder)
        mounts = self._mounts(volumes, folder)
        shown = {"HOSTNAME": self.name, **self.environment}
        return Container(argv, shown, mounts, self.main.get("workingDir") or None)

    def _container(self, kind: str, name: str) -> Json:
        for container in self.manifest["spec"].get(kind, ()):
            if container["name"] == name:
                assert isinstance(container, dict)
                return container
        raise CannotStart(f"the engine has no pods without a container {name}")

    def _environment(self, container: Json) -> dict[str, str]:
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            for kind, key in (("configmaps", "configMapRef"), ("secrets", "secretRef")):
                if key in source:
                    data = self._data(kind, source[key]) or {}
                    found |= {source.get("prefix", "") + name: text for name, text in data.items()}
        for variable in container.get("env", ()):
            value: str | None = variable.get("value", "")
            if value:
                value = expand(value, found)
            elif "valueFrom" in variable:
                value = self._value_from(variable["valueFrom"])
            if value is not None:
                found[variable["name"]] = value
        return found

    def _value_from(self, source: Json) -> str | None:
        """Return the value, or None if it is missing and may be."""
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        for kind, member in (("secrets", "secretKeyRef"), ("configmaps", "configMapKeyRef")):
            if member in source:
                reference = source[member]
                data = self._data(kind, reference)
                if data is not None and reference["key"] in data:
                    return data[reference["key"]]
                if reference.get("optional"):
                    return None
                raise CannotStart(f"couldn't find key {reference['key']} in {kind} {reference['name']}")
        raise CannotStart(f"the engine has no variables from {', '.join(source)}")

    def _field(self, path: str) -> str:
        metadata, spec = self.manifest["metadata"], self.manifest["spec"]
        name, _, key = path.partition("[")
        if key:
            return str(metadata.get(name.removeprefix("metadata."), {}).get(key.strip("]'\""), ""))
        values = {
            "metadata.name": self.name,
            "metadata.namespace": self.namespace,
            "metadata.uid": self.uid,
            "spec.nodeName": spec.get("nodeName", ""),
            "spec.serviceAccountName": spec.get("serviceAccountName", ""),
            "status.podIP": "127.0.0.1",
            "status.hostIP": "127.0.0.1",
        }
        if name not in values:
            raise CannotStart(f"the engine has no field {path}")
        return str(values[name])

    def _data(self, kind: str, reference: Json) -> dict[str, str] | None:
        found = self._get(kind, reference["name"])
        if found is None:
            if reference.get("optional"):
                return None
            raise CannotStart(f'{kind} "{reference["name"]}" not found')
        return _texts(kind, found)

    def _mounts(self, volumes: Mapping[str, Path], folder: Path) -> list[Mount]:
        sources: dict[str, Path] = {}
        for volume in self.manifest["spec"].get("volumes", ()):
            if volume["name"] not in _OWN_VOLUMES:
                sources[volume["name"]] = self._volume(volume, volumes, folder)
        mounts = []
        for mount in self.main.get("volumeMounts", ()):
            if mount["name"] in _OWN_VOLUMES:
                continue
            source = sources[mount["name"]]
            if below := mount.get("subPath") or expand(mount.get("subPathExpr", ""), self.environment):
                source = source / below
                if not source.exists():
                    source.mkdir(parents=True)
            mounts.append(Mount(source, mount["mountPath"], bool(mount.get("readOnly"))))
        return mounts

    def _volume(self, volume: Json, volumes: Mapping[str, Path], folder: Path) -> Path:
        own = folder / "volumes" / str(volume["name"])
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            if claim not in volumes:
                raise CannotStart(f'persistentvolumeclaim "{claim}" not found')
            return volumes[claim]
        own.mkdir(parents=True)
        if "emptyDir" in volume:
            if volume["name"] == _STAGING:
                script = own / "script"
                script.write_text(self.template["script"]["source"], encoding="utf-8")
                script.chmod(0o755)
            return own
        for kind, member, name in (("secrets", "secret", "secretName"), ("configmaps", "configMap", "name")):
            if member in volume:
                source = volume[member]
                data = self._data(kind, {**source, "name": source[name]}) or {}
                paths = {item["key"]: item["path"] for item in source.get("items", ())}
                for key, text in data.items():
                    if not paths or key in paths:
                        (own / paths.get(key, key)).parent.mkdir(parents=True, exist_ok=True)
                        (own / paths.get(key, key)).write_text(text, encoding="utf-8")
                return own
        raise CannotStart(f"the engine has no volumes of this kind: {json.dumps(volume)}")


def _texts(kind: str, manifest: Json) -> dict[str, str]:
    data: dict[str, Any] = manifest.get("data") or {}
    if kind == "secrets":
        return {key: base64.b64decode(value).decode() for key, value in data.items()}
    return {key: str(value) for key, value in data.items()}
