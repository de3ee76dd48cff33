"""Supervision of a task's process: output, masking, timeouts, signals, what is left behind."""

import contextlib
import io
import os
import signal
import time

import pytest

from magnus_render.errors import PlatformError
from magnus_render.runtime import echo, process
from magnus_render.runtime.log import BoundedLog


def supervise(work, *, log=None, timeout=None, deadline=None, secrets=lambda masker: None, signals=None):
    log = io.BytesIO() if log is None else log
    if signals is None:
        with process.Signals() as signals:
            return supervise(
                work, log=log, timeout=timeout, deadline=deadline, secrets=secrets, signals=signals
            )
    ended = process.supervise(
        work,
        environment=dict(os.environ, SEEN="yes"),
        workdir="/",
        log=log,
        secrets=secrets,
        signals=signals,
        timeout=timeout,
        deadline=deadline,
    )
    return ended, log.getvalue()


def sh(text):
    return lambda: os.execve("/bin/sh", ["sh", "-c", text], dict(os.environ))


def test_output_and_status(capfd):
    ended, log = supervise(sh('echo out; echo err >&2; pwd; echo "$SEEN"; read line || echo empty; exit 3'))
    assert (ended.status, ended.signal) == (3, 0)
    captured = capfd.readouterr()
    assert captured.out == "out\n/\nyes\nempty\n"
    assert captured.err == "err\n"
    assert sorted(log.splitlines()) == [b"/", b"empty", b"err", b"out", b"yes"]


def test_a_megabyte_on_each_stream(capfd):
    ended, log = supervise(sh("head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"))
    assert ended.status == 0
    assert len(log) == 2_000_000


def test_a_signal_is_told(capfd):
    ended, _ = supervise(sh("kill -9 $$"))
    assert ended.signal == 9


def test_an_exception_in_the_child_does_not_come_back(capfd):
    ended, log = supervise(lambda: 1 // 0)
    assert ended.status == 255
    assert b"ZeroDivisionError" in log


def test_timeout_ends_the_whole_group(tmp_path, capfd):
    ended, _ = supervise(sh(f"(sleep 100 & echo $! > {tmp_path}/pid; wait)"), timeout=0.3)
    assert ended.timed_out and not ended.over
    child = int((tmp_path / "pid").read_text())
    with pytest.raises(ProcessLookupError):
        _gone(child)


def _gone(pid):
    for _ in range(500):
        os.kill(pid, 0)
        with open(f"/proc/{pid}/stat") as stat:
            if stat.read().rpartition(")")[2].split()[0] == "Z":
                raise ProcessLookupError
        os.sched_yield()


def test_deadline_is_told_apart(capfd):
    ended, _ = supervise(sh("sleep 100"), timeout=50, deadline=time.time() + 0.3)
    assert ended.timed_out and ended.over


def test_who_ignores_term_is_killed(capfd, monkeypatch):
    monkeypatch.setattr(process, "GRACE", 0.2)
    ended, _ = supervise(sh("trap '' TERM; while :; do sleep 0.05; done"), timeout=0.2)
    assert ended.timed_out and ended.signal == signal.SIGKILL


def test_a_signal_to_the_callback_stops_the_task(capfd):
    with process.Signals() as signals:
        parent = os.getpid()
        ended, _ = supervise(sh(f"kill -TERM {parent}; sleep 100"), signals=signals)
    assert ended.stopped_by == signal.SIGTERM
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


@pytest.mark.parametrize("end", ["kill -TERM $$", "exit 143"])
def test_a_signal_to_all_processes_of_a_job_stops_the_task(capfd, end):
    """The task may be gone before the callback hears of it."""
    with process.Signals() as signals:
        ended, _ = supervise(sh(f"(sleep 0.1; kill -TERM {os.getpid()}) & {end}"), signals=signals)
    assert ended.stopped_by == signal.SIGTERM


def test_a_task_that_is_killed_by_somebody_was_not_stopped(capfd, monkeypatch):
    monkeypatch.setattr(process, "AT_ONCE", 0.1)
    ended, _ = supervise(sh("kill -TERM $$"))
    assert (ended.stopped_by, ended.signal) == (0, signal.SIGTERM)


def test_background_processes_do_not_hold_a_step_up(capfd):
    began = time.monotonic()
    ended, log = supervise(sh("sleep 100 & echo done"))
    assert ended.status == 0 and log == b"done\n"
    assert time.monotonic() - began < 50


def test_log_that_cannot_be_written_is_the_platforms_failure(capfd, tmp_path):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(28, "No space left on device")

    with pytest.raises(PlatformError, match="No space left"):
        supervise(sh("echo x; sleep 100"), log=BoundedLog(Full(), 1024, str(tmp_path)))


def escaped(text):
    """A command that a process of another group runs on, once the shell has ended."""
    return sh(f"setsid sh -c '{text}' & while ! [ -s pid ]; do sleep 0.01; done; echo step ends")


@pytest.fixture
def kill_pid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)


def test_a_process_that_has_escaped_and_writes_does_not_hold_a_step_up(tmp_path, capfd, kill_pid):
    work = escaped(f"cd {tmp_path}; echo $$ > pid; exec yes chatter")
    ended, log = supervise(lambda: (os.chdir(tmp_path), work())[1], timeout=30)
    assert (ended.status, ended.timed_out, ended.left_behind) == (0, False, True)
    assert b"step ends" in log


def test_what_stands_in_the_pipe_at_the_end_is_read(capfd):
    ended, log = supervise(sh("head -c 60000 /dev/zero & wait; echo end"))
    assert len(log) == 60004 and not ended.left_behind


def test_killed_background_processes_are_not_told_of(capfd):
    for _ in range(20):
        ended, _ = supervise(sh("sleep 100 & sleep 100 & echo done"))
        assert not ended.left_behind


@contextlib.contextmanager
def full_pipe():
    """Make standard output a pipe that nobody reads; yield its read end."""
    reader, writer = os.pipe()
    saved = os.dup(1)
    os.dup2(writer, 1)
    os.close(writer)
    try:
        yield reader
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(reader)


@pytest.mark.parametrize("reopened", [True, False])
def test_a_reader_that_does_not_read_holds_no_step_up(monkeypatch, reopened):
    monkeypatch.setattr(process, "LINGER", 0.05)
    if not reopened:
        monkeypatch.setattr(echo.Echo, "_open", lambda self: None)
    with full_pipe() as reader:
        ended, log = supervise(sh("head -c 3000000 /dev/zero; echo end"), timeout=60)
        seen, blocking = os.read(reader, 10), os.get_blocking(1)
    assert ended.status == 0 and not ended.timed_out
    assert len(log) == 3_000_004
    assert seen == bytes(10) and blocking


def test_a_reader_that_reads_slowly_is_told_what_it_has_missed():
    with full_pipe() as reader:
        passed = echo.Echo(1)
        for _ in range(100):
            passed.give(b"x" * 9_999 + b"\n")
        waited = passed.waiting
        seen = b""
        while passed.waiting:
            seen += os.read(reader, 65536)
            passed.pass_on()
        passed.give(b"again\n")
        while not seen.endswith(b"again\n"):
            seen += os.read(reader, 65536)
    assert waited
    kept, _, again = seen.rpartition(b"\nmagnus: ")
    missed = 1_000_000 - len(kept)
    assert again == f"{missed} bytes of output are left out here: nobody read them in time\nagain\n".encode()


def test_a_log_keeps_both_ends(tmp_path):
    for sizes in ([10] * 30, [300], [1, 299], [49, 2, 249], [120], [50, 50, 1], [100]):
        kept = io.BytesIO()
        kept.close = lambda: None
        data = bytes(range(256)) + bytes(range(44))
        with BoundedLog(kept, 100, str(tmp_path)) as log:
            at = 0
            for size in sizes:
                log.write(data[at : at + size])
                at += size
        left_out = sum(sizes) - 100
        line = (
            b"\nmagnus: %d bytes of output are left out here: see log_limit\n" % left_out
            if left_out > 0
            else b""
        )
        whole = data[: sum(sizes)]
        assert kept.getvalue() == whole[:50] + line + whole[50:][-50:]
    assert list(tmp_path.iterdir()) == []


def test_secrets_asked_for_while_running_are_masked(tmp_path, capfd):
    used = tmp_path / "used"
    used.write_text("")

    def secrets(masker):
        for line in used.read_text().splitlines():
            masker.add(line)

    _, log = supervise(sh(f"echo hunter2; echo hunter2 > {used}; echo hunter2"), secrets=secrets)
    assert log.endswith(b"********\n")
    assert "hunter2\n********\n" in capfd.readouterr().out or log.startswith(b"********")


def test_python_output_is_seen_as_it_comes(capfd):
    def work():
        os.write(1, b"line\n")
        return 0

    _, log = supervise(work)
    assert log == b"line\n"
