"""`magnus image`: what it writes, what it takes, and whose files it leaves alone. No engine is needed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from magnus_render import __version__
from magnus_render.cli.main import run as magnus

DAG = """dag:
  start_at: a
  steps:
    a: {type: task, command: work.report, next: ok}
    ok: {type: success}
    no: {type: fail}
"""
PYTHON = f"python:{sys.version_info[0]}.{sys.version_info[1]}-slim"
PIP = "RUN python3 -m pip install --no-cache-dir"


@pytest.fixture(autouse=True)
def _repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    (project / "dag.yaml").write_text(DAG)
    git("init", "-q")
    git("add", ".")


def git(*words: str) -> None:
    subprocess.run(["git", *words], check=True, capture_output=True)


def add(name: str, text: str) -> None:
    """Write a file that git tracks."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    git("add", "--force", name)


def instructions() -> list[str]:
    """Return the lines of the Containerfile that was written, without comments and empty ones."""
    lines = Path("Containerfile").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_the_containerfile() -> None:
    assert magnus(["image"]) == 0
    assert Path("Containerfile").read_text().partition("\n")[2] == (f"""FROM {PYTHON}
WORKDIR /project
RUN chown 10001:10001 .

{PIP} magnus-render=={__version__}

COPY --chown=10001:10001 . .

# No root. Any user may write to this home: an engine may start the image as another one.
ENV HOME=/tmp LOGNAME=magnus
USER 10001:10001
""")


MAGNUS = f"magnus-render=={__version__}"
UV = """RUN python3 -m pip install --no-cache-dir uv \\
 && python3 -m uv export --frozen --no-dev --no-emit-project --no-hashes --output-file /tmp/requirements.txt \\
 && python3 -m pip install --no-cache-dir --requirement /tmp/requirements.txt {} \\
 && rm /tmp/requirements.txt"""


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"requirements.txt": "six\n"},
            ["COPY requirements.txt ./", f"{PIP} --requirement requirements.txt {MAGNUS}"],
        ),
        (
            {
                "requirements.txt": "-r env/a.txt\n-c https://example.org/c\n",
                "env/a.txt": "--constraint=b.txt\n",
                "env/b.txt": "",
            },
            [
                "COPY requirements.txt ./",
                "COPY env/a.txt ./env/",
                "COPY env/b.txt ./env/",
                f"{PIP} --requirement requirements.txt {MAGNUS}",
            ],
        ),
        (
            {"requirements.txt": "six==1 --hash=sha256:0\n"},
            [
                "COPY requirements.txt ./",
                f"{PIP} --requirement requirements.txt",
                f"{PIP} {MAGNUS} && python3 -m pip check",
            ],
        ),
        (
            {"pyproject.toml": "[project]\n", "uv.lock": ""},
            ["COPY pyproject.toml ./", "COPY uv.lock ./", *UV.format(MAGNUS).split("\n")],
        ),
        ({"pyproject.toml": "[tool.black]\n"}, [f"{PIP} {MAGNUS}"]),
    ],
)
def test_where_the_packages_stand(files: dict[str, str], expected: list[str]) -> None:
    for name, text in files.items():
        add(name, text)
    assert magnus(["image"]) == 0
    assert instructions()[3:-3] == expected


def test_packages_of_a_pyproject(capfd: pytest.CaptureFixture[str]) -> None:
    add("pyproject.toml", '[project]\nname = "x"\ndependencies = ["six>=1", "attrs"]\n')
    if sys.version_info < (3, 11):  # which cannot read TOML
        assert magnus(["image"]) == 65
        assert "it takes Python 3.11 to read it" in capfd.readouterr().err
        return
    assert magnus(["image"]) == 0
    command = "\n".join(instructions()[4:])
    program = command[len("RUN ") : command.index("\\\n")]
    assert program.startswith("python3 -c ")
    done = subprocess.run(["sh", "-c", program.replace("python3", sys.executable, 1)], capture_output=True)
    assert done.stdout == b"six>=1\nattrs\n", done.stderr


def test_the_extras_that_the_pipeline_needs() -> None:
    add("nb.ipynb", "{}")
    task = "b: {type: task, command_type: notebook, command: nb.ipynb, next: ok}\n    ok:"
    add("dag.yaml", DAG.replace("next: ok", "next: b", 1).replace("ok:", task, 1))
    add("c.yaml", "catalog: {type: s3, config: {bucket: b}}\n")
    assert magnus(["image", "-c", "c.yaml", "--base", "ours:2"]) == 0
    assert instructions()[0] == "FROM ours:2"
    assert instructions()[3] == f"{PIP} 'magnus-render[aws,notebook]=={__version__}'"
    assert magnus(["image", "--magnus", "magnus-render @ git+https://example.org/x"]) == 0
    assert instructions()[3] == f"{PIP} 'magnus-render @ git+https://example.org/x'"


def test_what_an_engine_sees(capfd: pytest.CaptureFixture[str]) -> None:
    add("dag.yaml", DAG + "secrets: {type: dotenv}\n")
    for name in ("work/a.py", "work/b/c.py", "!odd[1].txt", "#x", "conf/all.env"):
        add(name, "1234567\n")
    Path(".env").symlink_to("conf/all.env")
    git("add", ".env")
    Path("notes.txt").write_text("")
    Path("gone.py").write_text("")
    git("add", "gone.py")
    Path("gone.py").unlink()
    assert magnus(["image"]) == 0
    lines = Path(".containerignore").read_text().splitlines()[2:]
    assert lines == [
        *("*", "!\\!odd\\[1\\].txt", "!\\#x", "!dag.yaml", "!work/a.py", "!work/b/c.py"),
        *(".env", "conf/all.env", "**/.env", "**/.magnus"),
    ]
    out = capfd.readouterr().out
    assert "files: 5 (!odd[1].txt, #x, dag.yaml, work/a.py, work/b/c.py);" in out
    assert "left out, since git does not track it: 1 (notes.txt)\n" in out
    assert "left out, since no image may have it: 2 (.env, conf/all.env)\n" in out
    assert "left out, since it is tracked but not there: 1 (gone.py)\n" in out
    assert "packages: none: no requirements.txt, uv.lock or pyproject.toml is tracked\n" in out
    assert "changed since the last commit: 5 " in out


def test_a_file_of_secrets_by_custom_is_never_taken(capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever the configuration says that is given here: another one may name it."""
    add("deploy/.env", "TOKEN=s3cr3t\n")
    assert magnus(["image"]) == 0
    out = capfd.readouterr().out
    assert "files: 1 (dag.yaml);" in out and "left out, since no image may have it: 1 (deploy/.env)\n" in out


def test_a_file_that_was_changed_by_hand_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    assert magnus(["image"]) == 0
    own = Path("Containerfile").read_text() + "RUN apt-get update\n"
    Path("Containerfile").write_text(own)
    add("more.py", "")
    ignore = Path(".containerignore").read_text()
    assert magnus(["image"]) == 65
    assert (
        "Containerfile: changed by hand, and not replaced: --force replaces, --build uses it"
        in capfd.readouterr().err
    )
    assert (Path("Containerfile").read_text(), Path(".containerignore").read_text()) == (own, ignore)
    assert magnus(["image", "--force"]) == 0
    assert (
        "apt-get" not in Path("Containerfile").read_text()
        and "!more.py" in Path(".containerignore").read_text()
    )


def test_a_file_of_somebody_else_is_kept() -> None:
    Path("Containerfile").write_text("FROM scratch\n")
    assert magnus(["image"]) == 65
    assert Path("Containerfile").read_text() == "FROM scratch\n" and not Path(".containerignore").exists()


def test_the_same_project_gives_the_same_files() -> None:
    def files() -> list[tuple[int, int]]:
        found = [Path(name).stat() for name in ("Containerfile", ".containerignore")]
        return [(one.st_ino, one.st_mtime_ns) for one in found]  # reading them changes their time of access

    assert magnus(["image"]) == 0
    written = files()
    assert magnus(["image"]) == 0
    assert files() == written


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--tag", "x:1"], 64, "--tag and --engine are about the image that --build builds: add --build"),
        (
            ["--build", "--engine", "podman"],
            64,
            "the image has no name: --tag NAME, or `image` in executor.config",
        ),
        (
            ["-r", "none.txt"],
            65,
            "git does not track none.txt, which says what the project needs: git add none.txt",
        ),
        (
            ["-f", "other.yaml"],
            65,
            "git does not track other.yaml, so that the image would have no definition",
        ),
    ],
)
def test_a_wrong_command_line(
    words: list[str],
    status: int,
    said: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    programs = Path("programs")
    programs.mkdir()
    (programs / "podman").write_text("#!/bin/sh\n")
    (programs / "podman").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs.resolve()}:/usr/bin:/bin")
    Path("other.yaml").write_text(DAG)
    assert magnus(["image", *words]) == status
    assert said in capfd.readouterr().err
    assert not Path("Containerfile").exists()


def test_a_folder_that_git_knows_nothing_of(
    tmp_path_factory: pytest.TempPathFactory,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path_factory.mktemp("alone")
    (folder / "dag.yaml").write_text(DAG)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(folder.parent))
    assert magnus(["image"]) == 65
    assert "not a git repository" in capfd.readouterr().err
    monkeypatch.setenv("PATH", "")
    assert magnus(["image"]) == 65
    assert "git is not installed: only what git tracks goes into an image" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("-e .", "requirements.txt: '-e .' installs what lies in the project, which is copied later"),
        ("./lib", "requirements.txt: './lib' installs what lies in the project"),
        ("-r 'o p.txt'", "git does not track o p.txt"),
        ("-r \\\n  none.txt", "git does not track none.txt"),
        ("\ufeff-r\tnone.txt", "git does not track none.txt"),
    ],
)
def test_lines_of_requirements_that_cannot_be(
    line: str, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    add("requirements.txt", f"# no --hash here\n{line} # -r other.txt\n")
    if line.startswith("\ufeff"):
        add("requirements.txt", line)
    assert magnus(["image"]) == 65
    assert said in capfd.readouterr().err
    assert not Path("Containerfile").exists()


def test_a_pyproject_without_dependencies_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    add("pyproject.toml", '[tool.poetry.dependencies]\npandas = "*"\n')
    assert magnus(["image"]) == 0
    assert "packages: none: pyproject.toml has no dependencies in [project]" in capfd.readouterr().out
    if sys.version_info >= (3, 11):
        add("pyproject.toml", "[bad")
        assert magnus(["image"]) == 65
        assert "pyproject.toml cannot be read: " in capfd.readouterr().err


def test_what_lies_behind_a_link_that_replaced_a_folder_is_not_taken(
    tmp_path_factory: pytest.TempPathFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "x").write_text("secret")
    add("data/x", "public")
    Path("data/x").unlink()
    Path("data").rmdir()
    Path("data").symlink_to(outside)
    assert magnus(["image"]) == 0
    out = capfd.readouterr().out
    assert "left out, since it is tracked but not there: 1 (data/x)\n" in out
    assert "files: 1 (dag.yaml);" in out


def test_a_submodule_that_is_not_there_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    Path("sub").mkdir()
    assert magnus(["image"]) == 65
    assert "git submodule update --init sub" in capfd.readouterr().err


def test_a_name_that_is_not_utf_8_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    Path(os.fsdecode(b"b\xff")).write_text("")
    git("add", ".")
    assert magnus(["image"]) == 65
    assert "a name that is not UTF-8" in capfd.readouterr().err


def test_a_link_is_not_written_through(tmp_path_factory: pytest.TempPathFactory) -> None:
    shared = tmp_path_factory.mktemp("shared") / "Containerfile"
    shared.write_text("FROM shared\n")
    Path("Containerfile").symlink_to(shared)
    for words in ([], ["--force"]):
        assert magnus(["image", *words]) == 65
    assert shared.read_text() == "FROM shared\n"


def test_a_definition_that_is_a_link_must_lead_to_a_tracked_file(capfd: pytest.CaptureFixture[str]) -> None:
    Path("real").mkdir()
    Path("dag.yaml").rename("real/dag.yaml")
    Path("dag.yaml").symlink_to("real/dag.yaml")
    git("add", "dag.yaml")
    assert magnus(["image"]) == 65
    assert "git does not track real/dag.yaml" in capfd.readouterr().err


def test_files_that_are_committed_change_nothing() -> None:
    assert magnus(["image"]) == 0
    before = Path("Containerfile").read_text(), Path(".containerignore").read_text()
    git("add", ".")
    assert magnus(["image"]) == 0
    assert (Path("Containerfile").read_text(), Path(".containerignore").read_text()) == before
