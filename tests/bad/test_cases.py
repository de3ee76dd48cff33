"""Every seeded bad definition is refused with exactly the diagnostics that stand beside it."""

from __future__ import annotations

import difflib

import pytest
import yaml

from magnus_render.diagnostics import DefinitionError, explained
from magnus_render.errors import REFUSED
from magnus_render.graph.load import load
from tests.bad import cases

pytestmark = pytest.mark.skipif(
    not yaml.__with_libyaml__, reason="the words of syntax errors are those of libyaml"
)


@pytest.mark.parametrize("name", cases.names())
def test_expected_diagnostics(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cases.FOLDER)
    found = cases.outcome(name)
    file = cases.expected_file(name)
    expected = file.read_bytes().decode() if file.exists() else ""
    if found != expected:
        diff = difflib.unified_diff(
            expected.splitlines(), found.splitlines(), f"{name}.expected", "found", lineterm=""
        )
        pytest.fail("\n".join([*diff, "", "if this is right: python -m tests.bad.cases writes all anew"]))


def test_there_are_enough_cases() -> None:
    assert len(cases.names()) >= 80


def test_no_expectation_without_a_case() -> None:
    expected = {path.stem for path in cases.FOLDER.glob("*.expected")}
    assert expected == set(cases.names())


def test_nearly_every_code_has_a_case() -> None:
    seen = "".join(cases.expected_file(name).read_text(encoding="utf-8") for name in cases.names())
    # These come from size and depth (test_hostile.py), or are said of usable definitions, of cases or of project files
    # (tests/unit).
    of_size = {"MR002", "MR009", "MR010", "MR046", "MR048"}
    elsewhere = of_size | {"MR034", "MR075", "MR076", "MR077", "MR078", "MR079"}
    missing = {code for code in explained() if code < "MR100" and code not in seen}
    assert missing == elsewhere


def test_a_refusal_carries_status_and_diagnostics(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(cases.FOLDER)
    with pytest.raises(DefinitionError) as caught:
        load("many.yaml")
    assert caught.value.status == REFUSED
    assert len(caught.value.diagnostics) == 9
    places = [(item.line, item.column) for item in caught.value.diagnostics]
    assert places == sorted(places)
