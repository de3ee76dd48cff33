"""The run log store and the catalog `s3`: objects in a bucket, below a prefix."""

from __future__ import annotations

import os
import time

from magnus_render.errors import PlatformError, Refused
from magnus_render.services.base import BaseCatalog, BaseRunLogStore
from magnus_render.services.options import (
    LOG_LIMIT_MEANS,
    check_keys,
    log_limit,
    platform_error,
    remove_quietly,
    temporary_name,
    text,
    write_all,
)
from magnus_render.services.s3_client import RECORD, client

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, BinaryIO, ClassVar

DEFAULT_PREFIX = {"run_log_store": "run_log", "catalog": "catalog"}
KEYS = {"bucket": "text", "prefix": "text", "region": "text", "endpoint_url": "text", "kms_key": "text"}
MEANINGS: Mapping[str, tuple[str, Any]] = {
    "bucket": ("The bucket. It must exist.", "acme-pipelines"),
    "prefix": ("The beginning of all keys in the bucket, without a slash at either end.", "team-a/runs"),
    "region": ("The region of the bucket, by default that of the AWS settings of the machine.", "eu-west-1"),
    "endpoint_url": ("The address of the service, if it is not AWS.", "https://minio.internal:9000"),
    "kms_key": (
        "Id or ARN of the key that encrypts what is written; by default the bucket's.",
        "alias/pipelines",
    ),
}
"""The meaning of each of `KEYS`, and an example."""
BATCH = 256
BATCH_BYTES = 16 << 20
LOG_GROWTH = 256 << 10
LOG_SECONDS = 30.0
_IN_PREFIX = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+@:,/")
_HEX = frozenset("0123456789abcdef")


class Place:
    """A prefix in a bucket, and the settings to reach it, for the store and the catalog.

    `config`: `bucket`; `prefix`; `region` (else AWS_REGION, AWS_DEFAULT_REGION, the profile's, us-east-1); `endpoint_url`
    (else AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL); `kms_key`, the id or ARN of the key that encrypts what is written (else
    as the bucket says). Credentials come by the usual chain: environment, profile, web identity, container, instance.
    """

    def __init__(self, service: str, config: Mapping[str, Any], prefix: str) -> None:
        check_keys(service, config, KEYS)
        if "bucket" not in config:
            raise Refused(f"{service}: 'bucket' is missing")
        self.config: dict[str, Any] = {key: text(service, config, key, "") for key in KEYS if key in config}
        endpoint = self.config.get("endpoint_url", "https://")
        if not endpoint.startswith(("http://", "https://")):
            raise Refused(f"{service}: 'endpoint_url' must begin with http:// or https://, not '{endpoint}'")
        self.prefix = self.config.get("prefix", prefix).strip("/")
        odd = set(self.prefix) - _IN_PREFIX
        if odd or not {"", ".", ".."}.isdisjoint(self.prefix.split("/")):
            what = f"may not have {min(odd)!r} in it" if odd else "is no path"
            raise Refused(f"{service}: 'prefix' {what}: '{self.prefix}'")
        self._there = {key: value for key, value in self.config.items() if key != "prefix"}

    def ask(
        self, doing: str, op: str, key: str, data: bytes = b"", limit: float | None = RECORD, **more: Any
    ) -> tuple[dict[str, Any], bytes]:
        """Send the worker a request; raise `PlatformError` "cannot `doing` s3://bucket/key: ..." if it fails."""
        try:
            return client().call(self.request(op, key, **more), data, limit)
        except PlatformError as error:
            raise PlatformError(f"cannot {doing} {self.url(key)}: {error}") from error

    def request(self, op: str, key: str, **more: Any) -> dict[str, Any]:
        environment = {name: value for name, value in os.environ.items() if name.startswith("AWS_") and value}
        full = f"{self.prefix}/{key}" if key else self.prefix
        return {"op": op, "key": full, "bucket": self._there, "environment": environment, **more}

    def url(self, key: str) -> str:
        """Return a key's address, for people."""
        return f"s3://{self.config['bucket']}/{self.prefix}/{key}".rstrip("/")


class S3RunLogStore(BaseRunLogStore):
    """A record is the object `<prefix>/<key>` (default prefix `run_log`), written if there is none (`If-None-Match`)."""

    summary = "objects in a bucket of S3"
    aliases = ("chunked-s3",)
    keys: ClassVar[Mapping[str, str]] = {**KEYS, "log_limit": "count"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {**MEANINGS, "log_limit": LOG_LIMIT_MEANS}
    needed = ("bucket",)
    extra = "aws"

    def __init__(self, config: Mapping[str, Any]) -> None:
        service = "run_log_store 's3'"
        self.log_limit = log_limit(service, config)
        where = {key: value for key, value in config.items() if key != "log_limit"}
        self._place = Place(service, where, DEFAULT_PREFIX["run_log_store"])
        client().start()

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that makes this store again."""
        return self._limited(self._place.config)

    def create(self, key: str, data: bytes) -> bool:
        answer, _ = self._place.ask("write", "create", key, data)
        return bool(answer["written"])

    def read(self, key: str) -> bytes | None:
        answer, data = self._place.ask("read", "read", key)
        return None if answer["missing"] else data

    def names(self, folder: str) -> list[str]:
        answer, _ = self._place.ask("list", "names", folder)
        return sorted({*answer["records"], *answer["folders"]})

    def read_all(self, folder: str) -> Iterator[tuple[str, bytes]]:
        for batch in _batches(self._below(folder)):
            answer, data = self._place.ask("read", "read_many", folder, limit=None, keys=batch)
            at = 0
            for key, size in zip(batch, answer["sizes"], strict=True):
                if size >= 0:
                    yield key[len(self._place.prefix) + 1 :], data[at : at + size]
                    at += size

    def runs(self) -> list[str]:
        answer, _ = self._place.ask("list", "names", "")
        return sorted(answer["folders"])

    def remove_run(self, run_id: str) -> None:
        if not run_id or run_id[0] == "." or "/" in run_id:
            raise Refused(f"not a run id: '{run_id}'")
        prefix = self._place.prefix
        self._place.ask("remove", "delete", f"{run_id}/run.json", keys=[f"{prefix}/{run_id}/run.json"])
        answer, _ = self._place.ask("list", "list_below", run_id, limit=None)
        keys = [key for key, _ in answer["found"]]
        if keys:
            self._place.ask("remove", "delete", run_id, limit=None, keys=keys)

    def open_log(self, key: str) -> BinaryIO:
        return _Log(self._place, key)  # type: ignore[return-value]  # what is used of one

    def _below(self, folder: str) -> list[tuple[str, int]]:
        answer, _ = self._place.ask("list", "list_below", folder, limit=None)
        return [(key, size) for key, size in answer["found"] if not key.endswith(".log")]


def _batches(found: list[tuple[str, int]]) -> Iterator[list[str]]:
    """Yield lists of keys that are read together, each with a bounded number of records and of bytes."""
    batch: list[str] = []
    total = 0
    for key, size in found:
        if batch and (len(batch) == BATCH or total + size > BATCH_BYTES):
            yield batch
            batch, total = [], 0
        batch.append(key)
        total += size
    if batch:
        yield batch


class _Log:
    """A log that will be an object: it is written to a temporary file, and sent when it is closed, unless it is empty.

    It is also sent while it grows, so that a killed container leaves a part of it. An object cannot be appended to, so
    each time the whole log is sent. That happens when the log has doubled since the last time (and grown by
    `LOG_GROWTH`): so all that is sent is at most twice its size. It also happens `LOG_SECONDS` after the last time.

    Both are checked only when something is written, so that no thread is needed. The worker sends the log while the step
    goes on. If that fails, the log is sent at the next time.
    """

    def __init__(self, place: Place, key: str) -> None:
        self._place = place
        self._key = key
        self._file = -1
        self._path = ""
        self._size = self._sent = 0
        self._when = time.monotonic()
        self.closed = False

    def write(self, data: bytes) -> int:
        if self._file < 0:
            self._path = temporary_name(os.path.abspath(os.environ.get("TMPDIR") or "/tmp"))
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        write_all(self._file, data)
        self._size += len(data)
        grown, waited = self._size - self._sent, time.monotonic() - self._when
        if (grown >= max(LOG_GROWTH, self._sent) or waited >= LOG_SECONDS) and client().post(self._request()):
            self._sent, self._when = self._size, time.monotonic()
        return len(data)

    def flush(self) -> None:
        """Do nothing: all that was written is in the file already."""

    def close(self) -> None:
        if self.closed:
            return
        self.closed = True
        if self._file < 0:
            return
        os.close(self._file)
        try:
            client().call(self._request(), limit=None)
        except PlatformError as error:
            raise PlatformError(f"cannot write {self._place.url(self._key)}: {error}") from error
        finally:
            remove_quietly(self._path)

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _request(self) -> dict[str, Any]:
        return self._place.request("put_file", self._key, path=self._path, length=self._size)


class S3Catalog(BaseCatalog):
    """A blob is the object `<prefix>/<first two digits>/<sha256>` (default prefix `catalog`). Only content is kept."""

    summary = "objects in a bucket of S3"
    keys: ClassVar[Mapping[str, str]] = KEYS
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = MEANINGS
    needed = ("bucket",)
    extra = "aws"

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._place = Place("catalog 's3'", config, DEFAULT_PREFIX["catalog"])

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that makes this catalog again."""
        return dict(self._place.config)

    def put(self, path: str) -> tuple[str, int]:
        found = os.path.abspath(path)
        try:
            answer, _ = client().call(self._place.request("put_blob", "", path=found), limit=None)
        except PlatformError as error:
            if str(error).startswith("cannot read "):
                raise
            raise PlatformError(f"cannot write {path} to {self._place.url('')}: {error}") from error
        return answer["sha256"], answer["size"]

    def get(self, sha256: str, path: str) -> None:
        key = f"{sha256[:2]}/{sha256}"
        folder = os.path.dirname(os.path.abspath(path))
        temporary = temporary_name(folder)
        try:
            os.makedirs(folder, exist_ok=True)
            found = self._fetch(key, path, temporary)
            if found != sha256:
                raise PlatformError(
                    f"catalog: {self._place.url(key)} is damaged: its content has the SHA-256 {found}"
                )
            os.replace(temporary, path)
        except OSError as error:
            raise platform_error("write", path, error) from error
        finally:
            remove_quietly(temporary)

    def _fetch(self, key: str, path: str, target: str) -> str:
        try:
            answer, _ = self._place.ask("read", "get_blob", key, limit=None, path=target)
        except PlatformError as error:
            raise PlatformError(f"catalog: no content for {path}: {error}") from error
        return str(answer["sha256"])

    def blobs(self) -> Iterator[str]:
        answer, _ = self._place.ask("list", "list_below", "", limit=None)
        for key, _ in answer["found"]:
            folder, _, name = key[len(self._place.prefix) + 1 :].partition("/")
            if len(name) == 64 and name.startswith(folder) and len(folder) == 2 and _HEX.issuperset(name):
                yield name

    def register(self, user: str) -> None:
        answer, _ = self._place.ask("list", "names", "users")
        known = set(answer["records"])
        if not known and next(self.blobs(), None) is None:
            self._place.ask("write", "create", "users/all", b"all")
        if user not in known:
            self._place.ask("write", "create", f"users/{user}", user.encode())

    def users(self) -> set[str] | None:
        answer, _ = self._place.ask("list", "names", "users")
        names = set(answer["records"])
        return names - {"all"} if "all" in names else None

    def remove(self, sha256: str) -> None:
        key = f"{sha256[:2]}/{sha256}"
        self._place.ask("remove", "delete", key, keys=[f"{self._place.prefix}/{key}"])
