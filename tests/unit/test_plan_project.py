"""`magnus plan FILE`: a definition of a project beside what is committed of it, and its artefacts beside those on disk."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.planning.document import schema

DEFINITION = """\
dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: "echo ${what}", next: success}
    success: {type: success}
    fail: {type: fail}
"""
PROJECT = """\
pipelines: {one: {definition: flows/one.yaml}}
targets: {bash: {}, argo: {}}
variables: {what: hello}
"""


def git(*words: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org")
    subprocess.run(["git", *identity, *words], check=True, capture_output=True)


@pytest.fixture(autouse=True)
def _project(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("flows").mkdir()
    Path("flows/one.yaml").write_text(DEFINITION)
    Path("magnus.yaml").write_text(PROJECT)
    assert magnus(["render", "--all"]) == 0
    git("init", "-q", ".")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    capsys.readouterr()


def test_nothing_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    assert magnus(["plan", "flows/one.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "No change: 1 step is the same.",
        "rendered/bash/one.sh: as rendered",
        "rendered/argo/one.yaml: as rendered",
    ]


def test_a_change_is_told_with_what_becomes_of_the_artefacts(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path("flows/one.yaml")
    path.write_text(DEFINITION.replace("next: success", "retry: 3, next: success"))
    Path("rendered/argo/one.yaml").unlink()
    assert magnus(["plan", "flows/one.yaml"]) == 2
    out = capsys.readouterr().out
    assert "~ a  (task)" in out and "HEAD:./flows/one.yaml -> flows/one.yaml" in out
    assert "rendered/bash/one.sh: differs: " in out
    assert out.endswith("`magnus render --all` writes 2 of 2 artefacts anew.\n")
    assert magnus(["plan", "flows/one.yaml", "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    jsonschema.Draft202012Validator(schema()).validate(found)
    assert [one["same"] for one in found["artefacts"]] == [False, False]
    assert found["artefacts"][1]["added"] > 50, "a file that is not there is empty"
    assert magnus(["plan", "flows/one.yaml", "--markdown"]) == 2
    assert "\n\n- rendered/bash/one.sh: differs: " in capsys.readouterr().out


def test_an_artefact_that_somebody_edited_is_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    with open("rendered/bash/one.sh", "a") as file:
        file.write("# mine\n")
    assert magnus(["plan", "flows/one.yaml"]) == 2
    out = capsys.readouterr().out
    assert out.startswith("No change: ") and "one.sh: differs: 0 lines added, 1 removed" in out


def test_from_a_folder_below(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("flows")
    assert magnus(["plan", "one.yaml"]) == 0
    assert "../rendered/bash/one.sh: as rendered" in capsys.readouterr().out
    monkeypatch.chdir("../rendered")
    assert magnus(["plan", "../flows/one.yaml"]) == 0


def test_what_cannot_be_compared_is_refused_with_the_way_out(capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.yaml").write_text(DEFINITION)
    assert magnus(["plan", "other.yaml"]) == 64
    assert "`magnus plan HEAD:./other.yaml other.yaml`" in capsys.readouterr().err
    assert magnus(["plan", "flows/one.yaml", "--target", "bash"]) == 64
    assert "stand in the project file" in capsys.readouterr().err
    Path("flows/one.yaml").write_text(DEFINITION.replace("start_at: a", "start_at: b"))
    assert magnus(["plan", "flows/one.yaml"]) == 65
    assert "flows/one.yaml:2:13" in capsys.readouterr().err


def test_render_all_tells_the_plan_before_it_changes_artefacts(capsys: pytest.CaptureFixture[str]) -> None:
    assert magnus(["render", "--all"]) == 0
    assert "as committed" not in capsys.readouterr().out, "nothing has changed since"
    Path("flows/one.yaml").write_text(DEFINITION.replace("next: success", "retry: 3, next: success"))
    assert magnus(["render", "--all"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("as committed -> flows/one.yaml\n") and "~ a  (task)" in out
    assert out.index("~ a") < out.index(": written")
    assert magnus(["render", "--all"]) == 0
    assert "~ a" not in capsys.readouterr().out, "no artefact changes now"
