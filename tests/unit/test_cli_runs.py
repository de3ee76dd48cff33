"""`magnus runs`: list, show, diff, prune."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from magnus_render.cli.main import run as magnus
from magnus_render.services.catalog import FileSystemCatalog
from magnus_render.services.run_log_store import FileSystemRunLogStore
from tests.unit.fold_tools import Book, Tree, make_plan, make_run, map_, packed, task

TREE = {"fetch": task("m"), "m": map_({"train": task()}, on_failure="alert"), "alert": task("fail")}


class Project:
    """A project folder with the default stores."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys
        self.store = FileSystemRunLogStore({})
        self.catalog = FileSystemCatalog({})
        self.catalog.register(self.store.identity())

    def add(self, run_id: str, book: Book, tree: Tree = TREE, **run: Any) -> None:
        plan = make_plan(tree)
        for address, changed in run.pop("hashes", {}).items():
            plan["nodes"][address]["hash"] = changed
        record = make_run(run_id=run_id, dag_hash=run.pop("dag_hash", "0" * 16), **run)
        folder = f"{run_id}/plan/{record['dag_hash']}"
        rest = {key: value for key, value in plan.items() if key != "nodes"}
        self.store.create(
            f"{folder}/graphs.json", json.dumps({**rest, "dag_hash": record["dag_hash"]}).encode()
        )
        self.store.create(f"{folder}/0.json", json.dumps({"nodes": plan["nodes"]}).encode())
        for key, data in book.records.items():
            self.store.create(f"{run_id}/{key}", data)
        self.store.create(f"{run_id}/run.json", json.dumps(record).encode())

    def put(self, name: str, content: str) -> str:
        Path(name).write_text(content)
        return self.catalog.put(name)[0]

    def __call__(self, *argv: str) -> tuple[int, str, str]:
        status = magnus(["runs", *argv])
        out, err = self.capsys.readouterr()
        return status, out, err


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MAGNUS_CONFIG", raising=False)
    return Project(capsys)


def failed(items: int = 3) -> Book:
    book = Book()
    book.succeed("fetch", 1, "m", state=book.state({"a": 1, "xs": [1]}, set=["xs"]))
    book.enter("m", items)
    for i in range(items):
        if i == 1:
            book.fail(f"m.{i}.train", 1)
            book.fail(f"m.{i}.train", 2, "fail", message="ValueError: \x1b[31mbad")
        else:
            book.succeed(f"m.{i}.train", 1)
    book.succeed("alert", 1, "fail", message="a warning")
    return book


def test_show_tells_what_failed_why_and_where_the_log_is(project: Project) -> None:
    project.add("r1", failed(), target="bash", tag="nightly", code={"commit": "abc" * 10, "dirty": True})
    with project.store.open_log("r1/steps/m/1/train/2.log") as log:
        log.write(b"...")
    status, out, _ = project("show", "r1")
    assert status == 0
    lines = out.splitlines()
    assert lines[0] == "run r1: FAIL"
    assert (
        "walked by bash" in lines[1]
        and "tag nightly" in lines[1]
        and "commit abcabcabcabc with changes" in lines[1]
    )
    tree = lines[lines.index("") + 1 :]
    assert tree == [
        "  SUCCESS    fetch  1.0 s",
        "  FAIL       m  map, 3 items, 1 failed, 9.0 s",
        "    SUCCESS    [0]",
        "      SUCCESS    train  1.0 s",
        "    FAIL       [1]",
        "      FAIL       train  2 attempts, 3.0 s",
        "                 ValueError: \\x1b[31mbad",
        "    SUCCESS    [2]",
        "      SUCCESS    train  1.0 s",
        "  SUCCESS    alert  1.0 s",
        "             a warning",
        "",
        "What failed:",
        "  FAIL m.1.train: ValueError: \\x1b[31mbad",
        f"    log: {os.path.join('.run_log_store', 'r1', 'steps', 'm', '1', 'train', '2.log')}",
    ]


def test_show_folds_items_that_succeeded_unless_all_are_wanted(project: Project) -> None:
    project.add("r1", failed(40))
    _, out, _ = project("show", "r1")
    assert "39 items (--all shows them)" in out and "[1]" in out and "[2]" not in out
    _, out, _ = project("show", "r1", "--all")
    assert "[39]" in out and "--all" not in out


def test_show_json_is_the_folded_log(project: Project) -> None:
    project.add("r1", failed())
    status, out, _ = project("show", "r1", "--json")
    log = json.loads(out)
    assert (status, log["run_id"], log["status"]) == (0, "r1", "FAIL")
    assert list(log["steps"]) == ["fetch", "m", "alert", "fail"]


def test_show_a_run_in_progress(project: Project) -> None:
    book = Book()
    book.start("fetch", 1)
    project.add("r1", book)
    status, out, _ = project("show", "r1")
    assert status == 0 and "run r1: PROCESSING" in out and "PROCESSING fetch" in out


def test_show_counts_the_items_of_a_map_at_work(project: Project) -> None:
    book = Book()
    book.succeed("fetch", 1, "m", state=book.state({"a": 1, "xs": [1]}, set=["xs"]))
    book.enter("m", 4)
    book.succeed("m.0.train", 1)
    book.fail("m.1.train", 1)
    book.fail("m.1.train", 2, "fail")
    book.start("m.2.train", 1)
    project.add("r1", book)
    assert "m  map, 2 of 4 items, 1 failed, " in project("show", "r1")[1]
    book = Book()
    book.start("fetch", 1)
    project.add("r2", book)
    assert " items" not in project("show", "r2")[1]


def test_colour_only_on_a_terminal_and_not_with_no_color(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.add("r1", failed())
    assert "\x1b" not in project("show", "r1")[1]
    monkeypatch.setattr(type(sys.stdout), "isatty", lambda self: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b[31mFAIL\x1b[0m" in project("show", "r1")[1]
    assert "\x1b[31mFAIL" in project("list")[1]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in project("show", "r1")[1]


def test_unknown_run(project: Project) -> None:
    status, _, err = project("show", "r1")
    assert status == 65 and "has no runs at all" in err
    project.add("nightly-1", failed())
    status, _, err = project("show", "nightly1")
    assert status == 65 and "there is no run 'nightly1'" in err and "did you mean nightly-1?" in err
    assert project("show", "../nightly-1")[0] == 65
    assert "Traceback" not in err


def test_list(project: Project) -> None:
    assert project("list") == (0, f"no runs in {project.store.path}\n", "")
    project.add("old", failed(), created=100.0)
    project.add("new", failed(), created=200.0, tag="t")
    project.store.create("half-made/plan/0.json", b"{}")
    status, out, _ = project("list")
    lines = out.splitlines()
    assert status == 0
    assert lines[0].split() == ["RUN", "ID", "STATUS", "STARTED", "TOOK", "PIPELINE", "TARGET", "TAG"]
    assert [line.split()[0] for line in lines[1:]] == ["new", "old"]
    assert [row["run_id"] for row in json.loads(project("list", "--json")[1])] == ["new", "old"]
    _, out, _ = project("list", "-n", "1")
    assert "old " not in out and "and 1 older" in out


def test_stores_of_magnus_config_and_those_that_keep_nothing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = FileSystemRunLogStore({"path": "elsewhere"})
    services = {
        "run_log_store": {"type": "file-system", "config": {"path": elsewhere.path}},
        "catalog": {"type": "do-nothing", "config": {}},
        "secrets": {"type": "do-nothing", "config": {}},
    }
    monkeypatch.setenv("MAGNUS_CONFIG", json.dumps(services))
    assert f"no runs in {elsewhere.path}" in project("list")[1]
    services["run_log_store"] = {"type": "buffered", "config": {}}
    monkeypatch.setenv("MAGNUS_CONFIG", json.dumps(services))
    status, _, err = project("list")
    assert status == 65 and "keeps no runs" in err
    monkeypatch.setenv("MAGNUS_CONFIG", "{")
    assert project("list")[0] == 64


def test_stores_of_files_whatever_is_wrong_with_the_steps(project: Project) -> None:
    for name in ("one", "two"):
        FileSystemRunLogStore({"path": name}).create("x/plan/0.json", b"{}")
    Path("dag.yaml").write_text(
        "dag:\n  start_at: ${unset}\nrun_log: {type: file-system, config: {path: one}}\n"
    )
    Path("config.yaml").write_text("run_log_store: {type: file-system, config: {path: two}}\n")
    for argv, name in ((["-f", "dag.yaml"], "one"), (["-c", "config.yaml"], "two")):
        assert project("list", *argv)[1] == f"no runs in {os.path.abspath(name)}\n"
    assert (
        project("list", "-f", "dag.yaml", "-c", "config.yaml")[1] == f"no runs in {os.path.abspath('two')}\n"
    )
    Path("config.yaml").write_text("run_log_store: {type: file-sytem}\n")
    status, _, err = project("list", "-c", "config.yaml")
    assert status == 65 and "config.yaml:1:23" in err and "file-system" in err
    Path("config.yaml").write_text("- 1\n")
    assert project("list", "-c", "config.yaml")[0] == 65
    assert project("list", "-c", "missing.yaml")[0] in (64, 65)


# ---- diff ----


def test_diff_of_equal_runs(project: Project) -> None:
    project.add("a", failed())
    project.add("b", failed())
    assert project("diff", "a", "b") == (0, "a and b do not differ\n", "")


def test_diff(project: Project) -> None:
    project.add("a", failed())
    book = Book()
    entry = {"path": "f", "stage": "put", "sha256": "1" * 64, "size": 1}
    book.succeed("fetch", 1, "m", metrics={"rows": 3}, catalog=[entry], state=book.state({"a": 2}))
    book.enter("m", 1)
    book.clock += 60
    book.succeed("m.0.train", 1)
    tree = {"fetch": TREE["fetch"], "m": map_({"train": task()}, "more"), "more": task(), "alert": task()}
    parameters = packed({"a": 2, "b": True})
    project.add("b", book, tree, dag_hash="f" * 16, hashes={"fetch": "other"}, parameters=parameters)
    status, out, err = project("diff", "a", "b")
    assert (status, err) == (1, "")
    assert out.splitlines() == [
        "definition:",
        f"  {'0' * 16} -> {'f' * 16}",
        "  ~ fetch: changed",
        "  ~ m: next: success -> more, on_failure: alert -> none",
        "  ~ alert: next: fail -> success",
        "  + more",
        "initial parameters:",
        "  ~ a: 1 -> 2",
        "  + b = true",
        "status: FAIL -> PROCESSING",
        "fetch:",
        "  metric + rows = 3",
        '  catalog + put f = "111111111111"',
        "m:",
        "  status: FAIL -> SUCCESS",
        "  branches: 3 -> 1",
        "alert:",
        "  - SUCCESS (the other run did not reach it)",
        "more:",
        "  + TRIGGERED (the other run did not reach it)",
        "final parameters:",
        "  ~ a: 1 -> 2",
        "durations:",
        "  the whole run: 14 s -> 1 min 03 s",
        "  m: 9.0 s -> 1.0 s",
    ]


def test_diff_of_attempts_and_messages(project: Project) -> None:
    for run_id, times in (("a", 1), ("b", 2)):
        book = Book()
        for n in range(1, times):
            book.fail("fetch", n)
        book.succeed("fetch", times, message="x" * times)
        project.add(run_id, book, {"fetch": task()})
    status, out, _ = project("diff", "a", "b")
    assert status == 1
    assert out.splitlines()[:3] == [
        "fetch:",
        '  message: "x" -> "xx"',
        "  attempts: SUCCESS -> FAIL, SUCCESS",
    ]


# ---- prune ----


def one_file(sha256: str, **fields: Any) -> Book:
    book = Book()
    entry = {"path": "f", "stage": "put", "sha256": sha256, "size": 1}
    book.succeed("fetch", 1, catalog=[entry], **fields)
    return book


def three(project: Project) -> dict[str, str]:
    """Runs a (oldest), b, c; blobs: one shared by a and b, one of each, and one that nobody knows."""
    blobs = {name: project.put(name, name) for name in ("shared", "a", "b", "c", "nobody's")}
    for number, run_id in enumerate("abc"):
        book = one_file(blobs[run_id])
        if run_id != "c":
            book.state(files={"f": {"sha256": blobs["shared"], "size": 6}})
        project.add(run_id, book, {"fetch": task()}, created=time.time() - (3 - number) * 86400)
        os.makedirs(f".magnus/workspaces/{run_id}/_work")
    return blobs


@pytest.mark.parametrize(
    ("argv", "left", "blobs_left"),
    [
        (["a"], "bc", ["shared", "b", "c"]),
        (["a", "b", "a"], "c", ["c"]),
        (["--keep", "2"], "bc", ["shared", "b", "c"]),
        (["--keep", "0"], "", []),
        (["--keep", "9"], "abc", ["shared", "a", "b", "c"]),
        (["--older-than", "1.5"], "c", ["c"]),
        (["--older-than", "30"], "abc", ["shared", "a", "b", "c"]),
    ],
)
def test_prune(project: Project, argv: list[str], left: str, blobs_left: list[str]) -> None:
    blobs = three(project)
    before = sorted(project.catalog.blobs())
    status, told, _ = project("prune", *argv, "--dry-run")
    assert status == 0
    assert project.store.runs() == ["a", "b", "c"] and sorted(project.catalog.blobs()) == before
    assert sorted(os.listdir(".magnus/workspaces")) == ["a", "b", "c"]
    status, done, err = project("prune", *argv)
    assert (status, err) == (0, "")
    assert done == told.replace("would delete", "deleted")
    assert project.store.runs() == sorted(left)
    assert sorted(project.catalog.blobs()) == sorted(blobs[name] for name in blobs_left)
    assert sorted(os.listdir(".magnus/workspaces")) == sorted(left)


def test_prune_leaves_runs_in_progress_and_all_files_they_may_use(project: Project) -> None:
    blobs = three(project)
    book = Book()
    book.start("fetch", 1)
    project.add("live", book, {"fetch": task()}, created=1.0)
    status, out, _ = project("prune", "--older-than", "0")
    assert status == 0
    assert "kept: run live is in progress (name it to delete it)" in out
    assert "kept: the catalog's files, for run live is in progress" in out
    assert project.store.runs() == ["live"]
    assert sorted(project.catalog.blobs()) == sorted(blobs.values())
    assert project("prune", "live")[0] == 0
    assert project.store.runs() == [] and list(project.catalog.blobs()) == []


def test_prune_does_not_follow_links(project: Project) -> None:
    project.add("a", one_file("0" * 64), {"fetch": task()})
    os.makedirs("precious/inside")
    os.makedirs(".magnus/workspaces/a/_work")
    os.symlink(os.path.abspath("precious"), ".magnus/workspaces/a/_work/precious")
    os.symlink(os.path.abspath("precious"), ".magnus/workspaces/linked")
    assert project("prune", "a")[0] == 0
    assert os.listdir("precious") == ["inside"]
    assert os.listdir(".magnus/workspaces") == ["linked"]


@pytest.mark.parametrize(
    "argv", [[], ["a", "--keep", "1"], ["--keep", "1", "--older-than", "2"], ["--keep", "-1"]]
)
def test_prune_wants_to_be_told_what(project: Project, argv: list[str]) -> None:
    project.add("a", one_file("0" * 64), {"fetch": task()})
    status, _, err = project("prune", *argv)
    assert status == 64 and err
    assert project.store.runs() == ["a"]


def test_prune_of_an_unknown_run_deletes_nothing(project: Project) -> None:
    three(project)
    assert project("prune", "a", "typo")[0] == 65
    assert project.store.runs() == ["a", "b", "c"]


def test_prune_leaves_content_that_another_store_may_name(project: Project) -> None:
    blobs = three(project)
    other = FileSystemRunLogStore({"path": "another"})
    project.catalog.register(other.identity())
    status, out, _ = project("prune", "--keep", "1")
    assert status == 0 and project.store.runs() == ["c"]
    assert "kept: the catalog's files, for runs of another run log store may name them. --catalog-too" in out
    assert sorted(project.catalog.blobs()) == sorted(blobs.values())
    status, out, _ = project("prune", "--keep", "1", "--catalog-too")
    assert status == 0 and list(project.catalog.blobs()) == [blobs["c"]]


def test_prune_leaves_content_that_is_older_than_the_list_of_users(project: Project) -> None:
    three(project)
    shutil.rmtree(".catalog/users")
    project.catalog.register(project.store.identity())
    _, out, _ = project("prune", "--keep", "0")
    assert "kept: the catalog's files, for some may be older than the list of the stores that use them" in out
    assert len(list(project.catalog.blobs())) == 5


def test_prune_leaves_workspaces_of_runs_that_it_does_not_delete(project: Project) -> None:
    three(project)
    os.makedirs(".magnus/workspaces/of-another-store/_work")
    assert project("prune", "--keep", "0")[0] == 0
    assert os.listdir(".magnus/workspaces") == ["of-another-store"]


def test_a_copy_of_a_store_is_another_user_of_the_catalog(project: Project) -> None:
    here = project.store.identity()
    shutil.copytree(".run_log_store", "copy")
    assert project.store.identity() == here != FileSystemRunLogStore({"path": "copy"}).identity()


def test_a_damaged_record_keeps_no_other_run_from_standing(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does a scheduler that is not here any more: what cannot be known of a run is said of that run."""
    for run_id in ("damaged", "elsewhere", "fine"):
        project.add(run_id, Book())
    project.store.create("damaged/jobs/walk.json", b"{")
    walk = {"executor": "no-such-executor", "config": {}, "nodes": {}}
    project.store.create("elsewhere/jobs/walk.json", json.dumps(walk).encode())
    status, out, err = project("list", "--standing")
    assert (status, out) == (0, "")
    assert "run damaged: whether it stands still cannot be known: " in err
    assert "run elsewhere: whether it stands still cannot be known: executor 'no-such-executor'" in err
    assert "run fine" not in err
