"""The README's quick start works as it is written."""

from __future__ import annotations

import re
from pathlib import Path

from tests import pages

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def fenced(language: str) -> str:
    (block,) = pages.fenced(README, language)
    return block


def commands() -> list[str]:
    """Return the indented commands of the quick start that come after its code."""
    section = README.split("## Quick start")[1].split("\n## ")[0].rpartition("```")[2]
    return pages.indented(section)


def test_quick_start(tmp_path: Path) -> None:
    (tmp_path / "dag.yaml").write_text(fenced("yaml"))
    (tmp_path / "prices.py").write_text(fenced("python"))
    assert len(commands()) == 4
    for command in commands():
        done = pages.run(tmp_path, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    assert (tmp_path / "data" / "averages.json").read_text() == "[4.0, 3.0, 4.0]\n"


def test_every_link_leads_somewhere() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples" / "README.md"):
        for link in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / link).exists(), f"{document.name}: {link}"
