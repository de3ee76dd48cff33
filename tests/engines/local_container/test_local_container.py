"""Steps in real containers: what they see, how they end, and what is left behind. `images` names the engine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import cases
from tests.conformance.checking import run as run_case
from tests.conformance.engines import LocalContainer
from tests.engines import images
from tests.tools import said

CASES = (
    "as-is-text",
    "cached-all",
    "catalog-flow",
    "dag-files",
    "files-data-folder",
    "files-modes",
    "map-empty",
    "map-simple",
    "max-time",
    "nesting-deep",
    "parallel-success",
    "python-environment",
    "python-left-open",
    "retry-third-attempt",
    "shell-exits",
    "timeout",
    "walk-handled",
)


@pytest.fixture(scope="module")
def image() -> str:
    images.require()
    return images.image()


def project(folder: Path, steps: str, **config: Any) -> None:
    """Write a pipeline and its configuration into a folder."""
    (folder / "dag.yaml").write_text(
        f"dag:\n  start_at: a\n  steps:\n{steps}    ok: {{type: success}}\n    no: {{type: fail}}\n"
    )
    executor = {"image": images.image(), "engine": images.command(), "pull": "never", **config}
    (folder / "c.yaml").write_text(json.dumps({"executor": {"type": "local-container", "config": executor}}))


def shell(name: str, command: str, next: str = "ok", more: str = "") -> str:
    return f"    {name}: {{type: task, command_type: shell, command: {json.dumps(command)}, next: {next}{more}}}\n"


def words(*argv: str) -> list[str]:
    return [str(Path(sys.executable).with_name("magnus")), *argv]


def execute(folder: Path, *argv: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words("execute", "-f", "dag.yaml", "-c", "c.yaml", "--run-id", "r", *argv),
        cwd=folder,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def log(folder: Path) -> dict[str, Any]:
    said = subprocess.run(
        words("runs", "show", "r", "--json", "-f", "dag.yaml", "-c", "c.yaml"),
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def containers(label: str = "magnus.run=r") -> list[str]:
    """Return the names of the containers of a run."""
    return images.ask("ps", "--all", "--filter", f"label={label}", "--format", "{{.Names}}").stdout.split()


@pytest.mark.parametrize("name", CASES)
def test_a_case_leaves_the_predicted_log(name: str, image: str, tmp_path: Path) -> None:
    """The rest runs by `MAGNUS_ENGINES=local-container pytest tests/conformance`."""
    engine = LocalContainer()
    case = cases.load(name)
    assert case.needs <= engine.abilities
    run_case(case, [engine], tmp_path / "project")


def test_a_step_sees_the_project_its_files_and_its_secrets_alone(image: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=s3cr3t-value\nOTHER=an0ther-value\n")
    (tmp_path / "note.txt").write_text("of the project")
    steps = shell(
        "a",
        "set -e; cat note.txt; test ! -s .env; touch beside.txt; echo hi > data/a.txt; "
        "if echo x 2>/dev/null >> note.txt; then exit 3; fi; "
        'export MAGNUS_PRM_saw="${#TOKEN} $GIVEN ${OTHER-none} $(env | grep -c an0ther || true) $PLAIN"',
        "b",
        ", secrets: [TOKEN], catalog: {put: ['*.txt']}",
    )
    steps += shell(
        "b",
        'set -e; cat data/a.txt; test ! -e beside.txt; test -z "${TOKEN-}"',
        more=", catalog: {get: ['*']}",
    )
    project(tmp_path, steps, environment={"PLAIN": 1.5}, secret_environment=["GIVEN"])
    (tmp_path / "dag.yaml").write_text((tmp_path / "dag.yaml").read_text() + "secrets: {type: dotenv}\n")
    done = execute(tmp_path, GIVEN="from here")
    assert (done.returncode, log(tmp_path)["parameters"]) == (
        0,
        {"saw": "12 from here none 0 1.5"},
    ), done.stderr
    assert (tmp_path / "note.txt").read_text() == "of the project"
    assert not (tmp_path / "beside.txt").exists() and not (tmp_path / ".magnus").exists()
    assert containers() == []


def test_a_node_has_its_own_variables_and_limits(image: str, tmp_path: Path) -> None:
    own = ", executor_config: {local-container: {environment: {WHO: b}, resources: {memory: 64m}}}"
    fill = "exec python3 -c 'b = bytearray(300 << 20)'"
    project(
        tmp_path,
        shell("a", 'test "$WHO" = a', "b") + shell("b", f'set -e; test "$WHO" = b; {fill}', more=own),
    )
    config = json.loads((tmp_path / "c.yaml").read_text())
    config["executor"]["config"]["environment"] = {"WHO": "a"}
    (tmp_path / "c.yaml").write_text(json.dumps(config))
    done = execute(tmp_path)
    assert done.returncode == 1, done.stderr
    assert "b: killed by signal 9: the container ran out of memory" in done.stderr
    assert containers() == []


@pytest.mark.parametrize(
    ("config", "status", "said"),
    [
        ({"image": "localhost/nobody-has-this"}, 65, "{engine} has none of that name"),
        ({"image": "localhost/nobody-has-this", "pull": "missing"}, 75, "{engine} cannot pull it"),
        ({"engine": ["no-such-engine"]}, 65, "engine 'no-such-engine' is not on the PATH"),
        ({"magnus_command": ["no-such-command"]}, 65, "cannot start 'no-such-command'"),
        ({"run_options": ["--no-such-option"]}, 75, "unknown flag: --no-such-option"),
        ({"project": "baked"}, 65, "sets no working folder"),
    ],
)  # fmt: skip
def test_what_is_not_there_has_an_error_of_its_own(
    config: dict[str, Any], status: int, said: str, image: str, tmp_path: Path
) -> None:
    project(tmp_path, shell("a", "true"), **config)
    done = execute(tmp_path)
    said = said.format(engine=images.called())
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_containers(number: signal.Signals, image: str, tmp_path: Path) -> None:
    project(tmp_path, shell("a", "echo >/here/began; exec sleep 60"), volumes=[f"{tmp_path}:/here"])
    process = _begun(tmp_path)
    process.send_signal(number)
    assert process.wait(60) == 128 + number
    process.communicate()
    (attempt,) = log(tmp_path)["steps"]["a"]["attempts"]
    assert (attempt["status"], attempt["message"]) == ("CRASHED", "stopped by signal 15")
    assert containers() == []


def test_a_killed_walk_leaves_no_container_behind_the_next_one(image: str, tmp_path: Path) -> None:
    """The client of the engine is killed as well, so that nobody passes a signal on to the container."""
    command = "test -e /here/again && exit 0; touch /here/again; echo >/here/began; exec sleep 60"
    project(tmp_path, shell("a", command), volumes=[f"{tmp_path}:/here"])
    process = _begun(tmp_path)
    (client,) = _children(process.pid)
    os.kill(client, signal.SIGSTOP)
    process.kill()
    process.communicate()
    os.kill(client, signal.SIGKILL)
    assert len(containers()) == 1
    done = execute(tmp_path, "--resume")
    assert done.returncode == 0, done.stderr
    assert containers() == []
    assert [attempt["status"] for attempt in log(tmp_path)["steps"]["a"]["attempts"]] == [
        "CRASHED",
        "SUCCESS",
    ]


def _begun(folder: Path) -> subprocess.Popen[str]:
    """Start a run, and return its process once its step is at work."""
    with said(folder / "began") as wait:
        process = subprocess.Popen(
            words("execute", "-f", "dag.yaml", "-c", "c.yaml", "--run-id", "r"),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait()
    return process


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
