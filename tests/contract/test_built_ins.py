"""The built-in services keep their contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnus_render.services import lookup
from magnus_render.services.base import BaseCatalog, BaseRunLogStore, BaseSecrets
from tests.contract.catalog import CatalogContract
from tests.contract.run_log_store import RunLogStoreContract
from tests.contract.secrets import SecretsContract


class TestFileSystemRunLogStore(RunLogStoreContract):
    def make(self, tmp_path: Path) -> BaseRunLogStore:
        config = {"path": str(tmp_path / "not yet" / "there")}
        return lookup.load("run_log_store", {"type": "file-system", "config": config})


class TestBufferedRunLogStore(RunLogStoreContract):
    kills = 3

    def make(self, tmp_path: Path) -> BaseRunLogStore:
        return lookup.load("run_log_store", {"type": "buffered", "config": {}})


class TestFileSystemCatalog(CatalogContract):
    def make(self, tmp_path: Path) -> BaseCatalog:
        config = {"path": str(tmp_path / "not yet" / "there")}
        return lookup.load("catalog", {"type": "file-system", "config": config})

    def damage(self, catalog: BaseCatalog, sha256: str, content: bytes) -> None:
        (blob,) = Path(catalog.path).glob(f"*/{sha256}")  # type: ignore[attr-defined]
        assert blob.stat().st_mode & 0o222 == 0, "blobs are read-only"
        blob.chmod(0o644)
        blob.write_bytes(content)


class TestEnvSecrets(SecretsContract):
    prefix = ""

    def make(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> BaseSecrets:
        for name, value in values.items():
            monkeypatch.setenv(self.prefix + name, value)
        config = {"prefix": self.prefix} if self.prefix else {}
        return lookup.load("secrets", {"type": "env", "config": config})


class TestEnvSecretsWithPrefix(TestEnvSecrets):
    prefix = "MAGNUS_TEST_SECRET_"

    def test_known_are_those_with_the_prefix(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.make(tmp_path, monkeypatch, {"B": "1", "A": "2"}).known() == ["A", "B"]


class TestDotenvSecrets(SecretsContract):
    def make(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> BaseSecrets:
        lines = []
        for name, value in values.items():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            lines.append(f'export {name}="{escaped}" # a comment\n')
        (tmp_path / "my secrets").write_text("".join(lines), encoding="utf-8")
        return lookup.load("secrets", {"type": "dotenv", "config": {"path": str(tmp_path / "my secrets")}})
