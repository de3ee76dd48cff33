"""The configuration of the Argo target.

`executor.config`, each key but those of `WHOLE` overridable by a node's `executor_config.argo`. Defaults make every
definition renderable; `image` is the one that fits nobody.
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
    model_validator,
)

from magnus_render.spec.blocks import VARIABLE_NAME, VARIABLE_RULE, Scalar, Text, matching
from magnus_render.spec.kinds import ANY, ARGV


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
    mount_path: MountPath


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

    config_map: ObjectName
    key: Text


class Synchronization(BaseModel):
    """What a run must hold before it begins, and holds until it has ended."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    mutexes: list[Reference] = []
    semaphores: list[Semaphore] = []


class Label(BaseModel):
    """A label of a metric."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    key: Annotated[
        StrictStr, matching(r"[a-zA-Z_][a-zA-Z0-9_]*", "is no label of Prometheus: letters, digits, '_'")
    ]
    value: Reference


class Metric(BaseModel):
    """A Prometheus metric that the controller makes of a run, as Argo writes it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    name: Annotated[
        StrictStr,
        matching(r"[a-zA-Z_:][a-zA-Z0-9_:]*", "is no metric of Prometheus: letters, digits, '_', ':'"),
    ]
    help: Text
    labels: list[Label] = []
    when: Reference | None = None
    counter: dict[str, Any] | None = None
    gauge: dict[str, Any] | None = None
    histogram: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_kind(self) -> Metric:
        if sum(one is not None for one in (self.counter, self.gauge, self.histogram)) != 1:
            raise ValueError("must have one of counter, gauge and histogram")
        return self


class Rule(BaseModel):
    """What a template that the user wrote may do with objects of the namespace, as a Role of Kubernetes has it."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    api_groups: Annotated[list[StrictStr], Field(min_length=1)]
    """'' is the core of Kubernetes."""
    resources: Annotated[list[Text], Field(min_length=1)]
    verbs: Annotated[
        list[Annotated[Text, matching(r"[a-z]+", "is no verb: one word, such as create")]],
        Field(min_length=1),
    ]


class ArgoConfig(BaseModel):
    """What a platform team may set."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    kind: Literal["Workflow", "WorkflowTemplate", "CronWorkflow"] | None = None
    """None is a CronWorkflow if there is a schedule, else a Workflow."""
    namespace: Namespace | None = None
    schedule: Annotated[list[Text], BeforeValidator(_listed), ANY] = Field(default=[], min_length=1)
    """In cron's five fields; one may stand without a list."""
    timezone: Text | None = None
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Forbid"
    """What becomes of a scheduled run while the one before it is at work."""
    starting_deadline_seconds: Annotated[StrictInt, Field(ge=0)] | None = None
    """How late a scheduled run may still begin."""
    successful_jobs_history_limit: Annotated[StrictInt, Field(ge=0)] | None = None
    failed_jobs_history_limit: Annotated[StrictInt, Field(ge=0)] | None = None
    """How many finished workflows of a schedule are kept."""
    service_account_name: ObjectName | None = None
    image_pull_secrets: list[ObjectName] = []
    parallelism: Annotated[StrictInt, Field(ge=1)] | None = None
    """Pods at a time, in the whole run."""
    priority: Annotated[StrictInt, AfterValidator(_32_bits), ANY] | None = None
    """Of the workflow, among those that wait for the controller: the highest begins first."""
    priority_class: ObjectName | None = None
    """Of all pods."""
    synchronization: Synchronization = Synchronization()
    metrics: list[Metric] = []
    ttl_seconds_after_completion: Annotated[StrictInt, Field(ge=0)] | None = None
    pod_gc: Literal["OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess"] | None = (
        None
    )
    """When pods are deleted."""

    permissions: list[Rule] | None = None
    """In a bundle, what templates of the user may do: of an as-is, or of all."""

    image: Text = "magnus"
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None = None
    magnus_command: Annotated[list[Text], ARGV] = Field(default=["magnus"], min_length=1)
    """The command that callbacks start in the image."""
    plan: Text = ""
    """Path in the image of the file that `magnus render --plan` wrote: with it no callback reads YAML."""
    environment: dict[VariableName, Scalar] = {}
    secret_environment: dict[VariableName, SecretKey] = {}
    persistent_volumes: list[PersistentVolume] = []
    resources: Resources = Resources()
    node_selector: dict[StrictStr, StrictStr] = {}
    tolerations: list[dict[str, Any]] = []
    labels: dict[StrictStr, StrictStr] = {}
    annotations: dict[StrictStr, StrictStr] = {}
    security_context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    """Of the container; by default what Kubernetes' restricted Pod Security Standard asks for."""
    pod_spec_patch: Patch = None


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
