"""`magnus render`: the same bytes anywhere, all or nothing, compared with a golden file."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.errors import PlatformError, UsageError
from magnus_render.render import render
from magnus_render.render.output import drift, write
from magnus_render.render.pipeline import plan_json
from magnus_render.targets.lookup import every, find

DAG = """\
dag:
  start_at: Größe
  steps:
    Größe: {type: task, command: m.f, next: p}
    p:
      type: parallel
      next: success
      branches:
        b: {start_at: x, steps: {x: {type: task, command: m.f, next: success}, success: {type: success}, fail: {type: fail}}}
        a: {start_at: x, steps: {x: {type: task, command: m.f, next: success}, success: {type: success}, fail: {type: fail}}}
    success: {type: success}
    fail: {type: fail}
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dag.yaml").write_text(DAG)
    return tmp_path


def magnus(
    *arguments: str, cwd: Path, umask: int = 0o022, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": os.environ["PATH"], "HOME": f"{cwd}-home", **variables}
    code = "import sys; from magnus_render.cli.main import main; main()"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, check=False, umask=umask)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "4711", "LC_ALL": "C", "PYTHONUTF8": "0"},
        {
            "LC_ALL": "tr_TR.ISO-8859-9",
            "TZ": "Asia/Tokyo",
            "USER": "someone",
            "HOSTNAME": "else",
            "HOME": "/nowhere",
        },
        {"PYTHONIOENCODING": "ascii", "TMPDIR": "/tmp", "COLUMNS": "20"},
    ],
)
def test_same_bytes(project: Path, variables: dict[str, str]) -> None:
    other = project / "another folder"
    other.mkdir()
    (other / "dag.yaml").write_text(DAG)
    here = magnus("render", "dag.yaml", "--target", "bash", cwd=project)
    there = magnus("render", "dag.yaml", "--target", "demo-renderer", cwd=other, umask=0o077, **variables)
    assert here.returncode == there.returncode == 0, there.stderr
    assert here.stdout == there.stdout
    assert "Größe".encode() in here.stdout


def test_render_leaves_nothing_behind(project: Path) -> None:
    magnus("render", "dag.yaml", "--target", "bash", cwd=project)
    assert os.listdir(project) == ["dag.yaml"]


def test_output_file(project: Path) -> None:
    done = magnus("render", "dag.yaml", "--target", "bash", "-o", "run.sh", cwd=project, umask=0o027)
    assert (done.returncode, done.stdout) == (0, b"")
    assert stat.S_IMODE((project / "run.sh").stat().st_mode) == 0o750
    assert (project / "run.sh").read_text() == render("dag.yaml", "bash").text
    assert sorted(os.listdir(project)) == ["dag.yaml", "run.sh"]


def test_output_keeps_the_mode_and_follows_links(project: Path) -> None:
    real = project / "real.sh"
    real.write_text("old")
    real.chmod(0o700)
    (project / "link.sh").symlink_to("real.sh")
    write("link.sh", "new", executable=True)
    assert (project / "link.sh").is_symlink()
    assert (real.read_text(), stat.S_IMODE(real.stat().st_mode)) == ("new", 0o700)


def test_output_to_a_device(project: Path) -> None:
    write("/dev/null", "text")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)


def test_output_that_cannot_be_written(project: Path) -> None:
    with pytest.raises(PlatformError, match="cannot write no/such/folder"):
        write("no/such/folder/run.sh", "text")
    assert magnus("render", "dag.yaml", "--target", "bash", "-o", "no/run.sh", cwd=project).returncode == 75


def test_check(project: Path) -> None:
    command = ["render", "dag.yaml", "--target", "bash"]
    magnus(*command, "-o", "golden.sh", cwd=project)
    same = magnus(*command, "--check", "golden.sh", cwd=project)
    assert (same.returncode, same.stdout) == (0, b"")
    (project / "dag.yaml").write_text(DAG.replace("command: m.f, next: p", "command: m.g, next: p"))
    drifted = magnus(*command, "--check", "golden.sh", cwd=project)
    assert drifted.returncode == 1
    text = drifted.stdout.decode()
    assert text.startswith("--- golden.sh\n+++ rendered\n@@")
    assert "\n-" in text
    assert text.endswith("magnus render dag.yaml --target bash --output golden.sh\n")
    missing = magnus(*command, "--check", "none.sh", cwd=project)
    assert missing.returncode == 1
    assert not (project / "none.sh").exists()


def test_drift_shows_a_missing_line_end(tmp_path: Path) -> None:
    (tmp_path / "g").write_text("a")
    assert "No newline at end of file" in drift(str(tmp_path / "g"), "a\n", ["make"])


def test_check_and_output_exclude_each_other(project: Path) -> None:
    assert (
        magnus("render", "dag.yaml", "--target", "bash", "-o", "a", "--check", "b", cwd=project).returncode
        == 64
    )


def test_plan_file(project: Path) -> None:
    magnus("render", "dag.yaml", "--target", "bash", "--plan", "plan.json", cwd=project)
    rendered = render("dag.yaml", "bash")
    text = (project / "plan.json").read_text()
    assert text == plan_json(rendered.plan, rendered.config)
    assert set(json.loads(text)) == {"plan", "services"}
    assert json.loads(text)["plan"] == rendered.plan


def test_unknown_target(project: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'bash'"):
        find("bsh")
    assert magnus("render", "dag.yaml", "--target", "bsh", cwd=project).returncode == 64


def test_bad_definition(project: Path) -> None:
    (project / "dag.yaml").write_text(DAG.replace("next: p}", "next: q}"))
    done = magnus("render", "dag.yaml", "--target", "bash", "-o", "run.sh", cwd=project)
    assert done.returncode == 65
    assert done.stderr.startswith(b"dag.yaml:4:")
    assert not (project / "run.sh").exists()


def test_templates_override_ours_by_name(project: Path) -> None:
    folder = project / "ours" / "bash"
    folder.mkdir(parents=True)
    (folder / "machinery.sh.j2").write_text("# nothing for {{ plan.name | word }}\n")
    text = render("dag.yaml", "bash", templates="ours").text
    assert text.endswith("# nothing for dag\n")
    assert "pipeline() {" in text


@pytest.mark.parametrize(
    ("name", "text", "fatal"),
    [
        ("script.sh.j2", "{{ nothing_of_the_kind }}", True),
        ("script.sh.j2", "{% if %}", True),
        ("script.sh.j2", "{% include 'bash/none.j2' %}", True),
        ("script.sh.j2", "if true; then\n", True),
        ("scrpt.sh.j2", "", False),
    ],
)
def test_templates_that_cannot_be_used(project: Path, name: str, text: str, fatal: bool) -> None:
    folder = project / "ours" / "bash"
    folder.mkdir(parents=True)
    (folder / name).write_text(text)
    if not fatal:
        assert [item.code for item in render("dag.yaml", "bash", templates="ours").diagnostics] == ["MR107"]
    with pytest.raises(DefinitionError):
        render("dag.yaml", "bash", templates="ours", strict=True)


@pytest.mark.parametrize("folder", ["none", "empty"])
def test_template_folders_that_override_nothing(project: Path, folder: str) -> None:
    (project / "empty").mkdir()
    with pytest.raises(DefinitionError, match="MR107"):
        render("dag.yaml", "bash", templates=folder, strict=True)


def test_paths_of_the_definition(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\ndefinition=dag.yaml\n" in render(str(project / "dag.yaml"), "bash").text
    (project / "-odd name.yaml").write_text(DAG)
    assert "\ndefinition='./-odd name.yaml'\n" in render("-odd name.yaml", "bash").text
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    outside = render(str(project / "dag.yaml"), "bash")
    assert "\ndefinition=dag.yaml\n" in outside.text
    assert [item.code for item in outside.diagnostics] == ["MR106"]
    with pytest.raises(DefinitionError):
        render(str(project / "dag.yaml"), "bash", strict=True)
    assert "\ndefinition=../dag.yaml\n" in render("../dag.yaml", "bash").text


def test_a_store_in_memory_is_refused(project: Path) -> None:
    (project / "config.yaml").write_text("run_log_store: {type: buffered}\n")
    with pytest.raises(DefinitionError, match="MR108"):
        render("dag.yaml", "bash", "config.yaml")


def test_targets_command(project: Path) -> None:
    done = magnus("targets", "--json", cwd=project)
    assert [target["name"] for target in json.loads(done.stdout)] == [target.name for target in every()[0]]
    assert b"demo-renderer" in magnus("targets", cwd=project).stdout
