"""What is particular to the stores on S3: their configuration, what they say when it fails, and their worker process."""

from __future__ import annotations

import io
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import PlatformError, Refused
from magnus_render.services import lookup, s3, s3_connect, s3_worker
from magnus_render.services.s3 import S3Catalog, S3RunLogStore
from magnus_render.services.s3_client import client
from tests.contract import aws
from tests.contract.processes import Forked
from tests.contract.test_aws import place

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3RunLogStore:
    aws.use(monkeypatch)
    return S3RunLogStore(place(tmp_path))


@pytest.fixture
def catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> S3Catalog:
    aws.use(monkeypatch)
    return S3Catalog(place(tmp_path))


@pytest.fixture
def nobody() -> str:
    """Return an address at which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


# ---- configuration ----


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "'bucket' is missing"),
        ({"bucket": ""}, "'bucket' must be a non-empty string"),
        ({"bucket": "b", "prefx": "x"}, r"unknown key 'prefx' \(did you mean 'prefix'\?\)"),
        ({"bucket": "b", "endpoint_url": "localhost:9000"}, "must begin with http:// or https://"),
        ({"bucket": "b", "prefix": "a//b"}, "'prefix' is no path: 'a//b'"),
        ({"bucket": "b", "prefix": "a/../b"}, "'prefix' is no path"),
        ({"bucket": "b", "prefix": "/"}, "'prefix' is no path"),
        ({"bucket": "b", "prefix": "a b"}, "'prefix' may not have ' ' in it"),
        ({"bucket": "b", "kms_key": 1}, "'kms_key' must be"),
    ],
)
def test_bad_configuration_is_refused(config: dict[str, Any], message: str) -> None:
    for kind in ("run_log_store", "catalog"):
        with pytest.raises(Refused, match=message) as caught:
            lookup.load(kind, {"type": "s3", "config": config})  # type: ignore[call-overload]
        assert str(caught.value).startswith(f"{kind} 's3': ")


def test_configurations_make_the_same_stores_again() -> None:
    config = {"bucket": "b", "prefix": "p/q", "region": "r", "endpoint_url": "http://x:1", "kms_key": "k"}
    for kind in (S3RunLogStore, S3Catalog):
        assert kind(config).config == config
        assert kind({"bucket": "b"}).config == {"bucket": "b"}


def test_the_prefixes_are_those_that_engines_write_to(tmp_path: Path, store: S3RunLogStore) -> None:
    s3_ = aws.client("s3", aws.server())
    default = S3RunLogStore({"bucket": aws.BUCKET})
    assert default.create(f"{tmp_path.name}/run.json", b"here")
    found = s3_.get_object(Bucket=aws.BUCKET, Key=f"run_log/{tmp_path.name}/run.json")
    assert found["Body"].read() == b"here"
    (tmp_path / "in").write_text(tmp_path.name)
    sha256, _ = S3Catalog({"bucket": aws.BUCKET}).put(str(tmp_path / "in"))
    s3_.head_object(Bucket=aws.BUCKET, Key=f"catalog/{sha256[:2]}/{sha256}")


def test_the_configured_endpoint_wins(
    tmp_path: Path, store: S3RunLogStore, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.create("r/run.json", b"there")
    for variable in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(variable, nobody)
    assert S3RunLogStore({**store.config, "endpoint_url": aws.server()}).read("r/run.json") == b"there"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", aws.server())
    assert store.read("r/run.json") == b"there", "the variable for S3 wins over the one for all"


def test_kms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    aws.use(monkeypatch)
    config = {**place(tmp_path), "kms_key": "arn:aws:kms:eu-central-1:123456789012:key/abc"}
    store, catalog = S3RunLogStore(config), S3Catalog(config)
    store.create("r/run.json", b"{}")
    with store.open_log("r/1.log") as log:
        log.write(b"line")
    (tmp_path / "small").write_bytes(b"x")
    (tmp_path / "large").write_bytes(b"x" * (s3_worker.PART + 1))
    blobs = [catalog.put(str(tmp_path / name))[0] for name in ("small", "large")]
    for key in ("r/run.json", "r/1.log", *(f"{blob[:2]}/{blob}" for blob in blobs)):
        s3_ = aws.client("s3", aws.server())
        found = s3_.head_object(Bucket=aws.BUCKET, Key=f"{config['prefix']}/{key}")
        assert found["ServerSideEncryption"] == "aws:kms"
        assert found["SSEKMSKeyId"] == config["kms_key"]


def test_credentials_of_a_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("botocore")
    aws.use(monkeypatch)
    (tmp_path / "credentials").write_text(
        "[work]\naws_access_key_id = from-profile\naws_secret_access_key = s3cr3t\n"
    )
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-3\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "work")
    assert s3_connect._profile(os.environ) == (None, ""), "the environment's keys come first"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    provide, region = s3_connect._profile(os.environ)
    assert provide is not None and region == "eu-west-3"
    assert (provide()["access_key_id"], provide()["secret_access_key"]) == ("from-profile", "s3cr3t")
    assert S3RunLogStore(place(tmp_path)).create("r/run.json", b"{}")
    monkeypatch.setenv("AWS_PROFILE", "other")
    with pytest.raises(PlatformError, match=r"cannot read s3://.* \(other\) could not be found"):
        S3RunLogStore(place(tmp_path)).read("r/run.json")


def test_no_credentials(store: S3RunLogStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(PlatformError, match=r"cannot read s3://.*: there are no AWS credentials"):
        store.read("r/run.json")


# ---- failures ----


def test_nobody_answers(
    tmp_path: Path, store: S3RunLogStore, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", nobody)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "2")
    address = f"s3://{store.config['bucket']}/{store.config['prefix']}"
    reason = f"Connection refused ({nobody})"
    catalog = S3Catalog(store.config)
    (tmp_path / "in").write_text("x")
    log = store.open_log("r/1.log")
    log.write(b"line")
    for work, doing, where in (
        (lambda: store.create("r/run.json", b""), "write", f"{address}/r/run.json"),
        (lambda: store.read("r/run.json"), "read", f"{address}/r/run.json"),
        (lambda: store.names("r"), "list", f"{address}/r"),
        (lambda: store.runs(), "list", address),
        (lambda: list(store.read_all("r")), "list", f"{address}/r"),
        (lambda: store.remove_run("r"), "remove", f"{address}/r/run.json"),
        (lambda: log.close(), "write", f"{address}/r/1.log"),
        (lambda: catalog.put(str(tmp_path / "in")), "write", f"{tmp_path}/in to {address}"),
        (lambda: list(catalog.blobs()), "list", address),
    ):
        with pytest.raises(PlatformError) as caught:
            work()
        assert str(caught.value) == f"cannot {doing} {where}: {reason}"
    with pytest.raises(PlatformError, match=rf"no content for .*/out: cannot read {address}/00/0"):
        catalog.get("0" * 64, str(tmp_path / "out"))


def test_it_gives_up_within_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default: no attempt is begun after `PATIENCE`, and none takes longer than its own time-out."""
    clock = [0.0]

    def answer() -> None:
        clock[0] += float(s3_connect._ANSWER.removesuffix("s"))
        raise s3_connect.Conflict

    def pause(seconds: float) -> None:
        clock[0] += seconds

    monkeypatch.setattr(s3_worker.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(s3_worker.time, "sleep", pause)
    with pytest.raises(s3_connect.Conflict):
        s3_worker.Bucket({}, {})._retried(answer)
    assert 30 < clock[0] < 65


@pytest.mark.parametrize("method", ["create", "read", "names", "runs", "read_all", "remove_run"])
def test_a_bucket_that_is_not_there(store: S3RunLogStore, method: str) -> None:
    missing = S3RunLogStore({"bucket": "no-such-bucket"})
    more = {"create": (b"",), "runs": ()}
    arguments = ("r/run.json", *more.get(method, ())) if method != "runs" else ()
    arguments = ("r",) if method == "remove_run" else arguments
    with pytest.raises(PlatformError, match=r"cannot \w+ s3://no-such-bucket/run_log.*\(NoSuchBucket\)"):
        list(getattr(missing, method)(*arguments) or ())


def test_what_is_no_s3_has_no_say_about_records(
    store: S3RunLogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_error(404)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        with pytest.raises(PlatformError, match=rf"run\.json: HTTP status 404 \({url}\)"):
            store.read("r/run.json")
        server.shutdown()
        thread.join()


def test_a_bucket_that_is_not_there_for_files(tmp_path: Path, catalog: S3Catalog) -> None:
    missing = S3Catalog({"bucket": "no-such-bucket"})
    (tmp_path / "in").write_text("x")
    for work in (
        lambda: missing.put(str(tmp_path / "in")),
        lambda: missing.get("0" * 64, str(tmp_path / "out")),
        lambda: list(missing.blobs()),
    ):
        with pytest.raises(PlatformError, match="NoSuchBucket"):
            work()


def test_the_message_where_obstore_is_not_installed(tmp_path: Path) -> None:
    program = (
        "from magnus_render.services import lookup\n"
        "from magnus_render.errors import Refused\n"
        "block = {'type': 's3', 'config': {'bucket': 'b'}}\n"
        "store, catalog = lookup.load('run_log_store', block), lookup.load('catalog', block)\n"
        "for work in (lambda: store.read('r/run.json'), lambda: store.create('r/run.json', b''),\n"
        "             lambda: store.runs(), lambda: catalog.put(__import__('sys').executable)):\n"
        "    try: work()\n"
        "    except Refused as error: print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(ROOT), "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    message = "the type s3 needs obstore, which is not installed: pip install 'magnus-render[aws]'"
    assert found.stdout.splitlines() == [message] * 4


STATUS = (
    "Generic S3 error: Error performing PUT http://h:1/b/k in 1ms, after 1 retries - Server returned non-2xx status code: "
    "{0} x: {1}\n\nDebug source:\nGeneric {{ method: {2}, inner: Status {{\n status: {0},\n }} }}"
)


@pytest.mark.parametrize(
    ("text", "transient", "told"),
    [
        (STATUS.format(503, "<Error><Code>SlowDown</Code></Error>", "PUT"), True, "SlowDown"),
        (STATUS.format(500, "", "PUT"), True, "HTTP status 500 (http://h:1)"),
        (
            STATUS.format(403, "<Code>AccessDenied</Code><Message>No &amp; no</Message>", "PUT"),
            False,
            "No & no (AccessDenied)",
        ),
        (
            STATUS.format(403, "<Code>AccessDenied</Code><Message>No</Message>", "GET"),
            False,
            "No (AccessDenied); without s3:ListBucket, a key that is missing looks forbidden too",
        ),
        ("Error performing GET http://h:1/b/k - HTTP error: x\n\nDebug source:\nHttpError { kind: Timeout }", True,
         "no answer in time (http://h:1)"),
        ("Error performing GET http://h/b/k - HTTP error: y\n\nDebug source:\nHttpError {\nkind: Builder }", False,
         "HTTP error: y (http://h)"),
        ("something else", False, "something else"),
        ("", False, "Exception"),
    ],
)  # fmt: skip
def test_what_errors_mean(text: str, transient: bool, told: str) -> None:
    error = Exception(text)
    assert (s3_connect.is_transient(error), s3_connect.reason(error)) == (transient, told)


# ---- writes that are repeated ----


class Fake:
    """What obstore offers of a bucket; `fail` says what happens at each attempt to write."""

    def __init__(self, *fail: str) -> None:
        self.fail = list(fail)
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, data: bytes, mode: str = "") -> None:
        from obstore.exceptions import AlreadyExistsError, GenericError

        how = self.fail.pop(0) if self.fail else ""
        if how == "conflict":
            raise AlreadyExistsError("status: 409")
        if how == "lost before":
            raise GenericError("status: 503")
        if mode == "create" and key in self.objects:
            raise AlreadyExistsError("status: 412")
        self.objects[key] = data
        if how == "lost after":
            raise GenericError("HttpError kind: Timeout")

    def get(self, key: str) -> Any:
        if key not in self.objects:
            raise FileNotFoundError("NoSuchKey")
        found = io.BytesIO(self.objects[key])
        found.bytes = found.getvalue  # type: ignore[attr-defined]
        return found

    def head(self, key: str) -> dict[str, int]:
        return {"size": len(self.get(key).bytes())}


def create(fake: Fake, data: bytes = b"mine") -> bool:
    bucket = s3_worker.Bucket({}, {})
    bucket._stores[False] = fake  # type: ignore[assignment]
    answer, _ = bucket.create({"key": "k"}, data)
    return bool(answer["written"])


@pytest.fixture
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_worker.time, "sleep", lambda seconds: None)


@pytest.mark.usefixtures("no_pause")
def test_a_write_whose_answer_was_lost_was_ours() -> None:
    pytest.importorskip("obstore")
    for fail in (["lost after"], ["lost before", "lost after"], ["conflict", "lost after", "lost before"]):
        fake = Fake(*fail)
        assert create(fake) is True
        assert fake.objects == {"k": b"mine"} and fake.fail == []


@pytest.mark.usefixtures("no_pause")
def test_a_write_that_somebody_else_did_was_not_ours() -> None:
    pytest.importorskip("obstore")
    for fail in ([], ["lost before"], ["conflict"]):
        fake = Fake(*fail)
        fake.objects["k"] = b"theirs"
        assert create(fake) is False
        assert fake.objects == {"k": b"theirs"}
    fake = Fake()
    fake.objects["k"] = b"mine"
    assert create(fake) is False, "without a doubt, an equal record is another's"


@pytest.mark.usefixtures("no_pause")
def test_a_conflict_that_leaves_nothing_is_tried_again() -> None:
    pytest.importorskip("obstore")
    assert create(Fake("conflict", "conflict")) is True
    with pytest.raises(s3_connect.Conflict):
        create(Fake(*["conflict"] * 20))


# ---- many records ----


def test_more_than_a_thousand_names(store: S3RunLogStore) -> None:
    prefix = store.config["prefix"]
    folders = [f"{number:04}" for number in range(0, 1100, 2)]
    records = [f"{number:04}" for number in range(1, 1100, 2)]
    aws.fill([f"{prefix}/r/steps/map/{name}/1.start.json" for name in folders])
    aws.fill([f"{prefix}/r/steps/map/{name}" for name in records])
    assert store.names("r/steps/map") == sorted([*folders, *records])
    store.create("r/run.json", b"{}")
    store.remove_run("r")
    assert store.runs() == [] and store.names("r") == []


def test_more_records_than_are_read_at_once(store: S3RunLogStore) -> None:
    keys = [f"r/steps/s{number}/outcome.json" for number in range(s3.BATCH + 10)]
    aws.fill([f"{store.config['prefix']}/{key}" for key in keys])
    assert sorted(store.read_all("r")) == [(key, b"{}") for key in sorted(keys)]


def test_batches_are_neither_long_nor_heavy() -> None:
    heavy = s3.BATCH_BYTES // 2 + 1
    found = [("a", heavy), ("b", heavy), ("c", 10 * heavy), *((f"{n}", 1) for n in range(2 * s3.BATCH))]
    batches = list(s3._batches(found))
    assert [len(batch) for batch in batches] == [1, 1, 1, s3.BATCH, s3.BATCH]
    assert [key for batch in batches for key in batch] == [key for key, _ in found]
    assert list(s3._batches([])) == []


# ---- logs ----


def test_a_silent_log_is_not_kept(store: S3RunLogStore) -> None:
    with store.open_log("r/1.log"):
        pass
    assert store.names("r") == []


def test_a_log_is_sent_while_it_grows(
    store: S3RunLogStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    now = [0.0]
    monkeypatch.setattr(s3.time, "monotonic", lambda: now[0])
    log = store.open_log("r/1.log")
    log.write(b"a" * (s3.LOG_GROWTH - 1))
    assert store.read("r/1.log") is None
    log.write(b"b")
    assert store.read("r/1.log") == b"a" * (s3.LOG_GROWTH - 1) + b"b", "it has grown"
    log.write(b"c")
    now[0] += s3.LOG_SECONDS - 1
    log.write(b"d")
    assert len(store.read("r/1.log") or b"") == s3.LOG_GROWTH
    now[0] += 1
    log.write(b"e")
    assert (store.read("r/1.log") or b"").endswith(b"bcde"), "time has passed"
    log.write(b"f" * s3.LOG_GROWTH)
    assert (store.read("r/1.log") or b"").endswith(b"cde"), "it has not doubled"
    log.close()
    log.close()
    assert (store.read("r/1.log") or b"").endswith(b"cde" + b"f" * s3.LOG_GROWTH)
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_leaves_the_beginning_of_its_log(store: S3RunLogStore) -> None:
    def child(report: Any) -> None:
        log = store.open_log("r/1.log")
        log.write(b"x" * s3.LOG_GROWTH)
        store.names("r")  # answered when the log has been sent
        os.kill(os.getpid(), signal.SIGKILL)

    status, _ = Forked(child).finish()
    assert status == -signal.SIGKILL
    assert store.read("r/1.log") == b"x" * s3.LOG_GROWTH


def test_a_log_that_cannot_be_sent_meanwhile_goes_on(
    store: S3RunLogStore, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with store.open_log("r/1.log") as log:
        with monkeypatch.context() as offline:
            offline.setenv("AWS_ENDPOINT_URL", nobody)
            log.write(b"x" * s3.LOG_GROWTH)
            with pytest.raises(PlatformError):
                store.read("r/1.log")
        log.write(b"y")
    assert store.read("r/1.log") == b"x" * s3.LOG_GROWTH + b"y"


# ---- files ----


def test_large_files_go_in_parts(catalog: S3Catalog, tmp_path: Path) -> None:
    content = os.urandom(1 << 20) * 20 + b"end"
    (tmp_path / "in").write_bytes(content)
    sha256, size = catalog.put(str(tmp_path / "in"))
    key = f"{catalog.config['prefix']}/{sha256[:2]}/{sha256}"
    etag = aws.client("s3", aws.server()).head_object(Bucket=aws.BUCKET, Key=key)["ETag"]
    assert size == len(content) and etag.endswith('-3"')
    catalog.get(sha256, str(tmp_path / "out"))
    assert (tmp_path / "out").read_bytes() == content


class Busy(Fake):
    """A bucket at which a file changes each time somebody asks whether it is there."""

    def __init__(self, path: Path, changes: int) -> None:
        super().__init__()
        self.path, self.changes = path, changes

    def head(self, key: str) -> dict[str, int]:
        if self.changes:
            self.changes -= 1
            with self.path.open("r+b") as file:
                file.write(b"%d" % self.changes)
        return super().head(key)

    def put(self, key: str, data: Any, mode: str = "", **options: int) -> None:
        super().put(key, data if isinstance(data, bytes) else b"".join(data))


@pytest.mark.parametrize("size", [10, s3_worker.PART + 10])
def test_a_file_that_changes_is_stored_as_what_it_is(tmp_path: Path, size: int) -> None:
    from hashlib import sha256

    pytest.importorskip("obstore")
    (tmp_path / "in").write_bytes(b"x" * size)
    bucket = s3_worker.Bucket({}, {})
    fake = Busy(tmp_path / "in", changes=2)
    bucket._stores[True] = fake  # type: ignore[assignment]
    answer, _ = bucket.put_blob({"key": "c", "path": str(tmp_path / "in")}, b"")
    ((key, content),) = fake.objects.items()
    assert key.endswith(answer["sha256"]) and sha256(content).hexdigest() == answer["sha256"]
    bucket._stores[True] = fake = Busy(tmp_path / "in", changes=100)  # type: ignore[assignment]
    with pytest.raises(PlatformError, match="in is being written to"):
        bucket.put_blob({"key": "c", "path": str(tmp_path / "in")}, b"")
    assert fake.objects == {}


def test_a_file_that_is_there_is_not_sent_again(
    catalog: S3Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "in").write_text("x")
    sha256, _ = catalog.put(str(tmp_path / "in"))
    key = f"{catalog.config['prefix']}/{sha256[:2]}/{sha256}"
    s3_ = aws.client("s3", aws.server())
    s3_.put_object(Bucket=aws.BUCKET, Key=key, Body=b"y")
    catalog.put(str(tmp_path / "in"))
    assert s3_.get_object(Bucket=aws.BUCKET, Key=key)["Body"].read() == b"y"


def test_a_target_that_cannot_be_written(catalog: S3Catalog, tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    sha256, _ = catalog.put(str(tmp_path / "in"))
    with pytest.raises(PlatformError, match=r"cannot write .*/in/out: (Not a directory|File exists)"):
        catalog.get(sha256, str(tmp_path / "in" / "out"))


# ---- the worker ----


def worker() -> int:
    client().start()
    return client()._pid


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells when another process has ended")
def test_a_worker_that_was_killed_is_replaced(store: S3RunLogStore) -> None:
    store.create("r/run.json", b"{}")
    lost = worker()
    descriptor = os.pidfd_open(lost)
    os.kill(lost, signal.SIGKILL)
    select.select([descriptor], [], [])
    os.close(descriptor)
    with pytest.raises(PlatformError, match="the process that speaks to S3 has ended"):
        store.read("r/run.json")
    assert store.read("r/run.json") == b"{}"
    assert worker() != lost


def test_signals_that_stop_a_step_do_not_stop_the_worker(store: S3RunLogStore) -> None:
    store.create("r/run.json", b"{}")
    same = worker()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(same, number)
    assert store.read("r/run.json") == b"{}"
    assert worker() == same


def test_an_interrupted_request_does_not_mix_up_answers(store: S3RunLogStore) -> None:
    store.create("r/run.json", b"{}")
    store.create("r/other.json", b"other")

    class Interrupt(BaseException):
        pass

    def interrupt(number: int, frame: object) -> None:
        raise Interrupt

    old = signal.signal(signal.SIGUSR1, interrupt)
    receive = client()._receive
    try:
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Interrupt):
            patch.setattr(
                client(), "_receive", lambda limit: signal.raise_signal(signal.SIGUSR1) or receive(limit)
            )
            store.read("r/run.json")
    finally:
        signal.signal(signal.SIGUSR1, old)
    assert store.read("r/other.json") == b"other"


def test_threads_share_the_worker(store: S3RunLogStore) -> None:
    keys = [f"r/{number}.json" for number in range(20)]
    wrong: list[str] = []

    def use(key: str) -> None:
        if not store.create(key, key.encode()) or store.read(key) != key.encode():
            wrong.append(key)

    threads = [threading.Thread(target=use, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


PROGRAM = """
import os, sys, threading
from magnus_render.services.s3 import S3RunLogStore
from magnus_render.services.s3_client import client
store = S3RunLogStore({"bucket": sys.argv[1], "prefix": sys.argv[2]})
store.create("r/run.json", b"parent")
pid = os.fork()
if pid == 0:
    assert store.read("r/run.json") == b"parent"
    thread = threading.Thread(target=store.create, args=("r/thread.json", b"thread"))
    thread.start()
    thread.join()
    inner = os.fork()
    if inner == 0:  # this one runs exit functions, which must leave the others' workers alone
        assert store.read("r/thread.json") == b"thread"
        sys.exit(0)
    status = os.waitpid(inner, 0)[1]
    assert store.read("r/thread.json") == b"thread"
    os._exit(status)
assert os.waitpid(pid, 0)[1] == 0
assert store.read("r/thread.json") == b"thread"
assert "obstore" not in sys.modules and len(os.listdir("/proc/self/task")) == 1
print(client()._pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere workers are not forked")
@pytest.mark.parametrize("how", ["ends", "is killed"])
def test_forks_and_the_end_of_a_process(store: S3RunLogStore, how: str) -> None:
    argv = [
        sys.executable,
        "-c",
        PROGRAM,
        store.config["bucket"],
        store.config["prefix"] + how.replace(" ", "-"),
    ]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin and process.stdout
        descriptor = os.pidfd_open(int(process.stdout.readline()))
        if how == "is killed":
            process.kill()
        else:
            process.stdin.close()
        assert process.wait(30) == (-signal.SIGKILL if how == "is killed" else 0)
        assert select.select([descriptor], [], [], 30)[0], "the worker ends with it"
        os.close(descriptor)
