"""The target that docs/targets/own.md builds: a package of somebody else's, which magnus takes as its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.render import render
from magnus_render.targets.lookup import find
from tests.plugins import install

PAGE = Path(__file__).resolve().parents[2] / "docs" / "targets" / "own.md"
FILE = re.compile(r"^`([\w./-]+)`:\n\n```\w+\n(.*?)^```$", re.M | re.S)
STEP = "{type: task, command_type: shell, command: %s, next: %s}"
DAG = f"""\
dag:
  start_at: a
  steps:
    a: {STEP % ("echo one > one", "b")}
    b: {STEP % ("cat one", "success")}
    success: {{type: success}}
    fail: {{type: fail}}
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """Return the folder that the package is installed in, of a project with a definition."""
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "dag.yaml").write_text(DAG)
    folder = tmp_path / "packages"
    written = dict(FILE.findall(PAGE.read_text()))
    for name, text in written.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    points = re.findall(
        r'^\[project\.entry-points\."magnus_render\.(\w+)"\]\n(\w+) = "(.+)"$',
        written["pyproject.toml"],
        re.M,
    )
    install(folder, {kind: {name: place} for kind, name, place in points})
    return folder


def magnus(package: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call magnus in the project, with the package installed."""
    bin_folder = os.path.dirname(sys.executable)
    environment = {
        "PATH": os.pathsep.join((bin_folder, os.environ.get("PATH", os.defpath))),
        "HOME": str(package),
        "PYTHONPATH": os.pathsep.join((str(package), str(PAGE.parents[2]))),
    }
    command = list(arguments)
    if command[0] == "magnus":
        command[:1] = [sys.executable, "-c", "from magnus_render.cli.main import main; main()"]
    return subprocess.run(
        command,
        cwd=package.parent / "project",
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_script_runs(package: Path) -> None:
    done = magnus(package, "magnus", "render", "dag.yaml", "--target", "plain-sh", "-o", "run.sh")
    assert (done.returncode, done.stderr) == (0, "")
    done = magnus(package, "./run.sh", "r1")
    assert done.returncode == 0, done.stderr
    shown = magnus(package, "magnus", "runs", "show", "r1")
    assert "SUCCESS" in shown.stdout and "cat one" not in shown.stderr
    (package.parent / "project" / "one").unlink()
    (package.parent / "project" / "dag.yaml").write_text(DAG.replace("echo one > one", "exit 3"))
    magnus(package, "magnus", "render", "dag.yaml", "--target", "lines", "-o", "run.sh")
    assert magnus(package, "./run.sh", "r2").returncode == 1
    assert "FAIL" in magnus(package, "magnus", "runs", "show", "r2").stdout


def test_commands_know_it_as_they_know_ours(package: Path) -> None:
    listed = magnus(package, "magnus", "targets")
    assert "lines (also plain-sh): a script for sh" in listed.stdout
    explained = magnus(package, "magnus", "explain", "MR901")
    assert explained.stdout.startswith("MR901: A line that nothing waits for")
    unknown = magnus(package, "magnus", "render", "dag.yaml", "--target", "plain-hs")
    assert unknown.returncode == 64 and "did you mean 'plain-sh'?" in unknown.stderr
    executed = magnus(
        package, "magnus", "execute", "-f", "dag.yaml", "-c", _config(package, "{type: plain-sh}")
    )
    assert executed.returncode == 65 and "--target lines" in executed.stderr


def _config(package: Path, executor: str) -> str:
    (package.parent / "project" / "c.yaml").write_text(f"executor: {executor}\n")
    return "c.yaml"


def test_its_configuration_is_read_as_ours_is(package: Path) -> None:
    config = _config(package, "{type: plain-sh, config: {magnus_command: python -m magnus_render}}")
    done = magnus(package, "magnus", "render", "dag.yaml", "--target", "lines", "-c", config)
    assert done.returncode == 0 and 'python -m magnus_render start_run "$1"' in done.stdout, done.stderr
    config = _config(package, "{type: lines, config: {magnus_comand: magnus}}")
    for command in (["validate", "dag.yaml"], ["render", "dag.yaml", "--target", "lines"]):
        done = magnus(package, "magnus", *command, "-c", config)
        assert done.returncode == 65
        said = done.stdout + done.stderr
        assert "'lines' has no key 'magnus_comand'" in said and "did you mean 'magnus_command'?" in said


def test_what_it_does_not_declare_is_refused(package: Path) -> None:
    text = DAG.replace("next: b}", "next: b, retry: 3}")
    (package.parent / "project" / "dag.yaml").write_text(text)
    done = magnus(package, "magnus", "validate", "dag.yaml", "-c", _config(package, "{type: lines}"))
    assert done.returncode == 65 and "lines does not honour more than one attempt" in done.stdout


def test_a_template_of_it_can_be_overridden(package: Path) -> None:
    other = package.parent / "project" / "ours" / "lines" / "script.sh.j2"
    other.parent.mkdir(parents=True)
    other.write_text("#!/bin/sh\nmagnus x &\n")
    done = magnus(package, "magnus", "render", "dag.yaml", "--target", "lines", "--templates", "ours")
    assert done.returncode == 65
    assert "MR901: nothing waits for 'magnus x &'" in done.stderr
    (other.parent / "main.sh.j2").write_text("")
    other.write_text("true\n")
    done = magnus(package, "magnus", "render", "dag.yaml", "--target", "lines", "--templates", "ours")
    assert "'lines/main.sh.j2' overrides no template of lines" in done.stderr
    assert (
        "the script does not begin with #!/bin/sh" in done.stderr and "ours/lines/script.sh.j2" in done.stderr
    )


def test_a_broken_one_is_named_and_breaks_nothing_else(package: Path) -> None:
    install(package, {"target": {"lost": "not_here:Target"}}, name="lost")
    listed = magnus(package, "magnus", "targets")
    assert listed.returncode == 0 and "bash" in listed.stdout and "lines" in listed.stdout
    assert "target 'lost' (not_here:Target) cannot be loaded: ModuleNotFoundError" in listed.stderr
    assert magnus(package, "magnus", "explain", "MR901").returncode == 0
    assert magnus(package, "magnus", "render", "dag.yaml", "--target", "plain-sh").returncode == 0
    config = _config(package, "{type: lost}")
    for command in (
        ["validate", "dag.yaml", "-c", config],
        ["render", "dag.yaml", "--target", "lost"],
        ["execute", "-f", "dag.yaml", "-c", config],
    ):
        done = magnus(package, "magnus", *command)
        said = done.stdout + done.stderr
        assert done.returncode == 65, said
        assert "target 'lost' (not_here:Target) cannot be loaded" in said and "Traceback" not in said


TARGETS = ("argo", "bash", "stepfunctions")


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_keeps_nothing_between_calls(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One object compiles two plans before it finishes either: each gets what it gets alone."""
    from magnus_render.graph.load import load
    from magnus_render.render import templates
    from magnus_render.targets.base import Source

    monkeypatch.chdir(tmp_path)
    steps = "{x: {type: task, command: m.f, next: success}, success: {type: success}, fail: {type: fail}}"
    inner = f"{{start_at: x, steps: {steps}}}"
    separate = f"    d: {{type: dag, separate: true, branch: {inner}, next: success}}\n"
    texts = {"one.yaml": DAG, "two.yaml": DAG.replace("next: success}", "next: d}", 1) + separate}
    target = find(name)
    made = []
    for file, text in texts.items():
        Path(file).write_text(text)
        loaded = load(file)
        config, _ = target.completed(loaded.config, loaded.absent)
        target.check(loaded.plan, config)
        made.append((file, list(target.compile(loaded.plan, config, Source(file)))))
    finished = [
        (file, output, target.finish(output, templates.run(target, output.context), False))
        for file, outputs in made
        for output in outputs
    ]
    for file, output, document in reversed(finished):
        others = [other for one, _, other in finished if one == file and other is not document]
        assert not [item for item in target.lint(document, output, others) if item.severity == "error"]
        alone = render(file, name)
        assert document.text == (alone.others[output.name] if output.name else alone.text)
    assert vars(target) == {}


@pytest.mark.parametrize("kind", ["kubeflow", "pbs"])
def test_what_does_not_exist_is_unknown_everywhere(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`validate`, `render` and `execute` give one answer, at one place."""
    from magnus_render.render.check import check, executable

    monkeypatch.chdir(tmp_path)
    Path("dag.yaml").write_text(f"executor: {{type: {kind}, config: {{image: x}}}}\n{DAG}")
    _, validated = check("dag.yaml")
    with pytest.raises(DefinitionError) as rendering:
        render("dag.yaml", "bash")
    with pytest.raises(DefinitionError) as executing:
        executable("dag.yaml")
    (error,) = (item for item in validated if item.severity == "error")
    assert error.message == f"executor: there is no type '{kind}'" and error.line == 1
    for found in (rendering, executing):
        assert [item for item in found.value.diagnostics if item.severity == "error"] == [error]
