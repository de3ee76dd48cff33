"""Checks of Retry and Catch: do their entries fit together, and are the errors that they name known?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.targets.lint.report import near, shown
from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.machine import is_whole

if TYPE_CHECKING:
    from magnus_render.targets.stepfunctions.lint.machine import Report

_STATES_NAMES = """
ALL BranchFailed DataLimitExceeded ExceedToleratedFailureThreshold HeartbeatTimeout Http.Socket IntrinsicFailure
ItemReaderFailed NoChoiceMatched ParameterPathFailure Permissions QueryEvaluationError ResultPathMatchFailure
ResultWriterFailed Runtime TaskFailed Timeout
"""
_STATES_ERRORS = frozenset(f"States.{name}" for name in _STATES_NAMES.split())
"""Amazon States Language specification, "Predefined Error Codes", and Step Functions developer guide, "Error names"."""


def check_errors(name: str, field: str, entries: list[dict[str, Any]], report: Report) -> None:
    """Check the retriers or catchers of a state (Amazon States Language specification, "Errors")."""
    for number, entry in enumerate(entries):
        errors, what = entry.get("ErrorEquals"), f"{field}[{number}]"
        if isinstance(errors, list) and all(isinstance(error, str) for error in errors):
            _check_names(name, what, errors, number + 1 == len(entries), report)
        interval, delay = entry.get("IntervalSeconds", 1), entry.get("MaxDelaySeconds")
        if is_whole(interval) and is_whole(delay) and 1 <= delay <= interval:
            message = f"{what}.MaxDelaySeconds is {delay}, its first interval is {interval} already"
            fix = "make it greater, or leave it out and write a BackoffRate of 1"
            report.error(codes.RETRIER, name, message, fix)


def _check_names(name: str, what: str, errors: list[str], last: bool, report: Report) -> None:
    if "" in errors:
        report.error(codes.ERROR_NAMES, name, f"{what} names an error that is empty", "take it out")
    if "States.ALL" in errors and len(errors) > 1:
        fix = "it matches the others anyway: take them out, or give it an entry of its own"
        report.error(codes.ERROR_NAMES, name, f"States.ALL of {what} does not stand alone", fix)
    if "States.ALL" in errors and not last:
        message = f"{what} has States.ALL but is not the last"
        report.error(codes.ERROR_NAMES, name, message, "move it to the end")
    for error in errors:
        if error == "States.Runtime":
            message = f"{what} names States.Runtime, which always ends the execution"
            report.warning(codes.ERROR_NAMES, name, message)
        elif error.startswith("States.") and error not in _STATES_ERRORS:
            message = f"{what} names {shown(error)}, which is no error of the States Language"
            report.warning(codes.ERROR_NAMES, name, message, near(error, _STATES_ERRORS))
