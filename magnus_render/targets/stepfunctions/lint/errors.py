"""Checks of Retry and Catch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_render.targets.stepfunctions.lint import codes
from magnus_render.targets.stepfunctions.lint.machine import is_number, is_whole, near, shown

if TYPE_CHECKING:
    from magnus_render.targets.stepfunctions.lint.machine import Report

MOST = 99_999_999
"""Attempts, and seconds of an interval."""
LONGEST_DELAY = 31_622_400
"""Seconds: a delay is shorter (Step Functions developer guide, "Retrying after an error")."""

_RETRIER = {
    "ErrorEquals",
    "IntervalSeconds",
    "MaxAttempts",
    "BackoffRate",
    "MaxDelaySeconds",
    "JitterStrategy",
}
_CATCHER = {"ErrorEquals", "Next", "Assign", "Output"}
_STATES_NAMES = """
ALL BranchFailed DataLimitExceeded ExceedToleratedFailureThreshold HeartbeatTimeout Http.Socket IntrinsicFailure
ItemReaderFailed NoChoiceMatched ParameterPathFailure Permissions QueryEvaluationError ResultPathMatchFailure
ResultWriterFailed Runtime TaskFailed Timeout
"""
_STATES_ERRORS = frozenset(f"States.{name}" for name in _STATES_NAMES.split())
"""Amazon States Language specification, "Predefined Error Codes", and Step Functions developer guide, "Error names"."""


def check_errors(name: str, state: dict[str, Any], report: Report) -> None:
    """Check the retriers and catchers of a state (Amazon States Language specification, "Errors")."""
    for field, kind, known in (("Retry", "retrier", _RETRIER), ("Catch", "catcher", _CATCHER)):
        entries = state.get(field, [])
        if not isinstance(entries, list):
            report.error(codes.VALUE, name, f"{field} is {shown(entries)}, not a list")
            continue
        for number, entry in enumerate(entries, 1):
            what = f"{kind} {number}"
            if not isinstance(entry, dict):
                report.error(codes.VALUE, name, f"{what} is {shown(entry)}, not an object")
                continue
            for key in entry:
                if key not in known and key != "Comment":
                    fix = "in JSONata write Output" if key == "ResultPath" else near(key, known)
                    report.error(codes.FIELD, name, f"{what} has no field {key}", fix or "take it out")
            _check_names(name, what, entry.get("ErrorEquals"), number == len(entries), report)
            if field == "Retry":
                _check_retrier(name, what, entry, report)
            elif "Next" not in entry:
                report.error(codes.REQUIRED, name, f"{what} has no Next")


def _check_names(name: str, what: str, errors: Any, last: bool, report: Report) -> None:
    if not isinstance(errors, list) or not errors or not all(isinstance(e, str) and e for e in errors):
        report.error(
            codes.ERROR_NAMES, name, f"ErrorEquals of {what} is not a list of at least one error name"
        )
        return
    if "States.ALL" in errors and len(errors) > 1:
        fix = "it matches the others anyway: take them out, or give it an entry of its own"
        report.error(codes.ERROR_NAMES, name, f"States.ALL of {what} does not stand alone", fix)
    if "States.ALL" in errors and not last:
        report.error(
            codes.ERROR_NAMES, name, f"{what} has States.ALL but is not the last", "move it to the end"
        )
    for error in errors:
        if error == "States.Runtime":
            report.warning(
                codes.ERROR_NAMES, name, f"{what} names States.Runtime, which always ends the execution"
            )
        elif error.startswith("States.") and error not in _STATES_ERRORS:
            message = f"{what} names {shown(error)}, which is no error of the States Language"
            report.warning(codes.ERROR_NAMES, name, message, near(error, _STATES_ERRORS))


def _check_retrier(name: str, what: str, entry: dict[str, Any], report: Report) -> None:
    _range(name, what, entry, "MaxAttempts", 0, MOST, report)
    _range(name, what, entry, "IntervalSeconds", 1, MOST, report)
    _range(name, what, entry, "MaxDelaySeconds", 1, LONGEST_DELAY - 1, report)
    interval, delay = entry.get("IntervalSeconds", 1), entry.get("MaxDelaySeconds")
    if is_whole(interval) and is_whole(delay) and 1 <= delay <= interval:
        message = f"MaxDelaySeconds of {what} is {delay}, its first interval is {interval} already"
        fix = "make it greater, or leave it out and write a BackoffRate of 1"
        report.error(codes.RETRIER, name, message, fix)
    rate = entry.get("BackoffRate", 1)
    if not is_number(rate) or rate < 1:
        message = f"BackoffRate of {what} is {shown(rate)}, not a number of at least 1"
        report.error(codes.RETRIER, name, message)
    jitter = entry.get("JitterStrategy", "NONE")
    if jitter not in ("FULL", "NONE"):
        report.error(codes.RETRIER, name, f"JitterStrategy of {what} is {shown(jitter)}", "FULL or NONE")


def _range(
    name: str, what: str, entry: dict[str, Any], field: str, least: int, most: int, report: Report
) -> None:
    value = entry.get(field, least)
    if not is_whole(value) or not least <= value <= most:
        message = f"{field} of {what} is {shown(value)}, not a whole number from {least} to {most}"
        report.error(codes.RETRIER, name, message)
