"""A deployment as a CloudFormation template."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.stepfunctions import jsonata, limits
from magnus_render.targets.stepfunctions.deployment import parameter, placeholders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from magnus_render.targets.stepfunctions.deployment import Deployment

    Write = Callable[[str, Mapping[str, Any]], str]

TEMPLATE = "template.json"
_WHOLE = re.compile(r"\$\{([A-Za-z0-9:]+)(?:\.([A-Za-z]+))?\}")
"""A text that is nothing but a parameter, a resource, or an attribute of a resource."""


def sub(value: Any) -> Any:
    """Return a value for a template, in which CloudFormation replaces the `${...}` of texts."""
    if isinstance(value, dict):
        return {key: sub(one) for key, one in value.items()}
    if isinstance(value, list):
        return [sub(one) for one in value]
    if not isinstance(value, str) or "${" not in value:
        return value
    whole = _WHOLE.fullmatch(value)
    if whole is None:
        return {"Fn::Sub": value}
    return {"Fn::GetAtt": [whole[1], whole[2]]} if whole[2] else {"Ref": whole[1]}


def template(deployment: Deployment, context: Mapping[str, Any], write: Write) -> tuple[str, dict[str, Any]]:
    """Return the template, and what its README must say. If it is too long, it refers to definitions on S3."""
    inline, text = True, _template({**context, "inline": True}, deployment, write)
    if len(text.encode()) > limits.TEMPLATE_BYTES:
        inline, text = False, _template({**context, "inline": False}, deployment, write)
    parameters = json.loads(text)["Parameters"].items()
    asked = [name for name, one in parameters if "Default" not in one]
    return text, {"inline": inline, "asked": asked}


def _template(context: Mapping[str, Any], deployment: Deployment, write: Write) -> str:
    main = f"stepfunctions/bundle/{TEMPLATE}.j2"
    resources = json.loads(write(main, {**context, "parameters": {}}))["Resources"]
    used = [name for machine in deployment.machines for name in machine.placeholders]
    names = {*used, *placeholders(json.dumps(resources)), *_references(resources)}
    wanted = sorted(name for name in names if name not in resources and not name.startswith("AWS::"))
    parameters = {name: _parameter(name, deployment) for name in wanted}
    return jsonata.pretty(json.loads(write(main, {**context, "parameters": parameters})))


def _parameter(name: str, deployment: Deployment) -> dict[str, Any]:
    found = parameter(name, deployment)
    made: dict[str, Any] = {"Type": "String", "Description": found.about}
    if found.pattern:
        made["AllowedPattern"] = found.pattern
    if found.default is not None:
        made["Default"] = found.default
    return made


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if set(value) == {"Ref"}:
            yield value["Ref"]
        for part in value.values():
            yield from _references(part)
    elif isinstance(value, list):
        for part in value:
            yield from _references(part)
