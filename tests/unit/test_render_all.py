"""`magnus render --all`, and `validate` and `test` of a project: one process, all or nothing."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.render import pipeline as rendering
from magnus_render.spec import reader
from magnus_render.spec.files import Files
from magnus_render.spec.report import Report
from magnus_render.targets.lookup import every, find
from tests import golden
from tests.unit.test_project import DAG

ARGO = """executor:
  type: argo
  config: {image: "${image}", service_account_name: s, persistent_volumes: [{claim: c, mount_path: /m}]}
run_log_store: {type: file-system, config: {path: /m/r}}
catalog: {type: file-system, config: {path: /m/c}}
"""
PROJECT = """pipelines:
  one: {definition: dag.yaml, cases: cases.yaml}
  two: {definition: two.yaml}
targets:
  bash:
  argo: {config: argo.yaml}
environments:
  dev: {variables: {image: 'here:dev'}}
  prod: {variables: {image: 'here:1'}}
"""
PATHS = [
    f"rendered/{where}/{file}"
    for name in ("one", "two")
    for where in ("dev", "prod")
    for file in (f"bash/{name}.sh", f"argo/{name}.yaml")
]


@pytest.fixture(autouse=True)
def _files(project: Path) -> None:
    (project / "dag.yaml").write_text(DAG)
    (project / "two.yaml").write_text(DAG.replace("dag:", "dag:\n  name: two"))
    (project / "argo.yaml").write_text(ARGO)
    (project / "cases.yaml").write_text("works: {expect: {steps: {a: SUCCESS}}}\n")
    (project / "magnus.yaml").write_text(PROJECT)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Run a command; return the exit status, and what was printed."""
    status = magnus(list(words))
    found = capsys.readouterr()
    return status, found.out, found.err


def contents() -> dict[str, tuple[bytes, int]]:
    """Return what the artefacts hold, and when each was written."""
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(Path("rendered").rglob("*.*"))
    }


def test_all_artefacts_are_those_that_render_makes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = run(capsys, "render", "--all")
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        *(f"{path}: written" for path in PATHS),
        "8 artefacts: 8 written, 0 as before",
    ]
    assert sorted(contents()) == sorted(PATHS)
    assert os.stat(PATHS[0]).st_mode & stat.S_IXUSR
    for path in PATHS:
        _, environment, target, file = path.split("/")
        monkeypatch.setenv("MAGNUS_VAR_image", "here:dev" if environment == "dev" else "here:1")
        definition = "dag.yaml" if file.startswith("one") else "two.yaml"
        config = ["-c", "argo.yaml"] if target == "argo" else []
        assert run(capsys, "render", definition, "-t", target, *config, "--check", path) == (0, "", "")


def test_what_is_as_rendered_is_not_touched(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "--all")[0] == 0
    before = contents()
    assert run(capsys, "render", "--all")[1] == "8 artefacts: 0 written, 8 as before\n"
    assert run(capsys, "render", "--all", "--check") == (0, "8 artefacts: as rendered\n", "")
    assert contents() == before
    Path(PATHS[3]).write_text("changed\n")
    assert run(capsys, "render", "--all")[1] == f"{PATHS[3]}: written\n8 artefacts: 1 written, 7 as before\n"
    assert {path: text for path, (text, _) in contents().items()} == {
        path: text for path, (text, _) in before.items()
    }


@pytest.mark.parametrize("place", PATHS[:2])
def test_a_pipe_in_the_place_of_an_artefact_is_refused(
    capsys: pytest.CaptureFixture[str], place: str
) -> None:
    """To read it would wait for a writer that never comes."""
    assert run(capsys, "render", "--all")[0] == 0
    os.unlink(place)
    os.mkfifo(place)
    for words, said in ((["--check"], "cannot read"), ([], "cannot write")):
        status, out, err = run(capsys, "render", "--all", *words)
        assert (status, out) == (75, "") and f"{said} {place}: it is" in err
    assert stat.S_ISFIFO(os.stat(place).st_mode)


def test_check_says_what_differs_and_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "--all")[0] == 0
    Path("argo.yaml").write_text(ARGO + "secrets: {type: env}\n")
    Path(PATHS[0]).unlink()
    before = contents()
    status, out, err = run(capsys, "render", "--all", "--check")
    assert (status, err) == (1, "")
    assert contents() == before
    for path in PATHS:
        line = f"# {path} differs from what is rendered; to update it: magnus render --all"
        assert (line in out) == ("/argo/" in path or path == PATHS[0])
    assert '+          value: \'{"catalog"' in out
    assert out.endswith("# 5 of 8 artefacts differ\n")


def test_one_environment(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "render", "--all", "--env", "prod")
    assert status == 0 and "dev" not in out and "4 artefacts: 4 written" in out
    assert run(capsys, "render", "--all", "--check", "--env", "prod")[0] == 0
    assert run(capsys, "render", "--all", "--check", "--env", "prod", "--env", "dev")[0] == 1
    status, _, err = run(capsys, "render", "--all", "--env", "test")
    assert status == 64 and "no environment 'test'; it has dev, prod" in err


def test_one_mistake_and_no_artefact_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "--all")[0] == 0
    before = contents()
    Path("dag.yaml").write_text(DAG.replace('"true"', "echo changed"))
    Path("two.yaml").write_text(DAG.replace("next: success", "next: sucess"))
    Path("argo.yaml").write_text(ARGO.replace("image:", "imge:").replace("${image}", "${imag}"))
    status, out, err = run(capsys, "render", "--all")
    assert (status, out) == (65, "")
    for said in (
        "two.yaml:4:",
        "argo.yaml:3:12: error MR033: executor: 'argo' has no key 'imge'",
        "variable 'imag' is not set in the environment 'dev'",
        "variable 'imag' is not set in the environment 'prod'",
        "help: did you mean 'image'? Or add it to 'variables' in magnus.yaml",
    ):
        assert said in err, err
    assert err.count("two.yaml:4:") == 1
    assert contents() == before
    status, out, _ = run(capsys, "validate")
    assert status == 65
    assert sorted(line for line in out.splitlines() if " error " in line) == sorted(
        line for line in err.splitlines() if " error " in line
    )


def test_one_file_that_cannot_be_written_and_no_artefact_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "--all")[0] == 0
    Path("dag.yaml").write_text(DAG.replace('"true"', "echo changed"))
    Path(PATHS[-1]).unlink()
    Path(PATHS[-1]).mkdir()
    before = [Path(path).read_bytes() for path in PATHS[:-1]]
    status, _, err = run(capsys, "render", "--all")
    assert status == 75 and f"cannot write {PATHS[-1]}" in err
    assert [Path(path).read_bytes() for path in PATHS[:-1]] == before
    assert list(Path("rendered").rglob(".magnus-*")) == []


def test_what_no_pipeline_makes_any_more_is_told_and_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "--all")[0] == 0
    Path("rendered/prod/argo/README.md").write_text("rendered by magnus\n")
    Path("magnus.yaml").write_text(PROJECT.replace("  two: {definition: two.yaml}\n", ""))
    status, out, _ = run(capsys, "render", "--all", "--check")
    told = "# {}: no pipeline of the project makes it any more: delete it"
    assert status == 1
    assert out.splitlines() == [
        *(told.format(path) for path in sorted(PATHS[4:])),
        "# 0 of 4 artefacts differ, 4 left over",
    ]
    assert run(capsys, "render", "--all", "--check", "--env", "dev")[1].count("makes it any more") == 2
    assert run(capsys, "render", "--all")[0] == 0
    assert set(PATHS) < set(contents())


@pytest.mark.parametrize(("case", "name"), golden.pairs())
def test_every_artefact_has_the_mark_of_its_target(case: str, name: str) -> None:
    """So does every golden file, and none has that of another target."""
    files = list((golden.FOLDER / case).glob(golden.OUTPUTS[name].replace(".", "*.", 1)))
    assert files
    for text in (file.read_text() for file in files):
        having = [target.name for target in every()[0] if any(mark in text[:65536] for mark in target.marks)]
        assert having == [find(name).name]


def test_a_file_is_read_once_and_a_template_compiled_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read, made = [], []
    content, environment = reader.Reader.content, rendering.template_folder.environment

    def reading(self: reader.Reader, path: str, named_by: object = None) -> bytes | None:
        read.append(path)
        return content(self, path)

    def making(*arguments: object) -> object:
        made.append(arguments)
        return environment(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(reader.Reader, "content", reading)
    monkeypatch.setattr(rendering.template_folder, "environment", making)
    assert run(capsys, "render", "--all")[0] == 0
    assert sorted(read) == ["argo.yaml", "dag.yaml", "magnus.yaml", "two.yaml"]
    assert len(made) == 2


def test_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    Path("dag.yaml").write_text(
        DAG.replace("    success:", "    lost: {type: success}\n    success:", 1).replace(
            "lost: {type: success}", 'lost: {type: task, command_type: shell, command: "true", next: success}'
        )
    )
    status, _, err = run(capsys, "render", "--all")
    assert status == 0 and err.count("warning MR046") == 1
    status, _, err = run(capsys, "render", "--all", "--strict", "--check")
    assert status == 65 and "warning MR046" in err


def test_a_separate_dag_lies_beside(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {path.name: text for path, text in golden.outputs("aws", "stepfunctions")}
    for name in ("dag.yaml", "aws.yaml"):
        (project / name).write_text((golden.FOLDER / "aws" / name).read_text())
    (project / "magnus.yaml").write_text(
        "pipelines: {pipeline: {definition: dag.yaml}}\ntargets: {stepfunctions: {config: aws.yaml}}\n"
    )
    assert run(capsys, "render", "--all")[0] == 0
    assert {path.name: path.read_text() for path in Path("rendered/stepfunctions").iterdir()} == texts
    assert run(capsys, "render", "--all", "--check")[0] == 0


def test_validate_looks_at_all_of_the_project(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "validate")
    assert (status, err) == (0, "")
    assert [line.split(":")[0] for line in out.splitlines()] == ["dag.yaml", "two.yaml"]
    Path("p.yaml").write_text("- no mapping\n")
    Path("cases.yaml").write_text("works: {expct: {}}\n")
    Path("magnus.yaml").write_text(PROJECT.replace("two.yaml", "two.yaml, parameters: p.yaml"))
    status, out, _ = run(capsys, "validate", "--format", "github")
    assert status == 65
    assert "file=cases.yaml,line=1,col=9,title=MR079" in out and "file=p.yaml,title=MR070" in out
    assert run(capsys, "validate", "-c", "argo.yaml")[0] == 64
    Path("magnus.yaml").write_text("pipelines: {one: {definition: dg.yaml}}\n")
    assert "magnus.yaml:1:31: error MR034" in run(capsys, "validate")[1]


def test_a_project_without_targets(capsys: pytest.CaptureFixture[str]) -> None:
    Path("magnus.yaml").write_text("pipelines: {one: {definition: dag.yaml}}\n")
    assert run(capsys, "validate")[0] == 0
    status, _, err = run(capsys, "render", "--all")
    assert status == 64 and "names no targets" in err
    status, _, err = run(capsys, "test")
    assert status == 64 and "no pipeline of magnus.yaml names 'cases'" in err


def test_the_cases_of_all_pipelines(capsys: pytest.CaptureFixture[str]) -> None:
    Path("two_cases.yaml").write_text("fails: {steps: {a: {fail: true}}, expect: {status: SUCCESS}}\n")
    Path("magnus.yaml").write_text(PROJECT.replace("two.yaml", "two.yaml, cases: two_cases.yaml"))
    status, out, _ = run(capsys, "test")
    assert status == 1
    assert out.startswith("ok      one: works\nFAILED  two: fails\n")
    assert "2 cases: 1 passed, 1 failed" in out
    Path("cases.yaml").write_text("works: {expct: {}}\n")
    Path("two_cases.yaml").write_text("works: {expct: {}}\n")
    status, _, err = run(capsys, "test")
    assert status == 65 and "\ntwo_cases.yaml:1:9: error MR079" in f"\n{err}" and "cases.yaml:1:9" in err


def test_a_file_that_is_known_counts_as_one_that_is_read(project: Path) -> None:
    files = Files()
    report = Report()
    tree = reader.Reader(report, files).read("dag.yaml")
    again = reader.Reader(report, files)
    assert again.read("dag.yaml") is tree and again.values > 10
    full = reader.Reader(report, files)
    full.values = reader.MAX_VALUES - 3
    assert full.read("dag.yaml") is None
    assert [one.code for one in report.diagnostics] == ["MR010"]


@pytest.mark.parametrize("source", ["dag.yaml", "argo.yaml", "cases.yaml", "magnus.yaml"])
def test_no_artefact_takes_the_place_of_what_the_project_is_made_of(
    source: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A link at the place of an artefact leads to it."""
    Path("rendered/dev/bash").mkdir(parents=True)
    os.symlink(f"../../../{source}", "rendered/dev/bash/one.sh")
    before = Path(source).read_bytes()
    for words in (["render", "--all"], ["render", "--all", "--check"], ["validate"]):
        status, *told = run(capsys, *words)
        assert status == 65
        wanted = "the artefact rendered/dev/bash/one.sh would replace a file that the project reads"
        assert wanted in "".join(told)
    assert Path(source).read_bytes() == before


@pytest.mark.parametrize("path", ["dag.yaml", "./dag.yaml", "argo.yaml", "link"])
def test_no_output_takes_the_place_of_what_the_pipeline_is_made_of(
    path: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAGNUS_VAR_image", "here:1")
    os.symlink("dag.yaml", "link")
    for option in (["-o", path], ["--plan", path]):
        status, _, told = run(capsys, "render", "dag.yaml", "-t", "argo", "-c", "argo.yaml", *option)
        assert status == 64
        assert f"the output would replace {path}, which the pipeline is made of" in told
    assert (Path("dag.yaml").read_text(), Path("argo.yaml").read_text()) == (DAG, ARGO)
