"""What `magnus bundle` writes for Argo: manifests that stay in a cluster, the rights of their pods, a kustomization."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, as_is_text
from magnus_render.targets import options
from magnus_render.targets.argo import codes, names
from magnus_render.targets.argo.config import ArgoConfig, Rule
from magnus_render.targets.base import Findings, own_config

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Finding, Made

_RESULTS = {"apiGroups": ["argoproj.io"], "resources": ["workflowtaskresults"], "verbs": ["create", "patch"]}
"""The right that the container beside each step needs, to report its result (Argo's documentation, "Workflow RBAC")."""
_REFERENCES = {
    "persistentVolumeClaim": ("PersistentVolumeClaim", "claimName"),
    "secretKeyRef": ("Secret", "name"),
    "configMapKeyRef": ("ConfigMap", "name"),
    "imagePullSecrets": ("Secret", "name"),
}
"""Field of a manifest -> the kind of object that it refers to, and the field within that has its name."""
_KEPT = ("kustomization.yaml", "permissions.yaml", "README.md")


def with_account(target: BaseTarget, plan: Plan, config: Config) -> Config:
    """Return a configuration of an object that stays, with the account that a bundle makes where none is named.

    That account has the name of the pipeline's object.
    """
    given = options.common(target, config)
    kind = {} if given.get("kind") or given.get("schedule") else {"kind": "WorkflowTemplate"}
    account = {"service_account_name": names.object_name(plan["name"]), **given}
    return {**config, "executor": {"type": target.name, "config": {**account, **kind}}}


def check(target: BaseTarget, plan: Plan, config: Config) -> list[Finding]:
    """Return what a bundle cannot hold, or cannot know."""
    findings = Findings()
    given = options.common(target, config)
    if given.get("kind") == "Workflow":
        what = "executor.config: a bundle cannot hold a Workflow, which is one run"
        fix = "leave kind out, or write kind: WorkflowTemplate"
        findings.add(codes.BUNDLE, None, what, fix, config=("executor", "kind"))
    for node in _working_on_objects(plan):
        if "permissions" not in {**given, **own_config(target, node)}:
            what = "the bundle's Role cannot allow what a template of your own does: its permissions are not given"
            fix = "write permissions: [{api_groups: [...], resources: [...], verbs: [...]}] into its executor_config"
            findings.add(codes.BUNDLE, node, what, fix, "render_string")
    return findings.items


def files(
    target: BaseTarget,
    plan: Plan,
    config: Config,
    made: Sequence[Made],
    write: Callable[[str, Mapping[str, Any]], str],
    environments: Mapping[str, Collection[str]] | None = None,
) -> dict[str, str]:
    """Return the files of a bundle; its README tells of `environments`: what is `needed` in each."""
    given = options.read(ArgoConfig, options.common(target, config))
    name = names.object_name(plan["name"])
    others = needed(target, plan, config, made)
    more = {one: sorted({*there} - {*others}) for one, there in (environments or {}).items()}
    manifests = {
        f"workflow.{output.name}.yaml" if output.name else "workflow.yaml": document.text
        for output, document in made
    }
    context = {
        "plan": plan,
        "target": target.name,
        "environments": list(more),
        "given": given,
        "name": name,
        "kind": made[0][1].content["kind"],
        "own_account": given.service_account_name == name,
        "accounts": sorted(_bound(given, made)),
        "others": others,
        "more": {one: there for one, there in more.items() if there},
        "rules": [_RESULTS, *_rules(target, plan, config)],
        "manifests": sorted(manifests),
        "labels": {"app.kubernetes.io/managed-by": "magnus", **given.labels},
    }
    return {**{one: write(f"argo/bundle/{one}.j2", context) for one in _KEPT}, **manifests}


def needed(target: BaseTarget, plan: Plan, config: Config, made: Sequence[Made]) -> list[str]:
    """Return what the manifests refer to and the bundle does not make, as its README tells of it."""
    given = options.read(ArgoConfig, options.common(target, config))
    found = {f"ServiceAccount `{one}`" for one in _bound(given, made) - {names.object_name(plan["name"])}}
    for _, document in made:
        found |= set(_references(document.content))
    return sorted(found)


def _bound(given: ArgoConfig, made: Sequence[Made]) -> set[str]:
    """Return the accounts that pods run as, and that the Role is bound to."""
    found = {str(given.service_account_name)}
    return found.union(*(_accounts(document.content) for _, document in made))


def _references(value: Any) -> Iterator[str]:
    """Yield the objects that a part of a manifest refers to by name."""
    if isinstance(value, list):
        for one in value:
            yield from _references(one)
    elif isinstance(value, dict):
        for field, inner in value.items():
            if field in _REFERENCES:
                kind, key = _REFERENCES[field]
                named = [
                    one for one in (inner if isinstance(inner, list) else [inner]) if isinstance(one, dict)
                ]
                yield from (f"{kind} `{one[key]}`" for one in named if key in one)
            else:
                yield from _references(inner)


def _accounts(value: Any) -> Iterator[str]:
    """Yield the accounts that a part of a manifest names: of all pods, of a step's, of a template of the user's own.

    A name that Argo fills in (`{{...}}`) is left out, for only the run knows it.
    """
    if isinstance(value, list):
        for one in value:
            yield from _accounts(one)
    elif isinstance(value, dict):
        for field, inner in value.items():
            if field == "serviceAccountName" and isinstance(inner, str) and "{{" not in inner:
                yield inner
            else:
                yield from _accounts(inner)


def _rules(target: BaseTarget, plan: Plan, config: Config) -> Iterator[dict[str, Any]]:
    nodes = list(_working_on_objects(plan))
    lists = [options.common(target, config).get("permissions")] if nodes else []
    lists += [own_config(target, node).get("permissions") for node in nodes]
    for given in lists:
        for one in given or ():
            rule = Rule.model_validate(one)
            yield {"apiGroups": rule.api_groups, "resources": rule.resources, "verbs": rule.verbs}


def _working_on_objects(plan: Plan) -> Iterator[Node]:
    """Yield the nodes whose template is the user's, and works on objects of the cluster."""
    for node in plan["nodes"].values():
        if node["type"] == AS_IS:
            text = as_is_text(node, "argo")
            if isinstance(text, dict) and ("resource" in text or _has_inline_resource(text)):
                yield node


def _has_inline_resource(value: Any) -> bool:
    """Tell whether a template of the user's has one inside of it (`inline` of a step or task) that works on objects."""
    if isinstance(value, list):
        return any(map(_has_inline_resource, value))
    if not isinstance(value, dict):
        return False
    inline = value.get("inline")
    return (isinstance(inline, dict) and "resource" in inline) or any(
        map(_has_inline_resource, value.values())
    )
