"""`magnus plan` on random pipelines: a few here; `plan_pairs` and `plan_runs` take as many as a person asks for."""

from __future__ import annotations

from pathlib import Path

from tests.conformance.plan_pairs import check_pairs
from tests.conformance.plan_runs import check_runs


def test_no_change_if_and_only_if_the_bytes_are_equal(tmp_path: Path) -> None:
    figures = check_pairs(1, 8, tmp_path)
    assert figures["a change"] and figures["no change"]


def test_what_is_planned_of_a_run_is_what_happens(tmp_path: Path) -> None:
    figures = check_runs(1, 6, tmp_path / "case")
    assert figures["runs"] > 3 and figures["steps: taken over"]
