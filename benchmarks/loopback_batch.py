"""A tiny AWS Batch in memory to measure hand-overs against: it takes every job, by HTTP or by TLS, and checks nothing."""

from __future__ import annotations

import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CERTIFICATE = (
    "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=loopback",
    "-addext", "subjectAltName=IP:127.0.0.1",
)  # fmt: skip


@contextmanager
def serving(certificates: Path | None) -> Iterator[tuple[str, list[str]]]:
    """Serve in a thread of this process while the block runs; yield the address, and the list of who submitted a job.

    `certificates` is a new folder, for TLS: `all.pem` there has this machine's certificates and that of the service.
    """
    jobs: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = (
            True  # the answer has two writes; no service lets the second wait for a client
        )

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            jobs.append(self.headers["user-agent"])
            body = b'{"jobArn": "a", "jobId": "11111111-1111", "jobName": "n"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        if certificates:
            server.socket = context(certificates).wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"{'https' if certificates else 'http'}://127.0.0.1:{server.server_port}", jobs
        server.shutdown()
        thread.join()


def context(folder: Path) -> ssl.SSLContext:
    """Make a certificate of the service, beside all that this machine trusts."""
    folder.mkdir()
    files = ("-keyout", str(folder / "key.pem"), "-out", str(folder / "own.pem"))
    subprocess.run((*CERTIFICATE, *files), check=True, capture_output=True)
    usual = ssl.get_default_verify_paths().cafile
    known = Path(usual).read_bytes() if usual else b""
    (folder / "all.pem").write_bytes(known + (folder / "own.pem").read_bytes())
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(folder / "own.pem", folder / "key.pem")
    return found
