"""The part of a kubelet that the API server itself asks: a node's endpoint, which Argo's controller sends signals through.

The controller ends containers by running `argoexec kill SIGNAL 1` in them. The endpoint sends the signal and refuses the
rest of the conversation, about which the controller does not care.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.engines.argo.api import Api

Signal = Callable[[str, str, str, int], None]
"""Sends a signal: namespace, pod, container, number."""


class Node:
    """A node of the cluster, with its endpoint on 127.0.0.1."""

    def __init__(self, api: Api, name: str, certificate: Path, send: Signal) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                url = urlsplit(self.path)
                parts = url.path.strip("/").split("/")
                command = parse_qs(url.query).get("command", [])
                if parts[0] == "exec" and len(command) == 4 and command[1] == "kill":
                    send(parts[1], parts[2], parts[-1], int(command[2]))
                self.send_error(501)

            def log_message(self, *_: object) -> None:
                pass

        self.name = name
        self._api = api
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_suffix(".key"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        api.create("/api/v1/nodes", {"metadata": {"name": name}})
        status = {
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._server.server_port}},
        }
        api.patch(f"/api/v1/nodes/{name}/status", {"status": status})

    def close(self) -> None:
        """Take it from the cluster."""
        self._api.delete(f"/api/v1/nodes/{self.name}")
        self._server.shutdown()
        self._server.server_close()
