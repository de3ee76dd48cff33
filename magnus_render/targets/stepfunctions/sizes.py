"""Checks that a bundle is not too large for AWS: its policies for IAM, its template for CloudFormation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from magnus_render.targets.base import Findings, Unbundled
from magnus_render.targets.stepfunctions import codes, limits, policies

if TYPE_CHECKING:
    from magnus_render.targets.stepfunctions.deployment import Deployment


def check_policies(deployment: Deployment) -> None:
    """Raise `Unbundled` with each role whose policies are longer than IAM allows."""
    findings = Findings()
    managed = [limits.MANAGED_POLICY] * limits.ATTACHED
    holders = [
        (f"the machine '{one.name}'", one.role.by_policy, [limits.INLINE_POLICIES, *managed])
        for one in deployment.machines
    ]
    holders.append(("the jobs", [one.statements for one in deployment.job_policies], managed))
    for what, given, room in holders:
        sizes = [policies.size(one) for one in given]
        if len(sizes) > len(room) or any(has > most for has, most in zip(sizes, room, strict=False)):
            told = f"the policies of {what} have {sum(sizes):,} characters"
            _too_much(findings, told, sum(room), "IAM")
    _stop(findings)


def check_template(text: str) -> None:
    """Raise `Unbundled` if a template has more than CloudFormation takes."""
    findings, template = Findings(), json.loads(text)
    for has, most in (("Resources", limits.RESOURCES), ("Parameters", limits.PARAMETERS)):
        if len(template[has]) > most:
            what = f"the template has {len(template[has]):,} {has.lower()}"
            _too_much(findings, what, most, "CloudFormation")
    if len(text.encode()) > limits.TEMPLATE_ON_S3_BYTES:
        what = f"the template has {len(text.encode()):,} bytes"
        _too_much(findings, what, limits.TEMPLATE_ON_S3_BYTES, "CloudFormation")
    _stop(findings)


def _too_much(findings: Findings, what: str, most: int, service: str) -> None:
    fix = "cut the pipeline, or see `magnus explain MR209`"
    findings.add(codes.BUNDLE_SIZE, None, f"{what}: {service} takes {most:,} at most", fix)


def _stop(findings: Findings) -> None:
    if findings.items:
        raise Unbundled(findings.items)
