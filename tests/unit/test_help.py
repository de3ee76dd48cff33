"""What `magnus --help` says."""

from __future__ import annotations

import pytest

from magnus_render.cli.main import run
from magnus_render.targets.lookup import every


def test_help_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.split()[:1] == ["render"])
    listed = line.removesuffix(".").split(": ")[1].split(", ")
    targets = [{target.name, *target.aliases} for target in every()[0]]
    assert len(listed) == len(targets)
    assert all(names & set(listed) for names in targets)
