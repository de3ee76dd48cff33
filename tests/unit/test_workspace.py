"""Globs of catalog get and put, and the folder a step works in."""

import os

import pytest

from magnus_render.runtime import exchange, names, workspace
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services.catalog import FileSystemCatalog


@pytest.mark.parametrize(
    ("pattern", "path", "matching"),
    [
        ("a.csv", "a.csv", True),
        ("a.csv", "b.csv", False),
        ("*.csv", "a.csv", True),
        ("*.csv", "sub/a.csv", False),
        ("sub/*", "sub/a.csv", True),
        ("sub", "sub/deep/a.csv", True),
        ("sub/", "sub/a.csv", True),
        ("su", "sub/a.csv", False),
        ("s*", "sub/deep/a.csv", True),
        ("**/*.csv", "a.csv", True),
        ("**/*.csv", "x/y/a.csv", True),
        ("**", "x/y/a.csv", True),
        ("x/**/a.csv", "x/a.csv", True),
        ("x/**/a.csv", "x/1/2/a.csv", True),
        ("x/**/a.csv", "y/a.csv", False),
        ("*", ".hidden", False),
        (".*", ".hidden", True),
        ("**", ".git/config", False),
        ("?.txt", "a.txt", True),
        ("[ab].txt", "b.txt", True),
        ("[ab].txt", "c.txt", False),
        ("we[[]ird", "we[ird", True),
        ("we[ird", "we[ird", True),
        ("./*.csv", "a.csv", True),
        ("**/**/**/**/**/**/**/**/x", "a/a/a/a/a/a/a/a/a/a/a/a/y", False),
    ],
)
def test_matches(pattern: str, path: str, matching: bool) -> None:
    assert names.matches(pattern.removeprefix("./"), path) is matching


def node(scopes=(), **fields):
    return {"scopes": list(scopes), **fields}


def test_place_is_the_innermost_branch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scopes = [
        {"address": "p", "type": "parallel", "iterate_as": ""},
        {"address": "p.left.m", "type": "map", "iterate_as": "x"},
        {"address": "p.left.m._.d", "type": "dag", "iterate_as": ""},
    ]
    address = "p.left.m.3.d.branch.t"
    assert workspace.place("r", address, node(scopes), "") == str(tmp_path)
    found = workspace.place("r", address, node(scopes), "branch")
    assert found == str(tmp_path / ".magnus/workspaces/r/p/left/m/3/_work")
    found = workspace.place("r", "p.left.t", node(scopes[:1]), "branch")
    assert found == str(tmp_path / ".magnus/workspaces/r/p/left/_work")
    assert workspace.place("r", "d.branch.t", node([{**scopes[2], "address": "d"}]), "branch") == str(
        tmp_path
    )
    assert workspace.place("r", "t", node(), "step") == str(tmp_path / ".magnus/workspaces/r/t/_work")


@pytest.mark.parametrize("data", ["data", "data/deep", "."])
def test_a_workspace_links_the_project_and_has_data_of_its_own(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.py").write_text("x")
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "other.txt").write_text("x")
    (tmp_path / "data" / "deep" / "private.txt").write_text("x")
    path = tmp_path / ".magnus" / "workspaces" / "r" / "p" / "_work"
    for _ in range(2):  # making it again changes nothing
        workspace.make(str(path), data, fresh=False)
        assert (path / "code.py").is_symlink() and (path / "code.py").read_text() == "x"
        assert not (path / ".magnus").exists()
        if data == "data":
            assert not (path / "data").is_symlink() and os.listdir(path / "data") == []
        if data == "data/deep":
            assert (path / "data" / "other.txt").is_symlink()
            assert not (path / "data" / "deep").is_symlink() and os.listdir(path / "data" / "deep") == []
    (path / "made").write_text("x")
    workspace.make(str(path), data, fresh=True)
    assert not (path / "made").exists()
    assert (tmp_path / "code.py").read_text() == "x"


@pytest.mark.parametrize("earlier", ["out", "."])
@pytest.mark.parametrize("data", ["data", "data/deep"])
def test_each_data_folder_of_a_branch_is_its_own(tmp_path, monkeypatch, earlier, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "private.txt").write_text("x")
    path = tmp_path / ".magnus" / "workspaces" / "r" / "p" / "_work"
    workspace.make(str(path), earlier, fresh=False)
    assert (path / "data").is_symlink()
    for _ in range(2):
        workspace.make(str(path), data, fresh=False)
        (path / data / "made").write_text("x")
        assert os.listdir(path / data) == ["made"]
    workspace.make(str(path), earlier, fresh=False)
    assert os.listdir(path / data) == ["made"]
    assert os.listdir(tmp_path / "data" / "deep") == ["private.txt"]


@pytest.mark.parametrize(
    "folders",
    [
        ("data/deep", "data"),
        ("data", "data/deep", "data"),
        ("data/deep/er", "data/deep", "data"),
        (".", "data/deep", "data"),
    ],
)
def test_a_data_folder_above_another_one_has_no_links_to_the_projects_files(tmp_path, monkeypatch, folders):
    monkeypatch.chdir(tmp_path)
    for name in ("data/one.txt", "data/sub/two.txt", "data/deep/three.txt", "data/deep/er/four.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("of the project")
    path = tmp_path / ".magnus" / "workspaces" / "r" / "p" / "_work"
    for _ in range(2):
        for data in folders:
            workspace.make(str(path), data, fresh=False)
        assert [name for name in (path / "data").rglob("*") if name.is_symlink()] == []
        for name in ("data/one.txt", "data/deep/three.txt"):
            (path / name).parent.mkdir(exist_ok=True)
            (path / name).write_text("of the branch")
    workspace.make(str(path), "data/deep", fresh=False)
    assert (path / "data" / "sub").is_symlink()
    assert {(path / name).read_text() for name in ("data/one.txt", "data/deep/three.txt")} == {
        "of the branch"
    }
    assert {file.read_text() for file in (tmp_path / "data").rglob("*.txt")} == {"of the project"}


def test_a_link_to_a_file_of_the_project_stays_where_the_user_has_made_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "large.bin").write_text("x")
    path = tmp_path / ".magnus" / "workspaces" / "r" / "p" / "_work"
    workspace.make(str(path), "data", fresh=False)
    (path / "data" / "large.bin").symlink_to(tmp_path / "data" / "large.bin")
    for data in ("data/deep", "data"):
        workspace.make(str(path), data, fresh=False)
        assert os.readlink(path / "data" / "large.bin") == str(tmp_path / "data" / "large.bin")


def test_a_link_of_the_users_stays_where_a_data_folder_is_made(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "large").mkdir()
    path = tmp_path / ".magnus" / "workspaces" / "r" / "p" / "_work"
    workspace.make(str(path), "out", fresh=False)
    (path / "data").symlink_to(tmp_path / "large")
    workspace.make(str(path), "data", fresh=False)
    assert os.readlink(path / "data") == str(tmp_path / "large")


def test_get_and_put(tmp_path):
    catalog = FileSystemCatalog({"path": str(tmp_path / "catalog")})
    data = tmp_path / "data"
    (data / "sub").mkdir(parents=True)
    (data / "a.csv").write_text("a")
    (data / "sub" / "b.csv").write_text("b")
    wanted = {"get": [], "put": ["*.csv", "sub", "none*"], "compute_data_folder": "data"}
    records, warnings = exchange.put_files(
        catalog, wanted, str(data), set(), exchange.Present(str(tmp_path / "none"))
    )
    assert [r["path"] for r in records] == ["a.csv", "sub/b.csv"]
    assert warnings == ["catalog: 'none*' matches nothing to put"]
    files = {r["path"]: {"sha256": r["sha256"], "size": r["size"]} for r in records}
    there = tmp_path / "elsewhere"
    wanted = {"get": ["sub/*.csv", "*.txt"], "put": [], "compute_data_folder": "data"}
    records, warnings = exchange.get_files(catalog, wanted, files, str(there))
    assert [r["path"] for r in records] == ["sub/b.csv"]
    assert (there / "sub" / "b.csv").read_text() == "b"
    assert warnings == ["catalog: '*.txt' matches nothing to get"]


@pytest.mark.parametrize("pattern", ["missing.csv", "../a", "/etc/passwd", "x/../../a"])
def test_a_literal_that_is_not_there_fails(tmp_path, pattern):
    catalog = FileSystemCatalog({"path": str(tmp_path / "catalog")})
    both = {"get": [pattern], "put": [pattern], "compute_data_folder": "data"}
    with pytest.raises(TaskFailure):
        exchange.get_files(catalog, both, {}, str(tmp_path))
    with pytest.raises(TaskFailure):
        exchange.put_files(catalog, both, str(tmp_path), set(), exchange.Present(str(tmp_path)))
