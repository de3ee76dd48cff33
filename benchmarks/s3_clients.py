"""Measure clients of S3 by what callbacks do: open a bucket, create a record, be refused it again, write and read two more.

Ratios to `python -c pass`, in a clean virtual environment, against an S3 on this machine that answers at once
(`loopback_s3`): medians, everything in one run. `store` is ours, obstore in a process of its own.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

from bench import Bench, call
from loopback_s3 import serving, variables

OBSTORE = """
import os
from obstore.exceptions import AlreadyExistsError
from obstore.store import S3Store

bucket = S3Store("bench", endpoint=os.environ["AWS_ENDPOINT_URL"], client_options={"allow_http": True})
bucket.put("first", b"x" * 500, mode="create")
try:
    bucket.put("first", b"x" * 500, mode="create")
    raise SystemExit("created twice")
except AlreadyExistsError:
    pass
for key in ("second", "third"):
    bucket.put(key, b"y" * 500)
    assert bytes(bucket.get(key).bytes()) == b"y" * 500
"""
BOTO3 = """
import boto3
from botocore.exceptions import ClientError

bucket = boto3.client("s3")
bucket.put_object(Bucket="bench", Key="first", Body=b"x" * 500, IfNoneMatch="*")
try:
    bucket.put_object(Bucket="bench", Key="first", Body=b"x" * 500, IfNoneMatch="*")
    raise SystemExit("created twice")
except ClientError:
    pass
for key in ("second", "third"):
    bucket.put_object(Bucket="bench", Key=key, Body=b"y" * 500)
    assert bucket.get_object(Bucket="bench", Key=key)["Body"].read() == b"y" * 500
"""
STORE = """
from magnus_render.services.s3 import S3RunLogStore

store = S3RunLogStore({"bucket": "bench", "prefix": "p"})
assert store.create("first", b"x" * 500)
assert not store.create("first", b"x" * 500)
for key in ("second", "third"):
    assert store.create(key, b"y" * 500)
    assert store.read(key) == b"y" * 500
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=15, help="how often each is measured (default 15)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="magnus-bench-") as scratch, serving() as server:
        bench = Bench(Path(scratch), options.repeat)
        python = str(bench.bin / "python")
        call(python, "-m", "pip", "--quiet", "--disable-pip-version-check", "install", "obstore", "boto3")
        for name, program in {"obstore": OBSTORE, "boto3": BOTO3, "store": STORE}.items():

            def once(program: str = program) -> float:
                server.objects.clear()
                server.requests.clear()
                seconds = bench.seconds("python", "-c", program, **variables(server))
                if len(server.requests) != 6:
                    raise SystemExit(f"bench: not six requests but {server.requests}")
                return seconds

            print(f"{name:8} {bench.median(once):6.2f} × pass")
        print(f"pass     {statistics.median(bench.passes) * 1000:6.1f} ms")


if __name__ == "__main__":
    main()
