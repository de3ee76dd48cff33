"""The project file: found, read, and all that is wrong with it told at once, at its place."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
import yaml

from magnus_render.cli.main import run as magnus
from magnus_render.diagnostics import DefinitionError
from magnus_render.project.read import artefacts_of, find, read
from magnus_render.project.schema import build as of_project

needs_toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="Python reads TOML from 3.11 on")

DAG = """dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: "true", next: success}
    success: {type: success}
    fail: {type: fail}
"""
PROJECT = """pipelines:
  one: {definition: dag.yaml}
  two: {definition: other/dag.yaml, targets: [argo]}
targets:
  bash:
  argo: {config: argo.yaml}
variables: {x: all, y: all}
environments:
  dev:
  prod:
    variables: {x: prod}
    targets: {argo: {config: other/argo.yaml, compact: true}}
"""
WRONG = """pipelines:
  prices: {definiton: dag.yaml}
  p.x: {definition: dg.yaml, parameters: 3, targets: [bash, agro, kubeflow]}
  s: dag.yaml
  empty:
targets:
  bahs:
  argo: {config: ../ago.yaml, templates: mine}
variables: {team: 3, a=b: x}
environments:
  dev: {vars: {}}
  prod: x
rendered: .
dag: x
"""
TOLD = """\
2:3 MR021 pipeline 'prices': 'definition' is missing (name the file that holds it: 'definition: dag.yaml')
2:12 MR020 pipeline 'prices': unknown field 'definiton' (did you mean 'definition'?)
3:3 MR034 pipelines: 'p.x' cannot be such a name (use letters, digits, '-' and '_': it becomes part of a path)
3:21 MR034 'definition': there is no file 'dg.yaml' (did you mean 'dag.yaml'?)
3:42 MR022 pipeline 'p.x': 'parameters' must be a text, not the number 3 (put it in quotes)
3:55 MR034 pipeline 'p.x': the project has no target 'bash' (did you mean 'bahs'?)
3:61 MR034 pipeline 'p.x': the project has no target 'agro' (did you mean 'argo'?)
3:67 MR034 pipeline 'p.x': the project has no target 'kubeflow' (add it to 'targets' of the project)
4:6 MR022 pipelines: 's' must be a mapping, not 'dag.yaml' (write s: {definition: dag.yaml})
5:3 MR021 pipeline 'empty': 'definition' is missing (name the file that holds it: 'definition: dag.yaml')
7:3 MR034 there is no target 'bahs' (did you mean 'bash'?)
8:18 MR028 target 'argo': 'config': '../ago.yaml' leaves the folder (write a path below it, without '..')
8:42 MR034 'templates': there is no folder 'mine' (the path is relative to the folder of magnus.yaml)
9:19 MR022 project: 'variables.team' must be a text, not the number 3 (put it in quotes)
9:22 MR034 variables: 'a=b' cannot name a variable (write the name alone, as it stands in ${name})
11:9 MR020 environment 'dev': unknown field 'vars' (use 'variables')
12:9 MR022 environments: 'prod' must be a mapping, not 'x'
13:11 MR034 project: 'rendered' must be a folder of its own (such as 'rendered', the default)
14:1 MR020 project: unknown field 'dag' (a definition has a file of its own: 'pipelines: {NAME: {definition: dag.yaml}}')
"""


@pytest.fixture(autouse=True)
def _files(project: Path) -> None:
    (project / "other").mkdir()
    for name in ("dag.yaml", "other/dag.yaml"):
        (project / name).write_text(DAG)
    for name in ("argo.yaml", "other/argo.yaml"):
        (project / name).write_text("executor: {type: argo}\n")


def told(file: str = "magnus.yaml") -> str:
    """Return what is wrong with a project file, a line for each."""
    with pytest.raises(DefinitionError) as caught:
        read(file)
    return "".join(
        f"{one.line}:{one.column} {one.code} {one.message}{one.fix and f' ({one.fix})'}\n"
        for one in caught.value.diagnostics
    )


def test_what_a_project_makes(project: Path) -> None:
    (project / "magnus.yaml").write_text(PROJECT)
    found = list(read("magnus.yaml").artefacts())
    assert [(one.path, one.target.config, one.environment.variables["x"]) for one in found] == [
        ("rendered/dev/bash/one.sh", None, "all"),
        ("rendered/dev/argo/one.yaml", "argo.yaml", "all"),
        ("rendered/prod/bash/one.sh", None, "prod"),
        ("rendered/prod/argo/one.yaml", "other/argo.yaml", "prod"),
        ("rendered/dev/argo/two.yaml", "argo.yaml", "all"),
        ("rendered/prod/argo/two.yaml", "other/argo.yaml", "prod"),
    ]
    assert {one.environment.variables["y"] for one in found} == {"all"}


def test_without_environments_there_is_one_without_a_name(project: Path) -> None:
    (project / "magnus.yaml").write_text(
        "pipelines: {p: {definition: dag.yaml}}\ntargets: {aws-step-functions: {}}\nrendered: out/./here/\n"
    )
    assert [one.path for one in read("magnus.yaml").artefacts()] == ["out/here/aws-step-functions/p.asl.json"]


def test_the_artefacts_of_a_definition(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "magnus.yaml").write_text(PROJECT)
    monkeypatch.chdir("other")
    found = artefacts_of("dag.yaml")
    assert found is not None
    whole, artefacts = found
    assert whole.folder == ".."
    assert [one.path for one in artefacts] == ["rendered/dev/argo/two.yaml", "rendered/prod/argo/two.yaml"]
    assert {one.pipeline.name for one in artefacts} == {"two"}
    above = artefacts_of("../dag.yaml")
    assert above is not None and {one.pipeline.name for one in above[1]} == {"one"}
    stranger = artefacts_of("../other.yaml")
    assert stranger is not None and stranger[1] == []
    (project / "magnus.yaml").unlink()
    assert artefacts_of("dag.yaml") is None


def test_all_that_is_wrong_is_told_at_its_place(project: Path) -> None:
    (project / "magnus.yaml").write_text(WRONG)
    assert told() == TOLD


def test_the_file_is_looked_for_upwards(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir("other")
    assert find() is None
    for command in (["render", "--all"], ["validate"], ["test"], ["ci", "github"]):
        assert magnus(command) == 64
        err = capsys.readouterr().err
        assert "no magnus.yaml" in err and "`magnus init` makes a project" in err
    (project / "magnus.yaml").write_text("pipelines: {p: {definition: dag.yaml}}\ntargets: {bash: }\n")
    (project / "other" / "pyproject.toml").write_text("[project]\nname = 'x'  # tool.magnus\n[broken\n")
    assert find() == "../magnus.yaml"
    assert magnus(["render", "--all"]) == 0
    assert "the project is ../magnus.yaml" in capsys.readouterr().err
    assert (project / "rendered" / "bash" / "p.sh").exists()


@pytest.mark.parametrize("text", ["", "- a\n", "pipelines: {}\n", "pipelines:\n", "a: {b: c\n"])
def test_files_that_are_no_project(project: Path, text: str) -> None:
    (project / "magnus.yaml").write_text(text)
    assert re.search(r"MR\d\d\d", told())


@needs_toml
def test_toml_says_the_same(project: Path) -> None:
    (project / "magnus.yaml").write_text(PROJECT)
    expected = read("magnus.yaml")
    (project / "magnus.yaml").unlink()
    (project / "pyproject.toml").write_text("""[project]
name = "x"
[tool.magnus]
variables = {x = "all", "y" = 'all'}
[tool.magnus.pipelines]
one.definition = "dag.yaml"
two = {definition = "other/dag.yaml", targets = ["argo"]}
[tool.magnus.targets.bash]
[tool.magnus.targets.argo]
config = "argo.yaml"
[tool.magnus.environments.dev]
[tool.magnus.environments.prod]
variables.x = "prod"
targets = {argo = {config = "other/argo.yaml", compact = true}}
""")
    assert find() == "pyproject.toml"
    assert read("pyproject.toml")._replace(file="magnus.yaml") == expected


@needs_toml
def test_places_in_toml(project: Path) -> None:
    (project / "pyproject.toml").write_text('''[tool.black]
definitio = 1 # not this one
text = """
[tool.magnus]
rendered = 3
"""
[tool . magnus]  # the project
rendered = 3
pipelines."p" = {definitio = "dag.yaml"}
pipelines.q.definition = "dog.yaml"
pipelines.q.targets = [
  "bash",
]
[tool.magnus.targets]
argo = {templates = "a = {b}", 'compct' = true}
[tool.magnus.variables]
since = 2026-11-30
''')
    assert told("pyproject.toml") == (
        "8:12 MR022 project: 'rendered' must be a text, not the number 3 (put it in quotes)\n"
        "9:1 MR021 pipeline 'p': 'definition' is missing (name the file that holds it: 'definition: dag.yaml')\n"
        "9:18 MR020 pipeline 'p': unknown field 'definitio' (did you mean 'definition'?)\n"
        "10:26 MR034 'definition': there is no file 'dog.yaml' (did you mean 'dag.yaml'?)\n"
        "11:23 MR034 pipeline 'q': the project has no target 'bash' (add it to 'targets' of the project)\n"
        "15:21 MR034 'templates': there is no folder 'a = {b}' (the path is relative to the folder of pyproject.toml)\n"
        "15:32 MR020 target 'argo': unknown field 'compct' (did you mean 'compact'?)\n"
    )
    (project / "pyproject.toml").write_text("[tool.magnus]\npipelines = {\n")
    assert told("pyproject.toml").startswith("2:14 MR005 not TOML: ")


def test_two_project_files_in_one_folder(project: Path) -> None:
    (project / "magnus.yaml").write_text(PROJECT)
    (project / "pyproject.toml").write_text("[tool.magnus.pipelines]\n")
    assert (
        told() == "0:0 MR034 pyproject.toml beside it has a table [tool.magnus] too (keep one of the two)\n"
    )


def test_the_schema_takes_what_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    assert magnus(["schema", "--project"]) == 0
    assert json.loads(capsys.readouterr().out) == of_project()
    assert magnus(["schema", "--project", "--config"]) == 64
    validator = jsonschema.Draft202012Validator(of_project())
    assert list(validator.iter_errors(yaml.safe_load(PROJECT))) == []
    wrong = {
        "".join(map(str, list(error.path)[:1])) for error in validator.iter_errors(yaml.safe_load(WRONG))
    }
    assert {"pipelines", "targets", "variables", "environments"} & wrong >= {"pipelines", "variables"}


def test_an_empty_file_and_a_path_that_is_nearly_right_are_told_how_to_be_mended(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "magnus.yaml").write_text("")
    assert magnus(["validate"]) == 65
    assert "help: begin with 'pipelines:'\n" in capsys.readouterr().out
    (project / "flows").mkdir()
    (project / "flows" / "prices.yaml").write_text(DAG)
    (project / "magnus.yaml").write_text("pipelines: {prices: {definition: flows/price.yaml}}\n")
    assert magnus(["validate"]) == 65
    assert "did you mean 'flows/prices.yaml'?" in capsys.readouterr().out
