"""asl-validator finds what is wrong, and nothing in what is right."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.engines.stepfunctions import validator
from tests.engines.stepfunctions.scenarios import job, machine


@pytest.fixture(autouse=True)
def installed() -> None:
    validator.require()


def test_a_good_machine() -> None:
    retry = [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}]
    states: dict[str, Any] = {"job": job("true", "{% $states.context.Execution.Name %}", Retry=retry)}
    assert validator.validate(machine(states)) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "SyntaxError"),
        (machine({"a": {"Type": "Pass", "Next": "nowhere"}}), "MISSING_TRANSITION_TARGET"),
        (machine({"a": {"Type": "Pass", "End": True, "Nonsense": 1}}), "SCHEMA_VALIDATION_FAILED"),
        (json.dumps({"StartAt": "a", "States": {"b": {"Type": "Succeed"}}}), "MISSING_TRANSITION_TARGET"),
    ],
)
def test_bad_machines(text: str, complaint: str) -> None:
    complaints = validator.validate(text)
    assert complaints
    assert complaint in complaints[0]
