"""The local executor with real processes: plans made by hand, everything else as it is in use."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from .executor_tools import Definition, chain, graph, retry, run, start, task

ITEMS = """echo '{"items": %s}' >> $MAGNUS_OUTPUT"""


def map_of(branch: Definition, next: str = "success", **fields: Any) -> Definition:
    return {
        "type": "map",
        "iterate_on": "items",
        "iterate_as": "item",
        "branch": branch,
        "next": next,
        **fields,
    }


def record(folder: Path, name: str) -> Any:
    return json.loads((folder / "log" / "r1" / "steps" / f"{name}.json").read_text())


def until(condition: Callable[[], bool], process: Any = None, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        assert process is None or process.poll() is None, process.communicate()
        select.select([], [], [], 0.02)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_every_kind_of_node(tmp_path: Path) -> None:
    inner = graph(x=task("y", command="echo $MAGNUS_MAP_VARIABLE"), y=task(command="true"))
    two = {
        "l": graph(a=task(command="echo left")),
        "r": graph(b={"type": "as-is", "render": "echo $0 >&2", "next": "success"}),
    }
    definition = graph(
        get=task("m", command=ITEMS % '["a", "b"]'),
        m=map_of(inner, "again"),
        again=map_of(graph(z=task(command="true")), "p"),
        p={"type": "parallel", "branches": two, "next": "q"},
        q={"type": "parallel", "branches": two, "next": "d"},
        d={"type": "dag", "branch": graph(deep=task(command="true")), "next": "quiet"},
        quiet={"type": "as-is", "next": "end"},
        end=task(command="echo $MAGNUS_STEP of $MAGNUS_RUN_ID; read line; echo eof $?"),
    )  # fmt: skip
    status, out, err = run(tmp_path, definition)
    assert status == 0, err
    lines = out.splitlines()
    assert '[m.0.x] {"item": "a"}' in lines and '[m.1.x] {"item": "b"}' in lines
    assert lines.count("[p.l.a] left") == 1 and lines[-2:] == ["[end] end of r1", "[end] eof 1"]
    assert err.count("/dev/fd/3") == 2
    assert err.splitlines()[0] == "magnus: run r1"
    assert re.fullmatch(r"magnus: run r1: success after .* s \(13 steps done\)", err.splitlines()[-1])
    assert record(tmp_path, "end")["status"] == "SUCCESS" and not (tmp_path / ".magnus").exists()


def test_failure_says_which_step_why_and_where(tmp_path: Path) -> None:
    definition = graph(
        a=task("b", command="echo out; echo err >&2; exit 7", retry=retry(2), on_failure="h"),
        b=task(command="true"),
        h=task("fail", command="true"),
    )
    status, out, err = run(tmp_path, definition)
    assert status == 1 and out == "[a] out\n[a] out\n"
    assert "[a] err" in err and "magnus: a: attempt 1 failed after" in err
    tail = err[err.index("magnus: run r1: failed") :].splitlines()
    assert "(1 step done, 1 failed)" in tail[0]
    assert tail[1:] == [
        "magnus:   a: exited with status 7",
        "magnus:     log: log/r1/steps/a/2.log",
        "magnus:   to run again from the failure: magnus execute -f dag.yaml --use-cached r1",
    ]
    assert (tmp_path / "log/r1/steps/a/2.log").read_text() == "out\nerr\n"


def test_a_failure_that_leads_to_success_is_confirmed(tmp_path: Path) -> None:
    definition = graph(a=task("b", command="exit 1", on_failure="success"), b=task(command="true"))
    status, _, err = run(tmp_path, definition)
    assert status == 0 and err.count("failed after") == 1 and "(0 steps done, 1 failed)" in err
    assert record(tmp_path, "end")["status"] == "SUCCESS"


def test_what_is_not_started_is_not_handled(tmp_path: Path) -> None:
    inner = graph(t=task())
    definition = graph(d={"type": "dag", "branch": inner, "next": "success", "on_failure": "success"})
    status, _, err = run(tmp_path, definition, max_time=1e-9)
    assert status == 1 and err.count("failed after") == 2 and "(0 steps done, 1 failed)" in err
    assert err.splitlines()[1:] == [
        "[d.branch.t] magnus: d.branch.t: not started: max_time of 1e-09 s is over",
        *[line for line in err.splitlines() if line.startswith("magnus: d.branch.t: failed after")],
        "[d] magnus: d: no failure is on record",
        *[line for line in err.splitlines() if line.startswith("magnus: run r1: failed after")],
        "magnus:   d.branch.t: left no record (was it not started?)",
        "magnus:   to run again from the failure: magnus execute -f dag.yaml --use-cached r1",
    ]
    assert record(tmp_path, "end")["status"] == "FAIL"


def test_a_map_without_its_parameter_fails(tmp_path: Path) -> None:
    for first in ({"g": task("m", command="true")}, {}):
        folder = tmp_path / str(len(first))
        folder.mkdir()
        status, _, err = run(folder, graph(**first, m=map_of(graph(x=task()))))
        assert status == 1 and "m: parameter 'items' is missing" in err


def test_workers_are_bounded(tmp_path: Path) -> None:
    # Each step counts those at work with it, by files that exist while it runs.
    count = "touch $MAGNUS_STEP.on; ls *.on | wc -l; for i in 1 2 3 4 5 6 7 8 9; do ls >/dev/null; done; rm $MAGNUS_STEP.on"
    branch = graph(x=task(command=f"cd {tmp_path}; {count}"))
    definition = graph(get=task("m", command=ITEMS % list(range(12))), m=map_of(branch))
    status, out, err = run(tmp_path, definition, executor={"max_workers": 3})
    assert status == 0, err
    peaks = [int(line.split()[-1]) for line in out.splitlines()]
    assert len(peaks) == 12 and 1 < max(peaks) <= 3


def test_python_steps_are_isolated_from_each_other(tmp_path: Path) -> None:
    (tmp_path / "shared.py").write_text(
        "import os\nseen = []\n\ndef step():\n    seen.append(os.getpid())\n    os.environ['LEFT'] = 'x'\n"
        "    assert seen == [os.getpid()]\n    return {'n': len(seen)}\n"
    )
    step = {"command": "shared.step", "command_type": "python"}
    definition = graph(
        a=task("b", **step), b=task("c", **step), c=task(command='test -z "$LEFT" && test $MAGNUS_PRM_n = 1')
    )
    status, _, err = run(tmp_path, definition)
    assert status == 0, err


def test_isolated_steps_and_branches_have_workspaces(tmp_path: Path) -> None:
    definition = graph(
        a=task("b", command="pwd; touch data/mine"),
        b=task("p", command="pwd; test ! -e data/mine", executor_config={"local": {"isolated": False}}),
        p={"type": "parallel", "branches": {"l": graph(c=task(command="pwd"))}, "next": "fail"},
    )
    status, out, err = run(tmp_path, definition, executor={"isolated": True})
    places = dict(line.split(" ", 1) for line in out.splitlines())
    assert status == 1 and places["[a]"].startswith(f"{tmp_path}/.magnus/workspaces/r1/"), err
    assert places["[b]"] == str(tmp_path) and places["[p.l.c]"].startswith(
        f"{tmp_path}/.magnus/workspaces/r1/p/l"
    )


def test_buffered_store_lives_as_long_as_the_run(tmp_path: Path) -> None:
    definition = graph(
        a=task("b", command="echo n=1 >> $MAGNUS_OUTPUT"), b=task(command="test $MAGNUS_PRM_n = 2")
    )
    (tmp_path / "tmp").mkdir()
    options: dict[str, Any] = {
        "services": {"run_log_store": {"type": "buffered", "config": {}}},
        "environment": {"TMPDIR": str(tmp_path / "tmp")},
    }
    status, _, err = run(tmp_path, definition, **options)
    assert status == 1 and "magnus:   b: exited with status 1" in err and "--use-cached" not in err
    assert os.listdir(tmp_path / "tmp") == [] and not (tmp_path / "log").exists()


def test_parameters(tmp_path: Path) -> None:
    command = 'test "$MAGNUS_PRM_a-$MAGNUS_PRM_b-$MAGNUS_PRM_c" = "file-env-param"'
    status, _, err = run(
        tmp_path,
        graph(s=task(command=command)),
        parameters={"a": "file", "b": "file", "c": "file"},
        param=["c=param"],
        environment={"MAGNUS_PRM_b": "env", "MAGNUS_PRM_c": "env"},
    )
    assert status == 0, err


def test_a_run_id_is_not_used_twice(tmp_path: Path) -> None:
    assert run(tmp_path, chain(1))[0] == 0
    status, _, err = run(tmp_path, chain(1))
    assert status == 65 and "run id 'r1' is in use" in err and "run r1: refused" in err


def test_drift_breaks_the_run_off(tmp_path: Path) -> None:
    # The first step takes the place of somebody who deletes the run under our feet.
    definition = graph(a=task("b", command=f"rm -r {tmp_path}/log/r1/run.json"), b=task())
    status, _, err = run(tmp_path, definition)
    assert status == 65 and "magnus:   b: there is no run 'r1'" in err


def test_use_cached_and_resume(tmp_path: Path) -> None:
    command = "echo ran >> $MAGNUS_STEP.txt; test -e good"
    definition = graph(a=task("b", command="echo ran >> a.txt"), b=task(command=command))
    assert run(tmp_path, definition)[0] == 1
    status, _, err = run(tmp_path, definition, resume=True)
    assert status == 65 and "has failed and is closed" in err
    (tmp_path / "good").touch()
    status, _, err = run(tmp_path, definition, run_id="r2", use_cached="r1")
    assert status == 0, err
    assert (tmp_path / "a.txt").read_text() == "ran\n" and (tmp_path / "b.txt").read_text() == "ran\nran\n"


def test_max_time_ends_everything(tmp_path: Path) -> None:
    two = {
        "l": graph(a=task(command="sleep 300", retry=retry(3, delay=300))),
        "r": graph(b={"type": "as-is", "render": "sleep 300", "next": "success"}),
    }
    definition = graph(
        p={"type": "parallel", "branches": two, "next": "success", "on_failure": "h"}, h=task()
    )
    began = time.monotonic()
    status, _, err = run(tmp_path, definition, max_time=1.0)
    assert status == 1 and time.monotonic() - began < 60
    assert "p.l.a: max_time of 1 s is over" in err and not (tmp_path / "log/r1/steps/h").exists()


def test_fail_fast_stops_siblings(tmp_path: Path) -> None:
    two = {
        "l": graph(a=task(command=f"until test -e {tmp_path}/started; do :; done; exit 1")),
        "r": graph(b=task(command=f"touch {tmp_path}/started; sleep 300")),
    }
    definition = graph(p={"type": "parallel", "branches": two, "next": "success", "fail_fast": True})
    status, _, err = run(tmp_path, definition, executor={"max_workers": 2})
    assert status == 1, err
    assert record(tmp_path, "p/r/b/1.end")["message"] == "stopped by signal 15"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_children_and_leave_a_truthful_log(tmp_path: Path, number: signal.Signals) -> None:
    two = {
        "l": graph(a=task(command=f"echo $$ > {tmp_path}/a; exec sleep 300", retry=retry(3))),
        "r": graph(
            b={"type": "as-is", "render": f"echo $$ > {tmp_path}/b; exec sleep 300", "next": "success"}
        ),
    }
    definition = graph(p={"type": "parallel", "branches": two, "next": "end"}, end=task())
    process = start(tmp_path, definition, executor={"max_workers": 2})
    files = [tmp_path / "a", tmp_path / "b"]
    until(lambda: all(file.exists() and file.read_text().endswith("\n") for file in files), process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number, err
    assert all(gone(int(file.read_text())) for file in files)
    end = record(tmp_path, "p/l/a/1.end")
    assert end["status"] == "CRASHED" and end["platform"] and end["message"] == "stopped by signal 15"
    assert not (tmp_path / "log/r1/steps/end.json").exists()
    assert "to go on with it: magnus execute -f dag.yaml --run-id r1 --resume" in err.decode()


def test_resume_after_an_interrupt(tmp_path: Path) -> None:
    definition = graph(
        a=task("b", command="echo ran >> a.txt"), b=task(command="touch b.on; test -e good || sleep 300")
    )
    process = start(tmp_path, definition)
    until((tmp_path / "b.on").exists, process)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 143
    (tmp_path / "good").touch()
    status, _, err = run(tmp_path, definition, resume=True)
    assert status == 0, err
    assert (tmp_path / "a.txt").read_text() == "ran\n"
    assert record(tmp_path, "b/outcome")["attempt"] == 2


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    stubborn = f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 1; done"
    process = start(tmp_path, graph(a=task(command=stubborn)))
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), process)
    process.send_signal(signal.SIGINT)
    until(lambda: b"stopping (SIGINT)" in os.read(process.stderr.fileno(), 4096), process)  # type: ignore[union-attr]
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and time.monotonic() - began < 9, err.decode()
    until(lambda: gone(int((tmp_path / "pid").read_text())))


def test_one_signal_leaves_a_step_the_time_to_end_in_good_order(tmp_path: Path) -> None:
    tidy = "touch told; until test -e go; do sleep 0.05; done; touch tidied; exit 1"
    process = start(
        tmp_path,
        graph(a=task(command=f"cd {tmp_path}; trap '{tidy}' TERM; touch up; while :; do sleep 0.05; done")),
    )
    until((tmp_path / "up").exists, process)
    process.send_signal(signal.SIGINT)
    until((tmp_path / "told").exists, process)
    (tmp_path / "go").touch()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err.decode()
    assert (tmp_path / "tidied").exists()


@pytest.mark.skipif(
    not os.path.exists("/proc"), reason="only Linux tells children that their parent was killed"
)
def test_children_do_not_outlive_an_executor_that_was_killed(tmp_path: Path) -> None:
    process = start(tmp_path, graph(a=task(command=f"echo $$ > {tmp_path}/pid; exec sleep 300")))
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), process)
    process.kill()
    process.communicate()
    until(lambda: gone(int((tmp_path / "pid").read_text())))
    until((tmp_path / "log/r1/steps/a/1.end.json").exists)


def on_terminal(
    folder: Path, definition: Definition, during: Callable[[Any, int], None], **options: Any
) -> tuple[int, str]:
    """Run on a terminal of 30 columns; `during` gets the process and the terminal's other side."""
    ours, theirs = pty.openpty()
    import fcntl
    import struct
    import termios

    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 30, 0, 0))
    process = start(folder, definition, terminal=theirs, **options)
    os.close(theirs)
    data = b""
    during(process, ours)
    while True:
        try:
            chunk = os.read(ours, 65536)
        except OSError:  # how Linux says that nobody has it open any more
            break
        if not chunk:
            break
        data += chunk
    os.close(ours)
    return process.wait(timeout=60), data.decode()


def test_ctrl_c_on_a_terminal(tmp_path: Path) -> None:
    def during(process: Any, terminal: int) -> None:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"), process)
        os.write(terminal, b"\x03")

    definition = graph(a=task("b", command=f"echo $$ > {tmp_path}/pid; exec sleep 300"), b=task())
    status, shown = on_terminal(tmp_path, definition, during)
    assert status == 130 and gone(int((tmp_path / "pid").read_text()))
    assert "stopped" in shown and "--resume" in shown
    assert record(tmp_path, "a/1.end")["message"] == "stopped by signal 15"


def test_live_display(tmp_path: Path) -> None:
    name = "sehr lang und 日本語 \u202e und \x1b[2J" + "x" * 30
    steps = {
        name: task(
            "b", command=f"until test -e {tmp_path}/go; do sleep 0.05; done; printf 'a\\rlast\\033[2J\\n'"
        ),
        "b": task(),
    }
    shown: list[str] = []

    def during(process: Any, terminal: int) -> None:
        data = b""
        while "…".encode() not in data:
            assert process.poll() is None
            data += os.read(terminal, 65536)
        shown.append(data.decode())
        (tmp_path / "go").touch()

    status, rest = on_terminal(tmp_path, graph(**steps), during)
    text = shown[0] + rest
    assert status == 0 and "1 running" in text and "\x1b[2J" not in text and "\u202e" not in text
    assert "] last\r\n" in text.replace("\x1b[0m", "") and "a\rlast" not in text
    assert text.rstrip().endswith("(2 steps done)")


def test_ci_and_no_color_are_obeyed_on_a_terminal(tmp_path: Path) -> None:
    status, shown = on_terminal(
        tmp_path, chain(1), lambda process, terminal: None, environment={"CI": "true"}
    )
    assert status == 0 and "\x1b" not in shown and "running" not in shown
    status, shown = on_terminal(
        tmp_path, chain(1), lambda process, terminal: None, environment={"NO_COLOR": "1"}, run_id="r2"
    )
    assert status == 0 and not re.search(r"\x1b\[[0-9;]*m", shown)


def test_closed_output_does_not_end_the_run(tmp_path: Path) -> None:
    process = start(
        tmp_path, graph(a=task("b", command="yes | head -c 1000000"), b=task(command="touch done"))
    )
    for stream in (process.stdout, process.stderr):
        assert stream is not None
        stream.close()
    assert process.wait(timeout=60) == 0 and (tmp_path / "done").exists()


def test_long_lines_and_missing_newlines(tmp_path: Path) -> None:
    definition = graph(
        a=task("b", command="head -c 300000 /dev/zero | tr '\\0' x"), b=task(command="printf '\\n\\nend'")
    )
    status, out, _ = run(tmp_path, definition)
    lines = out.splitlines()
    assert status == 0 and out.count("x") == 300_000 and lines[-3:] == ["[b] ", "[b] ", "[b] end"]
