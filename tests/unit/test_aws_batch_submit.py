"""A job submits jobs without botocore, just as botocore would have; what is not plain is left to botocore."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import botocore.auth
import botocore.session
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.endpoint_provider import EndpointProvider

from magnus_render.errors import MagnusError
from magnus_render.executors import aws_batch_submit
from magnus_render.executors.aws_batch import BatchSubmitter
from magnus_render.executors.submitter import Job

REGION = "eu-central-1"
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
PLAIN = {"AWS_BATCH_JOB_ID": "j", "AWS_REGION": REGION, **KEYS}
ROLE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
WITH_ROLE = {"AWS_BATCH_JOB_ID": "j", "AWS_REGION": REGION, ROLE: "/v2/credentials/a-task?x=1"}
TAKEN = (200, {"jobId": "an-id", "jobArn": "a", "jobName": "n"})


class Asked(NamedTuple):
    """A request that came to the service."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def by_botocore(self) -> bool:
        return "Botocore" in self.headers["user-agent"]


class Service(ThreadingHTTPServer):
    """Answers a request by the next of `answers`, the last one for ever; None ends the connection without an answer."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.answers: list[Any] = [TAKEN]
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Service
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append(Asked(self.path, headers, body))
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if answer is None:
            self.close_connection = True
            return
        status, told, *more = answer
        data = told if isinstance(told, bytes) else json.dumps(told).encode()
        self.send_response(status)
        for name, value in {**(more[0] if more else {}), "Content-Length": str(len(data))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, service: Service) -> Any:
    """Return what lets this process have the AWS of a test, with the service behind it, and no other."""

    def have(**variables: str) -> None:
        for name in list(os.environ):
            if name.startswith(("AWS_", "SSL_CERT", "REQUESTS_")) or name.lower().endswith("_proxy"):
                monkeypatch.delenv(name)
        given = {"HOME": str(tmp_path), "AWS_ENDPOINT_URL_BATCH": f"http://{service.place}", **variables}
        for name, value in given.items():
            monkeypatch.setenv(name, value)

    return have


def submitter() -> BatchSubmitter:
    return BatchSubmitter({"job_queue": "q", "job_definition": "d"})


def job() -> Job:
    config = {"job_queue": "q", "job_definition": "d", "environment": {"NAME": "Zoë \u2028 \U0001f600"}}
    return Job("a-run", "train", "Train!", 1, ["run_job", "a-run", "train"], {"MAGNUS_CONFIG": "{}"}, config)


def said(service: Service) -> str:
    """Return the error that a submission ends in."""
    with pytest.raises(MagnusError) as error:
        submitter().submit(job())
    return f"{type(error.value).__name__}: {error.value}"


# ---- the request ----


@pytest.mark.parametrize("more", [{}, {"AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjE//a+b="}])
def test_a_request_is_what_botocore_would_send(
    environment: Any, service: Service, more: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(**PLAIN, **more)
    assert submitter().submit(job()) == "an-id"
    monkeypatch.delenv("AWS_BATCH_JOB_ID")
    assert submitter().submit(job()) == "an-id"
    ours, theirs = service.asked
    assert not ours.by_botocore and theirs.by_botocore
    assert (ours.target, ours.body) == (theirs.target, theirs.body)
    for name in ("host", "content-type", "accept-encoding", "x-amz-security-token"):
        assert ours.headers.get(name) == theirs.headers.get(name)
    parts = [one.headers["authorization"].rpartition(", Signature=")[0] for one in (ours, theirs)]
    assert parts[0].replace(ours.headers["x-amz-date"][:8], "") == parts[1].replace(
        theirs.headers["x-amz-date"][:8], ""
    )
    assert ours.headers["authorization"] == signed_by_botocore(ours, service, monkeypatch, **more)


def signed_by_botocore(
    asked: Asked, service: Service, monkeypatch: pytest.MonkeyPatch, AWS_SESSION_TOKEN: str | None = None
) -> str:
    """Return the signature that botocore makes of a request, for the moment at which it was signed."""
    moment = datetime.datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_: moment)
    request = AWSRequest("POST", f"http://{service.place}/v1/submitjob", data=asked.body)
    request.headers["Content-Type"] = asked.headers["content-type"]
    keys = Credentials(*KEYS.values(), AWS_SESSION_TOKEN)
    botocore.auth.SigV4Auth(keys, "batch", REGION).add_auth(request)
    return str(request.headers["Authorization"])


def test_the_role_of_the_container_signs(
    environment: Any, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The keys are asked for once, also by a job that submits many."""
    monkeypatch.setattr(aws_batch_submit, "CONTAINERS", service.place)
    environment(**WITH_ROLE)
    role = {
        "AccessKeyId": "ASIAROLE",
        "SecretAccessKey": "s",
        "Token": "t0ken",
        "Expiration": "2100-01-01T00:00:00Z",
    }
    service.answers = [(200, role), TAKEN]
    one = submitter()
    assert [one.submit(job()), one.submit(job())] == ["an-id", "an-id"]
    keys, *submitted = service.asked
    assert (keys.target, keys.headers["accept"]) == ("/v2/credentials/a-task?x=1", "application/json")
    assert [asked.target for asked in submitted] == ["/v1/submitjob"] * 2
    for asked in submitted:
        assert "Credential=ASIAROLE/" in asked.headers["authorization"]
        assert asked.headers["x-amz-security-token"] == "t0ken"


@pytest.mark.parametrize("answer", [(500, {}), (200, b"<html>"), (200, {"Code": "no role"}), None])
def test_a_role_that_gives_no_keys_is_left_to_botocore(
    environment: Any, service: Service, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(aws_batch_submit, "CONTAINERS", service.place)
    environment(**WITH_ROLE)
    service.answers = [answer]
    way = aws_batch_submit.way(REGION, os.environ)
    assert way is not None and way.submit({}) == ""
    assert [asked.target for asked in service.asked] == ["/v2/credentials/a-task?x=1"]


# ---- what is plain ----


def test_the_endpoint_of_each_region_is_botocores_or_left_to_it(tmp_path: Path) -> None:
    session = botocore.session.get_session()
    loader = session.get_component("data_loader")
    rules = EndpointProvider(
        loader.load_service_model("batch", "endpoint-rule-set-1"), loader.load_data("partitions")
    )
    quick = 0
    for partition in session.get_available_partitions():
        for region in session.get_available_regions("batch", partition, allow_non_regional=True):
            way = aws_batch_submit.way(region, {**PLAIN, "HOME": str(tmp_path)})
            found = rules.resolve_endpoint(Region=region, UseFIPS=False, UseDualStack=False).url
            assert way is None or (partition, found) == ("aws", f"{way.scheme}://{way.host}")
            quick += way is not None
    assert quick > 25


@pytest.mark.parametrize(
    "more",
    [
        {"AWS_BATCH_JOB_ID": None},
        {"AWS_ACCESS_KEY_ID": None},
        {"AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_PROFILE": "p"},
        {"AWS_DEFAULT_PROFILE": "p"},
        {"AWS_SECURITY_TOKEN": "t"},
        {"AWS_CREDENTIAL_EXPIRATION": "2100-01-01T00:00:00Z"},
        {"AWS_WEB_IDENTITY_TOKEN_FILE": "/token"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"},
        {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "t"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"AWS_CA_BUNDLE": "/ca.pem"},
        {"AWS_DATA_PATH": "/models"},
        {"AWS_SOMETHING_NEW": "x"},
        {"HTTPS_PROXY": "http://proxy:3128"},
        {"https_proxy": "http://proxy:3128"},
        {"ALL_PROXY": "socks5://proxy"},
        {"REQUESTS_CA_BUNDLE": "/ca.pem"},
        {"AWS_ENDPOINT_URL_BATCH": "https://vpce-1.amazonaws.com/batch"},
        {"AWS_ENDPOINT_URL": "https://user@localhost"},
        {"AWS_ENDPOINT_URL": "ftp://localhost"},
        {"AWS_ENDPOINT_URL": "http://[::1]:80"},
        {"AWS_CONFIG_FILE": "{folder}/there"},
        {"AWS_SHARED_CREDENTIALS_FILE": "{folder}/there"},
    ],
    ids=str,
)
def test_what_is_not_plain_is_left_to_botocore(tmp_path: Path, more: dict[str, str | None]) -> None:
    (tmp_path / "there").write_text("[default]\nendpoint_url = http://elsewhere\n")
    nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
    given = {**PLAIN, **nowhere, **more}
    found = {name: value.format(folder=tmp_path) for name, value in given.items() if value is not None}
    assert aws_batch_submit.way(REGION, {**PLAIN, **nowhere}) is not None
    assert aws_batch_submit.way(REGION, found) is None


@pytest.mark.parametrize("region", ["", "nowhere", "aws-global", "us-east-1.evil.org", "us-east-1/"])
def test_no_region_that_is_none(region: str) -> None:
    assert aws_batch_submit.way(region, PLAIN) is None


def test_a_file_of_profiles_at_its_usual_place(environment: Any, tmp_path: Path) -> None:
    environment(**PLAIN)
    assert aws_batch_submit.way(REGION, os.environ) is not None
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "config").write_text("[default]\nuse_fips_endpoint = true\n")
    assert aws_batch_submit.way(REGION, os.environ) is None


@pytest.mark.parametrize(
    "more",
    [
        {"AWS_BATCH_JQ_NAME": "q", "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE", "AWS_DEFAULT_REGION": REGION},
        {"ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/x", "no_proxy": "localhost"},
        {"AWS_ENDPOINT_URL_S3": "https://minio.internal/path", "AWS_MAX_ATTEMPTS": "3"},
        {"AWS_ENDPOINT_URL": "http://localhost:5000/"},
    ],
)
def test_what_jobs_usually_have_is_plain(more: dict[str, str]) -> None:
    for keys in (PLAIN, WITH_ROLE):
        nowhere = {"AWS_CONFIG_FILE": "/nonexistent", "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent"}
        assert aws_batch_submit.way(REGION, {**keys, **nowhere, **more}) is not None


# ---- what becomes of other answers ----


def error(status: int, code: str, message: str) -> Any:
    return status, {"message": message}, {"x-amzn-ErrorType": code}


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            error(400, "ClientException", "Job definition d does not exist."),
            "Refused: AWS Batch, the job of step",
        ),
        (
            error(403, "AccessDeniedException", "not authorized to perform: batch:SubmitJob"),
            "Denied: AWS Batch",
        ),
        (error(403, "ExpiredTokenException", "The security token is expired"), "PlatformError: AWS Batch"),
        (error(403, "SignatureDoesNotMatch", "clock"), "PlatformError: AWS Batch"),
        (error(404, "NotFoundException", "elsewhere"), "PlatformError: AWS Batch"),
        ((301, b"", {"Location": "http://127.0.0.1:1/"}), "PlatformError: AWS Batch"),
    ],
)
def test_a_refusal_is_told_as_botocore_tells_it(
    environment: Any, service: Service, answer: Any, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(**PLAIN)
    service.answers = [answer]
    quickly = said(service)
    assert [asked.by_botocore for asked in service.asked][:2] == [False, True]
    monkeypatch.delenv("AWS_BATCH_JOB_ID")
    assert quickly == said(service)
    assert quickly.startswith(told)


@pytest.mark.parametrize(
    "answer",
    [
        None,
        error(500, "ServerException", "oh"),
        error(429, "TooManyRequestsException", "Too Many Requests"),
        (200, b"{"),
        (200, b"[]"),
        (200, {"jobName": "n"}),
        (503, {"jobId": "of-no-job"}),
    ],
    ids=["lost", "500", "429", "cut", "list", "no id", "503"],
)
def test_botocore_asks_again_and_goes_on(environment: Any, service: Service, answer: Any) -> None:
    environment(**PLAIN)
    service.answers = [answer, TAKEN]
    one = submitter()
    assert [one.submit(job()), one.submit(job())] == ["an-id", "an-id"]
    assert [asked.by_botocore for asked in service.asked] == [False, True, True]
    assert len({asked.body for asked in service.asked}) == 1


def test_a_service_that_is_not_there(environment: Any, service: Service) -> None:
    environment(**PLAIN)
    service.server_close()
    way = aws_batch_submit.way(REGION, os.environ)
    assert way is not None and way.submit({}) == ""


# ---- TLS ----


def certificate(folder: Path) -> Path:
    """Write a certificate of 127.0.0.1 that signs itself, with its key; return the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a test")])
    now, host = datetime.datetime.now(datetime.timezone.utc), x509.IPAddress(
        ipaddress.ip_address("127.0.0.1")
    )
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + datetime.timedelta(days=1))
    signed = made.add_extension(x509.SubjectAlternativeName([host]), False).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    (folder / "both.pem").write_bytes(
        signed.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, form, plain)
    )
    return folder / "both.pem"


@pytest.mark.parametrize("trusted", [False, True])
def test_a_certificate_must_be_valid(
    environment: Any, service: Service, tmp_path: Path, trusted: bool
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    file = certificate(tmp_path)
    context.load_cert_chain(file)
    service.socket = context.wrap_socket(service.socket, server_side=True, do_handshake_on_connect=False)
    more = {"SSL_CERT_FILE": str(file)} if trusted else {}
    environment(**PLAIN, **more, AWS_ENDPOINT_URL_BATCH=f"https://{service.place}")
    way = aws_batch_submit.way(REGION, os.environ)
    assert way is not None and way.submit({}) == ("an-id" if trusted else "")
    assert len(service.asked) == trusted
