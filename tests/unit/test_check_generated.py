"""`make check-generated` finds a generated file that is not what its generator makes."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import argo_fields, check_generated
from scripts.check_generated import GENERATED, LOCK, ROOT, Generated, differences, missing_from_lock
from tests import tools


def test_a_changed_a_missing_and_a_left_over_file_are_told(tmp_path: Path) -> None:
    same, changed, missing, left = (tmp_path / name for name in ("same", "changed", "missing", "left"))
    for path in (same, changed, left):
        path.write_text("one\n")

    def files() -> Iterator[tuple[Path, str]]:
        yield same, "one\n"
        yield changed, "two\n"
        yield missing, "three\n"

    generated = Generated("things", "make things", files, lambda: {same, changed, left})
    found = list(differences(generated))
    assert len(found) == 3
    assert "-one\n+two\n" in found[0]
    assert "+three\n" in found[1]
    assert found[2] == f"{left}: left over: nothing generates it\n"


def test_a_table_of_argo_that_was_changed_by_hand_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand = tmp_path / "openapi.txt"
    by_hand.write_text(argo_fields.TARGET.read_text(encoding="utf-8") + "Mine: name=s\n", encoding="utf-8")
    monkeypatch.setattr(argo_fields, "TARGET", by_hand)
    (table,) = (generated for generated in GENERATED if generated.what == "fields of Argo")
    monkeypatch.setattr(check_generated, "GENERATED", (table,))
    assert check_generated.main() == 1
    said = capsys.readouterr().out
    assert "-Mine: name=s" in said
    assert "python scripts/argo_fields.py" in said


def test_a_lock_that_lacks_a_package_fails() -> None:
    project, lock = (ROOT / "pyproject.toml").read_text(), LOCK.read_text()
    assert list(missing_from_lock(project, lock)) == []
    without = re.sub(r"^networkx==.*$", "", lock, flags=re.MULTILINE)
    (missing,) = missing_from_lock(project, without)
    assert missing.startswith("networkx")
    older = re.sub(r"^(jinja2)==[^\s;\\]+", r"\1==2.0", lock, flags=re.MULTILINE)
    (missing,) = missing_from_lock(project, older)
    assert missing.endswith("has 2.0")


def test_every_file_that_says_a_script_writes_it_is_checked() -> None:
    """A file whose head names its generator is among the files that `make check-generated` compares."""
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    if tracked.returncode:
        tools.unavailable("git, and a checkout of it")
    said = set()
    for name in tracked.stdout.split("\0"):
        path = ROOT / name
        if name and path.suffix != ".py" and path.is_file():
            head = path.read_bytes()[:300]
            if b"written by scripts/" in head or b"enerated by scripts/" in head:
                said.add(path)
    assert said
    assert said <= {path for generated in GENERATED for path in generated.there()}
