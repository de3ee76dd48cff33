"""The files a step exchanges with the catalog: its own, inside the data folder, with their modes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import PlatformError
from magnus_render.runtime import exchange
from magnus_render.runtime.names import name_of
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services.catalog import FileSystemCatalog


class Desk:
    """A catalog, a data folder, and the steps that use them."""

    def __init__(self, tmp_path: Path) -> None:
        self.catalog = FileSystemCatalog({"path": str(tmp_path / "catalog")})
        self.data = tmp_path / "data"
        self.data.mkdir()
        self.files: dict[str, Any] = {}

    def get(self, *patterns: str) -> list[str]:
        wanted: Any = {"get": list(patterns), "put": [], "compute_data_folder": "data"}
        records, self.warnings = exchange.get_files(self.catalog, wanted, self.files, str(self.data))
        return [record["path"] for record in records]

    def begin(self, *got: str) -> None:
        self.got = set(got)
        self.before = exchange.before_work(str(self.data), self.got)

    def put(self, *patterns: str) -> list[str]:
        wanted: Any = {"get": [], "put": list(patterns), "compute_data_folder": "data"}
        records, self.warnings = exchange.put_files(
            self.catalog, wanted, str(self.data), self.got, self.before
        )
        for record in records:
            self.files[record["path"]] = {key: record[key] for key in ("sha256", "size", "mode")}  # type: ignore[literal-required]
        return [record["path"] for record in records]

    def file(self, name: str, text: str = "x", mode: int = 0o644) -> Path:
        path = self.data / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            path.chmod(0o600)  # only root writes to one that is read-only
        path.write_text(text)
        path.chmod(mode)
        return path


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture(autouse=True)
def umask() -> Any:
    before = os.umask(0o022)
    yield
    os.umask(before)


# ---- names ----


@pytest.mark.parametrize("text", ["a/b", "a//b", "./a/b", "a/./b", "a/b/", ".//a//b//."])
def test_one_name_for_all_spellings(text: str) -> None:
    assert name_of(text) == "a/b"


@pytest.mark.parametrize("text", ["/a", "..", "a/..", "a/../b", "../a", "//a", "", ".", "./", "a\0b"])
def test_what_is_no_name(text: str) -> None:
    with pytest.raises(TaskFailure, match=r"leads out of the data folder|is no name of a file"):
        name_of(text)


# ---- a step's own files ----


def test_put_takes_what_this_attempt_wrote_or_got(desk: Desk) -> None:
    for name in ("old", "got", "rewritten", "touched", "moved", "chmoded", "deep/old"):
        desk.file(name)
    os.utime(desk.data / "rewritten", ns=(1, 1))
    desk.begin("got")
    with (desk.data / "rewritten").open("r+") as file:
        file.write("y")  # in place, of the same size
    os.utime(desk.data / "rewritten", ns=(1, 1))
    (desk.data / "touched").touch()
    (desk.data / "moved").rename(desk.data / "to")
    (desk.data / "chmoded").chmod(0o600)
    desk.file("deep/new")
    assert desk.put("**") == ["chmoded", "deep/new", "got", "rewritten", "to", "touched"]


def test_a_change_in_the_same_tick_is_seen(desk: Desk) -> None:
    for _ in range(30):
        path = desk.file("a", "1")
        desk.begin()
        with path.open("r+") as file:
            file.write("2")
        assert desk.put("a") == ["a"]


def test_a_literal_that_was_lying_about_is_nothing_to_put(desk: Desk) -> None:
    desk.file("old")
    desk.begin()
    desk.file("new")
    with pytest.raises(TaskFailure) as caught:
        desk.put("old")
    assert str(caught.value) == (
        "catalog: nothing to put for 'old': this attempt has not written it in 'data'"
    )
    with pytest.raises(TaskFailure, match=r"nothing to put for 'data/new': .* \(did you mean 'new'\?\)$"):
        desk.put("data/new")
    with pytest.raises(TaskFailure, match=r"nothing to put for 'nwe': .* \(did you mean 'new'\?\)$"):
        desk.put("nwe")
    assert desk.put("ol*") == [] and desk.warnings == ["catalog: 'ol*' matches nothing to put"]


def test_ten_thousand_files_are_looked_at_quickly(desk: Desk) -> None:
    for number in range(10_000):
        (desk.data / str(number)).touch()
    began = time.process_time()
    desk.begin()
    assert desk.put("none*") == []
    assert time.process_time() - began < 5  # 0.2 s on a machine of 2020


# ---- modes ----


@pytest.mark.parametrize("mode", [0o755, 0o600, 0o400, 0o444, 0o644, 0o700, 0o711])
def test_modes_are_kept(desk: Desk, mode: int) -> None:
    desk.begin()
    desk.file("sub/a", mode=mode)
    desk.put("**")
    desk.file("sub/a", mode=0o666)
    desk.get("**")
    assert (desk.data / "sub/a").stat().st_mode & 0o7777 == mode
    assert os.listdir(desk.data / "sub") == ["a"]


def test_modes_are_never_wider_than_they_were_or_the_umask_lets_them(desk: Desk) -> None:
    desk.begin()
    desk.file("a", mode=0o6755)
    desk.file("b", mode=0o666)
    desk.put("**")
    os.umask(0o027)
    desk.get("**")
    assert [(desk.data / name).stat().st_mode & 0o7777 for name in "ab"] == [0o750, 0o640]


def test_records_without_a_mode_work(desk: Desk) -> None:
    desk.begin()
    desk.file("a", mode=0o600)
    desk.put("a")
    del desk.files["a"]["mode"]
    desk.get("a")
    assert (desk.data / "a").stat().st_mode & 0o7777 == 0o644


def test_content_is_as_private_as_its_files(desk: Desk) -> None:
    def blob() -> int:
        (path,) = Path(desk.catalog.path).glob(f"*/{desk.files['a']['sha256']}")
        return path.stat().st_mode & 0o777

    desk.begin()
    for mode, kept in ((0o600, 0o400), (0o640, 0o440), (0o755, 0o444), (0o600, 0o444)):
        desk.file("a", mode=mode)
        desk.put("a")
        assert blob() == kept


def test_what_cannot_be_read_is_the_steps_failure(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.begin()
    desk.file("a", mode=0o300)
    monkeypatch.setattr(os, "access", lambda path, how: False)  # root may read anything
    with pytest.raises(TaskFailure, match="'a' cannot be read: its mode is 300"):
        desk.put("a")


def test_a_failed_get_leaves_nothing(desk: Desk) -> None:
    desk.begin()
    path = desk.file("a", "before")
    desk.files["a"] = {"sha256": "0" * 64, "size": 1, "mode": 0o644}
    with pytest.raises(PlatformError) as caught:
        desk.get("a")
    assert str(path) in str(caught.value) and ".tmp" not in str(caught.value)
    assert os.listdir(desk.data) == ["a"] and path.read_text() == "before"


# ---- inside the data folder ----


def test_no_link_leads_out(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("secret")
    desk.begin()
    desk.file("inside")
    desk.file("sub/a", "new")
    (desk.data / "link").symlink_to("inside")
    (desk.data / "out").symlink_to(tmp_path / "outside" / "secret")
    (desk.data / "folder").symlink_to(tmp_path / "outside")
    (desk.data / "back").symlink_to("../data/inside")
    assert desk.put("**") == ["back", "inside", "link", "sub/a"]
    assert desk.warnings == ["catalog: 'out' is a link out of the data folder: it is not put"]
    with pytest.raises(TaskFailure, match="'out' is a link out of the data folder"):
        desk.put("out")
    with pytest.raises(TaskFailure, match="nothing to put for 'folder/secret'"):
        desk.put("folder/secret")
    desk.files["folder/a"] = desk.files["folder/deep/a"] = desk.files["inside"]
    for name in ("folder/a", "folder/deep/a"):
        with pytest.raises(TaskFailure, match="a link in its path leads out"):
            desk.get(name)
    assert os.listdir(tmp_path / "outside") == ["secret"]
    desk.files["out"] = desk.files["inside"]
    desk.get("out")  # the link is replaced, what it leads to is not
    assert (tmp_path / "outside" / "secret").read_text() == "secret"


def test_links_within_and_a_linked_data_folder(desk: Desk, tmp_path: Path) -> None:
    desk.data.rename(tmp_path / "real")
    desk.data.symlink_to("real")
    desk.begin()
    desk.file("sub/a")
    (desk.data / "also").symlink_to("sub")
    assert desk.put("**") == ["sub/a"]
    desk.files["also/b"] = desk.files["sub/a"]
    assert desk.get("**") == ["also/b", "sub/a"]
    assert (tmp_path / "real" / "sub" / "b").read_text() == "x"


def test_a_file_and_a_folder_of_one_name(desk: Desk) -> None:
    desk.begin()
    desk.file("a")
    desk.put("a")
    desk.files["a/b"] = desk.files["a"]
    with pytest.raises(TaskFailure, match="no place for 'a/b': a file is in the place of its folder"):
        desk.get("**")
    (desk.data / "a").unlink()
    desk.file("a/b")
    with pytest.raises(TaskFailure, match="no place for 'a': a folder has that name"):
        desk.get("a")


def test_only_regular_files_are_put(desk: Desk) -> None:
    desk.begin()
    (desk.data / "empty").mkdir()
    os.mkfifo(desk.data / "pipe")
    (desk.data / "dangling").symlink_to("nothing")
    desk.file("a")
    assert desk.put("**") == ["a"] and desk.warnings == []


def test_names_that_differ_in_case_alone(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.begin()
    desk.file("a", "1")
    desk.file("A", "2")
    if len(os.listdir(desk.data)) == 2:
        assert desk.put("*") == ["A", "a"]
        assert desk.get("*") == ["A", "a"]
        assert (desk.data / "a").read_text() == "1"
    monkeypatch.setattr(os.path, "samefile", lambda one, other: True)
    with pytest.raises(TaskFailure, match="'A' and 'a' are one file here: this disk ignores case"):
        desk.get("*")
