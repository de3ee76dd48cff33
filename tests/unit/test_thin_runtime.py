"""A callback on the file-system path imports the standard library alone, and little of that: every step of every run
pays for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.contract import aws

ROOT = Path(__file__).resolve().parents[2]
MAIN = "import sys; from magnus_render.cli.main import main; sys.exit(main())"
STORES = {
    "run_log_store": {"type": "file-system", "config": {}},
    "catalog": {"type": "file-system", "config": {}},
    "secrets": {"type": "do-nothing", "config": {}},
}
DEFINITION = """
dag:
  start_at: first
  steps:
    first: {type: task, command_type: shell, command: "true", next: second}
    second: {type: task, command_type: shell, command: "true", next: third}
    third: {type: task, command: nothing.at_all, next: success}
    success: {type: success}
    fail: {type: fail}
"""
FORBIDDEN = {
    "argparse", "boto3", "botocore", "click", "dataclasses", "hashlib", "importlib.metadata", "inspect", "jinja2",
    "networkx", "obstore", "pathlib", "pydantic", "subprocess", "tempfile", "typer", "typing", "typing_extensions", "yaml",
}  # fmt: skip

ALLOWED = {
    # what the runtime asks for
    "atexit", "errno", "fcntl", "os", "select", "termios",
    # what those ask for
    "genericpath", "posixpath", "stat",
}  # fmt: skip

OF_PYTHON = {"nothing", "ctypes", "gc", "struct", "types"}
"""What the process of a Python task imports besides: it ends itself by the interpreter's own function."""


def imported(*argv: str, cwd: Path, options: tuple[str, ...] = ("-S",), **variables: str) -> set[str]:
    """Run Python, by default without site-packages, and return all that it imported, children that it forked included."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "MAGNUS_CONFIG": json.dumps(STORES)}
    done = subprocess.run(
        [sys.executable, *options, "-X", "importtime", *argv],
        cwd=cwd,
        env=own | variables,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:\s+\d+ \|\s+\d+ \|\s+(\S+)$", done.stderr, re.MULTILINE))


@pytest.fixture(scope="module")
def imports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Return what the callback of each step imported beyond what Python itself does."""
    folder = tmp_path_factory.mktemp("thin")
    (folder / "dag.yaml").write_text(DEFINITION)
    (folder / "nothing.py").write_text("def at_all():\n    pass\n")
    start = [sys.executable, "-c", MAIN, "start_run", "a-run", "-f", "dag.yaml"]
    environment = {**os.environ, "MAGNUS_CONFIG": json.dumps(STORES)}
    subprocess.run(start, cwd=folder, env=environment, check=True, stdin=subprocess.DEVNULL, timeout=60)
    python = imported("-c", "pass", cwd=folder)
    steps = ("first", "second", "third")
    return {
        step: imported("-c", MAIN, "execute_single_node", "a-run", step, cwd=folder) - python
        for step in steps
    }


@pytest.mark.parametrize("step", ["first", "second", "third"])
def test_callback_imports_no_library(imports: dict[str, set[str]], step: str) -> None:
    assert any(name.startswith("magnus_render.runtime") for name in imports[step]), "nothing was measured"
    assert not imports[step] & FORBIDDEN
    assert "magnus_render.runtime.spellings" not in imports[step], "the step has no secrets"


@pytest.mark.parametrize("step", ["first", "second", "third"])
def test_callback_imports_little(imports: dict[str, set[str]], step: str) -> None:
    """A name missing here is one more import at every step of every run: measure it (`make bench`) before it is added."""
    others = {name.partition(".")[0] for name in imports[step] if not name.startswith("magnus_render")}
    public = {name for name in others if not name.startswith("_")}
    assert public <= ALLOWED | (OF_PYTHON if step == "third" else set())


def test_callback_on_s3_leaves_the_libraries_to_its_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that forks the step must not load obstore, whose threads would not come along."""
    url = aws.use(monkeypatch)
    s3 = {"type": "s3", "config": {"bucket": aws.BUCKET, "prefix": f"{os.getpid()}/{tmp_path.name}"}}
    stores = {**STORES, "run_log_store": s3, "catalog": s3}
    variables = {**aws.VARIABLES, "AWS_ENDPOINT_URL": url, "MAGNUS_CONFIG": json.dumps(stores)}
    (tmp_path / "dag.yaml").write_text(DEFINITION)
    start = [sys.executable, "-c", MAIN, "start_run", "a-run", "-f", "dag.yaml"]
    subprocess.run(
        start, cwd=tmp_path, env={**os.environ, **variables}, check=True, stdin=subprocess.DEVNULL, timeout=60
    )
    python = imported("-c", "pass", cwd=tmp_path, options=())
    argv = ("-c", MAIN, "execute_single_node", "a-run", "first")
    found = imported(*argv, cwd=tmp_path, options=(), **variables) - python
    assert "magnus_render.services.s3" in found
    assert not found & FORBIDDEN
    others = {name.partition(".")[0] for name in found if not name.startswith("magnus_render")}
    assert {name for name in others if not name.startswith("_")} <= ALLOWED


def test_a_step_of_execute_is_a_fork_of_a_small_process(tmp_path: Path) -> None:
    """Every step takes apart at its end what the executor has imported: that is most of what a Python step costs."""
    (tmp_path / "dag.yaml").write_text(
        "dag:\n  start_at: a\n  steps:\n    a: {type: task, command: told.loaded, next: success}\n"
        "    success: {type: success}\n    fail: {type: fail}\n"
    )
    (tmp_path / "told.py").write_text(
        "import sys\nfound = sorted(sys.modules)\ndef loaded():\n"
        "    with open('loaded.txt', 'w') as file:\n        file.write(' '.join(found))\n"
    )
    subprocess.run(
        [sys.executable, "-c", MAIN, "execute"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    found = set((tmp_path / "loaded.txt").read_text().split())
    assert "magnus_render.executors.local" in found
    assert not found & (FORBIDDEN - {"dataclasses", "inspect", "tempfile", "typing"})
