"""Writes magnus_render/targets/argo/lint/openapi.txt: the fields of Argo's objects, each with its kind.

The fields are read from the models of the package `hera`, which are made from the OpenAPI description of Argo Workflows
and Kubernetes. Run it when a new version of Argo is to be supported, with the `hera` of that version in pyproject.toml:

    python scripts/argo_fields.py
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import pydantic
from hera.workflows.models.io.argoproj.workflow import v1alpha1 as argo
from hera.workflows.models.io.k8s.apimachinery.pkg.apis.meta import v1 as meta

ROOTS = (argo.WorkflowSpec, argo.CronWorkflowSpec, meta.ObjectMeta)
SIMPLE = {str: "s", int: "i", bool: "b", float: "n"}
NAMED = {"IntOrString": "x", "Quantity": "q", "Item": "*", "Amount": "n", "Time": "s", "MicroTime": "s"}
OPAQUE = {"Plugin", "ManagedFieldsEntry", "OwnerReference", "ArtifactGC", "RawExtension"}
ANY_TEXT = {("Parameter", "value"), ("Parameter", "default"), ("Parameter", "enum"), ("ValueFrom", "default")}
"""Argo takes numbers and truth values there and makes text of them."""
ODD = {("HTTPBodySource", "bytes"): "*", ("HTTPGetAction", "port"): "x!", ("Cache", "configMap"): "*"}
"""Where the models say something else than Kubernetes does, or Argo's versions differ."""
NOT_REQUIRED = {("ScriptTemplate", "image"), ("ScriptTemplate", "name"), ("Container", "name")}
"""The CRDs drop these, because templateDefaults may give them."""
POD_SPEC = """
    activeDeadlineSeconds=i affinity=Affinity automountServiceAccountToken=b containers=[Container] dnsConfig=PodDNSConfig
    dnsPolicy=s enableServiceLinks=b ephemeralContainers=[*] hostAliases=[HostAlias] hostIPC=b hostNetwork=b hostPID=b
    hostUsers=b hostname=s imagePullSecrets=[LocalObjectReference] initContainers=[Container] nodeName=s nodeSelector={s}
    os=* overhead={q} preemptionPolicy=s priority=i priorityClassName=s readinessGates=[*] resourceClaims=[*]
    resources=ResourceRequirements restartPolicy=s runtimeClassName=s schedulerName=s schedulingGates=[*]
    securityContext=PodSecurityContext serviceAccount=s serviceAccountName=s setHostnameAsFQDN=b shareProcessNamespace=b
    subdomain=s terminationGracePeriodSeconds=i tolerations=[Toleration] topologySpreadConstraints=[*] volumes=[Volume]
"""
"""Of Kubernetes 1.33 (API reference, "PodSpec v1 core"): Argo's description has it as the text of a patch only."""
TARGET = Path(__file__).parent.parent / "magnus_render" / "targets" / "argo" / "lint" / "openapi.txt"
HEAD = """# The fields of Argo's objects and of the parts of Kubernetes they hold: written by scripts/argo_fields.py.
#
# One type a line: its name, then its fields as `name=kind`, with `!` where the field must be given. A line that
# begins with a blank goes on with the one before. Kinds: `s` a string, `i` a whole number, `n` a number, `b` true
# or false, `x` a whole number or a string, `q` a quantity, `a` text that may be written as a number, `*`
# anything, `[kind]` a list, `{kind}` a mapping from strings, else the name of a type.
"""


def main() -> None:
    """Write the table."""
    TARGET.write_text(table(), encoding="utf-8")


def table() -> str:
    """Return the text of the table."""
    found = {"PodSpec": " ".join(POD_SPEC.split())}
    waiting: list[Any] = list(ROOTS)
    for model in waiting:  # grows
        if model.__name__ in found:
            continue
        fields = []
        for name, field in sorted(model.model_fields.items(), key=lambda item: item[1].alias or item[0]):
            key = field.alias or name
            place = (model.__name__, key)
            kind = kind_of(field.annotation, waiting)
            if place in ANY_TEXT:
                kind = kind.replace("s", "a")
            if field.is_required() and place not in NOT_REQUIRED:
                kind += "!"
            fields.append(f"{key}={ODD.get(place, kind)}")
        found[model.__name__] = " ".join(fields)
    lines = [f"{name}: {fields}" for name, fields in sorted(found.items())]
    wrapped = [
        textwrap.fill(line, 118, subsequent_indent=" ", break_long_words=False, break_on_hyphens=False)
        for line in lines
    ]
    return HEAD + "\n".join(wrapped) + "\n"


def kind_of(annotation: Any, waiting: list[Any]) -> str:
    """Return the kind that stands for an annotation; models that it names are added to `waiting`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        (annotation,) = [argument for argument in arguments if argument is not NoneType][:1]
        return kind_of(annotation, waiting)
    if origin is list:
        return f"[{kind_of(arguments[0], waiting)}]"
    if origin is dict:
        return f"{{{kind_of(arguments[1], waiting)}}}"
    if annotation in SIMPLE:
        return SIMPLE[annotation]
    name = getattr(annotation, "__name__", "")
    if name in NAMED:
        return NAMED[name]
    if not isinstance(annotation, type) or not issubclass(annotation, pydantic.BaseModel) or name in OPAQUE:
        return "*"
    if issubclass(annotation, pydantic.RootModel):
        return kind_of(annotation.model_fields["root"].annotation, waiting)
    waiting.append(annotation)
    return name


if __name__ == "__main__":
    main()
