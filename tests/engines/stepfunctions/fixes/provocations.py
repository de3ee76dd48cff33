"""Races made certain, for the tests of the fixes that prevent them."""

from __future__ import annotations

import threading
import uuid
from typing import Any

from moto.batch.models import Job
from moto.s3.models import S3Backend

from tests.engines.stepfunctions.fixes import Patch

SECONDS_FOR_THE_OTHER = 0.5


def creations_at_once(patch: Patch) -> None:
    """An object is written when a second writer has come as far, or is not coming."""
    original = S3Backend.put_object
    meeting = threading.Barrier(2)

    def put_object(self: Any, *args: Any, **options: Any) -> Any:
        try:
            meeting.wait(SECONDS_FOR_THE_OTHER)
        except threading.BrokenBarrierError:
            meeting.reset()
        return original(self, *args, **options)

    patch(S3Backend, "put_object", put_object)


def jobs_while_describing(patch: Patch) -> None:
    """Whenever a job is described, another is added to the table of all jobs."""
    original = Job.describe

    def describe(self: Any) -> Any:
        self.all_jobs[str(uuid.uuid4())] = self
        return original(self)

    patch(Job, "describe", describe)


PROVOCATIONS = {"creations-at-once": creations_at_once, "jobs-while-describing": jobs_while_describing}
