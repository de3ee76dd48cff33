"""docs/exports.md: its commands are typed, with a server of this process as Marquez and collector; its format is added."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.pages import fenced, run
from tests.plugins import install
from tests.tools import environment, require
from tests.tools import magnus as command

PAGE = Path(__file__).resolve().parents[2] / "docs" / "exports.md"
SCRIPTS = fenced(PAGE.read_text(), "sh")
(FORMAT,) = fenced(PAGE.read_text(), "python")
DEFINITION = """dag:
  name: nightly
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: 'echo x > data/x', catalog: {put: [x]}, next: ok}
    ok: {type: success}
    no: {type: fail}
run_log_store: {type: file-system}
catalog: {type: file-system}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    (folder / "dag.yaml").write_text(DEFINITION)
    assert command(folder, "execute", "-f", "dag.yaml", "--run-id", "nightly-7").returncode == 0
    return folder


@pytest.fixture
def server() -> Iterator[tuple[str, list[tuple[str, str, bytes]]]]:
    """A server of this machine: its URL, and what it was sent (path, type of the content, content)."""
    sent = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers["Content-Length"]))
            sent.append((self.path, self.headers["Content-Type"], content))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Taking) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}", sent
        listening.shutdown()
        thread.join()


def typed(project: Path, script: str, **variables: str) -> None:
    done = run(project, f"set -euo pipefail\n{script}", **variables)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_commands_send_what_is_exported(
    project: Path, server: tuple[str, list[tuple[str, str, bytes]]]
) -> None:
    require("curl")
    url, sent = server
    marquez, collector, _ = SCRIPTS
    typed(project, marquez, MARQUEZ_URL=url)
    events = [json.loads(content) for _, _, content in sent]
    assert [event["eventType"] for event in events] == ["START", "START", "COMPLETE", "COMPLETE"]
    assert {entry[:2] for entry in sent} == {("/api/v1/lineage", "application/json")}
    sent.clear()
    typed(project, collector, COLLECTOR_URL=url)
    ((path, kind, content),) = sent
    assert (path, kind) == ("/v1/traces", "application/json") and json.loads(content)["resourceSpans"]


def test_the_commands_make_a_crate(project: Path) -> None:
    typed(project, SCRIPTS[2])
    named = json.loads((project / "crate/ro-crate-metadata.json").read_text())["@graph"]
    files = {one["@id"] for one in named if "File" in one["@type"]}
    assert files == {"dag.yaml", "files/x"} and all((project / "crate" / name).is_file() for name in files)


def test_a_format_of_another_package(project: Path, tmp_path: Path) -> None:
    (tmp_path / "counting.py").write_text(FORMAT)
    install(tmp_path, {"export": {"count": "counting:Count"}})
    words = [require("magnus"), "runs", "export", "nightly-7", "--format"]
    both = {
        "cwd": project,
        "env": environment(PYTHONPATH=str(tmp_path)),
        "capture_output": True,
        "text": True,
    }
    assert subprocess.run([*words, "count"], **both).stdout == "1\n"
    assert "there are count, openlineage, otlp, rocrate" in subprocess.run([*words, "counts"], **both).stderr
