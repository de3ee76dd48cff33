"""`bundle: true` in a project file: `render --all`, `--check`, `plan` and `validate` with bundles."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.planning.document import schema
from tests.unit.test_project import DAG
from tests.unit.test_render_all import ARGO

AWS = """executor: {type: stepfunctions, config: {job_queue: "${queue}", job_definition: d}}
run_log_store: {type: s3, config: {bucket: runs}}
catalog: {type: s3, config: {bucket: runs}}
"""
PROJECT = """pipelines:
  one: {definition: dag.yaml}
  two: {definition: two.yaml, targets: [bash, argo]}
targets:
  bash:
  argo: {config: argo.yaml, bundle: true}
  stepfunctions: {config: aws.yaml, bundle: true}
environments:
  dev:
    variables: {image: 'here:dev', queue: dev}
  prod:
    variables: {image: 'here:1', queue: prod}
"""
MACHINES = {env: f"rendered/{env}/stepfunctions/one" for env in ("dev", "prod")}
MANIFESTS = {name: f"rendered/argo/{name}" for name in ("one", "two")}


@pytest.fixture(autouse=True)
def _files(project: Path) -> None:
    Path("dag.yaml").write_text(DAG)
    Path("two.yaml").write_text(DAG.replace("dag:", "dag:\n  name: two"))
    Path("argo.yaml").write_text(ARGO)
    Path("aws.yaml").write_text(AWS)
    Path("magnus.yaml").write_text(PROJECT)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = magnus(list(words))
    found = capsys.readouterr()
    return status, found.out, found.err


def contents() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path("rendered").rglob("*") if path.is_file()}


def test_they_are_those_that_bundle_makes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = run(capsys, "render", "--all")
    assert (status, err) == (0, "")
    assert f"{MACHINES['prod']}: the bundle changes: 3 of 3 files\n" in out
    assert f"{MANIFESTS['one']}/overlays/prod/kustomization.yaml: written\n" in out
    assert out.endswith("22 files: 22 written, 0 as before\n")
    assert {path.parent.name for path in Path("rendered").rglob("*.asl.json")} == {"one"}, "none is alone"
    for name, folder in MANIFESTS.items():
        definition = "dag.yaml" if name == "one" else "two.yaml"
        assert run(capsys, "bundle", definition, "-t", "argo", "--check", folder)[:2] == (0, "")
    for environment, folder in MACHINES.items():
        monkeypatch.setenv("MAGNUS_VAR_queue", environment)
        words = ["bundle", "dag.yaml", "-t", "stepfunctions", "-c", "aws.yaml", "--check", folder]
        assert run(capsys, *words) == (0, "", "")
    assert run(capsys, "render", "--all", "--check", "--strict")[0] == 65, "no step has a timeout"
    assert run(capsys, "render", "--all", "--check") == (0, "22 files: as rendered\n", "")
    assert run(capsys, "render", "--all") == (0, "22 files: 0 written, 22 as before\n", "")


def test_check_names_what_differs_is_missing_and_is_left_over(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "--all")[0] == 0
    changed, missing = f"{MACHINES['dev']}/template.json", f"{MANIFESTS['two']}/base/permissions.yaml"
    Path(changed).write_bytes(Path(changed).read_bytes() + b"\n")
    Path(missing).unlink()
    Path(MACHINES["prod"], "notes.txt").write_text("mine")
    Path("magnus.yaml").write_text(PROJECT.replace("  prod:", "  live:"))
    before = contents()
    status, out, err = run(capsys, "render", "--all", "--check", "--env", "dev")
    assert status == 1 and contents() == before
    for path in (
        changed,
        missing,
        *(f"{folder}/overlays/live/kustomization.yaml" for folder in MANIFESTS.values()),
    ):
        assert f"# {path} differs from what is rendered; to update it: magnus render --all\n" in out
    left = [f"{folder}/overlays/prod/kustomization.yaml" for folder in MANIFESTS.values()]
    assert [line for line in out.splitlines() if "makes it any more" in line] == [
        f"# {path}: no pipeline of the project makes it any more: delete it" for path in left
    ]
    assert out.endswith("2 left over\n")
    assert f"magnus: {MANIFESTS['one']}: not part of the bundle, and left alone: overlays/prod\n" in err
    status, out, _ = run(capsys, "render", "--all", "--check")
    assert status == 1 and f"# {MACHINES['prod']}/README.md: no pipeline" in out and "notes.txt" not in out
    assert run(capsys, "render", "--all")[0] == 0
    assert set(before) < set(contents()), "nothing is deleted"


def test_a_file_that_no_bundle_wrote_stays_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    Path(MACHINES["dev"]).mkdir(parents=True)
    mine = Path(MACHINES["dev"], "README.md")
    mine.write_text("mine")
    status, _, err = run(capsys, "render", "--all")
    assert (
        status == 65
        and f"these files are there, and no bundle wrote them: {mine}\n  help: move them away" in err
    )
    assert contents() == {str(mine): b"mine"}
    mine.rename(mine.with_name("NOTES.md"))
    status, _, err = run(capsys, "render", "--all")
    assert (status, err) == (0, f"magnus: {mine.parent}: not part of the bundle, and left alone: NOTES.md\n")
    assert mine.with_name("NOTES.md").read_text() == "mine"


def test_one_bundle_that_cannot_be_made_and_nothing_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    """What is wrong in each environment is told at once, by `validate` too."""
    assert run(capsys, "render", "--all")[0] == 0
    before = contents()
    Path("two.yaml").write_text(DAG.replace('"true"', "echo changed"))
    Path("aws.yaml").write_text(AWS.replace("job_definition: d", "bundle: {schedule: often}"))
    Path("argo.yaml").write_text(ARGO.replace("${image}", "${imag}"))
    status, out, err = run(capsys, "render", "--all")
    assert (status, out, contents()) == (65, "", before)
    assert "aws.yaml:1:74: error MR103" in err
    for name in ("dev", "prod"):
        assert err.count(f"variable 'imag' is not set in the environment '{name}'\n") == 1
    status, out, _ = run(capsys, "validate")
    assert status == 65 and sorted(x for x in out.splitlines() if " error " in x) == sorted(
        x for x in err.splitlines() if " error " in x
    )


def test_one_environment(capsys: pytest.CaptureFixture[str]) -> None:
    """A bundle that is for all of them is written as a whole."""
    assert run(capsys, "render", "--all", "--env", "prod")[0] == 0
    found = {path.split("/")[1] for path in contents()}
    assert found == {"prod", "argo"}
    assert Path(MANIFESTS["one"], "overlays", "dev").is_dir()
    assert run(capsys, "render", "--all", "--check", "--env", "prod")[0] == 0
    assert run(capsys, "render", "--all", "--check")[0] == 1


def test_without_environments(capsys: pytest.CaptureFixture[str]) -> None:
    Path("magnus.yaml").write_text(
        "pipelines: {p: {definition: dag.yaml}}\ntargets: {bash: {bundle: true}}\n"
    )
    assert run(capsys, "render", "--all")[0] == 0
    assert {str(Path(path).parent) for path in contents()} == {"rendered/bash/p"}
    assert Path("rendered/bash/p/run.sh").stat().st_mode & 0o100
    assert run(capsys, "bundle", "dag.yaml", "-t", "bash", "--check", "rendered/bash/p")[0] == 0


def test_what_a_bundle_leaves_open_is_not_missed(capsys: pytest.CaptureFixture[str]) -> None:
    """The artefact alone would have the name of a queue that nobody has, and a warning."""
    Path("aws.yaml").write_text(AWS.partition("\n")[2])
    project = (
        "pipelines: {p: {definition: dag.yaml}}\ntargets: {stepfunctions: {config: aws.yaml, bundle: true}}\n"
    )
    Path("magnus.yaml").write_text(project)
    assert run(capsys, "render", "--all")[::2] == (0, "")
    assert "JobQueue" in Path("rendered/stepfunctions/p/template.json").read_text()
    Path("magnus.yaml").write_text(project.replace("true", "false"))
    assert "'job_queue' is not configured" in run(capsys, "render", "--all")[2]


def test_an_environment_that_replaces_the_target_has_the_artefact_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("magnus.yaml").write_text(f"{PROJECT}    targets: {{argo: {{config: argo.yaml}}}}\n")
    assert run(capsys, "render", "--all")[0] == 0
    assert Path("rendered/prod/argo/one.yaml").exists()
    assert [path.name for path in Path(MANIFESTS["one"], "overlays").iterdir()] == ["dev"]


def test_plan_tells_which_bundle_changes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "render", "--all")[0] == 0
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=n", "-c", "user.email=e", "commit", "-qm", "x"],
    ):
        subprocess.run(["git", *words], check=True)
    status, out, _ = run(capsys, "plan", "dag.yaml")
    assert (status, out.splitlines()[3:5]) == (
        0,
        [f"{MACHINES['dev']}: as rendered", "rendered/prod/bash/one.sh: as rendered"],
    )
    Path("aws.yaml").write_text(AWS.replace("${queue}", "${queue}-2"))
    template = f"{MACHINES['dev']}/template.json"
    status, out, _ = run(capsys, "plan", "dag.yaml")
    assert status == 2 and f"{MACHINES['dev']}: the bundle changes: 2 of 3 files\n{MACHINES['dev']}/" in out
    assert f"{template}: differs: 2 lines added, 2 removed\n" in out
    assert out.endswith("`magnus render --all` writes 4 of 14 files anew.\n")
    status, out, _ = run(capsys, "plan", "dag.yaml", "--json")
    found = json.loads(out)
    jsonschema.Draft202012Validator(schema()).validate(found)
    bundles = {one["path"]: one.get("bundle") for one in found["artefacts"]}
    assert bundles[template] == MACHINES["dev"] and bundles["rendered/dev/bash/one.sh"] is None
    status, out, _ = run(capsys, "render", "--all")
    assert out.startswith(
        f"{MACHINES['dev']}: the bundle changes: 2 of 3 files\n"
    ), "no definition has changed"
    Path("dag.yaml").write_text(DAG.replace('"true"', "echo changed"))
    out = run(capsys, "render", "--all")[1]
    assert out.startswith("as committed -> dag.yaml\n")
    assert out.index("~ a") < out.index(f"{MANIFESTS['one']}: the bundle changes") < out.index(": written")


def test_what_a_killed_command_has_left_is_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    """A new file on its way to its place, and what was there before; no command can tell whose they are."""
    assert run(capsys, "render", "--all")[0] == 0
    for path in (
        "rendered/dev/bash/one.sh",
        f"{MACHINES['dev']}/README.md",
        f"{MANIFESTS['one']}/base/workflow.yaml",
    ):
        Path(path).with_name(".magnus-x1y2z3_a").write_bytes(Path(path).read_bytes())
        Path(path).with_name(".magnus-x1y2z3_a.before").write_bytes(Path(path).read_bytes())
    before = contents()
    assert run(capsys, "render", "--all", "--check") == (0, "22 files: as rendered\n", "")
    assert run(capsys, "render", "--all") == (0, "22 files: 0 written, 22 as before\n", "")
    words = ["bundle", "dag.yaml", "-t", "argo", "--check", MANIFESTS["one"]]
    assert run(capsys, *words)[:2] == (0, "")
    assert contents() == before


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (
            "bundle: deploy",
            "magnus.yaml:5:28: error MR022: target 'bash': 'bundle' must be true or false, not 'deploy'",
        ),
        ("bundel: true", "magnus.yaml:5:20: error MR020: target 'bash': unknown field 'bundel'"),
        (
            "bundle: true, compact: true",
            "magnus.yaml:5:28: error MR034: target 'bash': a bundle cannot be 'compact'",
        ),
    ],
)
def test_a_bad_value_is_told_at_its_place(
    written: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("magnus.yaml").write_text(PROJECT.replace("  bash:", "  bash:           {" + written + "}", 1))
    status, _, err = run(capsys, "render", "--all")
    assert status == 65 and told in err
    assert not Path("rendered").exists()


def test_templates_of_a_bundle_for_several_environments_are_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("own").mkdir()
    Path("magnus.yaml").write_text(
        f"{PROJECT}    targets: {{argo: {{config: argo.yaml, templates: own, bundle: true}}}}\n"
    )
    status, _, err = run(capsys, "render", "--all")
    assert status == 65
    assert "magnus.yaml:13:15: error MR034: 'templates' of 'argo' differ between environments" in err
