"""Every hand-written case, on every engine: the folded log is the predicted one, and the engines agree in all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance import cases
from tests.conformance.checking import check, check_across


@pytest.mark.parametrize("name", cases.names())
def test_all_engines_leave_the_predicted_log(name: str, tmp_path: Path) -> None:
    check(cases.load(name), tmp_path)


@pytest.mark.parametrize("name", [name for name in cases.names() if name.startswith("cached-")])
def test_another_engine_goes_on_from_a_run(name: str, tmp_path: Path) -> None:
    check_across(cases.load(name), tmp_path)
