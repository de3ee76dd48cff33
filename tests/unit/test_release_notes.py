"""Release notes are one version's section of CHANGELOG.md, with each entry on one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "release_notes.py"
CHANGELOG = """# Changelog

What changes.

## Unreleased

## [0.2.0] - 2026-12-01

### Records

- An entry that goes
  on here.
- Another.

A paragraph that
goes on:

```
a block
of code
```

## 0.1.0

- The first.
"""


def printed(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the script on the changelog above."""
    path = tmp_path / "CHANGELOG.md"
    path.write_text(CHANGELOG, encoding="utf-8")
    command = [sys.executable, str(SCRIPT), "--changelog", str(path), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("version", ["0.2.0", "v0.2.0"])
def test_one_section_is_printed_and_no_other(tmp_path: Path, version: str) -> None:
    result = printed(tmp_path, version)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "### Records\n\n- An entry that goes on here.\n- Another.\n\nA paragraph that goes on:\n\n"
        "```\na block\nof code\n```\n"
    )


def test_the_last_section_ends_with_the_file(tmp_path: Path) -> None:
    assert printed(tmp_path, "0.1.0").stdout == "- The first.\n"


@pytest.mark.parametrize(
    ("version", "why"),
    [("0.3.0", "no section '0.3.0'; there are: Unreleased, 0.2.0, 0.1.0"), ("Unreleased", "is empty")],
)
def test_a_version_without_notes_is_an_error(tmp_path: Path, version: str, why: str) -> None:
    result = printed(tmp_path, version)
    assert result.returncode == 1
    assert result.stdout == ""
    assert why in result.stderr


def test_the_changelog_itself_has_notes_and_loses_no_entry() -> None:
    """Every entry of the newest section stands in the notes on a line of its own."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = text.partition("\n## ")[2].partition("\n## ")[0]
    version = newest.split()[0]
    command = [sys.executable, str(SCRIPT), version]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    entries = [line for line in result.stdout.splitlines() if line.startswith("- ")]
    assert len(entries) == sum(line.startswith("- ") for line in newest.splitlines()) > 0
    assert "".join(result.stdout.split()) == "".join(newest.removeprefix(version).split())
