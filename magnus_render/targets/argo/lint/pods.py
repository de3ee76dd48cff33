"""Checks of what templates run: containers, their environment, volumes and resources; retries and time limits.

Rules: Argo's validation of templates and of retry strategies (documentation, "Retries"), and what Kubernetes demands of
a pod (API reference, "Pod v1 core"; "Resource quantities"; "Define dependent environment variables").
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.fields import check_patch
from magnus_render.targets.argo.lint.manifest import Document, named
from magnus_render.targets.lint.report import mapping, near, objects, shown, text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from magnus_render.targets.argo.lint.manifest import Owner, Report, Template

_QUANTITY = re.compile(r"([+-]?(?:\d+(?:\.\d*)?|\.\d+))([KMGTPE]i|[numkMGTPE]|[eE][+-]?\d+)?\Z")
_REWRITTEN = re.compile(r"\$\$|\$\(([^()]*)\)")
_CAPITALS = re.compile(r"[A-Z_][A-Z0-9_]*\Z")
_UNITS = {
    **{"n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1)},
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", 1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", 1)},
}


def check_pods(document: Document, report: Report) -> None:
    """Check the containers, volumes, retries and time limits of an object and its templates."""
    spec = document.spec
    _check_volumes(spec.get("volumes"), document, report)
    claims = [text(mapping(c.get("metadata")).get("name")) for c in objects(spec.get("volumeClaimTemplates"))]
    shared = {*named(spec.get("volumes")), *claims}
    for field in ("container", "script"):
        if isinstance(document.defaults.get(field), dict):
            _check_container(document.defaults[field], {}, f"templateDefaults.{field}", document, report)
    check_patch(document.defaults.get("podSpecPatch"), document, report)
    check_patch(spec.get("podSpecPatch"), document, report)
    _check_retry(document.defaults.get("retryStrategy"), "templateDefaults.retryStrategy", document, report)
    _check_retry(spec.get("retryStrategy"), "retryStrategy", document, report)
    for template in document.templates:
        body = template.body
        _check_volumes(body.get("volumes"), template, report)
        volumes = {*shared, *named(body.get("volumes"))}
        patched = any(given.get("podSpecPatch") for given in (body, spec, document.defaults))
        for place, container, defaults in _containers(template):
            _check_container(container, defaults, place, template, report)
            _check_complete(container, defaults, place, template, report)
            _check_variables(container, defaults, place, template, report)
            if not patched:
                _check_mounts(container, defaults, volumes, place, template, report)
        check_patch(body.get("podSpecPatch"), template, report)
        _check_retry(body.get("retryStrategy"), "retryStrategy", template, report)


def _containers(template: Template) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield (place, container, what it has by default) of all containers of a template."""
    body = template.body
    for field in ("container", "script"):
        if isinstance(body.get(field), dict):
            yield field, body[field], mapping(template.document.defaults.get(field))
    for field, given in (
        ("containerSet.containers", mapping(body.get("containerSet")).get("containers")),
        ("sidecars", body.get("sidecars")),
        ("initContainers", body.get("initContainers")),
    ):
        for number, container in enumerate(objects(given)):
            yield f"{field}[{number}]", container, {}


def _check_complete(
    container: dict[str, Any], defaults: dict[str, Any], place: str, template: Template, report: Report
) -> None:
    if not container.get("image") and not defaults.get("image"):
        report.error(codes.IMAGE, template, f"{place} has no image", "configure executor.config.image")
    if not container.get("command") and not defaults.get("command"):
        what = f"{place} has no command: Argo would ask the image's registry for it"
        report.house(codes.COMMAND, template, what, "state it")


def _check_container(
    container: dict[str, Any], defaults: dict[str, Any], place: str, owner: Owner, report: Report
) -> None:
    seen: set[str] = set()
    for number, variable in enumerate(objects(container.get("env"))):
        name, at = text(variable.get("name")), f"{place}.env[{number}]"
        if name in seen:
            report.error(codes.ENVIRONMENT, owner, f"{place}.env has {name} twice", "keep one of them")
        seen.add(name)
        source = variable.get("valueFrom")
        if isinstance(source, dict):
            if variable.get("value"):
                what = f"{at} ({name}) has both value and valueFrom"
                report.error(codes.ENVIRONMENT, owner, what, "keep one of them")
            if not any(source.values()):
                report.error(codes.ENVIRONMENT, owner, f"{at}.valueFrom ({name}) names no source", "add one")
    check_resources(
        container.get("resources"), defaults.get("resources"), f"{place}.resources", owner, report
    )


def _check_variables(
    container: dict[str, Any], defaults: dict[str, Any], place: str, template: Template, report: Report
) -> None:
    """Check `$(NAME)` in what Kubernetes expands: command, args and values of variables; not a script's source."""
    if container.get("envFrom") or defaults.get("envFrom"):
        return  # names that come from there are not known
    own, given = objects(container.get("env")), objects(defaults.get("env"))
    names = {text(variable.get("name")) for variable in (*given, *own)}
    for field in ("command", "args"):
        lines = container.get(field) or defaults.get(field)
        for number, line in enumerate(lines if isinstance(lines, list) else ()):
            _check_rewritten(line, names, f"{place}.{field}[{number}]", template, report)
    earlier = {text(variable.get("name")) for variable in given}
    for number, variable in enumerate(own):
        _check_rewritten(variable.get("value"), earlier, f"{place}.env[{number}]", template, report)
        earlier.add(text(variable.get("name")))


def _check_rewritten(line: Any, names: set[str], place: str, template: Template, report: Report) -> None:
    if not isinstance(line, str) or "$(" not in line:
        return
    for match in _REWRITTEN.finditer(line):
        name = match.group(1)
        # Kubernetes leaves `$(NAME)` as it is where no such variable exists: so only what looks like one is reported.
        if name and _CAPITALS.match(name) and name not in names:
            what = f"{place} has $({name}), and the container has no variable of that name before it"
            report.house(codes.VARIABLE, template, what, f"define it, or write $$({name}) for the text")


def _check_volumes(given: Any, owner: Owner, report: Report) -> None:
    seen: set[str] = set()
    for volume in objects(given):
        name = text(volume.get("name"))
        if volume.get("name") is None:
            continue  # said by the check of fields
        if name in seen:
            report.error(codes.VOLUME, owner, f"there are two volumes '{name}'", "rename one of them")
        seen.add(name)
        sources = [key for key, value in volume.items() if key != "name" and value is not None]
        if len(sources) != 1:
            what = f"the volume '{name}' has " + (
                f"both {sources[0]} and {sources[1]}" if sources else "no source"
            )
            report.error(codes.VOLUME, owner, what, "a volume has one source")


def _check_mounts(
    container: dict[str, Any],
    defaults: dict[str, Any],
    volumes: Iterable[str],
    place: str,
    template: Template,
    report: Report,
) -> None:
    used: dict[str, str] = {}
    own = objects(container.get("volumeMounts"))
    paths = {text(mount.get("mountPath")) for mount in own}
    by_default = [m for m in objects(defaults.get("volumeMounts")) if text(m.get("mountPath")) not in paths]
    for mount in (*by_default, *own):
        name, path = text(mount.get("name")), text(mount.get("mountPath"))
        if name and name not in volumes and "{{" not in name:
            what = f"{place} mounts the volume '{name}', which is not defined"
            report.error(codes.VOLUME, template, what, near(name, volumes) or "add it to volumes")
        if path and path in used:
            report.error(
                codes.VOLUME, template, f"{place} mounts two volumes at '{path}'", "choose another path"
            )
        if path:
            used[path] = name


def check_resources(given: Any, default: Any, place: str, owner: Owner, report: Report) -> None:
    """Check what a container asks for, together with what it has by default: Argo merges them key by key."""
    resources, shared = mapping(given), mapping(default)
    requests, limits = mapping(resources.get("requests")), mapping(resources.get("limits"))
    for side, amounts in (("requests", requests), ("limits", limits)):
        for name, amount in amounts.items():
            value = _amount(amount)
            if isinstance(amount, str) and "{{" not in amount and (value is None or value < 0):
                what = f"{place}.{side}.{name} is {shown(amount)}"
                report.error(codes.RESOURCES, owner, what, "write an amount such as 250m, 2 or 512Mi")
    stated = {*requests, *limits}
    requests = {**mapping(shared.get("requests")), **requests}
    limits = {**mapping(shared.get("limits")), **limits}
    for name in (name for name in requests if name in stated):
        asked, most = _amount(requests[name]), _amount(limits.get(name))
        if asked is not None and most is not None and asked > most:
            what = f"{place} requests {requests[name]} of {name}, above its limit {limits[name]}"
            fix = "raise the limit, or lower the request"
            if shared:
                fix += ": what is not stated here is that of all steps"
            report.error(codes.RESOURCES, owner, what, fix)


@lru_cache(maxsize=256)
def _parsed(amount: str) -> Decimal | None:
    match = _QUANTITY.match(amount)
    if not match:
        return None
    number, unit = Decimal(match.group(1)), match.group(2) or ""
    if unit in _UNITS:
        return number * _UNITS[unit]
    return number.scaleb(int(unit[1:])) if len(unit) < 6 else None


def _amount(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    return _parsed(str(value))


def _check_retry(given: Any, place: str, owner: Owner, report: Report) -> None:
    if not isinstance(given, dict):
        return
    if given.get("retryPolicy") is None and not given.get("expression"):
        report.house(codes.RETRY_POLICY, owner, f"{place} has no retryPolicy", "write retryPolicy: Always")
    backoff = given.get("backoff")
    if isinstance(backoff, dict) and not backoff.get("duration"):
        report.error(codes.RETRY, owner, f"{place}.backoff has no duration", "add it: duration: 10s")
