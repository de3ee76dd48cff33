"""Records that a disk, a person or another program has changed: every command answers, and names the record."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.runtime import callback

DAG = """
dag:
  start_at: one
  steps:
    one:
      type: task
      command_type: shell
      command: |
        echo '{"items": [1, 2]}' >> $MAGNUS_OUTPUT
        mkdir -p data
        echo x > data/f.txt
      catalog: {put: [f.txt]}
      next: m
    m:
      type: map
      iterate_on: items
      iterate_as: item
      next: p
      branch:
        start_at: t
        steps:
          t: {type: task, command_type: shell, command: 'true', next: s}
          s: {type: success}
          f: {type: fail}
    p:
      type: parallel
      next: last
      on_failure: last
      branches:
        a: {start_at: s, steps: {s: {type: success}, f: {type: fail}}}
        b:
          start_at: t
          steps:
            t: {type: task, command_type: shell, command: 'false', retry: 2, next: s}
            s: {type: success}
            f: {type: fail}
    last: {type: task, command_type: shell, command: 'echo "y=1" >> $MAGNUS_OUTPUT', next: s}
    s: {type: success}
    f: {type: fail}
run_log_store: {type: file-system}
catalog: {type: file-system}
"""
WHOLE = [b"", b"{", b"NaN", b"[]", b"5", b'"x"', b"null", b"{}", b"\xff\xfe", b"[" * 5000, b"1" * 5000]
VALUES: list[Any] = [
    None,
    -1,
    1.5,
    True,
    "x",
    "a\0b",
    "../../x",
    [],
    [5],
    {},
    {"x": 5},
    10**30,
    "DELETE",
    "1e999",
]
STATUSES = {0, 1, 64, 65, 75}


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the run `ok`."""
    folder = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MAGNUS_CONFIG", raising=False)
        Path("dag.yaml").write_text(DAG)
        assert magnus(["execute", "-f", "dag.yaml", "--run-id", "ok"]) == 0
    return folder


@pytest.fixture
def project(good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy with the runs `ok` and `bad`, the same."""
    monkeypatch.delenv("MAGNUS_CONFIG", raising=False)
    shutil.copytree(good, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    renew()
    return tmp_path


def renew() -> None:
    shutil.rmtree(".run_log_store/bad", ignore_errors=True)
    shutil.copytree(".run_log_store/ok", ".run_log_store/bad")


def records() -> list[str]:
    """One record of each kind, by key without the run id."""
    kinds: dict[str, str] = {}
    for path in sorted(Path(".run_log_store/ok").rglob("*.json")):
        key = str(path.relative_to(".run_log_store/ok"))
        top, _, name = key.partition("/")
        kinds.setdefault(f"{top}:{key.rpartition('/')[2].lstrip('0123456789') if name else key}", key)
    return sorted(kinds.values())


def damages(data: bytes) -> Iterator[bytes]:
    yield from WHOLE
    record = json.loads(data)
    for changed in changes(record, depth=3):
        yield json.dumps(changed).replace('"1e999"', "1e999").encode()


def changes(value: Any, depth: int) -> Iterator[Any]:
    """Yield an object with each of its members, and of those inside it, gone or another."""
    if not isinstance(value, dict) or not depth:
        return
    for name, member in value.items():
        yield {k: v for k, v in value.items() if k != name}
        for other in VALUES:
            yield {**value, name: other}
        for inside in changes(member, depth - 1):
            yield {**value, name: inside}


def commands() -> Iterator[int]:
    """Run everything that reads a run, and yield the exit statuses."""
    yield magnus(["runs", "list"])
    yield magnus(["runs", "list", "--json"])
    yield magnus(["runs", "show", "bad"])
    yield magnus(["runs", "report", "bad", "-o", "r.html"])
    yield magnus(["runs", "show", "bad", "--json", "--all"])
    yield magnus(["runs", "diff", "ok", "bad"])
    yield magnus(["runs", "prune", "--keep", "1", "--dry-run"])
    common = ["-f", "dag.yaml", "--resume"]
    for step in ("one", "m.0.t", "p.b.t", "last"):
        yield callback.main(["execute_single_node", "bad", step, "--attempt", "1", *common])
    yield callback.main(["execute_single_node", "bad", "p", "--confirm-failure", *common])
    yield callback.main(["map_count", "bad", "m", *common])
    yield callback.main(["start_run", "bad", *common])


@pytest.mark.parametrize("seed", range(8))
def test_whatever_a_record_holds_every_command_answers(
    project: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setenv("MAGNUS_CONFIG", json.dumps(services()))
    choose = random.Random(seed)
    for key in records():
        path = Path(".run_log_store/bad", key)
        for damaged in choose.sample(list(damages(path.read_bytes())), 2):
            path.write_bytes(damaged)
            statuses = list(commands())
            out, err = capfd.readouterr()
            assert set(statuses) <= STATUSES and "Traceback" not in out + err, (key, damaged[:200])
            renew()


def services() -> dict[str, Any]:
    plain = {"type": "file-system", "config": {}}
    return {"run_log_store": plain, "catalog": plain, "secrets": {"type": "do-nothing", "config": {}}}


def test_a_damaged_run_keeps_no_other_from_being_listed_or_pruned(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(".run_log_store/ok", ".run_log_store/older")
    older = json.loads(Path(".run_log_store/older/run.json").read_text())
    Path(".run_log_store/older/run.json").write_text(json.dumps({**older, "created": 5.0, "run_id": "older"}))
    Path(".run_log_store/bad/run.json").write_bytes(b"")
    assert magnus(["runs", "list"]) == 0
    out, err = capsys.readouterr()
    assert [line.split()[:2] for line in out.splitlines()[1:]] == [
        ["ok", "SUCCESS"],
        ["older", "SUCCESS"],
        ["bad", "DAMAGED"],
    ]
    assert "run bad: the record run.json is damaged: it is empty" in err and "magnus runs prune bad" in err
    assert magnus(["runs", "show", "bad"]) == 65
    assert "run bad: the record run.json is damaged" in capsys.readouterr().err
    assert magnus(["runs", "prune", "--keep", "1"]) == 0
    out, _ = capsys.readouterr()
    assert "deleted run older" in out and "run bad: the record run.json is damaged" in out
    assert sorted(os.listdir(".run_log_store")) == ["bad", "ok", "store.json"]
    assert magnus(["runs", "prune", "bad"]) == 0
    assert sorted(os.listdir(".run_log_store")) == ["ok", "store.json"]


@pytest.mark.parametrize("key", ["run.json", "steps/one/outcome.json", "steps/one/1.log"])
@pytest.mark.parametrize("kind", ["fifo", "folder", "circle", "device", "upwards"])
def test_what_is_no_file_hangs_nothing(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, key: str, kind: str
) -> None:
    path = Path(".run_log_store/bad", key)
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to({"circle": path.name, "device": "/dev/zero", "upwards": ".."}[kind])
    monkeypatch.setenv("MAGNUS_CONFIG", json.dumps(services()))
    assert set(commands()) <= STATUSES
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    if not key.endswith(".log"):
        assert f"bad/{key}" in err
    assert magnus(["runs", "prune", "bad"]) == 0
    assert not Path(".run_log_store/bad").exists()


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "5",
        "{}",
        '{"run_log_store": 5}',
        "[" * 5000,
        "NaN",
        '{"run_log_store": {"type": [], "config": {}}}',
    ],
)
def test_stores_that_an_environment_names_wrongly(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MAGNUS_CONFIG", text)
    for argv in (["runs", "list"], ["runs", "show", "ok"], ["runs", "prune", "--keep", "1"]):
        assert magnus(argv) == 64
        assert "magnus: MAGNUS_CONFIG" in capsys.readouterr().err
    assert callback.main(["execute_single_node", "ok", "one"]) == 64
    assert "magnus: MAGNUS_CONFIG" in capsys.readouterr().err


def test_a_plan_file_that_is_no_plan(
    project: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert magnus(["render", "dag.yaml", "--target", "bash", "-o", "run.sh", "--plan", "plan.json"]) == 0
    document = json.loads(Path("plan.json").read_text())
    choose = random.Random(1)
    for damaged in [
        *WHOLE,
        *(json.dumps(c).encode() for c in choose.sample(list(changes(document, 5)), 120)),
    ]:
        Path("plan.json").write_bytes(damaged)
        status = callback.main(["start_run", f"r{time.time_ns()}", "--plan", "plan.json", "--walk", "w"])
        assert status in STATUSES, damaged[:200]
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("text", ["5", "W10=", "e30", "WzVd", "eyJwYXJhbWV0ZXJzIjogNX0=", "W1tbW1tb" * 2000])
def test_an_input_that_is_none(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("MAGNUS_INPUT", text)
    assert callback.main(["start_run", "r", "-f", "dag.yaml", "--plan", "none.json"]) in (64, 65)
    assert "Traceback" not in capsys.readouterr().err
