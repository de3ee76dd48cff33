"""The configuration of the Argo target.

`executor.config`, each key but those of `WHOLE` overridable by a node's `executor_config.argo`. Defaults make every
definition renderable; `image` is the one that fits nobody.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr

from magnus_render.targets.settings import Scalar, Text

Lines = Annotated[StrictStr, Field(min_length=1)]
VariableName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$")]
Label = Annotated[StrictStr, Field(max_length=63, pattern=r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$")]
LabelKey = Annotated[
    StrictStr,
    Field(pattern=r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$"),
]
ObjectName = Annotated[
    StrictStr,
    Field(max_length=253, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"),
]


class Resources(BaseModel):
    """What a step asks for, as Kubernetes writes quantities."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    requests: dict[Text, Scalar] = {}
    limits: dict[Text, Scalar] = {}


class SecretKey(BaseModel):
    """One value of a Secret."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    secret: ObjectName
    key: Text


class PersistentVolume(BaseModel):
    """A claim and where steps find it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    claim: ObjectName
    mount_path: Annotated[StrictStr, Field(pattern=r"^/[^\x00-\x1f\x7f:]*$")]


class ArgoConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    kind: Literal["Workflow", "WorkflowTemplate", "CronWorkflow", ""] = ""
    """'' is a CronWorkflow if there is a schedule, else a Workflow."""
    namespace: ObjectName | None = None
    schedule: Text | list[Text] = ""
    """In cron's five fields."""
    timezone: Text | None = None
    service_account_name: ObjectName | None = None
    image_pull_secrets: list[ObjectName] = []
    parallelism: Annotated[StrictInt, Field(ge=1)] | None = None
    """Pods at a time, in the whole run."""
    ttl_seconds_after_completion: Annotated[StrictInt, Field(ge=0)] | None = None

    image: Text = "magnus"
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    magnus_command: list[Text] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start in the image."""
    plan: Text = ""
    """Path in the image of the file that `magnus render --plan` wrote: with it no callback reads YAML."""
    environment: dict[VariableName, Scalar] = {}
    secret_environment: dict[VariableName, SecretKey] = {}
    persistent_volumes: list[PersistentVolume] = []
    resources: Resources = Resources()
    node_selector: dict[LabelKey, Label] = {}
    tolerations: list[dict[str, Any]] = []
    labels: dict[LabelKey, Label] = {}
    annotations: dict[LabelKey, StrictStr] = {}
    security_context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    """Of the container; by default what Kubernetes' restricted Pod Security Standard asks for."""
    pod_spec_patch: Lines | dict[str, Any] | None = None


WHOLE = (
    "kind",
    "namespace",
    "schedule",
    "timezone",
    "image_pull_secrets",
    "parallelism",
    "ttl_seconds_after_completion",
    "plan",
)
"""Keys that are the whole pipeline's."""
MERGED = ("environment", "secret_environment", "node_selector", "labels", "annotations")
"""Keys of which a node's own values are added to the common ones."""
