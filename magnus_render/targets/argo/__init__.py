"""The Argo target: Workflow, WorkflowTemplate and CronWorkflow manifests that call back for every step."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, ClassVar

from magnus_render import naming
from magnus_render.plan import AS_IS, CONDITIONAL, DAG, MAP, PARALLEL, TASK
from magnus_render.runtime.handover import CANNOT_START, NOT_CHOSEN
from magnus_render.spec.tree import Map, Seq
from magnus_render.targets import options
from magnus_render.targets.argo import codes, containers, names, quote
from magnus_render.targets.argo.check import check, render_text
from magnus_render.targets.argo.compile import compile_plan
from magnus_render.targets.argo.config import ArgoConfig
from magnus_render.targets.argo.integrations import (
    CatalogOnVolume,
    RunLogOnVolume,
    SecretsInEnvironment,
    SecretsInFile,
)
from magnus_render.targets.argo.lint.schedule import numbered
from magnus_render.targets.argo.model import Task
from magnus_render.targets.argo.secrets import brought
from magnus_render.targets.base import BaseTarget, Document, Finding, Findings, Output, own_config

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from magnus_render.plan import Config, Node, Plan, ServiceConfig
    from magnus_render.targets.argo.config import Resources
    from magnus_render.targets.base import Bundling, Made, Source

VOLUME = {"claim": "magnus", "mount_path": "/mnt/magnus"}
"""The volume of the output where the configuration names none; the user is to replace it."""
_FOLDERS = {"run_log_store": "run_log", "catalog": "catalog"}


class ArgoTarget(BaseTarget):
    """Manifests for Argo Workflows."""

    name = "argo"
    summary = "a manifest for Argo Workflows (Workflow, WorkflowTemplate or CronWorkflow)"
    template = "argo/manifest.yaml.j2"
    suffix = "yaml"
    marks = (": render again, do not edit.\n",)
    older_keys: ClassVar[Mapping[str, str]] = {"docker_image": "image"}
    integrations = (RunLogOnVolume, CatalogOnVolume, SecretsInFile, SecretsInEnvironment)
    bring = (
        "write secret_environment: {{{0}: {{secret: ..., key: ...}}}} into executor.config, "
        "or into the step's executor_config"
    )
    capabilities: ClassVar[Mapping[str, frozenset[str]]] = {
        TASK: frozenset({"retry", "timeout", "catalog", "secrets", "when", "on_failure"}),
        PARALLEL: frozenset({"max_concurrency", "fail_fast", "on_failure"}),
        MAP: frozenset({"max_concurrency", "fail_fast", "on_failure"}),
        DAG: frozenset({"on_failure", "separate"}),
        CONDITIONAL: frozenset({"on_failure"}),
        AS_IS: frozenset({"on_failure"}),
    }

    @classmethod
    def configuration(cls) -> type[ArgoConfig]:
        """Return the model of `executor.config`."""
        return ArgoConfig

    @classmethod
    def translated(cls, config: Map) -> Map:
        """Return a configuration with volumes and secrets as they are written today."""
        volumes = config.get("persistent_volumes")
        if isinstance(volumes, Seq) and all(isinstance(one, Map) for one in volumes):
            claims = [
                one.renamed("name", "claim") if "name" in one and "claim" not in one else one
                for one in volumes
            ]
            config = config.replaced({**config, "persistent_volumes": volumes.replaced(claims)})
        listed = config.get("secrets_from_k8s")
        if isinstance(listed, Seq) and "secret_environment" not in config:
            wanted = {"environment_variable", "secret_name", "secret_key"}
            if all(isinstance(one, Map) and set(one) == wanted for one in listed):
                mapped = {
                    one["environment_variable"]: {"secret": one["secret_name"], "key": one["secret_key"]}
                    for one in listed
                }
                config = config.renamed("secrets_from_k8s", "secret_environment")
                config["secret_environment"] = mapped
        return config

    def completed(self, config: Config, absent: Collection[str]) -> tuple[Config, list[Finding]]:
        """Return the configuration with stores on a shared volume where none were named, and what is to be replaced."""
        findings = Findings()
        found: Config = {**config}
        given = options.common(self, config)
        findings.items += options.unset(ArgoConfig, given, ("image",), codes.PLACEHOLDER)
        if "service_account_name" not in given:
            what = "executor.config: 'service_account_name' is not configured: pods run as the namespace's default"
            _warn(
                findings, what, "write service_account_name: ..., of an account that may record task results"
            )
        missing = [block for block in _FOLDERS if block in absent]
        if not missing:
            return found, findings.items
        volumes = given.get("persistent_volumes")
        if not volumes:
            volumes = [VOLUME]
            found["executor"] = {"type": self.name, "config": {**given, "persistent_volumes": volumes}}
            what = f"executor.config: no volume is configured: the output uses the claim '{VOLUME['claim']}'"
            fix = "write persistent_volumes: [{claim: ..., mount_path: ...}], or stores on s3"
            _warn(findings, what, fix)
        for block in missing:
            first = volumes[0] if isinstance(volumes, list) and isinstance(volumes[0], dict) else VOLUME
            path = f"{str(first.get('mount_path', '')).rstrip('/')}/{_FOLDERS[block]}"
            store: ServiceConfig = {"type": "file-system", "config": {"path": path}}
            found[block] = store  # type: ignore[literal-required]
            what = f"{block} is not configured: the output uses '{path}'"
            _warn(findings, what, f"write {block}: ...", block)
        return found, findings.items

    def check(self, plan: Plan, config: Config) -> list[Finding]:
        """Return what stands against rendering: capabilities, executor configuration, native templates."""
        findings = Findings(super().check(plan, config))
        check(self, plan, config, findings)
        return findings.items

    def brings(self, node: Node, config: Config) -> Collection[str] | None:
        """Return the variables of a step's pod; None if a patch of its spec may add others."""
        return brought(options.common(self, config), own_config(self, node))

    def compile(self, plan: Plan, config: Config, source: Source) -> Iterator[Output]:
        """Yield the manifests: `docs/targets/argo.md` describes every variable of their contexts."""
        made = containers.Steps(self, plan, config, source)
        common = made.common
        compiled = compile_plan(plan, made, render_text)
        # A separate dag runs with the defaults of the workflow that calls it: both must have what either needs.
        brace = any(manifest.brace for manifest in compiled)
        has_scripts = any(step.kind == "script" for manifest in compiled for step in manifest.templates)
        kind = common.kind or ("CronWorkflow" if common.schedule else "Workflow")
        for manifest in compiled:
            main = not manifest.address
            context = {
                "plan": plan,
                "common": common,
                "kind": kind if main else "WorkflowTemplate",
                "name": names.object_name(plan["name"], manifest.address),
                "schedules": [numbered(one) for one in common.schedule],
                "labels": {"app.kubernetes.io/managed-by": "magnus", **common.labels},
                "annotations": _annotations(plan, common) if main else dict(common.annotations),
                "run_annotations": _annotations(plan, common, "{ {" if kind == "WorkflowTemplate" else "{{"),
                "remarks": [],
                "base": {**({quote.BRACE: "{"} if brace else {}), **made.base},
                "environment": containers.environment(common),
                "secrets": made.secrets.shared,
                "resources": _resources(common.resources),
                "metrics": [
                    one.model_dump(exclude_none=True, exclude_defaults=True) for one in common.metrics
                ],
                "claims": made.claims,
                "mounts": [(made.claims[one.claim], one.mount_path) for one in common.persistent_volumes],
                "node_selector": made.node_selector,
                "dags": manifest.dags,
                "steps": manifest.templates,
                "has_scripts": has_scripts,
                "exit": manifest.exit,
                "items_file": containers.ITEMS_FILE,
                "cannot_start": CANNOT_START,
                "choice_file": containers.CHOICE_FILE,
                "not_chosen": NOT_CHOSEN,
                "grace": containers.GRACE,
                "deadline": None,
            }
            of = f"Pipeline {plan['name']}"
            if manifest.address:
                of = f"Step {plan['nodes'][manifest.address]['path']} of pipeline {plan['name']}"
                context["remarks"] = ["To be applied in the pipeline's namespace; its workflows refer to it."]
            context["comment"] = f"{of}, rendered by magnus from {source.file}: render again, do not edit."
            if main and plan["max_time"] is not None:
                context["deadline"] = math.ceil(plan["max_time"]) + containers.GRACE
            yield Output(naming.without_indices(manifest.address), plan, context)

    def finish(self, output: Output, text: str, compact: bool) -> Document:
        """Return the manifest with one newline at its end or, compact, as JSON, which Kubernetes reads as well."""
        import yaml

        from magnus_render.targets.argo.lint.yaml import load

        try:
            manifests = load(text)
        except yaml.YAMLError as error:
            raise ValueError(str(error)) from error
        if len(manifests) != 1:
            raise ValueError(f"they make {len(manifests)} objects, not one")
        finished = text.rstrip()
        if compact:
            finished = json.dumps(manifests[0], ensure_ascii=False, separators=(",", ":"))
        return Document(finished + "\n", manifests[0])

    def lint(self, document: Document, output: Output, others: Sequence[Document]) -> list[Finding]:
        """Check names, references, conditions, tags, pods and limits."""
        from magnus_render.targets.argo.lint.run import verify

        return verify(
            [document.content],
            size=len(document.text.encode()),
            node_of=_NodesByTask(output.context),
            native=[step.name for step in output.context["steps"] if step.kind == "native"],
            others=[other.content for other in others if isinstance(other.content, dict)],
        )

    def for_bundle(self, plan: Plan, config: Config) -> Config:
        """Return the configuration of an object that stays in the cluster, and of pods with an account of their own."""
        from magnus_render.targets.argo import bundle

        return bundle.with_account(self, plan, config)

    def check_bundle(self, plan: Plan, config: Config) -> list[Finding]:
        """Return what a bundle cannot hold, or cannot know."""
        from magnus_render.targets.argo import bundle

        return bundle.check(self, plan, config)

    def bundle(
        self,
        plan: Plan,
        config: Config,
        made: Sequence[Made],
        write: Callable[[str, Mapping[str, Any]], str],
    ) -> Mapping[str, str]:
        """Return the manifests, the rights of their pods, a kustomization and a README."""
        from magnus_render.targets.argo import bundle

        return bundle.files(self, plan, config, made, write)

    def needs_no_image(self, config: Config) -> str:
        """Return '': every pod needs the image."""
        return ""

    def overlays(
        self, environments: Mapping[str, Bundling], write: Callable[[str, Mapping[str, Any]], str]
    ) -> Mapping[str, str]:
        """Return the objects of the first environment as a base, and an overlay of kustomize for each."""
        from magnus_render.targets.argo import bundle, overlays

        bundles = {name: bundle.files(self, *one, write) for name, one in environments.items()}
        first = next(iter(environments.values()))
        needed = {name: bundle.needed(self, *one) for name, one in environments.items()}
        readme = bundle.files(self, *first, write, needed)[overlays.README]
        return overlays.files(bundles, readme, write)

    def filters(self) -> Mapping[str, Callable[..., Any]]:
        """Return the filters that put values into a manifest."""
        return {
            "scalar": quote.scalar,
            "block": quote.block,
            "text": quote.text,
            "quoted": quote.quoted,
            "comment": quote.comment,
            "condition": condition,
            "patch": lambda value: value if isinstance(value, str) else json.dumps(value),
            "resources": _resources,
        }


class _NodesByTask(dict[str, str]):
    """Definition addresses by template, and by template and task, made when a finding first asks for one."""

    def __init__(self, context: Mapping[str, Any]) -> None:
        super().__init__()
        self._context = context

    def get(self, name: str, default: Any = None) -> Any:
        if not self:
            self.update((step.name, step.address) for step in self._context["steps"] if step.address)
            for dag in self._context["dags"]:
                self.update((f"{dag.name}.{task.name}", task.address) for task in dag.tasks if task.address)
        return super().get(name, default)


def condition(task: Task) -> str:
    """Return what a task depends on, as the value of its field."""
    arriving = " || ".join(task.depends)
    if task.unless:
        missed = f"!{task.unless[0]}" if len(task.unless) == 1 else f"!({' || '.join(task.unless)})"
        arriving = f"{arriving} || {missed}" if arriving else missed
    if task.only_if:
        also = task.only_if
        several = len(task.depends) > 1
        arriving = f"({arriving}) && {also}" if several else f"{arriving} && {also}" if arriving else also
    return quote.depends(arriving, 12)


def _annotations(plan: Plan, common: ArgoConfig, braces: str = "{{") -> dict[str, str]:
    """Return the annotations of an object; what is within a workflow's spec must not have two braces in a row."""
    about = " ".join(plan["description"].split()).replace("{{", braces)
    described = {"workflows.argoproj.io/description": about} if about else {}
    return {**described, **common.annotations}


def _resources(resources: Resources) -> dict[str, Any]:
    return {
        name: {key: str(value) for key, value in values.items()}
        for name, values in (("requests", resources.requests), ("limits", resources.limits))
        if values
    }


def _warn(findings: Findings, what: str, fix: str, block: str = "executor") -> None:
    findings.items.append(Finding(codes.PLACEHOLDER, what, fix, severity="warning", config=(block,)))
