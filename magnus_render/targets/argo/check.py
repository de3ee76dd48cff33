"""Errors and warnings about a plan, before it is rendered for Argo."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.plan import AS_IS, CONDITIONAL, PARALLEL, TASK, as_is_text
from magnus_render.targets import options
from magnus_render.targets.argo import codes, containers, limits
from magnus_render.targets.argo.check_config import check_config
from magnus_render.targets.argo.lint import codes as lint_codes
from magnus_render.targets.argo.lint.manifest import scan
from magnus_render.targets.argo.secrets import shared
from magnus_render.targets.base import Finding
from magnus_render.targets.lint.report import mapping

if TYPE_CHECKING:
    from magnus_render.plan import Config, Node, Plan
    from magnus_render.targets.argo.lint.manifest import Template
    from magnus_render.targets.base import BaseTarget, Findings

_LEAST_BYTES = 108
"""Bytes of the smallest task as JSON. A pipeline that does not fit even so is refused before it is rendered."""
_MOST_BRANCHES = limits.TEMPLATES - 3
"""Each branch is a template. At least three more: for the graph around them, for their DAG, for its end."""
_TYPES = ("container", "script", "resource", "suspend", "data", "dag", "steps")
_WITHOUT_DEFAULTS = ("http", "containerSet", "plugin")
"""Types that `templateDefaults` of a container turn into a second type (Argo's source, Template.SetType)."""


def render_text(node: Node) -> Any:
    """Return what an as-is has for Argo: lines, a template, None for nothing; anything else is a mistake."""
    return as_is_text(node, "argo")


def check(target: BaseTarget, plan: Plan, config: Config, findings: Findings) -> None:
    """Add what is wrong with the configuration, with native templates, with sizes; and what Argo can do only nearly."""
    check_config(target, plan, config, findings)
    secrets = shared(mapping(options.common(target, config).get("secret_environment")), plan, config)
    scripts = any(isinstance(render_text(node), str) for node in plan["nodes"].values())
    kinds = ("container", "script") if scripts else ("container",)
    tasks = 0
    for node in plan["nodes"].values():
        if node["type"] == AS_IS:
            text = render_text(node)
            problem, fix = _native_problem(text)
            if problem:
                findings.add(codes.NATIVE_TEMPLATE, node, problem, fix, "render_string")
            elif secrets and isinstance(text, dict) and (reached := _with_defaults(text, kinds)):
                what = f"{reached} gets the secrets of all steps: {', '.join(map(str, secrets))}"
                fix = "name them in the secrets of the steps that need them, or give them there, in executor_config"
                _warn(codes.NATIVE_SECRETS, node, what, fix, "render_string", findings)
        elif node["type"] == TASK:
            tasks += 1
            _check_factor(node, findings)
        elif node["type"] in (PARALLEL, CONDITIONAL):
            _check_branches(node, findings)
    if tasks * _LEAST_BYTES > limits.OBJECT_BYTES and not any(
        node.get("separate") for node in plan["nodes"].values()
    ):
        what = f"{tasks:,} steps are more than fit in an object of {limits.OBJECT_BYTES:,} bytes, the cluster's limit"
        fix = "move parts into nodes of type dag with `separate: true`: each becomes a WorkflowTemplate of its own"
        findings.add(lint_codes.SIZE, None, what, fix)


def _check_branches(node: Node, findings: Findings) -> None:
    count = len(node["branches"])
    if count <= _MOST_BRANCHES:
        return
    what = f"its {count} branches are more than fit: each is a template, an object takes {limits.TEMPLATES}"
    other = "another parallel, in a dag with `separate: true` in a branch"
    if node["type"] == CONDITIONAL:
        other = f"another conditional by '{node['parameter']}', in a dag with `separate: true` in 'default'"
    findings.add(lint_codes.COUNT, node, what, f"put some of them into {other}", "branches")


def _check_factor(node: Node, findings: Findings) -> None:
    retry = node["retry"]
    if retry["attempts"] > 1 and retry["delay"] and retry["backoff"] != containers.whole_factor(retry):
        what = f"a backoff of {retry['backoff']:g}: Argo takes whole numbers"
        fix = f"write backoff: {containers.whole_factor(retry)}, which is used"
        _warn(codes.NOT_EXACT, node, what, fix, "retry", findings)


def _warn(code: str, node: Node, what: str, fix: str, field: str, findings: Findings) -> None:
    said = f"step '{node['path']}': {what}"
    findings.items.append(Finding(code, said, fix, "warning", node["address"], field))


def _with_defaults(template: dict[str, Any], kinds: tuple[str, ...]) -> str:
    """Return what of a native template gets the `templateDefaults` of some types; '' if nothing does.

    Argo merges them into each template as it runs it, wherever that stands (Argo's source, executeTemplate).
    """
    first, *inline = _templates(template)
    if first.type in kinds:
        return f"its {first.type}"
    for one in inline:
        if one.type in kinds:
            return f"a {one.type} inline in it"
    for one in (first, *inline):
        if any(task.body.get("templateRef") for task in one.tasks):
            return "a container that it refers to"
    return ""


def _templates(template: dict[str, Any]) -> list[Template]:
    """Return a native template, then those that stand inline in it."""
    return scan({"spec": {"templates": [template]}}, ()).templates


def _native_problem(found: Any) -> tuple[str, str]:
    """Return what is wrong with an as-is, and the fix; ('', '') if nothing."""
    if found is None or isinstance(found, str):
        return "", ""
    if not isinstance(found, dict):
        return "its render_string for argo is neither lines nor a mapping", "write a script, or a template"
    bodies = [one.body for one in _templates(found)]
    lost = next((name for body in bodies for name in _WITHOUT_DEFAULTS if name in body), None)
    if lost is not None:
        what = f"a template of type {lost}: Argo would add the container that all steps share, and run that"
        return what, "let a container or a script do it"
    types = [name for name in _TYPES if name in found]
    if len(types) != 1:
        what = (
            f"its template has {' and '.join(types)}" if types else "its template does not say what it runs"
        )
        return what, f"state one of {', '.join(_TYPES)}"
    inputs = found.get("inputs") or {}
    parameters = (inputs.get("parameters") or []) if isinstance(inputs, dict) else None
    if not isinstance(parameters, list) or not all(isinstance(one, dict) for one in parameters):
        return (
            "its inputs are not those of a template",
            "write inputs: {parameters: [{name: ..., value: ...}]}",
        )
    return "", ""
