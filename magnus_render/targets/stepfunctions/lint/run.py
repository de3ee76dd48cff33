"""The check of a Step Functions definition before it is printed.

It finds what Step Functions would refuse when the machine is created, and what would fail only when a state is reached.
All of it is linear in the definition's size and goes without recursion: pipelines nest as deep as users like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.targets.lint.report import shown
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.conditionals import Conditional, check_conditionals
from magnus_render.targets.stepfunctions.lint.fields import check_fields
from magnus_render.targets.stepfunctions.lint.graph import check_graphs
from magnus_render.targets.stepfunctions.lint.machine import Report, scan
from magnus_render.targets.stepfunctions.lint.quotas import check_history, check_payloads, check_size
from magnus_render.targets.stepfunctions.lint.services import check_services
from magnus_render.targets.stepfunctions.lint.variables import check_expressions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.targets.base import Finding

_NO_NODES: Mapping[str, str] = {}
_NO_CONDITIONALS: Mapping[str, Conditional] = {}


def verify(
    machine: Mapping[str, Any],
    *,
    size: int,
    node_of: Mapping[str, str] = _NO_NODES,
    conditionals: Mapping[str, Conditional] = _NO_CONDITIONALS,
    models: bool = True,
) -> list[Finding]:
    """Return what is wrong with a definition, errors and warnings, in the order of the checks.

    `machine` is the parsed definition in the Amazon States Language, with the query language JSONata. `size` is the bytes
    of its text. `node_of` gives the definition address of the pipeline's node by the state's name, for `Finding.address`.
    `conditionals` are those of the pipeline by the names of their states, which `node_of` must know too. With `models`,
    literal parameters of calls are checked against the service models of botocore, if it is installed: some 10 ms for
    each service that is called. Otherwise they are checked only against the rules of this package.
    """
    report = Report(node_of)
    if not isinstance(machine, dict):
        report.error(codes.MACHINE, "", f"a definition is a JSON object, not {shown(machine)}")
        return report.findings
    check_size(machine, size, report)
    scopes = scan(machine)
    check_graphs(scopes, report)
    check_fields(scopes, report)
    check_expressions(scopes, report)
    check_conditionals(scopes, conditionals, report)
    check_services(scopes, report, models)
    check_history(scopes, report)
    check_payloads(scopes, size, report)
    return report.findings
