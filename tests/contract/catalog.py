"""The contract of a catalog that keeps files (services/base.py): subclass `CatalogContract` and say how to make one."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from magnus_render.errors import PlatformError
from magnus_render.runtime import exchange
from magnus_render.services.base import BaseCatalog
from tests.contract.processes import Forked, at_once


class CatalogContract:
    """Override `make` and `damage`; `again` too if a forked child can't go on using its parent's catalog."""

    kills = 10
    damaged = b"c0ntent"
    """What `put` of b"content" replaces, where it finds it under that content's hash."""

    def make(self, tmp_path: Path) -> BaseCatalog:
        """Return an empty catalog."""
        raise NotImplementedError

    def damage(self, catalog: BaseCatalog, sha256: str, content: bytes) -> None:
        """Put other content in the place of a blob, behind the catalog's back."""
        raise NotImplementedError

    def again(self, catalog: BaseCatalog) -> BaseCatalog:
        """Return the same catalog for use in a forked child."""
        return catalog

    @pytest.fixture
    def catalog(self, tmp_path: Path) -> BaseCatalog:
        return self.make(tmp_path)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        folder = tmp_path / "a folder"
        folder.mkdir()
        return folder

    @pytest.mark.parametrize(
        "content", [b"", b"text\n", bytes(range(256)) * 20_000], ids=["empty", "text", "5 MB"]
    )
    def test_content_comes_back(self, catalog: BaseCatalog, folder: Path, content: bytes) -> None:
        (folder / "in").write_bytes(content)
        sha256, size = catalog.put(str(folder / "in"))
        assert (sha256, size) == (hashlib.sha256(content).hexdigest(), len(content))
        catalog.get(sha256, str(folder / "out"))
        assert (folder / "out").read_bytes() == content
        assert catalog.keeps

    def test_its_users_are_known_if_the_first_of_them_found_it_empty(
        self, catalog: BaseCatalog, folder: Path
    ) -> None:
        assert catalog.users() is None
        for user in ("a1", "b2", "a1"):
            catalog.register(user)
            assert user in (catalog.users() or ())
            (folder / user).write_text(user)
            catalog.put(str(folder / user))
        assert catalog.users() == {"a1", "b2"} and len(list(catalog.blobs())) == 2

    def test_its_users_are_not_known_if_there_was_content_before(
        self, catalog: BaseCatalog, folder: Path
    ) -> None:
        (folder / "in").write_text("older")
        catalog.put(str(folder / "in"))
        catalog.register("a1")
        assert catalog.users() is None

    def test_odd_file_names_and_new_folders(self, catalog: BaseCatalog, folder: Path) -> None:
        for name in ("a b", "é\n'\"$(id)`;", "-rf", "%", "x" * 200):
            (folder / name).write_text(name)
            sha256, _ = catalog.put(str(folder / name))
            target = folder / "new" / name / name
            catalog.get(sha256, str(target))
            assert target.read_text() == name

    def test_what_comes_back_can_be_changed_without_changing_the_catalog(
        self, catalog: BaseCatalog, folder: Path
    ) -> None:
        (folder / "in").write_text("one")
        sha256, _ = catalog.put(str(folder / "in"))
        (folder / "in").write_text("changed")
        catalog.get(sha256, str(folder / "out"))
        with (folder / "out").open("a") as file:
            file.write(" more")
        catalog.get(sha256, str(folder / "third"))
        assert (folder / "third").read_text() == "one"
        assert os.access(folder / "out", os.W_OK)

    @pytest.mark.parametrize("mode", [0o755, 0o600, 0o444])
    def test_modes_come_back(self, catalog: BaseCatalog, folder: Path, mode: int) -> None:
        (folder / "in").write_text("one")
        (folder / "in").chmod(mode)
        entry = exchange.store(catalog, str(folder / "in"))
        exchange.restore(catalog, entry, str(folder), "out")
        exchange.restore(catalog, {**entry, "mode": 0o640}, str(folder), "deep/out")
        assert [(folder / name).stat().st_mode & 0o7777 for name in ("out", "deep/out")] == [mode, 0o640]
        assert sorted(path.name for path in folder.iterdir()) == ["deep", "in", "out"]

    def test_get_replaces_a_file_and_not_what_it_links_to(self, catalog: BaseCatalog, folder: Path) -> None:
        (folder / "in").write_text("new")
        (folder / "shared").write_text("shared")
        (folder / "out").symlink_to(folder / "shared")
        sha256, _ = catalog.put(str(folder / "in"))
        catalog.get(sha256, str(folder / "out"))
        assert (folder / "out").read_text() == "new"
        assert (folder / "shared").read_text() == "shared"

    def test_equal_content_is_kept_once(self, catalog: BaseCatalog, folder: Path) -> None:
        assert list(catalog.blobs()) == []
        for name in ("a", "b"):
            (folder / name).write_text("same")
        (folder / "c").write_text("other")
        hashes = [catalog.put(str(folder / name))[0] for name in "abca"]
        assert sorted(catalog.blobs()) == sorted(set(hashes))
        assert len(set(hashes)) == 2

    def test_remove(self, catalog: BaseCatalog, folder: Path) -> None:
        (folder / "in").write_text("x")
        sha256, _ = catalog.put(str(folder / "in"))
        catalog.remove(sha256)
        catalog.remove(sha256)
        assert list(catalog.blobs()) == []
        with pytest.raises(PlatformError, match="out"):
            catalog.get(sha256, str(folder / "out"))

    def test_get_of_what_is_not_there_leaves_everything_as_it_was(
        self, catalog: BaseCatalog, folder: Path
    ) -> None:
        (folder / "out").write_text("before")
        with pytest.raises(PlatformError):
            catalog.get("0" * 64, str(folder / "out"))
        assert (folder / "out").read_text() == "before"
        assert [path.name for path in folder.iterdir()] == ["out"]

    def test_damaged_content_is_detected_and_mended_by_the_next_put(
        self, catalog: BaseCatalog, folder: Path
    ) -> None:
        (folder / "in").write_text("content")
        sha256, _ = catalog.put(str(folder / "in"))
        self.damage(catalog, sha256, self.damaged)
        with pytest.raises(PlatformError, match="damaged"):
            catalog.get(sha256, str(folder / "out"))
        assert [path.name for path in folder.iterdir()] == ["in"]
        catalog.put(str(folder / "in"))
        catalog.get(sha256, str(folder / "out"))
        assert (folder / "out").read_text() == "content"

    def test_put_of_what_is_no_file(self, catalog: BaseCatalog, folder: Path) -> None:
        os.mkfifo(folder / "pipe")
        for path in (folder, folder / "missing", folder / "pipe"):
            with pytest.raises(PlatformError) as caught:
                catalog.put(str(path))
            assert str(path) in str(caught.value)
        assert list(catalog.blobs()) == []

    def test_many_processes_put_at_once(self, catalog: BaseCatalog, folder: Path) -> None:
        for number in range(8):
            (folder / f"in{number}").write_bytes(bytes([number]) * 300_000)

        def put_and_get(number: int, report: Callable[[bytes], None]) -> None:
            mine = self.again(catalog)
            for turn in range(8):
                sha256, _ = mine.put(str(folder / f"in{turn}"))
                mine.get(sha256, str(folder / f"out{turn}"))
                assert (folder / f"out{turn}").read_bytes() == bytes([turn]) * 300_000
            report(b"done")

        assert at_once(5, put_and_get) == [b"done"] * 5
        assert len(list(catalog.blobs())) == 8

    def test_a_killed_put_leaves_a_whole_blob_or_none(self, catalog: BaseCatalog, folder: Path) -> None:
        for number in range(40):
            (folder / f"in{number}").write_bytes(bytes([number]) * 800_000)

        def put(report: Callable[[bytes], None]) -> None:
            mine = self.again(catalog)
            for number in range(40):
                report(b".")
                mine.put(str(folder / f"in{number}"))

        for turn in range(self.kills):
            child = Forked(put)
            child.read(1 + random.Random(turn).randrange(20))
            for _ in range(random.Random(turn).randrange(20_000)):
                pass
            child.kill()
            child.finish()
            for sha256 in list(catalog.blobs()):
                catalog.get(sha256, str(folder / "out"))
                assert hashlib.sha256((folder / "out").read_bytes()).hexdigest() == sha256
                catalog.remove(sha256)
