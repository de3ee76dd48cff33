"""The wheel carries all it needs: installed into a clean environment, it renders and runs outside the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.tools import environment, require

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build from a copy: the build tool leaves folders beside the sources."""
    scratch = tmp_path_factory.mktemp("wheel")
    ignore = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "tests", "__pycache__")
    source = Path(shutil.copytree(ROOT, scratch / "source", ignore=ignore))
    build = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(scratch),
        str(source),
    ]
    done = subprocess.run(build, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = scratch.glob("*.whl")
    return built


def test_wheel_holds_all_modules_and_templates_and_no_more(wheel: Path) -> None:
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "magnus_render").rglob("*.py")}
    templates = {
        f"magnus_render/{path.relative_to(ROOT)}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sources <= names
    assert templates <= names
    strays = {name for name in names - sources - templates if not name.startswith("magnus_render/")}
    assert not strays


def test_wheel_holds_the_whole_licence(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (licence,) = (name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE"))
    text = archive.read(licence).decode()
    assert text == (ROOT / "LICENSE").read_text()
    assert "Apache License" in text and "END OF TERMS AND CONDITIONS" in text
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().splitlines()
    assert {"License-Expression: Apache-2.0", "License-File: LICENSE"} <= set(lines)


def test_changelog_has_a_heading_for_what_comes_next() -> None:
    headings = [line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("## ")]
    assert headings[0] == "## Unreleased"


def test_installed_wheel_renders_and_runs(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    (site,) = home.glob("lib/python3*/site-packages")
    install = [sys.executable, "-m", "pip", "--python", str(home / "bin" / "python"), "install", "--no-deps"]
    quiet = ["--quiet", "--no-index", "--disable-pip-version-check", str(wheel)]
    subprocess.run([*install, *quiet], check=True, capture_output=True, timeout=120)
    # What the project needs comes from this environment; an editable install of the project itself must not.
    linked(Path(sysconfig.get_path("purelib")), site)

    folder = Path(shutil.copytree(ROOT / "examples" / "recover", tmp_path / "recover"))
    variables = environment(PATH=f"{home / 'bin'}:/usr/bin:/bin")
    variables.pop("PYTHONPATH", None)

    def run(*argv: str) -> str:
        done = subprocess.run(argv, cwd=folder, env=variables, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = run(str(home / "bin" / "python"), "-c", "import magnus_render; print(magnus_render.__file__)")
    assert Path(where.strip()).is_relative_to(home)
    run("magnus", "render", "dag.yaml", "--target", "bash", "-o", "run.sh")
    run(require("bash"), "run.sh", "a-run")
    assert "SUCCESS" in run("magnus", "runs", "show", "a-run")


def linked(source: Path, site: Path) -> None:
    """Link all installed packages but the project into another environment."""
    for path in source.iterdir():
        mine = path.name.lower().replace("-", "_").lstrip("_")
        if not mine.startswith(("magnus", "editable")) and not path.name.endswith(".pth"):
            link = site / path.name
            if not link.exists():
                link.symlink_to(path)
