"""What is particular to the built-in services: how they are found, configured, and what they say when a disk fails."""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import PlatformError, Refused
from magnus_render.services import lookup
from magnus_render.services.base import BaseCatalog
from magnus_render.services.catalog import DoNothingCatalog, FileSystemCatalog
from magnus_render.services.run_log_store import BufferedRunLogStore, FileSystemRunLogStore
from magnus_render.services.secrets import DoNothingSecrets, DotenvSecrets, EnvSecrets, parse_dotenv
from tests.contract.processes import Forked
from tests.plugins import install

# ---- lookup ----


def test_unknown_type_says_what_is_known() -> None:
    with pytest.raises(Refused) as caught:
        lookup.load("catalog", {"type": "file-sytem", "config": {}})
    assert str(caught.value) == (
        "unknown catalog 'file-sytem' (did you mean 'file-system'?): known are do-nothing, file-system, s3"
    )


class Mine(BaseCatalog):
    """A catalog of somebody else's."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.given = config


def test_types_of_others_are_found_by_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, {"catalog": {"mine": f"{__name__}:Mine", "lost": "no_boto:Store"}})
    monkeypatch.syspath_prepend(tmp_path)
    found = lookup.load("catalog", {"type": "mine", "config": {"a": 1}})
    assert isinstance(found, Mine) and found.given == {"a": 1}
    with pytest.raises(Refused, match="known are do-nothing, file-system, lost, mine, s3"):
        lookup.find("catalog", "nothing-like-it")
    with pytest.raises(
        Refused, match=r"catalog 'lost' \(no_boto:Store\) cannot be loaded: ModuleNotFoundError"
    ):
        lookup.load("catalog", {"type": "lost", "config": {}})


@pytest.mark.parametrize(
    ("kind", "type_", "config", "message"),
    [
        (
            "run_log_store",
            "file-system",
            {"pth": "x"},
            r"unknown key 'pth' \(did you mean 'path'\?\): it takes path",
        ),
        ("run_log_store", "file-system", {"path": 3}, "'path' must be a non-empty string, not 3"),
        ("run_log_store", "buffered", {"path": "x"}, "unknown key 'path': it takes log_limit"),
        ("catalog", "file-system", {"path": ""}, "'path' must be a non-empty string"),
        ("catalog", "do-nothing", {"path": "x"}, "unknown key 'path'"),
        ("secrets", "do-nothing", {"x": 1}, "unknown key 'x'"),
        ("secrets", "env", {"prefx": "x"}, r"did you mean 'prefix'"),
        ("secrets", "env", {"prefix": 3}, "'prefix' must be"),
        ("secrets", "dotenv", {"path": "a", "location": "b"}, "mean the same"),
    ],
)
def test_bad_configuration_is_refused(kind: Any, type_: str, config: Any, message: str) -> None:
    with pytest.raises(Refused, match=message):
        lookup.load(kind, {"type": type_, "config": config})


def test_configurations_are_found_again_from_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    services = [
        FileSystemRunLogStore({}),
        FileSystemCatalog({"path": "c"}),
        DotenvSecrets({"location": "s/.env"}),
    ]
    assert [service.config for service in services] == [
        {"path": str(tmp_path / ".run_log_store")},
        {"path": str(tmp_path / "c")},
        {"path": str(tmp_path / "s" / ".env")},
    ]
    for service in [*services, DoNothingCatalog({}), DoNothingSecrets({}), EnvSecrets({"prefix": "A_"})]:
        assert type(service)(service.config).config == service.config


# ---- disks that fail ----


def limited(work: Any) -> str:
    """Run `work` in a child that may write 64 KiB to a file, as if the disk were full; return its PlatformError."""

    def child(report: Any) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        try:
            work()
        except PlatformError as error:
            report(str(error).encode())

    status, report = Forked(child).finish()
    assert status == 0
    return report.decode()


def test_full_disk(tmp_path: Path) -> None:
    store = FileSystemRunLogStore({"path": str(tmp_path / "log")})
    message = limited(lambda: store.create("r/run.json", b"x" * 100_000))
    assert message == f"cannot write {tmp_path}/log/r/run.json: {os.strerror(errno.EFBIG)}"
    assert store.read("r/run.json") is None
    assert os.listdir(tmp_path / "log" / "r") == [], "no half-written file stays behind"
    catalog = FileSystemCatalog({"path": str(tmp_path / "catalog")})
    (tmp_path / "in").write_bytes(b"x" * 100_000)
    message = limited(lambda: catalog.put(str(tmp_path / "in")))
    assert (
        message.startswith(f"cannot write {tmp_path}/catalog/.tmp-") and os.strerror(errno.EFBIG) in message
    )
    assert os.listdir(tmp_path / "catalog") == []
    sha256, _ = catalog.put(str(tmp_path / "in"))
    assert limited(lambda: catalog.get(sha256, str(tmp_path / "out" / "file")))
    assert os.listdir(tmp_path / "out") == []


def test_no_space(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, data: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    store = FileSystemRunLogStore({"path": str(tmp_path)})
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(PlatformError, match=r"cannot write .*/r/run\.json: No space left on device"):
        store.create("r/run.json", b"x")


def test_a_store_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FileSystemRunLogStore({"path": str(tmp_path / "file" / "log")})
    with pytest.raises(PlatformError, match=r"cannot write .*/file/log/r/run\.json: Not a directory"):
        store.create("r/run.json", b"")
    with pytest.raises(PlatformError, match=r"cannot write .*/file/log/r/1\.log: Not a directory"):
        store.open_log("r/1.log")
    assert (store.read("r/run.json"), store.runs()) == (None, [])


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_forbidden(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    with pytest.raises(PlatformError, match="Permission denied"):
        FileSystemRunLogStore({"path": str(tmp_path / "log")}).create("r/run.json", b"")
    with pytest.raises(PlatformError, match="Permission denied"):
        FileSystemCatalog({"path": str(tmp_path / "catalog")}).put(__file__)


def test_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: str, target: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted", source, None, target)

    monkeypatch.setattr(os, "link", refuse)
    with pytest.raises(PlatformError, match="does this file system support hard links"):
        FileSystemRunLogStore({"path": str(tmp_path)}).create("r/run.json", b"")


def test_a_link_that_was_made_though_the_file_system_reports_that_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: str, target: str) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "File exists")

    monkeypatch.setattr(os, "link", late)
    store = FileSystemRunLogStore({"path": str(tmp_path)})
    assert store.create("r/run.json", b"mine") is True
    assert store.create("r/run.json", b"other") is False


# ---- kill -9 at the worst moments ----


@pytest.mark.parametrize("call", ["write", "link", "unlink"])
def test_killed_just_before_a_system_call(tmp_path: Path, call: str) -> None:
    store = FileSystemRunLogStore({"path": str(tmp_path)})

    def child(report: Any) -> None:
        setattr(os, call, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        store.create("r/run.json", b"whole")

    status, _ = Forked(child).finish()
    assert status == -signal.SIGKILL
    there = call == "unlink"
    assert store.read("r/run.json") == (b"whole" if there else None)
    assert store.names("r") == (["run.json"] if there else [])
    assert dict(store.read_all("r")) == ({"r/run.json": b"whole"} if there else {})
    assert store.create("r/run.json", b"again") is not there
    store.remove_run("r")
    assert os.listdir(tmp_path) == []


def test_killed_while_a_run_is_removed(tmp_path: Path) -> None:
    store = FileSystemRunLogStore({"path": str(tmp_path)})
    for key in ("r/run.json", "r/steps/a/1.start.json", "other/run.json"):
        store.create(key, b"{}")

    def child(report: Any) -> None:
        os.rmdir = os.unlink = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
        store.remove_run("r")

    status, _ = Forked(child).finish()
    assert status == -signal.SIGKILL
    assert store.runs() == ["other"]
    assert list(store.read_all("r")) == []
    store.remove_run("other")
    assert os.listdir(tmp_path) == [], "the next removal takes what was left"


@pytest.mark.parametrize("run_id", ["", ".", "..", "../x", "a/b", ".removed-1"])
def test_only_run_ids_are_removed(tmp_path: Path, run_id: str) -> None:
    with pytest.raises(Refused, match="not a run id"):
        FileSystemRunLogStore({"path": str(tmp_path)}).remove_run(run_id)


# ---- buffered ----


def test_buffered_store_is_gone_with_its_process_and_not_with_a_child(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from magnus_render.services.run_log_store import BufferedRunLogStore\n"
        "store = BufferedRunLogStore({})\n"
        "if os.fork() == 0:\n"
        "    store.create('r/run.json', b'child')\n"
        "    store.close()\n"
        "    sys.exit(0)\n"
        "os.wait()\n"
        "assert store.read('r/run.json') == b'child' and os.path.isdir(store.path)\n"
        "print(store.path)\n"
    )
    found = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert found.stdout.startswith(str(tmp_path))
    assert os.listdir(tmp_path) == []


def test_buffered_stores_share_nothing() -> None:
    first, second = BufferedRunLogStore({}), BufferedRunLogStore({})
    assert first.local_only
    first.create("r/run.json", b"")
    assert second.runs() == []
    first.close()
    assert not os.path.exists(first.path)


# ---- a catalog that keeps nothing, secrets that are none ----


def test_do_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("abc")
    catalog = DoNothingCatalog({})
    assert catalog.keeps is False
    assert catalog.put(str(tmp_path / "in"))[1] == 3
    assert list(catalog.blobs()) == []
    catalog.remove("0" * 64)
    with pytest.raises(PlatformError, match="do-nothing"):
        catalog.get("0" * 64, "out")
    secrets = DoNothingSecrets({})
    assert secrets.known() == []
    with pytest.raises(KeyError):
        secrets.get("PATH")


# ---- dotenv ----


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("A=1", {"A": "1"}),
        ("  export\tA = 1  ", {"A": "1"}),
        ("A=", {"A": ""}),
        ("A= # nothing", {"A": ""}),
        ("A=b # comment", {"A": "b"}),
        ("A=b#c", {"A": "b#c"}),
        ("A=#c", {"A": ""}),
        ("A=b c  ", {"A": "b c"}),
        ("A=it's", {"A": "it's"}),
        ("A='b # c' # d", {"A": "b # c"}),
        ("A='\\n$X'", {"A": "\\n$X"}),
        ('A="a\\nb\\t\\"\\\\\\$\\z"', {"A": 'a\nb\t"\\$\\z'}),
        ('A="a\nb"\nC=d', {"A": "a\nb", "C": "d"}),
        ('A="a\\\nb"', {"A": "ab"}),
        ("A='a\n\n#b'\r\nC=d\r\n", {"A": "a\n\n#b", "C": "d"}),
        ("# A=1\n\n   # B=2\nC=3", {"C": "3"}),
        ("A=1\nA=2", {"A": "2"}),
        ("export=1", {"export": "1"}),
        ("a.b-c=1", {"a.b-c": "1"}),
        ("", {}),
    ],
)
def test_dotenv(line: str, values: dict[str, str]) -> None:
    assert parse_dotenv(line, ".env") == values


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("A=1\nhunter2", r"\.env:2: expected NAME=value"),
        ("=hunter2", r"\.env:1: expected NAME=value"),
        ("A B=hunter2", r"\.env:1: expected NAME=value"),
        ("A=1\n\nB='hunter2\n\n", r"\.env:3: no closing quote"),
        ("A='x\ny'\nB=\"x\" hunter2", r"\.env:3: text after the closing quote of B"),
    ],
)
def test_dotenv_errors_name_the_line_and_no_value(content: str, message: str) -> None:
    with pytest.raises(Refused, match=message) as caught:
        parse_dotenv(content, ".env")
    assert "hunter2" not in str(caught.value)


def test_dotenv_files(tmp_path: Path) -> None:
    assert DotenvSecrets({"path": str(tmp_path / "none")}).known() == []
    (tmp_path / "bom").write_bytes(b"\xef\xbb\xbfA=1\n")
    assert DotenvSecrets({"path": str(tmp_path / "bom")}).get("A") == "1"
    (tmp_path / "latin").write_bytes(b"A=1\nB=\xe9\n")
    with pytest.raises(Refused, match="latin:2: not UTF-8"):
        DotenvSecrets({"path": str(tmp_path / "latin")}).get("A")
    with pytest.raises(PlatformError, match="Is a directory"):
        DotenvSecrets({"path": str(tmp_path)}).known()
