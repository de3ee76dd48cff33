"""Secrets that are not there are found before the first step runs; and no record, log or terminal shows one that is."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.tools import environment

DAG = """dag:
  start_at: a
  steps:
    a: {type: task, command_type: shell, command: touch ran, secrets: [TOKN, KEY], next: p, on_failure: h}
    p:
      type: parallel
      branches:
        l:
          start_at: x
          steps:
            x: {type: task, command_type: shell, command: "true", secrets: {V: KEY, W: prod/key}, next: success}
            success: {type: success}
            fail: {type: fail}
      next: success
    h: {type: task, command_type: shell, command: "true", secrets: [TOKN], next: success}
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
"""
DOTENV = "secrets: {type: dotenv}\n"


def run(command: list[str], folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    own = environment(**variables)
    return subprocess.run(
        command, cwd=folder, env=own, capture_output=True, text=True, timeout=120, check=False
    )


def magnus(folder: Path, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return run(["magnus", *argv], folder, **variables)


def execute(folder: Path, dag: str, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "dag.yaml").write_text(dag)
    return magnus(folder, "execute", "-f", "dag.yaml", *argv, **variables)


def test_all_that_are_missing_are_told_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("TOKEN=secret-one\nKEY=secret-two\n")
    done = execute(tmp_path, DAG + DOTENV)
    assert done.returncode == 65
    assert [line for line in done.stderr.splitlines() if "MR075" in line][:-1] == [
        "dag.yaml:4:72: error MR075: step 'a': secret 'TOKN' is not there: looked in .env (dotenv)",
        "dag.yaml:11:88: error MR075: step 'p.l.x': secret 'prod/key' is not there: looked in .env (dotenv)",
        "dag.yaml:15:69: error MR075: step 'h': secret 'TOKN' is not there: looked in .env (dotenv)",
    ]
    assert f"help: did you mean 'TOKEN'? Else write a line TOKN=... into {tmp_path}/.env\n" in done.stderr
    assert not (tmp_path / "ran").exists() and not (tmp_path / ".run_log_store").exists()
    assert "secret-" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("block", "where", "remedy"),
    [
        (DOTENV, "looked in .env (dotenv)", "write a line KEY=... into {}/.env, which does not exist"),
        ("secrets: {type: env}", "looked in the environment (env)", "set the environment variable KEY"),
        (
            "secrets: {type: env, config: {prefix: C_}}",
            "looked in the environment, names with 'C_' in front (env)",
            "set the environment variable C_KEY",
        ),
        ("", "no secrets provider is configured", "configure one, such as secrets: {{type: dotenv}}"),
    ],
)
def test_where_it_looked(block: str, where: str, remedy: str, tmp_path: Path) -> None:
    done = execute(tmp_path, DAG + block)
    assert done.returncode == 65
    assert f"step 'a': secret 'KEY' is not there: {where}\n" in done.stderr
    assert f"help: {remedy.format(tmp_path)}\n" in done.stderr


def test_a_store_that_cannot_be_reached_is_the_platforms_failure(tmp_path: Path) -> None:
    place = 'secrets: {type: aws-secrets-manager, config: {region: eu-west-1, endpoint_url: "http://127.0.0.1:9"}}'
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1"}
    done = execute(tmp_path, DAG + place, **keys)
    assert done.returncode == 75
    assert done.stderr.startswith("magnus: cannot read the secret 'TOKN': Could not connect")
    assert not (tmp_path / ".run_log_store").exists()


def test_what_may_not_run_again_is_warned_of(tmp_path: Path) -> None:
    dag = DAG.replace("TOKN", "KEY").replace("prod/key", "KEY").replace("touch ran", "echo x >> ran") + DOTENV
    (tmp_path / ".env").write_text("KEY=secret-two\n")
    assert execute(tmp_path, dag, "--run-id", "one").returncode == 0
    (tmp_path / ".env").unlink()
    done = execute(tmp_path, dag, "--use-cached", "one")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("warning MR075") == 4
    assert (tmp_path / "ran").read_text() == "x\n"


LEAKS = """dag:
  start_at: lines
  steps:
    lines:
      {type: task, command_type: shell, command: 'set -x; echo "$KEY" | sed "s/^/  /"', secrets: [KEY], next: escaped}
    escaped: {type: task, command: m.escaped, next: fail, on_failure: refused}
    refused: {type: task, command: m.refused, next: fail, on_failure: filed}
    filed:
      type: task
      command_type: shell
      command: '> "data/$KEY.txt"'
      secrets: [KEY]
      catalog: {put: ["*.txt"]}
      next: success
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
catalog: {type: file-system}
secrets: {type: dotenv}
"""
MODULE = """
import json
from magnus_render import get_secret, set_parameter, track_this

def escaped():
    print(json.dumps({"key": get_secret("KEY")}))
    track_this(token=[get_secret("TOKEN")])
    raise KeyError(get_secret("TOKEN"))

def refused():
    set_parameter(token=get_secret("TOKEN"))
    return {"key": "x" + get_secret("KEY")}
"""
KEY = ["-----BEGIN", "abcdefghij", "klmnopqrst", "-----END"]


@pytest.mark.parametrize("engine", ["local", "bash"])
def test_nothing_shows_a_secret(engine: str, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KEY='{}'\nTOKEN='ab\"cd\\ef12gh'\n".format("\n".join(KEY)))
    (tmp_path / "m.py").write_text(MODULE)
    (tmp_path / "data").mkdir()
    if engine == "local":
        done = execute(tmp_path, LEAKS, "--run-id", "L")
    else:
        (tmp_path / "dag.yaml").write_text(LEAKS)
        script = magnus(tmp_path, "render", "dag.yaml", "--target", "bash", "-o", "run.sh")
        assert script.returncode == 0, script.stderr
        done = run(["bash", "run.sh", "L"], tmp_path)
    assert done.returncode == 1, done.stderr
    told = magnus(tmp_path, "runs", "show", "L", "--json")
    records = [path.read_text() for path in (tmp_path / ".run_log_store").rglob("*") if path.is_file()]
    for text in (done.stdout, done.stderr, told.stdout, *records):
        assert not [
            part for part in ("abcdefghij", "klmnopqrst", "ef12gh", 'ab"cd', "ab\\\\") if part in text
        ]
    assert len(records) > 10
    assert "KeyError: '********'" in told.stdout
    assert "parameter 'token' holds the secret 'TOKEN': a record would show it" in told.stdout
    assert "the name of the file '********.txt' holds the secret 'KEY'" in told.stdout.replace(
        "********\\n", ""
    )
