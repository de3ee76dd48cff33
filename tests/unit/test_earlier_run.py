"""A run that an earlier commit began goes on: the format of its records has one number, so nothing refuses it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.view_graphs import call, graph, log, step, task

RECORDS = Path(__file__).parent / "earlier_run.json"
"""Of a run whose composites have `settled` and `join.json`. Its walk: p (t), q, b (failed), h, m (u, failed), z.

Steps stand in p and m alone, h is a silent as-is, q and what handles the failure of u are parallels of such nodes.
"""


def earlier(*ahead: str) -> None:
    """Write the store of the run, without what is recorded of the nodes `ahead`, and a definition that names the store."""
    Path("dag.yaml").write_text(json.dumps({"dag": graph(a=task())}))
    left = tuple(f"r/steps/{slug}/" for slug in ahead)
    for key, record in json.loads(RECORDS.read_text()).items():
        if not (left and key.startswith(left)):
            file = Path(".run_log_store", key)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(record))


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def statuses() -> dict[str, str]:
    return {name: step["status"] for name, step in log()["steps"].items()}


BEFORE = {"p": "SUCCESS", "q": "SUCCESS", "b": "FAIL", "h": "SUCCESS", "m": "SUCCESS"}


def test_it_is_told_as_it_was() -> None:
    earlier()
    assert statuses() == {**BEFORE, "z": "TRIGGERED"}


@pytest.mark.parametrize("told", [True, False], ids=["told", "not told"])
@pytest.mark.parametrize("ahead", ["", "m", "qbm"], ids=["behind u", "behind b", "behind p"])
def test_it_goes_on(ahead: str, told: bool) -> None:
    """`told`: the engine says what came before a step."""

    def after(slug: str) -> list[str]:
        return ["--after", slug] if told else []

    earlier(*ahead)
    assert step("b", *after("q")) == 1
    assert call("fan_in", "m", *after("h")) == 0
    assert step("m.branch.u") == 1
    assert step("q", "--confirm-failure") == step("m", "--confirm-failure") == 1
    assert step("m.branch.u", "--confirm-failure") == 0
    assert step("z", *after("m")) == 0
    assert log()["status"] == "SUCCESS"
    assert statuses() == {**BEFORE, "z": "SUCCESS", "success": "SUCCESS"}


def test_a_failure_in_it_is_followed() -> None:
    """The failure of u is not confirmed: the engine has taken it for that of m, which nothing handles."""
    earlier()
    assert step("fail") == 1
    assert log()["status"] == "FAIL"
