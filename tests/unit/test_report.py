"""`magnus runs report`: one page of HTML for any run, whatever its texts, its state and its size."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.report import history, logs, rows, timeline, values
from magnus_render.report.told import spans
from magnus_render.runtime.fold_attempts import Records
from tests.tools import magnus as command

NASTY = "a </script> \"b\" 'c' & <i>"
DEFINITION = """dag:
  name: 'p <b> "q"'
  start_at: prepare
  steps:
    prepare:
      type: task
      command_type: shell
      command: |
        printf "\\033[31mred\\033[0m </pre></script><script>alert(1)</script> \\007 日本 שלום\\n50%%\\r100%%\\n"
        echo '{"xs": [1, 2, 3]}' >> $MAGNUS_OUTPUT
        echo "$TOKEN"
      secrets: [TOKEN]
      next: each
    each:
      type: map
      iterate_on: xs
      iterate_as: x
      next: last
      on_failure: alert
      branch:
        start_at: NAME
        steps:
          NAME:
            type: task
            command_type: shell
            command: |
              mkdir -p data; echo $MAGNUS_PRM_x > data/$MAGNUS_PRM_x
              [ $MAGNUS_ATTEMPT = 2 ] && [ "$MAGNUS_PRM_x$BAD" != 2yes ]
            retry: {attempts: 2, delay: 0.2}
            catalog: {put: ["*"]}
            next: ok
          ok: {type: success}
          no: {type: fail}
    last: {type: task, command_type: shell, command: 'true', next: success}
    alert: {type: task, command_type: shell, command: 'true', next: fail}
    success: {type: success}
    fail: {type: fail}
run_log_store: {type: file-system}
catalog: {type: file-system}
secrets: {type: env}
""".replace("NAME", f"'{NASTY.replace(chr(39), chr(39) * 2)}'")
VOID = {"meta", "input", "link", "br"}


class Page(HTMLParser):
    """A page as a browser has it: each element closed where it must be, ids, links, texts."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attributes]
        assert len(names) == len(set(names)), (tag, names)
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID and tag not in ("rect", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, (tag, self.getpos())

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.open[-1] if self.open else "", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    def of(self, attribute: str) -> list[str]:
        return [value for _, attributes in self.elements if (value := attributes.get(attribute)) is not None]

    @property
    def text(self) -> str:
        return "\n".join(piece for tag, pieces in self.texts.items() if tag != "script" for piece in pieces)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose run `good` has succeeded, and whose run `bad` has failed."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "dag.yaml").write_text(DEFINITION)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TOKEN", "very-secret-token")
        assert (
            command(
                folder, "execute", "-f", "dag.yaml", "--run-id", "good", "--param", "first=<1>"
            ).returncode
            == 0
        )
        patch.setenv("BAD", "yes")
        assert command(folder, "execute", "-f", "dag.yaml", "--run-id", "bad").returncode == 1
    return folder


@pytest.fixture
def here(project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of its store, to be changed."""
    shutil.copytree(project / ".run_log_store", tmp_path / ".run_log_store")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGNUS_CONFIG", raising=False)
    return tmp_path


def report(run_id: str) -> str:
    assert magnus(["runs", "report", run_id, "-o", f"{run_id}.html"]) == 0
    return Path(f"{run_id}.html").read_text(encoding="utf-8")


def sections(text: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", text)


def test_the_page_is_whole_and_loads_nothing(here: Path) -> None:
    for run_id in ("good", "bad"):
        page = Page(report(run_id))
        ids = page.of("id")
        assert len(ids) == len(set(ids)) and len(page.all("h1")) == 1
        assert {link[1:] for link in page.of("href")} <= set(ids) and all(
            link[0] == "#" for link in page.of("href")
        )
        assert set(page.of("aria-labelledby")) <= set(ids)
        assert not page.of("src") and not page.all("link") and not page.all("img")
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
        assert page.all("html") == [{"lang": "en"}]
        (policy,) = (
            one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
        )
        assert policy and policy.startswith("default-src 'none'")


def test_texts_of_users_are_texts(here: Path) -> None:
    text = report("bad")
    page = Page(text)
    assert len(page.all("script")) == 1
    assert f"each.1.{NASTY}" in page.text
    assert "red </pre></script><script>alert(1)</script>  日本 שלום\n100%" in page.text
    assert "\x1b" not in text and "\x07" not in text
    assert 'p <b> "q"' in page.text


def test_outcome_and_cause_come_first(here: Path) -> None:
    text = report("bad")
    assert sections(text)[:2] == ["What failed", "Graph"]
    page = Page(text)
    assert "Run bad failed" in page.text
    assert "exited with status 1" in text.partition('id="graph"')[0]
    assert " (x = 2)" in text.partition('id="graph"')[0]
    assert sections(report("good"))[0] == "Graph" and "Run good succeeded" in report("good")


def test_each_part_is_told(here: Path) -> None:
    text = report("good")
    page = Page(text)
    for told in ("Saw parameters", "Set", "Put files", "Attempt 2: SUCCESS", "[1] x = 2", "not under git"):
        assert told in page.text, told
    assert '"<1>"' in page.text and re.search(r"waited \d", page.text)
    assert 'class="p wait"' in text and 'class="p run s-FAIL"' in text and 'class="p run s-SUCCESS"' in text
    assert "<svg" in text and 'href="#step-prepare"' in text


def test_earlier_runs_are_compared(here: Path) -> None:
    assert "has no earlier run" in report("good")
    text = Page(report("bad")).text
    assert "bad (this run)" in text and "The earlier run that succeeded took" in text


def test_the_same_records_make_the_same_page(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = report("good")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        later = shutil.copytree(here, here / "elsewhere" / "deep", ignore=shutil.ignore_patterns("elsewhere"))
        monkeypatch.chdir(later)
        assert report("good") == first
    finally:
        monkeypatch.undo()
        time.tzset()


def test_secrets_and_values_of_variables_are_not_on_the_page(here: Path) -> None:
    run = Path(".run_log_store/good/run.json")
    run.write_text(
        json.dumps({**json.loads(run.read_text()), "variables": {"region": "from-an-environment"}})
    )
    text = report("good")
    assert "very-secret-token" not in text and "********" in text
    assert "region (values are not shown" in text and "from-an-environment" not in text


def test_a_run_that_has_not_ended(here: Path) -> None:
    folder = Path(".run_log_store/good/steps")
    (folder / "end.json").unlink()
    for name in ("outcome.json", "1.end.json"):
        (folder / "last" / name).unlink(missing_ok=True)
    text = report("good")
    page = Page(text)
    assert "Run good has not ended" in page.text and "No end of the run is on record" in page.text
    assert "At work when this was recorded" in sections(text) and 'class="p run s-PROCESSING"' in text


@pytest.mark.parametrize("damage", [b"{", None])
def test_what_is_damaged_is_told_as_show_tells_it(
    here: Path, damage: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """A record that the log needs is named, and no page is written; one that a part needs leaves that part out."""
    for path in sorted(Path(".run_log_store/bad").rglob("*.json")):
        whole = path.read_bytes()
        path.unlink() if damage is None else path.write_bytes(damage)
        shown, reported = magnus(["runs", "show", "bad"]), magnus(
            ["runs", "report", "bad", "-o", "page.html"]
        )
        assert (reported in (0, 65) and reported == shown) or (shown, reported) == (75, 65), path
        assert "Traceback" not in "".join(capsys.readouterr())
        assert Path("page.html").exists() == (reported == 0)
        Path("page.html").unlink(missing_ok=True)
        path.write_bytes(whole)


def test_a_file_that_is_no_report_is_kept(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("mine.html").write_text("<html>mine</html>")
    assert magnus(["runs", "report", "good", "-o", "mine.html"]) == 65
    assert "mine.html is there, and is no report of a run: --force replaces it" in capsys.readouterr().err
    assert Path("mine.html").read_text() == "<html>mine</html>"
    assert magnus(["runs", "report", "good", "-o", "mine.html", "--force"]) == 0
    assert (
        magnus(["runs", "report", "bad", "-o", "mine.html"]) == 0
        and "Run bad" in Path("mine.html").read_text()
    )
    assert magnus(["runs", "report", "good", "-o", "."]) == 65
    assert magnus(["runs", "report", "good", "-o", ""]) == 64
    assert magnus(["runs", "report", "good", "-o", "no/where.html"]) == 75
    assert magnus(["runs", "report", "nope", "-o", "n.html"]) == 65 and not Path("n.html").exists()
    capsys.readouterr()
    assert magnus(["runs", "report", "good"]) == 0 and capsys.readouterr().out == report("good")


# ---- what is too much for a page ----


def attempt(number: int, status: str, began: float | None, ended: float | None) -> dict[str, Any]:
    moment = lambda at: None if at is None else f"1970-01-01T00:00:{at:06.3f}+00:00"  # noqa: E731
    return {
        "attempt_number": number, "status": status, "start_time": moment(began), "end_time": moment(ended), "message": "",
    }  # fmt: skip


def step(name: str, kind: str = "task", status: str = "SUCCESS", **fields: Any) -> dict[str, Any]:
    return {
        "name": name, "internal_name": name, "step_type": kind, "status": status, "attempts": [], "branches": {},
        "mock": False, **fields,
    }  # fmt: skip


def test_a_bar_tells_waiting_from_running() -> None:
    tried = [attempt(1, "FAIL", 2, 3), attempt(2, "SUCCESS", 7, 9.5)]
    one = step("a", attempts=tried)
    log = {"steps": {"a": one}}
    axis = timeline.Axis(log, 0.0, 10.0, running=False)
    bar = timeline.pieces(axis, one, 1.0, spans(log, 10.0)["a"])
    assert [(p.kind, p.status, p.left, p.width) for p in bar] == [
        ("wait", "", "10", "10"),
        ("run", "FAIL", "20", "10"),
        ("wait", "", "30", "40"),
        ("run", "SUCCESS", "70", "25"),
    ]
    assert [p.told for p in bar][:3] == [
        "waited 1.0 s before the first attempt",
        "attempt 1: FAIL, ran 1.0 s",
        "waited 4.0 s before attempt 2",
    ]
    assert [tick.label for tick in axis.ticks()] == ["0", "2.0 s", "4.0 s", "6.0 s", "8.0 s", "10 s"]


@pytest.mark.parametrize("seconds", [0.0001, 0.3, 1, 59, 61, 3599, 3601, 86401, 1e7])
def test_an_axis_has_few_round_moments(seconds: float) -> None:
    ticks = timeline.Axis({"steps": {}}, 5.0, 5.0 + seconds, running=False).ticks()
    assert 2 <= len(ticks) <= 8 and ticks[0].left == "0" and len({tick.label for tick in ticks}) == len(ticks)


def test_many_items_are_folded() -> None:
    count = 10_000
    branches = {}
    for number in range(count):
        status = "FAIL" if number % 100 == 7 else "SUCCESS"
        took = 1.0 + (number == 4711)
        inner = step(
            "in", status=status, attempts=[attempt(1, status, 0, took)], internal_name=f"m.{number}.in"
        )
        branches[f"m.{number}"] = {"status": status, "steps": {f"m.{number}.in": inner}}
    log = {"steps": {"m": step("m", "map", "FAIL", branches=branches)}}
    told: Any = SimpleNamespace(
        log=log,
        plan={"nodes": {"m": {"iterate_as": "x"}}},
        records=Records({}, "r"),
        run=SimpleNamespace(record={"created": 0.0}),
    )
    found = rows.Rows(told, timeline.Axis(log, 0.0, 3.0, running=False), spans(log, 3.0)).all()
    shown = [row for row in found if row.kind == "branch"]
    assert [row.status for row in shown].count("FAIL") == rows.BAD_ITEMS
    assert [row.status for row in shown].count("SUCCESS") == rows.SLOW_ITEMS
    assert any(row.name == "[4711] x" for row in shown)
    assert found[0].about == ["map", "10,000 items, 100 FAIL"]
    assert found[-1].name.startswith(
        "9,977 more items not shown: 80 FAIL, 9,897 SUCCESS; took 1.0 s to 1.0 s"
    )
    assert len(found) < 60


def test_very_many_steps_are_folded_but_not_those_that_failed() -> None:
    names = [f"s{number}" for number in range(rows.MOST + 50)]
    log = {"steps": {name: step(name) for name in names}}
    log["steps"][names[-1]]["status"] = "FAIL"
    told: Any = SimpleNamespace(
        log=log, plan={"nodes": {}}, records=Records({}, "r"), run=SimpleNamespace(record={"created": 0.0})
    )
    maker = rows.Rows(told, timeline.Axis(log, 0.0, 1.0, running=False), spans(log, 1.0))
    found = maker.all()
    assert len(found) == rows.MOST + 1 and found[-1].status == "FAIL" and maker.left_out == 49


def test_a_long_log_shows_beginning_and_end_and_says_what_is_left_out() -> None:
    data = b"".join(b"line %d\n" % number for number in range(10_000))
    log = logs.shown(data, 4096)
    assert log.head.startswith("line 0\nline 1\n") and log.tail.endswith("line 9998\nline 9999")
    assert log.tail.startswith("line ") and log.size == len(data)
    kept = len(log.head) + len(log.tail) + 2  # the line feeds behind the two
    assert 3900 < kept <= 4096 and log.left_out == len(data) - kept
    assert logs.shown(b"x" * 10_000, 4096).left_out == 10_000 - 4096
    assert logs.last_lines(log, 2) == "line 9998\nline 9999"
    assert logs.shown(b"", 4096) == logs.Log("", 0, "", 0)


def test_many_changes_show_the_first_and_the_last() -> None:
    many: Any = SimpleNamespace(
        log={"parameters": {"n": 99}, "steps": {f"s{n}": step(f"s{n}") for n in range(100)}},
        records=Records({}, "r"),
        run=SimpleNamespace(record={"parameters": {"values": {"n": -1}, "large": {}}}),
        set=lambda one: {"n": int(one["name"][1:])},
    )
    (row,), more = values.parameters(many)
    assert (row.first, row.last, row.more, more) == ("-1", "99", 90, 0)
    assert [change.value for change in row.changes] == ["0", "1", "2", "3", "4", "95", "96", "97", "98", "99"]


def test_the_comparison_with_earlier_runs() -> None:
    earlier = [history.Ended(f"r{n}", "SUCCESS", n, seconds) for n, seconds in enumerate((8.0, 10.0, 30.0))]
    assert history._comparison(earlier, 15.0) == (
        "The median of the 3 earlier runs that succeeded is 10 s. This one took 15 s: 50 % longer."
    )
    assert history._comparison(earlier[:1], None) == "The earlier run that succeeded took 8.0 s."
    assert (
        history._comparison([earlier[0]._replace(status="FAIL")], 1.0)
        == "No earlier run that succeeded is listed."
    )


def test_a_log_that_cannot_be_read_does_not_stop_the_page(here: Path) -> None:
    path = Path(".run_log_store/good/steps/prepare/1.log")
    path.unlink()
    os.mkfifo(path)
    assert "Its log cannot be read" in report("good")
