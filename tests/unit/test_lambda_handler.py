"""The Lambda handler: a callback as a process, in a folder of its own, and errors whose names tell how it ended."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render.lambda_handler import PlatformFailed, StepFailed, handler


def event(code: str, **environment: str) -> dict[str, Any]:
    pairs = [{"Name": name, "Value": value} for name, value in environment.items()]
    return {"argv": [sys.executable, "-c", code], "environment": pairs}


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "module.py").write_text("x = 1")
    monkeypatch.setenv("LAMBDA_TASK_ROOT", str(tmp_path))
    return tmp_path


def test_a_callback_sees_the_project_and_the_environment(project: Path) -> None:
    code = (
        "import os, module; assert os.environ['GIVEN'] == 'it\\'s' and os.environ['MAGNUS_WORKSPACES'] == 'step'; "
        "open('written', 'w')"
    )
    assert handler(event(code, GIVEN="it's")) == {"status": 0}
    assert [path.name for path in project.iterdir()] == ["module.py"]


@pytest.mark.parametrize(
    ("status", "error"), [(1, StepFailed), (64, StepFailed), (65, StepFailed), (75, PlatformFailed)]
)
def test_how_a_callback_ended_is_the_name_of_the_error(status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=f"exited with status {status}"):
        handler(event(f"raise SystemExit({status})"))


def test_the_handler_runs_a_real_callback() -> None:
    assert handler({"argv": [str(Path(sys.executable).with_name("magnus")), "--version"]}) == {"status": 0}
