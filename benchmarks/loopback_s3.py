"""A tiny S3 in memory to measure clients against: it answers in a fraction of a millisecond, so the client is what counts.

It checks no signature, and knows objects, conditional writes and lists.
"""

from __future__ import annotations

import hashlib
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

PAGE = 1000
_NO_CONTENT = "HTTP/1.1 204 No Content\r\n\r\n"


class LoopbackS3(socketserver.ThreadingTCPServer):
    """Every bucket exists. `objects` maps "bucket/key" to content; `requests` lists "METHOD target" as they come.

    `busy` counts the seconds from a request's first line to its answer.
    """

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.busy = 0.0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Connection)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Connection(socketserver.StreamRequestHandler):
    server: LoopbackS3
    disable_nagle_algorithm = True

    def handle(self) -> None:
        while line := self.rfile.readline():
            began = time.perf_counter()
            method, target, _ = line.decode("ascii").split(" ", 2)
            headers = {}
            while (header := self.rfile.readline().rstrip()) != b"":
                name, _, value = header.partition(b":")
                headers[name.decode("ascii").lower()] = value.strip().decode("latin-1")
            if headers.get("expect", "").lower() == "100-continue":
                self.connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = self.rfile.read(int(headers.get("content-length", 0)))
            with self.server.lock:
                self.server.requests.append(f"{method} {target}")
                answer = self._answer(method, target, headers, body)
            self.connection.sendall(answer)
            self.server.busy += time.perf_counter() - began

    def _answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> bytes:
        objects = self.server.objects
        url = urlsplit(target)
        path, query = unquote(url.path).strip("/"), parse_qs(url.query, keep_blank_values=True)
        if method == "GET" and "/" not in path:
            return _response("200 OK", _listing(objects, path, query))
        if method == "POST" and "delete" in query:
            text = body.decode()
            for part in text.split("<Key>")[1:]:
                objects.pop(f"{path}/{part.partition('</Key>')[0]}", None)
            return _response("200 OK", b"<DeleteResult></DeleteResult>")
        if method == "PUT":
            if headers.get("if-none-match") == "*" and path in objects:
                error = b"<Error><Code>PreconditionFailed</Code><Message>it exists</Message></Error>"
                return _response("412 Precondition Failed", error)
            objects[path] = body
            return _response("200 OK", b"", ETag=_etag(body))
        if method == "DELETE":
            objects.pop(path, None)
            return _NO_CONTENT.encode()
        data = objects.get(path)
        if data is None:
            return _response("404 Not Found", b"<Error><Code>NoSuchKey</Code></Error>", method == "HEAD")
        return _response("200 OK", data, method == "HEAD", ETag=_etag(data))


def _etag(data: bytes) -> str:
    return f'"{hashlib.md5(data).hexdigest()}"'


def _response(status: str, body: bytes, head: bool = False, **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    lines.append("Last-Modified: Thu, 01 Jan 2026 00:00:00 GMT")
    return "\r\n".join((*lines, "", "")).encode() + (b"" if head else body)


def _listing(objects: dict[str, bytes], bucket: str, query: dict[str, list[str]]) -> bytes:
    prefix, delimiter = query.get("prefix", [""])[0], query.get("delimiter", [""])[0]
    after = query.get("continuation-token", query.get("start-after", [""]))[0]
    found: list[str] = []
    seen: set[str] = set()
    more = last = ""
    for name in sorted(objects):
        key = name.removeprefix(f"{bucket}/")
        if not name.startswith(f"{bucket}/{prefix}") or key <= after:
            continue
        end = key.find(delimiter, len(prefix)) if delimiter else -1
        shown = key[: end + 1] if end >= 0 else key
        if shown in seen or (end >= 0 and after.startswith(shown)):
            continue
        if len(seen) == PAGE:
            more = last
            break
        seen.add(shown)
        last = key
        if end >= 0:
            found.append(f"<CommonPrefixes><Prefix>{escape(shown)}</Prefix></CommonPrefixes>")
        else:
            found.append(
                f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>{escape(_etag(objects[name]))}</ETag><Size>{len(objects[name])}</Size></Contents>"
            )
    token = f"<NextContinuationToken>{escape(more)}</NextContinuationToken>" if more else ""
    truncated = "true" if more else "false"
    text = (
        f"<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{token}{''.join(found)}</ListBucketResult>"
    )
    return text.encode()


def variables(server: LoopbackS3) -> dict[str, str]:
    """Return the environment of a process that takes this for its S3."""
    return {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": "loopback",
        "AWS_SECRET_ACCESS_KEY": "loopback",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
    }


@contextmanager
def serving() -> Iterator[LoopbackS3]:
    """Serve in a thread of this process while the block runs."""
    server = LoopbackS3()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
