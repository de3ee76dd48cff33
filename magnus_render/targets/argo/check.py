"""What stands against rendering a plan for Argo, or should be said of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, TASK
from magnus_render.targets import settings
from magnus_render.targets.argo import codes, steps, verify_codes
from magnus_render.targets.argo.config import WHOLE, ArgoConfig
from magnus_render.targets.argo.verify_objects import LARGEST
from magnus_render.targets.base import Finding

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.base import BaseTarget, Findings

_LEAST_BYTES = 108
"""Of a task as JSON, with names of one character: what is certain not to fit need not be rendered to be refused."""
_TYPES = ("container", "script", "resource", "suspend", "data", "dag", "steps")
_WITHOUT_DEFAULTS = ("http", "containerSet", "plugin")
"""Types that `templateDefaults` of a container turn into a second type (Argo's source, Template.SetType)."""
_OWN = "executor_config"


def render_text(node: Node) -> Any:
    """Return what an as-is has for Argo: lines, a template, None for nothing; anything else is a mistake."""
    if node["type"] != AS_IS:
        return None
    render = node.get("render")
    return (render.get("argo") if isinstance(render, dict) else render) or None


def check(target: BaseTarget, plan: Plan, config: Config, findings: Findings) -> None:
    """Add what is wrong with the configuration, with native templates, with sizes; and what Argo can do only nearly."""
    settings.check(target, ArgoConfig, plan, config, findings)
    given = settings.common(target, config)
    _check_kind(given, findings)
    _check_variables(None, given, {}, findings)
    for node, own in settings.owners(target, plan):
        _check_own(node, given, own, findings)
    tasks = 0
    for node in plan["nodes"].values():
        if node["type"] == AS_IS:
            problem, fix = _native_problem(render_text(node))
            if problem:
                findings.add(codes.NATIVE_TEMPLATE, node, problem, fix, "render_string")
        elif node["type"] == TASK:
            tasks += 1
            _check_factor(node, findings)
    if tasks * _LEAST_BYTES > LARGEST and not any(node.get("separate") for node in plan["nodes"].values()):
        what = f"{tasks:,} steps are more than fit in an object of {LARGEST:,} bytes, the cluster's limit"
        fix = "move parts into nodes of type dag with `separate: true`: each becomes a WorkflowTemplate of its own"
        findings.add(verify_codes.SIZE, None, what, fix)


def _check_kind(given: Mapping[str, Any], findings: Findings) -> None:
    kind, schedule = given.get("kind"), given.get("schedule")
    if kind == "CronWorkflow" and not schedule:
        what = "executor.config: kind CronWorkflow without a schedule"
        findings.add(codes.SCHEDULE, None, what, 'write schedule: "0 2 * * *"')
    elif kind and kind != "CronWorkflow" and schedule:
        what = f"executor.config: kind {kind} with a schedule"
        findings.add(codes.SCHEDULE, None, what, "leave kind or schedule out")


def _check_own(node: Node, given: Mapping[str, Any], own: Mapping[str, Any], findings: Findings) -> None:
    for key in (key for key in WHOLE if key in own):
        what = f"executor_config.argo: '{key}' is the whole pipeline's"
        findings.add(codes.WHOLE_PIPELINE, node, what, "write it into executor.config", _OWN)
    if node["type"] in (TASK, AS_IS):
        _check_variables(node, given, own, findings)
    else:
        what = f"executor_config.argo: a {node['type']} starts no container of its own"
        fix = "write it at the steps inside, or into executor.config"
        _warn(codes.NO_EFFECT, node, what, fix, _OWN, findings)


def _check_variables(
    node: Node | None, given: Mapping[str, Any], own: Mapping[str, Any], findings: Findings
) -> None:
    """A variable is a text or a secret's value, wherever it is written: Argo would put both into one entry."""
    texts, secrets = (
        {**_mapping(given.get(key)), **_mapping(own.get(key))}
        for key in ("environment", "secret_environment")
    )
    mine = {*_mapping(own.get("environment")), *_mapping(own.get("secret_environment"))}
    for name in sorted(texts.keys() & secrets.keys()):
        if node is None or name in mine:
            what = f"the variable '{name}' stands in both environment and secret_environment"
            findings.add(codes.VARIABLE, node, what, "give one of them another name", _OWN if node else "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _check_factor(node: Node, findings: Findings) -> None:
    retry = node["retry"]
    if retry["attempts"] > 1 and retry["delay"] and retry["backoff"] != steps.whole_factor(retry):
        what = f"a backoff of {retry['backoff']:g}: Argo takes whole numbers"
        fix = f"write backoff: {steps.whole_factor(retry)}, which is used"
        _warn(codes.NOT_EXACT, node, what, fix, "retry", findings)


def _warn(code: str, node: Node, what: str, fix: str, field: str, findings: Findings) -> None:
    text = f"step '{node['path']}': {what}"
    findings.items.append(Finding(code, text, fix, "warning", node["address"], field))


def _native_problem(found: Any) -> tuple[str, str]:
    """Return what is wrong with an as-is, and the fix; ('', '') if nothing."""
    if found is None or isinstance(found, str):
        return "", ""
    if not isinstance(found, dict):
        return "its render_string for argo is neither lines nor a mapping", "write a script, or a template"
    lost = next((name for name in _WITHOUT_DEFAULTS if name in found), None)
    if lost is not None:
        what = f"a template of type {lost}: Argo would add the container that all steps share, and run that"
        return what, "let a container or a script do it"
    types = [name for name in _TYPES if name in found]
    if len(types) != 1:
        what = f"its template has {' and '.join(types)}" if types else "its template says not what it runs"
        return what, f"state one of {', '.join(_TYPES)}"
    return "", ""
