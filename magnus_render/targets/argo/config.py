"""The configuration of the Argo target.

It is `executor.config`. A node's `executor_config.argo` overrides each key but those of `WHOLE`. Every key has a default,
so every definition can be rendered. The default of `image` must be replaced.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictInt,
    StrictStr,
    WithJsonSchema,
    model_validator,
)

from magnus_render.spec.blocks import VARIABLE_NAME, VARIABLE_RULE, Scalar, Text, matching
from magnus_render.spec.kinds import ANY, ARGV

_LISTED = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}]}


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _patch(value: Any) -> Any:
    if not isinstance(value, str | dict) or not value:
        raise ValueError("is neither YAML text nor a mapping")
    return value


Patch = Annotated[Any, AfterValidator(_patch)]
VariableName = Annotated[
    StrictStr,
    matching(VARIABLE_NAME.pattern, VARIABLE_RULE),
]
ObjectName = Annotated[
    StrictStr,
    matching(
        r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
        "is no name of an object: lowercase letters, digits, '-' and '.', with a letter or digit at either end",
    ),
]
Namespace = Annotated[
    StrictStr,
    matching(
        r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?",
        "is no namespace: at most 63 lowercase letters, digits and '-', with a letter or digit at either end",
    ),
]
MountPath = Annotated[
    StrictStr,
    matching(r"/.*", "must begin with '/': a mount path is absolute"),
    matching(r"[^\x00-\x1f\x7f:]*", "holds a colon or a control character"),
]


class Resources(BaseModel):
    """Resources of a step, in quantities of Kubernetes."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    requests: dict[Text, Scalar] = Field(default={}, examples=[{"cpu": "500m", "memory": "2Gi"}])
    """Resources that a pod gets at least."""
    limits: dict[Text, Scalar] = Field(default={}, examples=[{"memory": "4Gi"}])
    """Resources that a pod may use at most."""


class SecretKey(BaseModel):
    """One value of a Secret."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    secret: ObjectName = Field(examples=["database"])
    """Name of the Secret."""
    key: Text = Field(examples=["password"])
    """Its key."""


class PersistentVolume(BaseModel):
    """A claim and where steps find it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    claim: ObjectName = Field(examples=["magnus-stores"])
    """Name of the PersistentVolumeClaim."""
    mount_path: MountPath = Field(examples=["/stores"])
    """The folder in which steps find it."""


def _32_bits(value: int) -> int:
    if not -(2**31) <= value < 2**31:
        raise ValueError("must be a whole number of at most 32 bits")
    return value


def _reference(value: str) -> str:
    if value.count("{{") != value.count("}}"):
        raise ValueError("has a '{{' that is not closed")
    for inside in re.findall(r"{{(.*?)}}", value, re.DOTALL):
        if not inside.strip().startswith(("workflow.", "=")):
            raise ValueError(
                f"has no value for '{{{{{inside}}}}}': the whole run knows {{{{workflow.…}}}} alone"
            )
    return value


Reference = Annotated[Text, AfterValidator(_reference)]
"""A text in which Argo replaces what it knows of the whole run."""


class Semaphore(BaseModel):
    """A key of a ConfigMap whose value is the number of runs that may be at work."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    config_map: ObjectName = Field(examples=["limits"])
    """Name of the ConfigMap."""
    key: Text = Field(examples=["warehouse"])
    """Its key."""


class Synchronization(BaseModel):
    """Locks that a run must hold before it begins, and holds until it has ended."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    mutexes: list[Reference] = Field(default=[], examples=[["warehouse"]])
    """Names of locks that one run holds at a time."""
    semaphores: list[Semaphore] = Field(default=[], examples=[[{"config_map": "limits", "key": "warehouse"}]])
    """Locks that several runs hold at a time."""


class Label(BaseModel):
    """A label of a metric."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    key: Annotated[
        StrictStr, matching(r"[a-zA-Z_][a-zA-Z0-9_]*", "is no label of Prometheus: letters, digits, '_'")
    ] = Field(examples=["status"])
    """Its name."""
    value: Reference = Field(examples=["{{workflow.status}}"])
    """Its value."""


class Metric(BaseModel):
    """A Prometheus metric that the controller makes of a run, as Argo writes it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    name: Annotated[
        StrictStr,
        matching(r"[a-zA-Z_:][a-zA-Z0-9_:]*", "is no metric of Prometheus: letters, digits, '_', ':'"),
    ] = Field(examples=["daily_report_total"])
    """Its name."""
    help: Text = Field(examples=["Runs of the daily report."])
    """The meaning of the metric, in words."""
    labels: list[Label] = Field(default=[], examples=[[{"key": "status", "value": "{{workflow.status}}"}]])
    """Its labels."""
    when: Reference | None = Field(default=None, examples=["{{workflow.status}} == Failed"])
    """The condition on which it is made."""
    counter: dict[str, Any] | None = Field(default=None, examples=[{"value": "1"}])
    """Makes it a counter."""
    gauge: dict[str, Any] | None = Field(default=None, examples=[{"value": "{{workflow.duration}}"}])
    """Makes it a gauge."""
    histogram: dict[str, Any] | None = Field(
        default=None, examples=[{"value": "{{workflow.duration}}", "buckets": [60, 600]}]
    )
    """Makes it a histogram."""

    @model_validator(mode="after")
    def _one_kind(self) -> Metric:
        if sum(one is not None for one in (self.counter, self.gauge, self.histogram)) != 1:
            raise ValueError("must have one of counter, gauge and histogram")
        return self


class Rule(BaseModel):
    """The rights of a template of the user to objects of the namespace, as in a Role of Kubernetes."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    api_groups: list[StrictStr] = Field(min_length=1, examples=[["batch"]])
    """Groups of the API; '' is the core of Kubernetes."""
    resources: list[Text] = Field(min_length=1, examples=[["jobs"]])
    """Kinds of objects, as the API calls them."""
    verbs: list[Annotated[Text, matching(r"[a-z]+", "is no verb: one word, such as create")]] = Field(
        min_length=1, examples=[["create", "get"]]
    )
    """What the template may do with them."""


class ArgoConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    kind: Literal["Workflow", "WorkflowTemplate", "CronWorkflow"] | None = None
    """The kind of manifest; by default a CronWorkflow if there is a schedule, else a Workflow."""
    namespace: Namespace | None = Field(default=None, examples=["pipelines"])
    """The namespace of the manifest."""
    schedule: Annotated[list[Text], BeforeValidator(_listed), WithJsonSchema(_LISTED), ANY] = Field(
        default=[], min_length=1, examples=["30 6 * * 1-5"]
    )
    """When runs begin, in cron's five fields. One may stand without a list."""
    timezone: Text | None = Field(default=None, examples=["Europe/Berlin"])
    """The time zone of the schedule; by default that of the controller."""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """What happens to a scheduled run if the one before it is still at work."""
    starting_deadline_seconds: Annotated[StrictInt, Field(ge=0)] | None = Field(default=None, examples=[300])
    """Seconds by which a scheduled run may be late and still begin."""
    successful_jobs_history_limit: Annotated[StrictInt, Field(ge=0)] | None = Field(
        default=None, examples=[3]
    )
    """How many workflows of a schedule that succeeded are kept."""
    failed_jobs_history_limit: Annotated[StrictInt, Field(ge=0)] | None = Field(default=None, examples=[5])
    """How many workflows of a schedule that failed are kept."""
    service_account_name: ObjectName | None = Field(default=None, examples=["magnus"])
    """The service account of all pods."""
    image_pull_secrets: list[ObjectName] = Field(default=[], examples=[["registry"]])
    """Secrets with which images are pulled."""
    parallelism: Annotated[StrictInt, Field(ge=1)] | None = Field(default=None, examples=[20])
    """Pods at a time, in the whole run."""
    priority: Annotated[StrictInt, AfterValidator(_32_bits), ANY] | None = Field(default=None, examples=[10])
    """Priority of the workflow among those that wait for the controller: the highest begins first."""
    priority_class: ObjectName | None = Field(default=None, examples=["batch-low"])
    """The priority class of all pods."""
    synchronization: Synchronization = Field(default=Synchronization(), examples=[{"mutexes": ["warehouse"]}])
    """Locks that a run holds from its beginning to its end."""
    metrics: list[Metric] = Field(
        default=[], examples=[[{"name": "runs_total", "help": "All runs.", "counter": {"value": "1"}}]]
    )
    """Prometheus metrics that the controller makes of a run."""
    ttl_seconds_after_completion: Annotated[StrictInt, Field(ge=0)] | None = Field(
        default=None, examples=[86400]
    )
    """Seconds after which a finished workflow is deleted; by default it is kept."""
    pod_gc: Literal["OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess"] | None = (
        None
    )
    """When pods are deleted."""

    permissions: list[Rule] | None = Field(
        default=None, examples=[[{"api_groups": [""], "resources": ["configmaps"], "verbs": ["create"]}]]
    )
    """In a bundle, what templates of the user may do: of an as-is, or of all."""

    image: Text = "magnus"
    """The image that steps run in. `magnus` is on its PATH."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    """When the image is pulled; by default as Kubernetes decides."""
    magnus_command: Annotated[list[Text], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start in the image."""
    plan: Text = Field(default="", examples=["/app/plan.json"])
    """Path in the image of the file that `magnus render --plan` wrote: with it no callback reads YAML."""
    environment: dict[VariableName, Scalar] = Field(default={}, examples=[{"TZ": "UTC"}])
    """Environment variables of every step."""
    secret_environment: dict[VariableName, SecretKey] = Field(
        default={}, examples=[{"DB_PASSWORD": {"secret": "database", "key": "password"}}]
    )
    """Environment variables of every step that asks for them, each from a key of a Secret."""
    persistent_volumes: list[PersistentVolume] = Field(
        default=[], examples=[[{"claim": "magnus-stores", "mount_path": "/stores"}]]
    )
    """Volumes that every step mounts."""
    resources: Resources = Field(default=Resources(), examples=[{"requests": {"memory": "2Gi"}}])
    """What a step asks for."""
    node_selector: dict[StrictStr, StrictStr] = Field(default={}, examples=[{"pool": "batch"}])
    """Labels of the nodes of the cluster on which pods may run."""
    tolerations: list[dict[str, Any]] = Field(
        default=[], examples=[[{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]]
    )
    """Taints that pods tolerate, as Kubernetes writes them."""
    labels: dict[StrictStr, StrictStr] = Field(default={}, examples=[{"team": "pricing"}])
    """Labels of the manifest and of its pods."""
    annotations: dict[StrictStr, StrictStr] = Field(default={}, examples=[{"owner": "pricing@acme.example"}])
    """Annotations of the manifest and of its pods."""
    security_context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    """The security context of the container; by default that of Kubernetes' restricted Pod Security Standard."""
    pod_spec_patch: Patch = Field(default=None, examples=[{"terminationGracePeriodSeconds": 60}])
    """A patch of each pod's specification, as YAML text or as a mapping."""


WHOLE = (
    "kind",
    "namespace",
    "schedule",
    "timezone",
    "concurrency_policy",
    "starting_deadline_seconds",
    "successful_jobs_history_limit",
    "failed_jobs_history_limit",
    "image_pull_secrets",
    "parallelism",
    "priority",
    "priority_class",
    "synchronization",
    "metrics",
    "ttl_seconds_after_completion",
    "pod_gc",
    "plan",
)
"""Keys that are the whole pipeline's."""
SCHEDULED = (
    "timezone",
    "concurrency_policy",
    "starting_deadline_seconds",
    "successful_jobs_history_limit",
    "failed_jobs_history_limit",
)
"""Keys that mean nothing without a schedule."""
