"""`magnus image --build` with a real engine, and a pipeline that runs in what it built."""

from __future__ import annotations

import json
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

from tests.engines import images, rootfs
from tests.tools import magnus

TAG = "localhost/magnus-render-test-project:1"
DAG = """dag:
  start_at: a
  steps:
    a: {type: task, command: work.report, next: ok}
    ok: {type: success}
    no: {type: fail}
secrets: {type: dotenv}
"""
ODD = ("#file", "!file", "[1].txt", "a*b")
WORK = """from pathlib import Path

from magnus_render import set_parameter


def report():
    set_parameter(lines=len(Path("requirements.txt").read_text().splitlines()))
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with Python, pip, and all that pip is asked for, so that it asks nobody."""
    images.require()
    folder = tmp_path_factory.mktemp("base")
    name = "localhost/magnus-render-test-pip:1"
    found = metadata.distribution("pip")
    site = Path(str(found.locate_file("")))
    for path in found.files or []:
        if path.parts[0] != ".." and (site / path).is_file() and path.suffix != ".pyc":
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((site / path).read_bytes())
    (folder / "Containerfile").write_text(f"FROM {images.image()}\nCOPY . /{rootfs.SITE}/\n")
    made = images.ask("build", "--tag", name, "--file", str(folder / "Containerfile"), str(folder))
    assert made.returncode == 0, made.stderr
    return name


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


def test_a_pipeline_runs_in_the_image_of_its_project(base: str, tmp_path: Path) -> None:
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "work.py").chmod(0o600)
    (tmp_path / "requirements.txt").write_text("pyyaml\n-r more/networkx.txt\n")
    (tmp_path / "more").mkdir()
    (tmp_path / "more/networkx.txt").write_text("networkx\n")
    (tmp_path / ".env").write_text("TOKEN=s3cr3t\n")
    for name in ODD:
        (tmp_path / name).touch()
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "All, and the secrets by mistake")
    for name in ("notes.txt", "more/key.txt"):
        (tmp_path / name).write_text("not tracked")
    config = {"image": TAG, "engine": images.command(), "pull": "never", "project": "baked"}
    (tmp_path / "c.yaml").write_text(json.dumps({"executor": {"type": "local-container", "config": config}}))

    built = magnus(tmp_path, "image", "-c", "c.yaml", "--build", "--base", base)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "left out, since git does not track it: 3 (c.yaml, more/key.txt, notes.txt)\n" in built.stdout
    assert "left out, since no image may have it: 1 (.env)\n" in built.stdout
    assert built.stdout.endswith(f"image {TAG}: built by {images.called()}\n")
    again = magnus(tmp_path, "image", "-c", "c.yaml", "--build", "--base", base)
    assert again.stderr.count("Using cache") >= 3, again.stderr
    label = images.ask("image", "inspect", "--format", "{{json .Config.Labels}}", TAG)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True)
    assert json.loads(label.stdout)["org.opencontainers.image.revision"] == commit.stdout.strip()

    seen = images.ask("run", "--rm", TAG, "sh", "-c", "id -u; touch made; ls -A . more; echo $HOME")
    files = [*ODD, "dag.yaml", "more", "requirements.txt", "work.py"]
    assert sorted(seen.stdout.split()) == sorted(
        ["10001", *files, "made", ".:", "more:", "networkx.txt", "/tmp"]
    )
    if images.called() == "docker":
        (tmp_path / ".dockerignore").write_text((tmp_path / ".containerignore").read_text())
    by_hand = images.ask(
        "build", "--tag", f"{TAG}-by-hand", "--file", str(tmp_path / "Containerfile"), str(tmp_path)
    )
    assert by_hand.returncode == 0, by_hand.stderr
    seen = images.ask("run", "--rm", f"{TAG}-by-hand", "ls", "-A", ".", "more")
    assert sorted(seen.stdout.split()) == sorted([*files, ".:", "more:", "networkx.txt"])
    done = magnus(tmp_path, "execute", "-f", "dag.yaml", "-c", "c.yaml", "--run-id", "r")
    assert done.returncode == 0, done.stderr
    shown = json.loads(magnus(tmp_path, "runs", "show", "r", "-c", "c.yaml", "--json").stdout)
    assert (shown["status"], shown["parameters"]) == ("SUCCESS", {"lines": 2})


def test_what_the_engine_cannot_build_is_a_failure(base: str, tmp_path: Path) -> None:
    (tmp_path / "dag.yaml").write_text(DAG)
    (tmp_path / "work.py").write_text(WORK)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    engine = " ".join(images.command())
    words = ("image", "--build", "--base", base, "--tag", TAG + "-none", "--engine", engine)
    done = magnus(tmp_path, *words, "--magnus", "./there/is/none.whl")
    assert done.returncode == 1
    assert done.stderr.endswith(
        f"image '{TAG}-none': {images.called()} could not build it (exit 1): see above\n"
    ), done.stderr
    assert "Traceback" not in done.stderr
