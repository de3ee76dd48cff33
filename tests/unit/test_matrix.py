"""`magnus targets --matrix`: what works with what, and that each cell says what a user meets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from magnus_render import integrations, registry
from magnus_render.cli.main import run as magnus
from magnus_render.integrations import matrix
from magnus_render.integrations.base import BaseIntegration

CELLS = matrix.cells(installed=False)
EXECUTORS = registry.BUILT_IN["executor"]
TASK = "{type: task, command_type: shell, command: 'true', secrets: %s, next: s}"
DAG = "dag: {start_at: a, steps: {a: %s, s: {type: success}, f: {type: fail}}}\n"
ENGINES = {
    "local-container": {"image": "i:1", "engine": "sh"},
    "local-aws-batch": {"job_queue": "q", "job_definition": "d:1"},
    "aws-step-functions": {"compute": "batch", "job_queue": "q", "job_definition": "d:1"},
    "argo": {"image": "i:1", "service_account_name": "magnus"},
}
"""What an engine is told, beside the services."""


def name(cell: matrix.Cell) -> str:
    return f"{cell.engine}-{cell.service}-{cell.provider}"


def said(cell: matrix.Cell, project: Path, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Validate a pipeline with the services of a cell; return the exit status, and what was said."""
    shared: Any = {"type": "s3", "config": {"bucket": "runs"}}
    blocks: dict[str, Any] = {
        "executor": {"type": cell.engine, "config": ENGINES.get(cell.engine, {})},
        **({} if cell.engine in ("local", "bash") else {"run_log_store": shared, "catalog": shared}),
    }
    engine = registry.find("executor" if cell.engine in EXECUTORS else "target", cell.engine)
    blocks[cell.service] = integrations.least(engine, cell.service, cell.provider)[cell.service]
    asking = cell.service == "secrets" and cell.provider != "do-nothing"
    (project / "dag.yaml").write_text(DAG % (TASK % ("[TOKEN]" if asking else "[]")))
    (project / "c.yaml").write_text(json.dumps(blocks))
    status = magnus(["validate", "dag.yaml", "-c", "c.yaml"])
    captured = capfd.readouterr()
    return status, captured.out + captured.err


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.verdict == "refused"], ids=name)
def test_what_is_refused_is_refused_with_its_fix(
    cell: matrix.Cell, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status, text = said(cell, project, capfd)
    assert (status, cell.text in text) == (65, True), text


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.verdict == "needs"], ids=name)
def test_what_is_needed_is_missed(
    cell: matrix.Cell, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Where records and files would be lost, it is an error; where a secret may come from elsewhere, a warning."""
    status, text = said(cell, project, capfd)
    if cell.service == "secrets":
        assert status == 0 and "warning" in text and "TOKEN" in text
    else:
        assert status == 65 and f"{cell.service} '{cell.provider}'" in text


@pytest.mark.parametrize("cell", [cell for cell in CELLS if cell.verdict == "works"], ids=name)
def test_what_works_is_not_refused(
    cell: matrix.Cell, project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    status, text = said(cell, project, capfd)
    assert status == 0 and "warning" not in text, text


def test_the_table(capfd: pytest.CaptureFixture[str]) -> None:
    assert magnus(["targets", "--matrix"]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert lines[0].split() == [
        *("service", "type", "local", "local-container", "local-aws-batch", "slurm", "mocked"),
        *("aws-step-functions", "bash", "argo"),
    ]
    assert lines[2].split()[:4] == ["run_log_store", "buffered", "works", "refused"]
    assert len([line for line in lines if line.startswith("(")]) == len(matrix.notes(CELLS))
    assert magnus(["targets", "--matrix", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    assert [tuple(one.values()) for one in found] == [tuple(cell) for cell in CELLS]
    assert list(found[0]) == ["engine", "service", "provider", "verdict", "text"]


def test_what_is_installed_has_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """An executor and an integration of other packages stand in the table as ours do."""

    class Theirs(BaseIntegration):
        executor = "theirs"
        service = "catalog"
        provider = "*"
        needs = "a disk"

    class Executor:
        name = "theirs"
        integrations = (Theirs,)

    find, names = registry.find, registry.names
    monkeypatch.setattr(
        registry, "find", lambda kind, name: Executor if name == "theirs" else find(kind, name)
    )
    monkeypatch.setattr(
        registry, "names", lambda *kinds: [*names(*kinds), *(["theirs"] if kinds == ("executor",) else [])]
    )
    found = {
        (cell.service, cell.provider): cell.verdict for cell in matrix.cells() if cell.engine == "theirs"
    }
    assert found["catalog", "s3"] == found["catalog", "do-nothing"] == "needs"
    assert found["run_log_store", "file-system"] == "works"
    assert found["run_log_store", "buffered"] == "refused"
