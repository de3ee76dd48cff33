"""The process that speaks to S3, by obstore: it takes requests from a pipe and answers them, one by one (see `s3_client`).

A request has the settings of its bucket, and the `AWS_*` variables of its sender. Retries for records are made here, not by
obstore: if the answer to a write was lost, the retry finds a record, and only this process can tell that it wrote it.
"""

from __future__ import annotations

import os
import signal
import time

from magnus_render.errors import PlatformError, Refused
from magnus_render.services.s3_client import END, receive, send
from magnus_render.services.s3_connect import PATIENCE, Conflict, attempts, connect, is_transient, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    from obstore.store import S3Store

    T = TypeVar("T")
    Request = dict[str, Any]
    Answer = tuple[dict[str, Any], bytes]

AT_ONCE = 16
PART = 8 << 20
"""Bytes of a part of a large file; smaller files are sent whole."""
_MOST_PARTS = 9000  # S3 allows 10,000
_CHUNK = 1 << 20


class Changed(Exception):
    """A file has changed since its hash was computed."""


def serve(requests: int, answers: int) -> None:
    """Answer requests until the pipe ends."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the process that asks decides when to stop
    os.environ.setdefault("TOKIO_WORKER_THREADS", "2")
    try:
        import obstore.store  # noqa: F401 - so that the first request need not wait for it
    except ImportError:
        pass  # the answer to each request says so
    buckets: dict[str, Bucket] = {}
    while (message := receive(requests)) and message[0] != END:
        request, data = message
        payload = b""
        try:
            known = repr((request["bucket"], request["environment"]))
            if known not in buckets:
                buckets[known] = Bucket(request["bucket"], request["environment"])
            answer, payload = getattr(buckets[known], request["op"])(request, data)
        except Refused as error:
            answer = {"refused": str(error)}
        except BaseException as error:  # obstore's own panics are no `Exception`
            answer = {"failed": str(error) if isinstance(error, PlatformError) else reason(error)}
        send(answers, answer, payload)


class Bucket:
    """A bucket, with one method for each kind of request: it takes the request and its data, and returns the same."""

    def __init__(self, settings: dict[str, str], environment: dict[str, str]) -> None:
        self.settings = settings
        self.environment = environment
        self._stores: dict[bool, S3Store] = {}

    # ---- records ----

    def create(self, request: Request, data: bytes) -> Answer:
        key, store, doubt = request["key"], self._records(), False
        from obstore.exceptions import AlreadyExistsError

        def write() -> bool:
            nonlocal doubt
            try:
                store.put(key, data, mode="create")
                return True
            except AlreadyExistsError as error:
                if not doubt and "status: 409" not in str(error):
                    return False
                there = self._read(key)
                if there is None:  # 409: another writer was at work, and has not succeeded
                    raise Conflict(reason(error)) from error
                return doubt and there == data
            except BaseException as error:
                doubt = doubt or is_transient(error)  # the record may be written, and only the answer lost
                raise

        return {"written": self._retried(write)}, b""

    def read(self, request: Request, data: bytes) -> Answer:
        found = self._retried(lambda: self._read(request["key"]))
        return {"missing": found is None}, found or b""

    def read_many(self, request: Request, data: bytes) -> Answer:
        """Read several records at once; answer with their sizes, -1 for a record that does not exist."""
        from concurrent.futures import ThreadPoolExecutor

        self._records()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            tasks = [pool.submit(self._retried, lambda key=key: self._read(key)) for key in request["keys"]]
            found: list[bytes | None] = [task.result() for task in tasks]
        sizes = [-1 if content is None else len(content) for content in found]
        return {"sizes": sizes}, b"".join(content for content in found if content)

    def names(self, request: Request, data: bytes) -> Answer:
        listing = self._retried(lambda: self._records().list_with_delimiter(request["key"]))
        records = [entry["path"] for entry in listing["objects"]]
        folders = list(listing["common_prefixes"])
        return {"records": list(map(_last, records)), "folders": list(map(_last, folders))}, b""

    def list_below(self, request: Request, data: bytes) -> Answer:
        """List all below a folder, with sizes in bytes."""
        found = self._retried(lambda: self._records().list(request["key"]).collect())
        return {"found": [(entry["path"], entry["size"]) for entry in found]}, b""

    def delete(self, request: Request, data: bytes) -> Answer:
        self._retried(lambda: self._records().delete(request["keys"]))
        return {}, b""

    def _read(self, key: str) -> bytes | None:
        try:
            return bytes(self._records().get(key).bytes())
        except FileNotFoundError as error:
            if "NoSuchKey" in str(error):
                return None
            raise  # there is no such bucket, or the service is not S3: that says nothing about the record

    def _retried(self, action: Callable[[], T]) -> T:
        began, pause = time.monotonic(), 0.1
        left = attempts(self.environment)
        while True:
            left -= 1
            try:
                return action()
            except BaseException as error:
                if left <= 0 or time.monotonic() - began > PATIENCE or not is_transient(error):
                    raise
            # Half of the pause is random, so that the branches of a map do not all try again at once.
            time.sleep(pause * (256 + os.urandom(1)[0]) / 512)
            pause = min(2 * pause, 5.0)

    # ---- files ----

    def put_file(self, request: Request, data: bytes) -> Answer:
        """Write a file that may grow meanwhile, as far as its present length."""
        with open(request["path"], "rb", buffering=0) as file:
            self._send(request["key"], file.fileno(), request["length"])
        return {}, b""

    def put_blob(self, request: Request, data: bytes) -> Answer:
        """Write a file under its hash, unless it is there; answer with the hash and the size."""
        from magnus_render.services.catalog import open_source, pump

        path = request["path"]
        source = open_source(path)
        try:
            for _ in range(3):
                sha256, size = pump(source, path, None)
                key = f"{request['key']}/{sha256[:2]}/{sha256}"
                try:
                    if self._size(key) != size:
                        os.lseek(source, 0, os.SEEK_SET)
                        self._send(key, source, size, sha256)
                    return {"sha256": sha256, "size": size}, b""
                except Changed:
                    os.lseek(source, 0, os.SEEK_SET)
        finally:
            os.close(source)
        raise PlatformError(f"{path} is being written to")

    def get_blob(self, request: Request, data: bytes) -> Answer:
        """Write a blob to a new file; answer with its hash."""
        from hashlib import sha256

        from magnus_render.services.options import platform_error, write_all

        path, digest = request["path"], sha256()
        found = self._files().get(request["key"])
        try:
            target = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except OSError as error:
            raise platform_error("write", path, error) from error
        try:
            for chunk in found.stream(min_chunk_size=_CHUNK):
                view = memoryview(chunk)
                digest.update(view)
                try:
                    write_all(target, view)
                except OSError as error:
                    raise platform_error("write", path, error) from error
        finally:
            os.close(target)
        return {"sha256": digest.hexdigest()}, b""

    def _size(self, key: str) -> int | None:
        try:
            return self._files().head(key)["size"]
        except FileNotFoundError:
            return None

    def _send(self, key: str, source: int, length: int, sha256: str = "") -> None:
        """Write `length` bytes of an open file; write nothing if `sha256` is given and differs from their hash."""
        chunks = _checked(source, length, sha256)
        if length <= PART:
            self._files().put(key, b"".join(chunks))
        else:
            part = max(PART, length // _MOST_PARTS + 1)
            self._files().put(key, chunks, chunk_size=part, max_concurrency=4)

    # ---- how to get there ----

    def _records(self) -> S3Store:
        return self._store(False)

    def _files(self) -> S3Store:
        return self._store(True)

    def _store(self, files: bool) -> S3Store:
        if files not in self._stores:
            self._stores[files] = connect(self.settings, self.environment, files=files)
        return self._stores[files]


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _checked(source: int, length: int, wanted: str) -> Iterator[bytes]:
    """Yield the next `length` bytes of an open file; raise `Changed` at the end if their hash differs from `wanted`."""
    from hashlib import sha256

    digest = sha256()
    while length:
        chunk = os.read(source, min(length, _CHUNK))
        if not chunk:
            raise Changed
        digest.update(chunk)
        length -= len(chunk)
        yield chunk
    if wanted and digest.hexdigest() != wanted:
        raise Changed
