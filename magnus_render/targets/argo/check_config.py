"""Checks of the configuration: the pipeline's, and that of nodes.

Values that become a part of the manifest are checked by functions of the lint. They are called here, before anything is
rendered, because a message can name the place in the configuration only here.
"""

from __future__ import annotations

import json
import posixpath
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from magnus_render.integrations.base import within
from magnus_render.plan import AS_IS, TASK
from magnus_render.targets import environment, options
from magnus_render.targets.argo import codes
from magnus_render.targets.argo.config import SCHEDULED, WHOLE, ArgoConfig
from magnus_render.targets.argo.lint import codes as lint_codes
from magnus_render.targets.argo.lint.fields import check_part, check_patch
from magnus_render.targets.argo.lint.forms import check_image
from magnus_render.targets.argo.lint.manifest import Document, Report
from magnus_render.targets.argo.lint.objects import check_labels, check_placement
from magnus_render.targets.argo.lint.pods import check_resources
from magnus_render.targets.argo.lint.schedule import check_times, check_zone
from magnus_render.targets.base import Finding
from magnus_render.targets.lint.report import mapping, objects, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Findings

_OWN = "executor_config"
_ENVIRONMENTS = ("environment", "secret_environment")
_STORES = ("run_log_store", "catalog")


def check_config(target: BaseTarget, plan: Plan, config: Config, findings: Findings) -> None:
    """Add what is wrong with the pipeline's configuration and with each node's own."""
    options.check(target, ArgoConfig, plan, config, findings)
    given = options.common(target, config)
    _check_times(given, findings)
    for key, value in given.items():
        for found in _as_in_a_manifest(key, value, None, "executor.config"):
            findings.items.append(replace(found, config=("executor", key)))
    _check_variables(None, given, {}, findings)
    for node, own in options.owners(target, plan):
        _check_own(node, given, own, findings)
        if node["type"] in (TASK, AS_IS):
            _check_variables(node, given, own, findings)
            _check_mounts(node, given, own, config, findings)


def _as_in_a_manifest(key: str, value: Any, common: Any, label: str) -> list[Finding]:
    """Return the findings of the lint for one key; `common` is what the pipeline's configuration has there."""
    owner, report = Document({}, label, "", {}), Report({})
    if key == "image":
        check_image(value, key, owner, report)
    elif key == "resources":
        check_resources(_amounts(value), _amounts(common), key, owner, report)
    elif key == "tolerations":
        for number, one in enumerate(objects(value)):
            check_part(one, "Toleration", owner, f"{key}[{number}]", report)
        check_placement({key: value}, owner, report)
    elif key == "node_selector":
        check_placement({"nodeSelector": value}, owner, report)
    elif key in ("labels", "annotations"):
        check_labels({key: value}, "", owner, report)
    elif key == "security_context":
        check_part(mapping(value), "SecurityContext", owner, key, report)
    elif key == "pod_spec_patch":
        check_patch(json.dumps(value) if isinstance(value, dict) else value, owner, report, key)
    elif key == "metrics":
        for number, one in enumerate(objects(value)):
            check_part(one, "Prometheus", owner, f"{key}[{number}]", report)
    elif key == "schedule":
        check_times([value] if isinstance(value, str) else value, owner, report)
    elif key == "timezone":
        check_zone(value, owner, report)
    return report.findings


def _amounts(given: Any) -> dict[str, dict[str, str]]:
    """Return resources as the manifest has them: all amounts as texts."""
    return {
        side: {name: str(amount) for name, amount in mapping(amounts).items()}
        for side, amounts in mapping(given).items()
    }


def _check_times(given: Mapping[str, Any], findings: Findings) -> None:
    kind, schedule = given.get("kind"), given.get("schedule")
    if kind == "CronWorkflow" and not schedule:
        what, fix, key = "kind CronWorkflow without a schedule", 'write schedule: "0 2 * * *"', "kind"
    elif kind and kind != "CronWorkflow" and schedule:
        what, fix, key = f"kind {kind} with a schedule", "leave kind or schedule out", "kind"
    elif not schedule and (pointless := [one for one in SCHEDULED if given.get(one) is not None]):
        key = pointless[0]
        what, fix = f"{key} without a schedule", 'write schedule: "0 2 * * *", too'
    else:
        return
    findings.add(codes.SCHEDULE, None, f"executor.config: {what}", fix, config=("executor", key))


def _check_own(node: Node, given: Mapping[str, Any], own: Mapping[str, Any], findings: Findings) -> None:
    for key in (key for key in WHOLE if key in own):
        what = f"executor_config.argo: '{key}' is the whole pipeline's"
        findings.add(codes.WHOLE_PIPELINE, node, what, "write it into executor.config", _OWN)
    address, label = node["address"], f"step '{node['path']}': executor_config.argo"
    if node["type"] not in (TASK, AS_IS):
        what = f"{label}: a {node['type']} starts no container of its own"
        fix = "write it at the steps inside, or into executor.config"
        findings.items.append(Finding(codes.NO_EFFECT, what, fix, "warning", address, _OWN))
    for key, value in own.items():
        for found in _as_in_a_manifest(key, value, given.get(key), label):
            findings.items.append(replace(found, address=address, field=_OWN))


def _check_variables(
    node: Node | None, given: Mapping[str, Any], own: Mapping[str, Any], findings: Findings
) -> None:
    """Add each variable that is both a text and a secret's value: Argo would put both into one entry.

    The text may stand in the pipeline's configuration, and the secret in the node's, or the other way round.
    """
    place = "executor_config.argo" if node else "executor.config"
    mine = {name: key for key in _ENVIRONMENTS for name in mapping((own if node else given).get(key))}
    texts, secrets = ({**mapping(given.get(key)), **mapping(own.get(key))} for key in _ENVIRONMENTS)
    for name, key in sorted(mine.items()):
        code = what = ""
        if name in texts and name in secrets:
            code = codes.VARIABLE
            what = f"the variable '{name}' stands in both environment and secret_environment"
        elif environment.is_ours(str(name)):
            code = lint_codes.ENVIRONMENT
            what = f"the variable '{name}' is one that the rendered output itself sets"
        if what:
            field = _OWN if node else ""
            fix = (
                "give it another name" if code == lint_codes.ENVIRONMENT else "give one of them another name"
            )
            findings.add(code, node, f"{place}: {what}", fix, field, config=("executor", key, name))


def _check_mounts(
    node: Node, given: Mapping[str, Any], own: Mapping[str, Any], config: Config, findings: Findings
) -> None:
    """Add each volume of a node that would hide a store from this step.

    Example: a store is in `/mnt/runs`, on a volume mounted at `/mnt`, and the node mounts another one at `/mnt/runs`.
    The step would then write where nobody looks. A volume that is mounted further up hides nothing: container runtimes
    mount the higher path first, in whatever order a pod lists them.
    """
    common, mine = _mounts(given), _mounts(own)
    for claim, path in mine:
        for block in _STORES:
            service = config[block]  # type: ignore[literal-required]
            store = text(service["config"].get("path")) if service["type"] == "file-system" else ""
            carrier = max((mount for _, mount in common if within(store, mount)), key=len, default="")
            if within(store, path) and within(path, carrier) and (claim, path) not in common:
                what = (
                    f"executor_config.argo: the volume '{claim}' at '{path}' hides the {block} in '{store}'"
                )
                fix = "mount it at a path that does not lead to the store"
                findings.add(codes.HIDDEN_STORE, node, what, fix, _OWN)


def _mounts(given: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the claims that a configuration mounts, each with its folder."""
    volumes = objects(given.get("persistent_volumes"))
    return [(text(one.get("claim")), posixpath.normpath(text(one.get("mount_path")))) for one in volumes]
