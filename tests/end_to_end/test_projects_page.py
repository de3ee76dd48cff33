"""The commands of docs/projects.md work as they are written, one after the other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from magnus_render.project.models import ENTRIES, ProjectSpec
from magnus_render.project.read import read
from tests.pages import fenced, indented, run

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "projects.md").read_text(encoding="utf-8")


def example() -> str:
    """Return the project file that the page shows."""
    (text,) = fenced(PAGE, "yaml")
    return text


def test_the_commands(tmp_path: Path) -> None:
    script = "\n".join(indented(PAGE))
    assert script.count("magnus ") > 10
    done = run(tmp_path, f"set -e\n{script}")
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "warning" not in done.stderr
    assert (tmp_path / "shop" / "data" / "report.json").exists()
    assert "6 artefacts: as rendered" in done.stdout


def test_the_project_file(project: Path) -> None:
    names = re.findall(r"[\w/-]+\.yaml", example())
    for name in names:
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text("")
    (project / "magnus.yaml").write_text(example())
    found = read("magnus.yaml")
    assert [one.path for one in found.artefacts()] == [
        "rendered/dev/bash/prices.sh",
        "rendered/dev/argo/prices.yaml",
        "rendered/prod/bash/prices.sh",
        "rendered/prod/argo/prices.yaml",
        "rendered/dev/bash/report.sh",
        "rendered/dev/argo/report.yaml",
        "rendered/prod/bash/report.sh",
        "rendered/prod/argo/report.yaml",
        "rendered/prod/stepfunctions/report",
    ]


@pytest.mark.parametrize("model", [ProjectSpec, *ENTRIES.values()])
def test_every_key_is_shown_and_explained(model: type[ProjectSpec]) -> None:
    table = PAGE.partition("| key | meaning |")[2].partition("\n\n")[0]
    shown = str(yaml.safe_load(example()))
    for key in model.model_fields:
        assert f"`{key}`" in table
        assert key in shown or key in ("templates", "compact")
