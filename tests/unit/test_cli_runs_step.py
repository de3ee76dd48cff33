"""One step of a run, its logs and its files: `magnus runs show --step`, `log`, `files`, `get`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from magnus_render.cli import runs
from magnus_render.cli.main import run as magnus
from tests.tools import environment, require
from tests.tools import magnus as command

DEFINITION = """dag:
  start_at: list
  steps:
    list: {type: task, command_type: shell, command: 'echo made; echo "{\\"xs\\": [1, 2]}" >> $MAGNUS_OUTPUT', next: each}
    each:
      type: map
      iterate_on: xs
      iterate_as: x
      branch:
        start_at: train it
        steps:
          train it:
            type: task
            command_type: shell
            command: |
              echo "attempt $MAGNUS_ATTEMPT of $MAGNUS_PRM_x"
              [ "$MAGNUS_ATTEMPT" = "$MAGNUS_PRM_x" ] || exit 3
              mkdir -p data/m; echo $MAGNUS_PRM_x > data/m/$MAGNUS_PRM_x.bin; chmod 700 data/m/$MAGNUS_PRM_x.bin
              echo "done=$MAGNUS_PRM_x" >> $MAGNUS_OUTPUT
            retry: 2
            catalog: {put: [m/*]}
            next: ok
          ok: {type: success}
          no: {type: fail}
      next: last
    last: {type: task, command_type: shell, command: 'true', catalog: {get: ["m/*"]}, next: success}
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
catalog: {type: file-system}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run `r` has succeeded."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "dag.yaml").write_text(DEFINITION)
    done = command(folder, "execute", "-f", "dag.yaml", "--run-id", "r")
    assert done.returncode == 0, done.stderr
    shutil.rmtree(folder / "data", ignore_errors=True)
    return folder


@pytest.fixture(autouse=True)
def there(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(run)
    monkeypatch.delenv("MAGNUS_CONFIG", raising=False)


def told(capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = magnus(["runs", *words])
    out, err = capfd.readouterr()
    return status, out, err


def test_a_step_is_told_alone(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capfd, "show", "r", "--step", "each.1.train it")
    lines = out.splitlines()
    assert status == 0 and lines[0] == "step each.1.train it (x = 2): SUCCESS"
    assert lines[1].startswith("  task (shell): echo")
    assert lines[2:8] == [
        "  saw:",
        "    xs = [1, 2]",
        "  set:",
        '    done = "2"',
        "  put:",
        "    m/2.bin  2 B",
    ]
    assert lines[8] == "  attempts:"
    assert lines[9].startswith("    1  FAIL ") and lines[10] == "       exited with status 3"
    logs = [line for line in lines if "log: " in line]
    assert len(logs) == 2 and Path(logs[1].rpartition("log: ")[2]).read_text() == "attempt 2 of 2\n"


def test_a_step_is_found_by_its_address_too(capfd: pytest.CaptureFixture[str]) -> None:
    steps = json.loads(told(capfd, "show", "r", "--json")[1])["steps"]
    inside = steps["each"]["branches"]["each.0"]["steps"]["each.0.train it"]
    status, out, _ = told(capfd, "show", "r", "--step", inside["internal_name"], "--json")
    step = json.loads(out)
    assert status == 0 and step["path"] == "each.0.train it"
    assert step["saw"] == {"parameters": {"xs": [1, 2]}, "files": {}} and step["set"] == {"done": "1"}
    assert {key: step[key] for key in inside} == inside


def test_a_composite_is_told_by_what_it_saw_and_its_branches_set(capfd: pytest.CaptureFixture[str]) -> None:
    _, out, _ = told(capfd, "show", "r", "--step", "each")
    assert out.splitlines()[2:] == ["  saw:", "    xs = [1, 2]", "  set:", '    done = ["1", "2"]']
    _, out, _ = told(capfd, "show", "r", "--step", "last")
    assert "  saw the files:\n    m/1.bin  2 B\n    m/2.bin  2 B\n" in out
    assert "  get:\n    m/1.bin  2 B\n    m/2.bin  2 B\n" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show", "r", "--step", "lst"), "run 'r' came to no step 'lst': did you mean list or last?"),
        (("show", "r", "--step", "zzz"), "run 'r' came to no step 'zzz': `magnus runs show` lists its steps"),
        (("log", "r", "each"), "there is no log of 'each': it has no attempts"),
        (("log", "r", "list", "--attempt", "2"), "there is no log of attempt 2 of 'list': its attempts: 1"),
        (("get", "r", "m/3.bin"), "run 'r' left no file 'm/3.bin': did you mean m/2.bin or m/1.bin?"),
        (("get", "q", "m/1.bin"), "there is no run 'q'"),
    ],
)
def test_what_is_not_there(words: tuple[str, ...], said: str, capfd: pytest.CaptureFixture[str]) -> None:
    status, _, err = told(capfd, *words)
    assert status == 65 and said in err


@pytest.mark.parametrize(
    "words",
    [
        ("log", "r", "list", "--follow", "--attempt", "1"),
        ("log", "r", "--attempt", "1"),
        ("get", "r", "m/1.bin", "-o", ""),
        ("show", "r", "--step", "list", "--all"),
    ],
)
def test_words_that_do_not_go_together(words: tuple[str, ...], capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, *words)[0] == 64


def test_the_log_of_a_step_is_printed_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    assert told(capfd, "log", "r", "each.1.train it") == (0, "attempt 2 of 2\n", "")
    assert told(capfd, "log", "r", "each.1.train it", "--attempt", "1") == (0, "attempt 1 of 2\n", "")
    status, out, _ = told(capfd, "log", "r")
    assert status == 0 and out.split("\n\n") == [
        "==> list, attempt 1 <==\nmade",
        "==> each.0.train it, attempt 1 <==\nattempt 1 of 1",
        "==> each.1.train it, attempt 1 <==\nattempt 1 of 2",
        "==> each.1.train it, attempt 2 <==\nattempt 2 of 2\n",
    ]


def test_the_files_of_a_run(capfd: pytest.CaptureFixture[str]) -> None:
    status, out, _ = told(capfd, "files", "r")
    rows = [line.split() for line in out.splitlines()]
    assert status == 0 and rows[0] == ["FILE", "SIZE", "SHA-256", "PUT", "BY"]
    assert [(row[0], row[1], row[4]) for row in rows[1:]] == [
        ("m/1.bin", "2", "each.0.train"),
        ("m/2.bin", "2", "each.1.train"),
    ]
    listed = json.loads(told(capfd, "files", "r", "--json")[1])
    assert [(one["path"], one["mode"], one["step"]) for one in listed] == [
        ("m/1.bin", 0o700, "each.0.train it"),
        ("m/2.bin", 0o700, "each.1.train it"),
    ]


def test_files_are_brought_back_and_none_is_replaced(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "got")
    status, printed, _ = told(capfd, "get", "r", "m/2.bin", "-o", out)
    assert (status, printed) == (0, f"{out}/m/2.bin\n")
    there = tmp_path / "got/m/2.bin"
    assert there.read_text() == "2\n" and there.stat().st_mode & 0o777 == 0o700
    there.write_text("mine")
    status, printed, err = told(capfd, "get", "r", "m/*", "-o", out)
    assert (status, printed, there.read_text()) == (65, "", "mine")
    assert err == f"magnus: {out}/m/2.bin is there already: -o FOLDER writes elsewhere, --force replaces\n"
    assert not (tmp_path / "got/m/1.bin").exists()
    assert told(capfd, "get", "r", "m/*", "-o", out, "--force")[0] == 0
    assert there.read_text() == "2\n" and sorted(os.listdir(tmp_path / "got/m")) == ["1.bin", "2.bin"]


def test_places_are_looked_for_before_the_first_file_is_written(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "got/m/2.bin").mkdir(parents=True)
    status, out, err = told(capfd, "get", "r", "m/*", "-o", str(tmp_path / "got"), "--force")
    assert (status, out) == (65, "") and "m/2.bin' is a folder" in err
    assert not (tmp_path / "got/m/1.bin").exists()
    (tmp_path / "file").write_text("mine")
    status, out, err = told(capfd, "get", "r", "m/*", "-o", str(tmp_path / "file"))
    assert (status, out) == (65, "") and "file' is no folder" in err


def test_a_log_that_is_gone_is_said_to_be(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(".run_log_store", copy)
    (copy / "r/steps/list/1.log").unlink()
    (tmp_path / "config.yaml").write_text(f"run_log_store: {{type: file-system, config: {{path: {copy}}}}}")
    where = ("-c", str(tmp_path / "config.yaml"))
    assert (
        "==> list, attempt 1: there is no log in the run log store <==" in told(capfd, "log", "r", *where)[1]
    )
    status, _, err = told(capfd, "log", "r", "list", *where)
    assert status == 65 and "there is no log of attempt 1 of 'list'" in err


@pytest.mark.parametrize("name", ["..", ".", "", "a/../../b", "/etc/x", "a\0b", "a//b"])
def test_a_record_that_names_no_file_is_refused(
    name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(".run_log_store", copy)
    (record,) = copy.glob("r/steps/each/0/*/outcome.json")
    content = json.loads(record.read_text())
    content["catalog"][0]["path"] = name
    record.chmod(0o600)
    record.write_text(json.dumps(content))
    (tmp_path / "config.yaml").write_text(
        f"run_log_store: {{type: file-system, config: {{path: {copy}}}}}\ncatalog: {{type: file-system}}"
    )
    given = ("-c", str(tmp_path / "config.yaml"), "-o", str(tmp_path / "got"), "--force")
    status, _, err = told(capfd, "get", "r", "*", "**/*", name or "*", *given)
    assert status == 65 and "Traceback" not in err and not (tmp_path / "got").exists()


def test_no_file_is_written_through_a_link(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "got").mkdir()
    (tmp_path / "got/m").symlink_to(tmp_path / "elsewhere")
    status, _, err = told(capfd, "get", "r", "m/1.bin", "-o", str(tmp_path / "got"))
    assert status == 65 and "leads out of the folder" in err and not os.listdir(tmp_path / "elsewhere")


def test_logs_are_followed_until_the_run_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("go")
    Path("dag.yaml").write_text(
        "dag: {start_at: a, steps: {a: {type: task, command_type: shell, next: ok,"
        " command: 'echo one; cat go; echo three'}, ok: {type: success}, no: {type: fail}}}\n"
        "run_log_store: {type: file-system}\n"
    )
    words = [require("magnus"), "execute", "-f", "dag.yaml", "--run-id", "f"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # The pipe opens once the step reads it.
    with subprocess.Popen(words, env=environment(), **quiet) as executed, open("go", "w") as go:

        def pause(seconds: float) -> None:
            if not go.closed:
                go.write("two\n")
                go.close()
            executed.wait(60)

        monkeypatch.setattr(
            runs, "time", SimpleNamespace(sleep=pause, time=time.time, monotonic=time.monotonic)
        )
        status, out, _ = told(capfd, "log", "f", "--follow")
    assert (status, out) == (0, "==> a, attempt 1 <==\none\ntwo\nthree\n")


def test_a_graph_that_comes_to_its_fail_node_by_a_success_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    ends = "ok: {type: success}, no: {type: fail}"
    reject = f"{{start_at: b, steps: {{b: {{type: task, command_type: shell, command: 'true', next: no}}, {ends}}}}}"
    Path("dag.yaml").write_text(
        f"dag: {{start_at: d, steps: {{d: {{type: dag, next: ok, branch: {reject}}}, {ends}}}}}\n"
        "run_log_store: {type: file-system}\n"
    )
    assert command(tmp_path, "execute", "-f", "dag.yaml", "--run-id", "g").returncode == 1
    _, out, _ = told(capfd, "show", "g")
    assert out.endswith(
        "What failed:\n  the branch 'd.branch' comes to its fail node 'no' behind 'b', which succeeded\n"
    )


def test_a_graph_that_ended_between_two_steps_is_not_said_to_lead_to_its_fail_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("dag.yaml").write_text(
        "dag: {start_at: a, max_time: 1000, steps: {a: {type: task, command_type: shell, command: 'true', next: b},"
        " b: {type: task, command_type: shell, command: 'true', next: ok}, ok: {type: success}, no: {type: fail}}}\n"
        "run_log_store: {type: file-system}\n"
    )
    calls = (["start_run", "h"], ["execute_single_node", "h", "a"], ["execute_single_node", "h", "no"])
    assert [magnus([*words, "-f", "dag.yaml"]) for words in calls] == [0, 0, 1]
    _, out, _ = told(capfd, "show", "h")
    end = "  the pipeline ended behind 'a', which succeeded: what follows was not started (max_time is 1000 s)\n"
    assert out.endswith(f"What failed:\n{end}")
