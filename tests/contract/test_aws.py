"""The stores on AWS keep the contracts that those on a disk keep."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, ClassVar

import pytest

from magnus_render.services import lookup
from magnus_render.services.base import BaseCatalog, BaseRunLogStore, BaseSecrets
from tests.contract import aws
from tests.contract.catalog import CatalogContract
from tests.contract.run_log_store import RunLogStoreContract
from tests.contract.secrets import VALUES, SecretsContract


@pytest.fixture(autouse=True)
def moto(monkeypatch: pytest.MonkeyPatch) -> None:
    aws.use(monkeypatch)


def place(tmp_path: Path) -> dict[str, str]:
    """Return a configuration whose prefix no other test has."""
    return {"bucket": aws.BUCKET, "prefix": f"{os.getpid()}/{tmp_path.name}"}


class TestS3RunLogStore(RunLogStoreContract):
    kills = 5

    def make(self, tmp_path: Any) -> BaseRunLogStore:
        return lookup.load("run_log_store", {"type": "s3", "config": place(tmp_path)})


class TestS3Catalog(CatalogContract):
    kills = 5
    damaged = b"c0ntent, and more of it"  # S3 sees to it that content does not decay: only sizes are compared

    def make(self, tmp_path: Path) -> BaseCatalog:
        return lookup.load("catalog", {"type": "s3", "config": place(tmp_path)})

    def damage(self, catalog: BaseCatalog, sha256: str, content: bytes) -> None:
        key = f"{catalog.config['prefix']}/{sha256[:2]}/{sha256}"  # type: ignore[attr-defined]
        s3 = aws.client("s3", aws.server())
        s3.head_object(Bucket=aws.BUCKET, Key=key)
        s3.put_object(Bucket=aws.BUCKET, Key=key, Body=content)


class TestAwsSecretsManager(SecretsContract):
    values: ClassVar = {
        name: value for name, value in VALUES.items() if value
    }  # there are no empty ones there

    def make(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> BaseSecrets:
        prefix = f"{os.getpid()}/{tmp_path.name}/"
        manager = aws.client("secretsmanager", aws.server())
        for name, value in values.items():
            manager.create_secret(Name=prefix + name, SecretString=value)
        return lookup.load("secrets", {"type": "aws-secrets-manager", "config": {"prefix": prefix}})
