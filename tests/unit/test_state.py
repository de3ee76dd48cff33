"""What a step sees, where the records do not tell it."""

from __future__ import annotations

import pytest

from tests.unit.view_graphs import begin, call, each, graph, step, task

pytestmark = pytest.mark.usefixtures("project")


def test_a_predecessor_without_a_success_is_called_by_its_path(capfd: pytest.CaptureFixture[str]) -> None:
    begin(graph(m=each({}, graph(**{"first step": task(), "b": task()}))), items=[1])
    assert call("map_count", "m") == 0
    assert step("m.0.b") == 65
    assert "there is no record that 'm.0.first step' succeeded" in capfd.readouterr().err
