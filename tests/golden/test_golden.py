"""What is rendered is what the golden files say."""

from __future__ import annotations

import pytest

from magnus_render.render.output import drift
from tests.engines import argo_lint
from tests.engines.stepfunctions import validator
from tests.golden import CASES, FOLDER, OUTPUTS, outputs, pairs


@pytest.mark.parametrize(("case", "target"), pairs())
def test_golden(case: str, target: str) -> None:
    difference = "".join(drift(str(path), text, ["make", "golden"]) for path, text in outputs(case, target))
    assert not difference, "\n" + difference


def test_nothing_is_left_over() -> None:
    expected = {path for case, target in pairs() for path, _ in outputs(case, target)}
    names = [name.partition(".")[::2] for name in OUTPUTS.values()]
    found = {
        path
        for case in CASES
        for stem, suffixes in names
        for path in (FOLDER / case).glob(f"{stem}*.{suffixes}")
    }
    assert found == expected


@pytest.mark.parametrize("case", [case for case, target in pairs() if target == "stepfunctions"])
def test_another_validator_finds_nothing_either(case: str) -> None:
    validator.require()
    for path, text in outputs(case, "stepfunctions"):
        assert validator.validate(text) == [], path


@pytest.mark.parametrize("case", [case for case, target in pairs() if target == "argo"])
def test_argo_finds_nothing_either(case: str) -> None:
    argo_lint.require()
    assert argo_lint.lint({path.name: text for path, text in outputs(case, "argo")}) == []
