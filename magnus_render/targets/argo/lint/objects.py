"""Checks of an object as a whole: names, labels, parameters, the words it may use, its size.

Rules: Kubernetes' documentation, "Object Names and IDs" and "Labels and Selectors"; Argo's validation of names and
arguments.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from magnus_render.targets.argo import limits
from magnus_render.targets.argo.lint import codes
from magnus_render.targets.argo.lint.forms import SUBDOMAIN
from magnus_render.targets.argo.lint.manifest import API_VERSION, GROUP, KINDS, Document, Template
from magnus_render.targets.argo.lint.schedule import check_schedules
from magnus_render.targets.lint.report import mapping, near, objects, shown, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.targets.argo.lint.manifest import Owner, Report


_QUALIFIED = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_PARAMETER = re.compile(r"[-a-zA-Z0-9_]+\Z")


def is_object(body: Any, report: Report) -> bool:
    """Check what an object says it is; return whether it is one to look into further."""
    document = Document(mapping(body), "", "", {})
    if not isinstance(body, dict):
        report.error(codes.OBJECT, document, f"an object of the manifest is {shown(body)}, not a mapping")
        return False
    version, kind = body.get("apiVersion"), body.get("kind")
    if isinstance(version, str) and not version.startswith(GROUP) and version:
        return False  # an object of another API group is not for Argo, so it is not checked
    if version != API_VERSION:
        what = f"apiVersion is {shown(version)}" if version else "it has no apiVersion"
        report.error(codes.OBJECT, document, what, f"write apiVersion: {API_VERSION}")
    if kind not in KINDS:
        meant = near(kind, KINDS) if kind else f"one of {', '.join(KINDS)}"
        if meant:  # Argo has more kinds, which no pipeline is rendered to
            what = f"kind is {shown(kind)}" if kind else "it has no kind"
            report.error(codes.OBJECT, document, what, meant)
        return False
    return True


def check_object(document: Document, report: Report) -> None:
    """Check metadata, entrypoint, parameters, schedule and settings of one object."""
    body, spec = document.body, document.spec
    _check_metadata(document, report)
    if not isinstance(body.get("spec"), dict):
        report.error(codes.OBJECT, document, "it has no spec", "add spec")
        return
    reference = spec.get("workflowTemplateRef") is not None
    if reference and spec.get("templates"):
        what = "it has both workflowTemplateRef and templates"
        report.error(codes.OBJECT, document, what, "keep one of them")
    elif not reference and not spec.get("templates") and (document.kind != "CronWorkflow" or spec):
        report.error(codes.OBJECT, document, "it has no templates", "add at least one")
    if not reference and not document.shared and not spec.get("entrypoint") and spec:
        report.error(codes.OBJECT, document, "it has no entrypoint", "name the template to begin with")
    _check_parameters(mapping(spec.get("arguments")).get("parameters"), "arguments", document, report)
    if document.kind == "CronWorkflow":
        check_schedules(document, report)
    check_placement(spec, document, report)
    for template in document.templates:
        _check_template(template, report)


def _check_template(template: Template, report: Report) -> None:
    body = template.body
    _check_parameters(mapping(body.get("inputs")).get("parameters"), "inputs", template, report)
    outputs = mapping(body.get("outputs")).get("parameters")
    _check_parameters(outputs, "outputs", template, report)
    for parameter in objects(outputs):
        _check_output(parameter, template, report)
    check_placement(body, template, report)
    metadata = mapping(body.get("metadata"))
    check_labels(metadata, "metadata", template, report)
    for task in template.tasks:
        arguments = mapping(task.body.get("arguments")).get("parameters")
        if arguments:
            _check_parameters(arguments, "arguments", task, report)


# ---- metadata ----


def _check_metadata(document: Document, report: Report) -> None:
    metadata = document.body.get("metadata")
    if not isinstance(metadata, dict):
        report.error(codes.OBJECT, document, "it has no metadata", "add metadata with a name")
        return
    name, generated = metadata.get("name"), metadata.get("generateName")
    longest = limits.CRON_NAME if document.kind == "CronWorkflow" else limits.NAME
    if not name and not generated:
        report.error(codes.OBJECT_NAME, document, "it has no name", "add metadata.name")
    elif name and isinstance(name, str):
        if not SUBDOMAIN.match(name):
            what = f"metadata.name is {shown(name)}"
            report.error(codes.OBJECT_NAME, document, what, "lowercase letters, digits, - and .")
        elif len(name) > longest:
            what = f"metadata.name has {len(name)} characters, at most {longest} are allowed"
            report.error(codes.OBJECT_NAME, document, what, "shorten dag.name")
    elif isinstance(generated, str) and not SUBDOMAIN.match(generated.rstrip("-.") or "-"):
        what = f"metadata.generateName is {shown(generated)}"
        report.error(codes.OBJECT_NAME, document, what, "lowercase letters, digits and -")
    check_labels(metadata, "metadata", document, report)
    for field in ("workflowMetadata", "podMetadata"):
        check_labels(mapping(document.spec.get(field)), field, document, report)
    check_labels(
        mapping(mapping(document.body.get("spec")).get("workflowMetadata")),
        "workflowMetadata",
        document,
        report,
    )


def check_labels(metadata: Mapping[str, Any], place: str, owner: Owner, report: Report) -> None:
    """Check the labels and annotations of an object, a pod or a configuration (`place` is '')."""
    before = f"{place}." if place else ""
    for field in ("labels", "annotations"):
        for key, value in mapping(metadata.get(field)).items():
            if isinstance(key, str) and not _is_key(key):
                what = f"{before}{field} has the key {shown(key)}"
                report.error(
                    codes.METADATA, owner, what, "letters, digits, -, _ and ., after an optional prefix/"
                )
            if field == "labels" and isinstance(value, str) and not _is_label(value):
                what = f"{before}labels.{key} is {shown(value)}"
                report.error(codes.METADATA, owner, what, "at most 63 letters, digits, -, _ and .")
    size = sum(
        len(str(k)) + len(v.encode())
        for k, v in mapping(metadata.get("annotations")).items()
        if isinstance(v, str)
    )
    if size > limits.APPLIED_BYTES:
        what = f"{before}annotations have {size:,} bytes, Kubernetes takes {limits.APPLIED_BYTES:,}"
        report.error(codes.METADATA, owner, what, "shorten them")


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    return bool(_QUALIFIED.match(name)) and (
        not slash or (bool(SUBDOMAIN.match(prefix)) and len(prefix) <= 253)
    )


def _is_label(value: str) -> bool:
    return value == "" or "{{" in value or bool(_QUALIFIED.match(value))


def check_placement(body: Mapping[str, Any], owner: Owner, report: Report) -> None:
    """Check node selector, tolerations and pull secrets of a workflow or a template."""
    for key, value in mapping(body.get("nodeSelector")).items():
        if isinstance(key, str) and "{{" not in key and not _is_key(key):
            report.error(
                codes.METADATA, owner, f"nodeSelector has the key {shown(key)}", "write a label's key"
            )
        if isinstance(value, str) and not _is_label(value):
            report.error(
                codes.METADATA, owner, f"nodeSelector.{key} is {shown(value)}", "write a label's value"
            )
    for number, toleration in enumerate(objects(body.get("tolerations"))):
        if toleration.get("operator") == "Exists" and toleration.get("value"):
            what = f"tolerations[{number}] has the operator Exists and a value"
            report.error(codes.CHOICE, owner, what, "take the value out, or write Equal")


# ---- parameters ----


def _check_parameters(given: Any, place: str, owner: Owner, report: Report) -> None:
    """Check one list of parameters: of a workflow, a template's inputs or outputs, or a task's arguments."""
    if not isinstance(given, list) or not given:
        return
    if len(given) > limits.PARAMETERS:
        what = f"{place} has {len(given)} parameters, the full CRDs take {limits.PARAMETERS}"
        report.error(codes.COUNT, owner, what, "hand over fewer")
    handed = place == "arguments"
    at_start = handed and isinstance(owner, Document)
    seen: set[str] = set()
    for parameter in objects(given):
        name = parameter.get("name")
        if not isinstance(name, str):
            continue  # said by the check of fields
        if not _PARAMETER.match(name):
            what = f"{place} has a parameter named {shown(name)}"
            report.error(codes.PARAMETER, owner, what, "letters, digits, - and _")
        if name in seen:
            report.error(codes.PARAMETER, owner, f"{place} has '{name}' twice", "keep one of them")
        seen.add(name)
        value, source = parameter.get("value"), parameter.get("valueFrom")
        # A workflow's parameter without a value is asked for when it is submitted; nobody submits a CronWorkflow's.
        needed = handed and (not at_start or (isinstance(owner, Document) and owner.kind == "CronWorkflow"))
        if needed and value is None and source is None:
            what = f"{place} hands over '{name}' without a value"
            report.error(codes.PARAMETER, owner, what, "add value")
        enum = parameter.get("enum")
        if isinstance(enum, list) and isinstance(value, str) and "{{" not in value and value not in enum:
            what = f"{place} has '{name}' as {shown(value)}, which its enum does not have"
            report.error(codes.PARAMETER, owner, what, near(value, [str(item) for item in enum]))


def _check_output(parameter: Mapping[str, Any], template: Template, report: Report) -> None:
    name, value, source = text(parameter.get("name")), parameter.get("value"), parameter.get("valueFrom")
    if (value is None) == (source is None):
        what = f"the output '{name}' has " + (
            "both value and valueFrom" if value is not None else "no valueFrom"
        )
        report.error(codes.PARAMETER, template, what, "an output has one of them")
    if not isinstance(source, dict):
        return
    if template.type in ("container", "script", "containerSet"):
        wanted: tuple[str, ...] = ("path",)
    elif template.type in ("dag", "steps"):
        wanted = ("parameter", "expression")
    elif template.type == "resource":
        wanted = ("jqFilter", "jsonPath")
    else:
        return
    if not any(source.get(field) for field in wanted):
        what = f"valueFrom of the output '{name}' has no {' or '.join(wanted)}, which a {template.type} needs"
        report.error(codes.PARAMETER, template, what, f"add {wanted[0]}")


# ---- size ----


def check_size(documents: list[Document], size: int, report: Report) -> None:
    """Check the bytes of each object; `size` is those of the whole text, or 0 if they are not known.

    As JSON an object is at most a few bytes for each value longer than as YAML, so a small text needs no counting.
    """
    if 0 < size < limits.APPLIED_BYTES // 2:
        return
    for document in documents:
        try:
            length = len(
                json.dumps(document.body, ensure_ascii=False, separators=(",", ":"), default=str).encode()
            )
        except (TypeError, ValueError, RecursionError):
            continue
        if length > limits.OBJECT_BYTES:
            what = f"it has {length:,} bytes as JSON, Argo takes {limits.OBJECT_BYTES:,}"
            report.error(codes.SIZE, document, what, "move parts into a dag with `separate: true`")
        elif length > limits.APPLIED_BYTES and document.kind != "Workflow":  # which is created, never applied
            what = f"it has {length:,} bytes as JSON, more than kubectl apply can keep"
            fix = "deploy it by kubectl apply --server-side, kubectl create or argo"
            report.warning(codes.APPLY_SIZE, document, what, fix)
