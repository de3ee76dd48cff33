"""Requests to the API server: JSON over HTTPS with a token, from any thread, over connections that are kept."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]
_MERGE_PATCH = "application/merge-patch+json"
_SECONDS = 60


_AGAIN = 3
"""How often a watch is asked for again, if it ends at once."""


class ApiError(Exception):
    """The API server refused a request; the text is its message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


class Watch:
    """The changes of objects, one after the other, from those that exist already on."""

    def __init__(self, open_: Callable[[str], http.client.HTTPSConnection]) -> None:
        """`open_` asks for all changes, or for those behind a resource version, and returns the connection."""
        self._open = open_
        self._closed = threading.Event()
        self._connect("")

    def _connect(self, version: str) -> None:
        self._connection = self._open(version)
        self._response = self._connection.getresponse()
        if self._response.status != 200:
            raise ApiError(self._response.status, self._response.read().decode(errors="replace"))
        assert self._connection.sock is not None
        self._socket = self._connection.sock

    def __iter__(self) -> Iterator[tuple[str, Json]]:
        """Yield kind of change (ADDED, MODIFIED, DELETED) and object, until `close`.

        Raises:
            ApiError: the server ended it, and does not go on with it.
        """
        version, ends = "", 0
        while True:
            try:
                line = self._response.readline()
            except (OSError, ValueError, http.client.HTTPException, AttributeError):
                line = b""
            if self._closed.is_set():
                return
            if not line:
                # A server under load ends a watch whose reader is slow: it goes on behind the last change that was read.
                ends += 1
                if ends > _AGAIN or not version:
                    raise ApiError(0, "a watch has ended")
                try:
                    self._connect(version)
                except OSError as error:
                    raise ApiError(0, f"a watch has ended: {error}") from error
                if self._closed.is_set():  # meanwhile
                    return
                continue
            event = json.loads(line)
            if event["type"] == "ERROR":
                raise ApiError(event["object"].get("code", 0), event["object"].get("message", ""))
            version, ends = event["object"]["metadata"]["resourceVersion"], 0
            yield event["type"], event["object"]

    def close(self) -> None:
        """End it, from whatever thread."""
        self._closed.set()
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


@dataclass(frozen=True)
class Api:
    """An API server at 127.0.0.1."""

    port: int
    token: str
    certificate: Path
    user: str = ""
    """In whose name requests are made, if not in that of the token's."""

    def get(self, path: str) -> Json:
        """Return an object or a list of objects."""
        return self._request("GET", path)

    def create(self, path: str, body: Json) -> Json:
        """Create an object in a collection."""
        return self._request("POST", path, body)

    def patch(self, path: str, body: Json) -> Json:
        """Merge a patch into an object (RFC 7386)."""
        return self._request("PATCH", path, body, _MERGE_PATCH)

    def delete(self, path: str, body: Json | None = None) -> Json:
        """Delete an object, or all of a collection."""
        return self._request("DELETE", path, body)

    def watch(self, path: str, **query: str) -> Watch:
        """Watch a collection."""

        def opened(version: str) -> http.client.HTTPSConnection:
            connection = self._connect(None)
            behind = {"resourceVersion": version} if version else {}
            asked = urlencode({**query, **behind, "watch": "1"})
            connection.request("GET", f"{path}?{asked}", headers=self._headers)
            return connection

        return Watch(opened)

    def _request(
        self, method: str, path: str, body: Json | None = None, content: str = "application/json"
    ) -> Json:
        data = None if body is None else json.dumps(body).encode()
        headers = self._headers if body is None else {**self._headers, "Content-Type": content}
        while True:
            kept = bool(self._idle)
            connection = self._idle.pop() if kept else self._connect(_SECONDS)
            try:
                connection.request(method, path, data, headers)
                response = connection.getresponse()
                text = response.read()
                break
            except (http.client.HTTPException, OSError):
                connection.close()
                if not kept:
                    raise
        self._idle.append(connection)
        answer: Json = json.loads(text) if text else {}
        if response.status >= 300:
            raise ApiError(response.status, str(answer.get("message", text)))
        return answer

    def _connect(self, seconds: float | None) -> http.client.HTTPSConnection:
        connection = http.client.HTTPSConnection(
            "127.0.0.1", self.port, timeout=seconds, context=self._context
        )
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    @cached_property
    def _headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": "application/json"}
        return {**headers, "Impersonate-User": self.user} if self.user else headers

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))

    @cached_property
    def _idle(self) -> list[http.client.HTTPSConnection]:
        idle: list[http.client.HTTPSConnection] = []
        weakref.finalize(self, _close_all, idle)
        return idle


def _close_all(connections: list[http.client.HTTPSConnection]) -> None:
    for connection in connections:
        connection.close()


def argo(namespace: str, kind: str, name: str = "") -> str:
    """Return the path of Argo's objects of a kind (its plural), or of one of them."""
    return f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")


def core(namespace: str, kind: str, name: str = "") -> str:
    """Return the path of Kubernetes's own objects of a kind (its plural), or of one of them."""
    return f"/api/v1/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")
