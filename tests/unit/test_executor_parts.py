"""The parts around the walk: finding an executor, integrations, text for terminals, the live display's bytes."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from magnus_render import integrations
from magnus_render.cli import execute_front
from magnus_render.errors import Refused, UsageError
from magnus_render.executors import base, console, terminal
from magnus_render.executors.local import LocalExecutor
from magnus_render.executors.local_integrations import Buffered
from magnus_render.runtime.echo import Echo
from magnus_render.targets.lookup import find
from magnus_render.texts import safe

from .executor_tools import graph, order_of, task

BUFFERED: dict[str, Any] = {"run_log_store": {"type": "buffered", "config": {}}}


class Other:
    """Somebody else's executor."""

    name = "somebody-elses"
    integrations = ()


@pytest.mark.parametrize(
    ("executor", "message"),
    [
        ("argo", "`magnus render a.yaml --target argo`"),
        ("demo-renderer", "`magnus render a.yaml --target bash`"),
        ("stepfunctions", "--target aws-step-functions"),
        ("bash", "-c FILE with `executor: {type: local}`"),
        ("locla", r"unknown executor 'locla' \(did you mean 'local'\?\)"),
    ],
)
def test_what_magnus_cannot_walk_is_refused_with_the_way_out(executor: str, message: str) -> None:
    with pytest.raises(Refused, match=message if "\\" in message else re.escape(message)):
        base.load(executor, {}, "a.yaml")


@pytest.mark.parametrize(
    "config",
    [{"max_workers": 0}, {"max_workers": True}, {"max_workers": "2"}, {"isolated": 1}, {"max_worker": 2}],
)
def test_bad_configuration_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="executor 'local'"):
        LocalExecutor(config)
    assert LocalExecutor({}).max_workers >= 2


def test_bad_configuration_of_a_node_is_refused() -> None:
    for own in ({"isolated": "yes"}, {"isolatd": True}):
        order = order_of(graph(a=task(executor_config={"local": own})))
        with pytest.raises(Refused, match="step 'a'"):
            LocalExecutor({}).execute(order)


def test_buffered_is_for_local_only() -> None:
    config = order_of(graph(a=task()), services=BUFFERED).config
    local = LocalExecutor({})
    assert list(integrations.problems(local, config)) == []
    for engine in (find("bash"), find("argo"), Other()):
        ((_, problem),) = integrations.problems(engine, config)
        assert "Here every step is a process of its own" in problem and "{type: file-system}" in problem
    ((_, problem),) = integrations.problems(find("stepfunctions"), config)
    assert problem.endswith("Use `run_log_store: {type: s3}`")  # a folder cannot serve a state machine
    plain = order_of(graph(a=task())).config
    assert list(integrations.problems(find("bash"), plain)) == []
    assert list(integrations.problems(local, plain)) == []


def test_buffered_becomes_a_folder_that_forked_children_share() -> None:
    config = order_of(graph(a=task()), services=BUFFERED).config
    with ExitStack() as stack:
        found = [type(i) for _, i in integrations.applying(LocalExecutor({}), config)]
        assert Buffered in found
        changed = Buffered().configure_for_traversal(config, stack)
        folder = changed["run_log_store"]["config"]["path"]
        assert changed["run_log_store"]["type"] == "file-system" and Path(folder).is_dir()
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("日本 e\u0301", "日本 e\u0301"),
        ("a\nb\tc\x1b[2J", "a\\nb\\tc\\x1b[2J"),
        ("x\u202ey\u200bz", "x\\u202ey\\u200bz"),
        ("\udcff", "\\udcff"),
    ],
)
def test_safe(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain", "plain"),
        (b"", ""),
        (b"10%\r20%\r", "20%"),
        (b"\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m\x1b[0m"),
        (b"\x1b[2J\x1b[1;1Hhome\x1b[K", "home"),
        (b"\x1b]0;title\x07text\x1b]8;;x\x1b\\", "text"),
        (b"tab\tbell\x07\xff", "tab\tbell\ufffd"),
        (b"cut \x1b[31", "cut 31"),
    ],
)
def test_shown_line(data: bytes, shown: str) -> None:
    assert terminal.shown_line(data) == shown


def test_fit_and_width() -> None:
    assert terminal.width("日本") == 4 and terminal.width("e\u0301") == 1
    assert terminal.fit("abcdef", 6) == "abcdef" and terminal.fit("abcdef", 5) == "abcd…"
    assert terminal.fit("日本語", 5) == "日本…" and terminal.fit("日本語", 4) == "日…"
    assert terminal.fit("abc", 1) == "…" and terminal.fit("abc", 0) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.037, "0.04 s"),
        (1.25, "1.2 s"),
        (9.96, "10 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (7320, "2 h 02 min"),
    ],
)
def test_duration(seconds: float, text: str) -> None:
    assert terminal.duration(seconds) == text


class Step:
    def __init__(self, path: str, began: float) -> None:
        self.path = path
        self.began = began


class Screen(console.LiveConsole):
    """A live console of a given size that keeps what it writes."""

    def __init__(self, columns: int, rows: int, **environment: str) -> None:
        self.size = (columns, rows)
        self.written: list[str] = []
        super().__init__("pipe run", environment)
        self._stdout_shows = True

    def _size(self) -> tuple[int, int]:
        return self.size

    def _write(self, stream: int, data: bytes) -> None:
        self.written.append(data.decode())

    def rows(self) -> list[str]:
        return re.sub(r"\x1b\[[0-9]*[mJA]", "", self.written[-1]).lstrip("\r").split("\n")


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (20, 6), (5, 3), (1, 1), (2, 2)])
def test_display_fits_every_terminal(columns: int, rows: int) -> None:
    screen = Screen(columns, rows)
    steps = [Step("日本語の名前 " * 9 + str(i), 0.0) for i in range(30)]
    screen.refresh(console.Progress(steps, 0, 3, 1))
    shown = screen.rows()
    assert len(shown) <= max(1, rows - 1)
    assert all(terminal.width(row) <= max(1, columns - 1) for row in shown)


def test_display_is_taken_away_before_anything_is_printed() -> None:
    screen = Screen(40, 24)
    screen.refresh(console.Progress([Step("a", 0.0), Step("b", 0.0)], 0, 0, 0))
    assert screen.written[-1].startswith("\x1b[2m") and len(screen.rows()) == 3
    screen.output("a", 1, b"hello")
    screen.say("b: success after 1 s", "success")
    screen.resized()
    screen.refresh(console.Progress([Step("a", 0.0)], 0, 1, 0))
    assert screen.written[-1].startswith(
        "\r\x1b[2A\x1b[J\x1b[2m[a]\x1b[0m hello\nmagnus: b: \x1b[32msuccess\x1b[0m after"
    )
    screen.close()
    assert screen.written[-1] == "\r\x1b[1A\x1b[J"
    screen.close()
    assert len(screen.written) == 3


def test_a_narrower_terminal_has_wrapped_the_rows() -> None:
    screen = Screen(80, 24, NO_COLOR="1")
    screen.refresh(console.Progress([Step("a" * 60, 0.0)], 2, 0, 0))
    drawn = [terminal.width(row) for row in screen.rows()]
    assert "1 running, 2 waiting, 0 done, " in screen.rows()[0]
    screen.size = (30, 24)
    screen.resized()
    screen.refresh(console.Progress())
    lines = sum(-(-columns // 30) for columns in drawn)
    assert screen.written[-1].startswith(f"\r\x1b[{lines - 1}A\x1b[J") and lines > 2
    assert not re.search(r"\x1b\[[0-9;]*m", "".join(screen.written))


def test_plain_where_there_is_no_terminal() -> None:
    reader, writer = os.pipe()
    shown = console.console("x", {"TERM": "xterm"})
    assert type(shown) is console.Console and shown.refresh(console.Progress()) is None
    os.close(reader)
    shown.outlets[1] = Echo(writer)
    shown._write(1, b"to nobody")
    assert shown.outlets[1].gone
    shown.outlets[1].end(0)
    os.close(writer)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"resume": True}, "--resume needs --run-id"),
        ({"resume": True, "run_id": "a", "use_cached": "b"}, "exclude each other"),
        ({"run_id": "a.b"}, "is not a run id"),
        ({"param": ["x"]}, "NAME=VALUE"),
        ({"param": ["=x"]}, "NAME=VALUE"),
    ],
)
def test_wrong_usage_of_execute(arguments: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"file": "a.yaml", **arguments}
    with pytest.raises(UsageError, match=message):
        execute_front.execute(None, **given)  # type: ignore[arg-type]


def test_new_run_ids_are_valid_and_differ() -> None:
    from magnus_render.cli.execute import new_run_id
    from magnus_render.runtime.records import valid_run_id

    ids = {new_run_id() for _ in range(50)}
    assert len(ids) == 50 and all(map(valid_run_id, ids))
    assert re.fullmatch(r"\d{8}-\d{6}-[0-9a-f]{8}", ids.pop())
