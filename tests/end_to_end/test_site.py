"""The site of docs/ is built without a warning, has every page in its navigation, and loads nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools import environment, require

if sys.version_info >= (3, 11):
    import tomllib
else:
    pytest.skip("zensical needs Python 3.11", allow_module_level=True)

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (ROOT / "zensical.toml").read_text(encoding="utf-8")
LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]*\bsrc=\"?([^\s\">]+)|<link[^>]*\bhref=\"?([^\s\">]+)|url\(([^)]+)\)"
)
"""What a page fetches as it is opened."""


def build(folder: Path) -> subprocess.CompletedProcess[str]:
    words = [require("zensical"), "build", "--strict"]
    return subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the site is made of: a build writes beside it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "docs", folder / "docs")
    (folder / "zensical.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


def test_it_is_built_strictly_and_loads_nothing_from_elsewhere(copy: Path) -> None:
    done = build(copy)
    assert done.returncode == 0, done.stdout + done.stderr
    site = copy / "build" / "site"
    pages = list(site.rglob("*.html"))
    assert len(pages) > len(list((copy / "docs").rglob("*.md")))
    assert {"index.html", "start.html", "search.json"} <= {path.name for path in site.iterdir()}
    for page in [*pages, *site.rglob("*.css")]:
        fetched = ["".join(one) for one in LOADED.findall(page.read_text(encoding="utf-8"))]
        assert [one for one in fetched if re.match(r"['\"]?(https?:)?//", one)] == [], page.name


def test_a_broken_link_and_a_broken_anchor_fail_the_build(copy: Path) -> None:
    (copy / "docs" / "start.md").write_text("[a](nowhere.md) [b](semantics.md#nowhere)\n", encoding="utf-8")
    done = build(copy)
    assert done.returncode != 0
    said = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert "page does not exist" in said and "anchor does not exist" in said


def test_every_page_is_in_the_navigation_once() -> None:
    named = re.findall(r'"([\w/-]+\.md)"', str(tomllib.loads(SETTINGS)["project"]["nav"]).replace("'", '"'))
    there = [str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md")]
    assert sorted(named) == sorted(there)
