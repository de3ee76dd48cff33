"""`magnus bundle`: the command, what it writes, and what it leaves alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.plugins import install
from tests.tools import environment, magnus, require

GOLDEN = Path(__file__).resolve().parents[1] / "golden"
CONFIG = """\
executor:
  type: stepfunctions
  config: {job_queue: churn-queue}
run_log_store: {type: s3, config: {bucket: churn-runs}}
catalog: {type: s3, config: {bucket: churn-runs}}
"""
FILES = ["README.md", "pipeline.asl.json", "template.json"]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return the folder of a project with a definition and a configuration."""
    shutil.copy(GOLDEN / "linear" / "dag.yaml", tmp_path)
    (tmp_path / "aws.yaml").write_text(CONFIG)
    return tmp_path


def bundle(project: Path, *words: str) -> tuple[int, str, str]:
    done = magnus(project, "bundle", "dag.yaml", "-t", "stepfunctions", "-c", "aws.yaml", *words)
    return done.returncode, done.stdout, done.stderr


def test_it_is_written_and_checked(project: Path) -> None:
    status, stdout, stderr = bundle(project, "-o", "deploy/aws")
    assert (status, stderr) == (0, "")
    assert stdout.splitlines() == [f"deploy/aws/{name}" for name in FILES]
    assert sorted(os.listdir(project / "deploy" / "aws")) == FILES
    written = {name: (project / "deploy" / "aws" / name).read_bytes() for name in FILES}
    assert bundle(project, "--check", "deploy/aws") == (0, "", "")
    bundle(project, "-o", "again")
    assert written == {name: (project / "again" / name).read_bytes() for name in FILES}, "the same bytes"


def test_drift_is_shown(project: Path) -> None:
    bundle(project, "-o", "out")
    (project / "out" / "README.md").unlink()
    (project / "aws.yaml").write_text(CONFIG.replace("churn-queue", "other-queue"))
    status, stdout, _ = bundle(project, "--check", "out")
    assert status == 1
    assert '-        "JobQueue": "churn-queue"' in stdout.replace(",\n", "\n") and "+# dag" in stdout
    assert "magnus bundle dag.yaml --target stepfunctions --config aws.yaml --output out" in stdout
    assert not (project / "out" / "README.md").exists(), "it only compares"


def test_a_file_of_an_older_bundle_is_drift(project: Path) -> None:
    """A timer of before would go on to start runs; a file of the user's is none of it."""
    (project / "bash.yaml").write_text(
        "executor: {type: bash, config: {bundle: {on_calendar: daily, cron: '0 3 * * *'}}}\n"
    )
    (project / "out").mkdir()
    (project / "out" / "notes.txt").write_text("mine")
    words = ["bundle", "dag.yaml", "-t", "bash"]
    assert magnus(project, *words, "-c", "bash.yaml", "-o", "out").returncode == 0
    assert magnus(project, *words, "-c", "bash.yaml", "--check", "out").returncode == 0
    (project / "bash.yaml").write_text("executor: {type: bash}\n")
    assert magnus(project, *words, "-c", "bash.yaml", "-o", "out").returncode == 0
    done = magnus(project, *words, "-c", "bash.yaml", "--check", "out")
    assert done.returncode == 1
    assert done.stdout.splitlines() == [
        f"# out/{name}: it is no longer part of the bundle: delete it"
        for name in ("crontab", "magnus-dag.timer")
    ]
    assert (project / "out" / "magnus-dag.timer").exists()


def test_files_of_others_stay(project: Path) -> None:
    (project / "out" / "notes").mkdir(parents=True)
    (project / "out" / "notes" / "mine.txt").write_text("mine")
    status, _, stderr = bundle(project, "-o", "out")
    assert status == 0
    assert stderr == "magnus: out: not part of the bundle, and left alone: notes\n"
    assert (project / "out" / "notes" / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize(("target", "mine"), [("bash", "run.sh"), ("argo", "README.md")])
def test_a_file_that_no_bundle_wrote_is_not_replaced(project: Path, target: str, mine: str) -> None:
    """A bundle of a former definition is replaced, whatever the target; a user's file of the same name is not."""
    words = ["bundle", "dag.yaml", "-t", target, "-o", "."]
    assert magnus(project, *words).returncode == 0
    definition = (project / "dag.yaml").read_text()
    (project / "dag.yaml").write_text(definition.replace("dag:\n", "dag:\n  name: another\n", 1))
    assert magnus(project, *words).returncode == 0, "each of its files is known by its mark"
    (project / mine).write_text("mine")
    done = magnus(project, *words)
    assert (
        done.returncode == 65
        and f"these files are there, and no bundle wrote them: ./{mine}\n" in done.stderr
    )
    assert (project / mine).read_text() == "mine"
    assert magnus(project, *words, "--force").returncode == 0
    assert (project / mine).read_text() != "mine"


def test_all_or_nothing(project: Path) -> None:
    (project / "out").mkdir()
    (project / "out" / "README.md").write_text("`magnus bundle` wrote it before")
    (project / "out" / "template.json").mkdir()
    status, stdout, stderr = bundle(project, "-o", "out")
    assert (status, stdout) == (75, "")
    assert "template.json: it is a folder" in stderr
    assert sorted(os.listdir(project / "out")) == ["README.md", "template.json"]
    assert (project / "out" / "README.md").read_text() == "`magnus bundle` wrote it before"


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ([], 64, "say where to: -o DIR writes the files there, --check DIR compares them"),
        (["-o", "a", "--check", "a"], 64, "say where to"),
        (["-o", ""], 64, "-o DIR is empty"),
        (["--check", ""], 64, "--check DIR is empty"),
        (["-o", "dag.yaml"], 75, "cannot write dag.yaml/"),
        (["-o", "a", "--templates", "none"], 65, "there is no template folder 'none'"),
    ],
)
def test_what_it_refuses(project: Path, words: list[str], status: int, told: str) -> None:
    found, stdout, stderr = bundle(project, *words)
    assert (found, stdout) == (status, "")
    assert told in stderr
    assert not (project / "a").exists()


def test_templates_are_replaced(project: Path) -> None:
    (project / "own" / "stepfunctions" / "bundle").mkdir(parents=True)
    template = project / "own" / "stepfunctions" / "bundle" / "README.md.j2"
    template.write_text("Ask {{ name }}'s team.\n")
    assert bundle(project, "-o", "out", "--templates", "own")[0::2] == (0, "")
    assert (project / "out" / "README.md").read_text() == "Ask dag's team.\n"
    template.write_text("{{ nobody }}")
    status, _, stderr = bundle(project, "-o", "out", "--templates", "own")
    assert status == 65 and "own/stepfunctions/bundle/README.md.j2:1:1: error MR107" in stderr
    assert (project / "out" / "README.md").read_text() == "Ask dag's team.\n"


TARGET = """\
from magnus_render.plan import TASK
from magnus_render.targets.base import BaseTarget, Output


class Plain(BaseTarget):
    name = "plain"
    template = "plain/main.txt.j2"
    capabilities = {TASK: frozenset({"retry", "catalog", "on_failure", "timeout", "secrets"})}

    def compile(self, plan, config, source):
        yield Output("", plan, {"plan": plan})


class Deployed(Plain):
    name = "deployed"

    def bundle(self, plan, config, made, write):
        [(output, document)] = made
        return {"main.txt": document.text, "how/to.md": write("plain/bundle/to.md.j2", {"plan": plan})}
"""


def test_targets_of_others(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = project / "packages" / "plain_target"
    (package / "templates" / "plain" / "bundle").mkdir(parents=True)
    (package / "__init__.py").write_text(TARGET)
    (package / "templates" / "plain" / "main.txt.j2").write_text("{{ plan.name }}\n")
    (package / "templates" / "plain" / "bundle" / "to.md.j2").write_text("Deploy {{ plan.name }}.\n")
    install(package.parent, {"target": {"plain": "plain_target:Plain", "deployed": "plain_target:Deployed"}})
    monkeypatch.setattr("tests.tools.environment", lambda: environment(PYTHONPATH=str(package.parent)))
    done = magnus(project, "bundle", "dag.yaml", "-t", "plain", "-o", "out")
    assert done.returncode == 64
    assert (
        "the target plain has no bundle\n  help: render it with `magnus render`, or bundle it for"
        in done.stderr
    )
    assert "deployed" in done.stderr and not (project / "out").exists()
    done = magnus(project, "bundle", "dag.yaml", "-t", "deployed", "-o", "out")
    assert (done.returncode, done.stderr) == (0, "")
    assert (project / "out" / "how" / "to.md").read_text() == "Deploy dag.\n"
    targets = "targets: {deployed: {bundle: true}, plain: {bundle: true}}\n"
    (project / "magnus.yaml").write_text("pipelines: {p: {definition: dag.yaml}}\n" + targets)
    done = magnus(project, "render", "--all")
    assert done.returncode == 65
    assert "magnus.yaml:2:53: error MR034: the target 'plain' has no bundle" in done.stderr
    assert done.stderr.count(" error ") == 1 and not (project / "rendered").exists()


PROJECT = """\
pipelines: {churn: {definition: dag.yaml}}
targets: {argo: {config: argo.yaml}}
environments: {dev: {variables: {image: "churn:dev"}}, prod: {variables: {image: "churn:1"}}}
"""


def test_one_bundle_for_the_environments_of_a_project(project: Path) -> None:
    (project / "magnus.yaml").write_text(PROJECT)
    (project / "argo.yaml").write_text('executor: {type: argo, config: {image: "${image}"}}\n')
    words = ["bundle", "dag.yaml", "-t", "argo"]
    done = magnus(project, *words, "-o", "out")
    assert done.returncode == 0
    assert "magnus: a base and overlays for the environments of the project: dev, prod\n" in done.stderr
    bases = [f"out/base/{name}.yaml" for name in ("kustomization", "permissions", "workflow")]
    overlays = [f"out/overlays/{name}/kustomization.yaml" for name in ("dev", "prod")]
    assert done.stdout.splitlines() == ["out/README.md", *bases, *overlays]
    assert "kubectl apply -k overlays/dev" in (project / "out" / "README.md").read_text()
    dev, prod = ((project / path).read_text() for path in overlays)
    assert "patches:" not in dev
    assert '"path": "/spec/templateDefaults/container/image", "value": "churn:1"}' in prod
    (project / "out" / "base" / "notes.txt").write_text("mine")
    (project / "magnus.yaml").write_text(PROJECT.replace("prod:", "live:"))
    done = magnus(project, *words, "--check", "out")
    assert (
        done.returncode == 1 and "out: not part of the bundle, and left alone: base/notes.txt" in done.stderr
    )
    assert (
        "# out/overlays/prod/kustomization.yaml: it is no longer part of the bundle: delete it" in done.stdout
    )
    assert "notes.txt" not in done.stdout
    alone = magnus(project, *words, "-c", "config.yaml", "-o", "alone")
    assert alone.returncode == 65, "a configuration that is named is read, and it is not there"


def test_the_environments_are_those_of_the_working_folder(project: Path) -> None:
    """Paths of a project file are relative to its folder, and so are those that callbacks get."""
    (project / "magnus.yaml").write_text(PROJECT)
    (project / "argo.yaml").write_text('executor: {type: argo, config: {image: "${image}"}}\n')
    (project / "below").mkdir()
    done = magnus(project / "below", "bundle", "../dag.yaml", "-t", "argo", "-o", "out")
    assert done.returncode == 64
    assert "../dag.yaml belongs to the project ../magnus.yaml" in done.stderr


def test_the_image_of_the_project(project: Path) -> None:
    """The very files of `magnus image`; another file that git tracks is drift, and so is an image that is left behind."""
    words = ["bundle", "dag.yaml", "-t", "stepfunctions", "--image", "python:3.12-slim"]
    (project / "dag.yaml").write_text(IMAGE_DAG)
    for line in (["init", "-q"], ["add", "dag.yaml"]):
        subprocess.run([require("git"), *line], cwd=project, check=True)
    done = magnus(project, *words, "-o", "out")
    assert done.returncode == 0, done.stderr
    names = ["Containerfile", "Containerfile.dockerignore", "README.md"]
    assert [f"out/image/{name}" for name in names] == [one for one in done.stdout.split() if "/image/" in one]
    assert magnus(project, "image", "--base", "python:3.12-slim").returncode == 0
    assert (project / "Containerfile").read_text() == (project / "out/image/Containerfile").read_text()
    ignored = (project / "out/image/Containerfile.dockerignore").read_text()
    assert (project / ".containerignore").read_text() == ignored and "!dag.yaml" in ignored
    assert magnus(project, *words, "--check", "out").returncode == 0
    (project / "more.py").write_text("")
    subprocess.run([require("git"), "add", "more.py"], cwd=project, check=True)
    done = magnus(project, *words, "--check", "out")
    assert done.returncode == 1 and "+!more.py" in done.stdout and "--image python:3.12-slim" in done.stdout
    assert magnus(project, *words, "-o", "out").returncode == 0, "it is replaced: it has a mark"
    subprocess.run([require("git"), "add", "out"], cwd=project, check=True)
    assert (
        magnus(project, *words, "--check", "out").returncode == 0
    ), "a bundle that is committed is as it was"
    assert magnus(project, *words, "-o", "deploy/other").returncode == 0
    (project / "deploy" / "other" / "own.json").write_text("{}")
    subprocess.run([require("git"), "add", "deploy"], cwd=project, check=True)
    done = magnus(project, *words, "--check", "out")
    added = [line for line in done.stdout.splitlines() if line.startswith("+!")]
    assert added == ["+!deploy/other/own.json"], "another bundle is in no image, what is the user's own is"
    subprocess.run([require("git"), "rm", "-rq", "--cached", "deploy"], cwd=project, check=True)
    done = magnus(project, *words[:4], "--check", "out")
    left = [f"# out/image/{name}: it is no longer part of the bundle: delete it" for name in names]
    assert (done.returncode, done.stdout.splitlines()) == (1, left)


IMAGE_DAG = """\
dag:
  start_at: a
  steps:
    a: {type: task, command: shop.a, next: success}
    success: {type: success}
    fail: {type: fail}
"""


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["-t", "bash"], "--image: steps of bash run where the project is"),
        (["-t", "stepfunctions", "-c", "mine.yaml"], "--image: the configuration names what runs steps"),
    ],
)
def test_no_image_where_none_is_needed(project: Path, words: list[str], told: str) -> None:
    (project / "mine.yaml").write_text("executor: {type: stepfunctions, config: {job_definition: mine}}\n")
    done = magnus(project, "bundle", "dag.yaml", *words, "-o", "out", "--image", "python:3.12-slim")
    assert done.returncode == 64 and told in done.stderr
    assert not (project / "out").exists()


def test_the_readme_of_argo_names_all_that_must_be_in_the_namespace(project: Path) -> None:
    """Pods that refer to an object that is not there never begin."""
    (project / "argo.yaml").write_text("""\
executor:
  type: argo
  config:
    image: shop:1
    service_account_name: runner
    image_pull_secrets: [registry]
    persistent_volumes: [{claim: runs, mount_path: /mnt/runs}]
    secret_environment: {TOKEN: {secret: billing, key: token}}
run_log_store: {type: file-system, config: {path: /mnt/runs/log}}
catalog: {type: file-system, config: {path: /mnt/runs/catalog}}
""")
    done = magnus(project, "bundle", "dag.yaml", "-t", "argo", "-c", "argo.yaml", "-o", "out")
    assert (done.returncode, done.stderr) == (0, "")
    (line,) = (x for x in (project / "out" / "README.md").read_text().splitlines() if "does not make" in x)
    needed = "PersistentVolumeClaim `runs`, Secret `billing`, Secret `registry`, ServiceAccount `runner`."
    assert line.endswith(f"what must be there: {needed}")
