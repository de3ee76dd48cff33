"""S3."""

from __future__ import annotations

import threading
from typing import Any

from moto.s3.responses import S3Response

from tests.engines.stepfunctions.fixes import Patch, fix


@fix("create-if-absent")
def create_atomically(patch: Patch) -> None:
    """moto: a conditional PutObject looks first and writes then: two at once can both succeed. AWS: one gets 412."""
    original = S3Response.put_object
    lock = threading.Lock()

    def put_object(self: Any) -> Any:
        with lock:
            return original(self)

    patch(S3Response, "put_object", put_object)
