"""Files are replaced all or none, whatever goes wrong on the way (`render/output.py`)."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from magnus_render.errors import PlatformError
from magnus_render.render.output import File, write_all

BEFORE = {"a/old": "old", "b/old": "old"}
NAMES = ("a/old", "a/new", "b/old", "c/d/new")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in BEFORE.items():
        Path(name).parent.mkdir()
        Path(name).write_text(text)
    return tmp_path


def _there() -> dict[str, str]:
    return {path.as_posix(): path.read_text() for path in Path().rglob("*") if path.is_file()}


def _write() -> None:
    write_all([File(name, "#!new", executable=name.startswith("b")) for name in NAMES], make_folders=True)


def _fail(monkeypatch: pytest.MonkeyPatch, error: BaseException, *calls: int) -> None:
    """Let some calls of `os.replace` fail, counted from 0."""
    replace, count = os.replace, iter(range(100))

    def failing(source: str, target: str) -> None:
        if next(count) in calls:
            raise error
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)


def test_all_are_written(folder: Path) -> None:
    _write()
    assert _there() == dict.fromkeys(NAMES, "#!new")
    assert os.access("b/old", os.X_OK) and not os.access("a/old", os.X_OK)


@pytest.mark.parametrize("error", [OSError(30, "no luck"), KeyboardInterrupt()], ids=["disk", "stopped"])
@pytest.mark.parametrize("call", range(len(NAMES)))
def test_none_is_written_and_nothing_stays(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, call: int
) -> None:
    _fail(monkeypatch, error, call)
    wanted = PlatformError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(wanted, match="no luck" if wanted is PlatformError else None):
        _write()
    assert _there() == BEFORE
    assert not Path("c").exists()


def test_what_cannot_come_back_is_kept_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk becomes read-only for good once the first file has taken its place."""
    _fail(monkeypatch, OSError(30, "no luck"), *range(1, 9))
    with pytest.raises(PlatformError, match="a/new: no luck\na/old is the new file already") as told:
        _write()
    kept = next(name for name in _there() if name.endswith(".before"))
    assert os.path.abspath(kept) in str(told.value)
    assert _there() == {**BEFORE, "a/old": "#!new", kept: "old"}


def test_what_is_in_the_way_is_named(folder: Path) -> None:
    os.mkdir("folder")
    os.mkfifo("pipe")
    for path, why in (
        ("folder", "it is a folder"),
        ("pipe", "it is no regular file, so it cannot be replaced"),
        ("a/old/x/y", "a/old is no folder"),
    ):
        with pytest.raises(PlatformError, match=f"^cannot write {path}: {why}$"):
            write_all([File("a/old", "#!new"), File(path, "")], make_folders=True)
        assert _there() == BEFORE
