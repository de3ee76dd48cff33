"""An AWS on this machine for tests: moto, answering over HTTP, one server for each process of tests."""

from __future__ import annotations

import atexit
import functools
import logging
import os
from typing import Any

import pytest

from tests.tools import unavailable

BUCKET = "runs"
REGION = "eu-central-1"
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": "/nonexistent",
    "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def use(monkeypatch: pytest.MonkeyPatch) -> str:
    """Let the rest of a test see that AWS and no other; return its address."""
    url = server()
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    for name, value in {**VARIABLES, "AWS_ENDPOINT_URL": url}.items():
        monkeypatch.setenv(name, value)
    return url


@functools.cache
def server() -> str:
    """Start moto, unless it has been; return its address. Skip the test if it is not installed."""
    try:
        import obstore  # noqa: F401 - what is tested needs it
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        unavailable(f"{error.name} is not installed")
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    atexit.register(running.stop)
    host, port = running.get_host_and_port()
    url = f"http://{host}:{port}"
    where = {"LocationConstraint": REGION}
    client("s3", url).create_bucket(Bucket=BUCKET, CreateBucketConfiguration=where)
    return url


@functools.cache
def client(service: str, url: str) -> Any:
    """Return boto3's client of a service, to look behind the back of ours."""
    import boto3

    keys = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing"}
    return boto3.client(service, endpoint_url=url, region_name=REGION, **keys)


def fill(keys: list[str], data: bytes = b"{}") -> None:
    """Write many objects, past HTTP: moto is in this process."""
    from moto.s3.models import s3_backends

    (backend,) = (found["aws"] for found in s3_backends.values() if BUCKET in found["aws"].buckets)
    for key in keys:
        backend.put_object(BUCKET, key, data)
