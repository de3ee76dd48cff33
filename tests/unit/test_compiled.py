"""Compiled templates are kept in the user's cache folder, and change nothing but the time that a rendering takes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import jinja2
import pytest

from magnus_render.diagnostics import DefinitionError
from magnus_render.render.pipeline import render

TEMPLATE = Path("ours/bash/script.sh.j2")


@pytest.fixture
def cache(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    steps = "{a: {type: task, command: m.f, next: success}, success: {type: success}, fail: {type: fail}}"
    (project / "dag.yaml").write_text(f"dag: {{start_at: a, steps: {steps}}}\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path / "cache/magnus-render/templates"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that the names of templates are added to as they are compiled."""
    names: list[str] = []
    compiles: Callable[..., object] = jinja2.Environment.compile

    def compiling(self: jinja2.Environment, source: str, name: str, filename: str) -> object:
        names.append(name)
        return compiles(self, source, name, filename)

    monkeypatch.setattr(jinja2.Environment, "compile", compiling)
    return names


def rendered(template: str = "") -> str:
    """Return a rendered script, by another main template if one is given."""
    if template:
        TEMPLATE.parent.mkdir(parents=True, exist_ok=True)
        TEMPLATE.write_text(template)
    return render("dag.yaml", "bash", templates="ours" if template else None).text


def test_a_template_is_compiled_once(cache: Path, compiled: list[str]) -> None:
    first = rendered()
    assert "bash/script.sh.j2" in compiled and any(cache.iterdir())
    compiled.clear()
    assert (rendered(), compiled) == (first, [])


def test_a_changed_template_is_compiled_anew(cache: Path) -> None:
    assert [rendered(text) for text in ("one", "two", "one")] == ["one", "two", "one"]


def test_a_fault_is_told_with_its_line_from_kept_code_too(cache: Path, compiled: list[str]) -> None:
    for _ in range(2):
        with pytest.raises(DefinitionError) as caught:
            rendered("first line\n{{ 1/0 }}\n")
        assert [item.line for item in caught.value.diagnostics if item.severity == "error"] == [2]
    assert compiled == ["bash/script.sh.j2"]


@pytest.mark.parametrize("damage", ["empty", "cut off", "other bytes"])
def test_a_damaged_file_is_not_used(cache: Path, compiled: list[str], damage: str) -> None:
    rendered("one")
    for path in cache.iterdir():
        path.write_bytes({"empty": b"", "cut off": path.read_bytes()[:60], "other bytes": b"no code"}[damage])
    compiled.clear()
    assert (rendered("one"), compiled) == ("one", ["bash/script.sh.j2"])


@pytest.mark.parametrize("mode", [0o777, 0o775])
def test_a_folder_that_others_can_write_to_is_not_used(cache: Path, mode: int) -> None:
    cache.mkdir(parents=True)
    cache.chmod(mode)
    assert (rendered("one"), os.listdir(cache)) == ("one", [])


@pytest.mark.parametrize("home", ["relative", "{file}", "/proc/nowhere"])
def test_where_nothing_can_be_kept_nothing_fails(
    cache: Path, home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", home.format(file=tmp_path / "file"))
    assert rendered("one") == "one"
    assert not os.path.exists("relative")


def test_only_its_user_can_read_it(cache: Path) -> None:
    rendered("one")
    assert cache.stat().st_mode & 0o777 == 0o700


def test_nothing_is_written_where_python_writes_no_byte_code(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert rendered("one") == "one"
    assert not cache.exists()
