"""Which services a state machine on AWS and its jobs can share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.executors.aws_batch_integrations import BUCKET, CatalogFolder
from magnus_render.integrations.base import BaseIntegration

if TYPE_CHECKING:
    from magnus_render.plan import Config

EXECUTOR = "aws-step-functions"


class RunLogOnDisk(BaseIntegration):
    """A run log on disk does not work: the state machine itself reads and writes records, and can do so on S3 alone."""

    executor = EXECUTOR
    service = "run_log_store"
    provider = "file-system"

    def validate(self, executor: str, config: Config) -> list[str]:
        return [
            "run_log_store 'file-system' cannot serve a state machine: it writes the start of a run and reads the "
            f"counts of maps itself, which it can on S3 alone. Use `run_log_store: {BUCKET}`"
        ]


class CatalogOnDisk(CatalogFolder):
    """Its jobs are those of AWS Batch, or tasks that mount a file system alike."""

    executor = EXECUTOR


class SecretsInFile(BaseIntegration):
    """A job has no file of the machine that renders."""

    executor = EXECUTOR
    service = "secrets"
    provider = "dotenv"
    needs = "a file system with the file in each job, and its absolute path there: no image may hold it"


class SecretsInEnvironment(BaseIntegration):
    """A job has the variables that its definition sets."""

    executor = EXECUTOR
    service = "secrets"
    provider = "env"
    needs = "a job definition that sets the variable of each secret; `secret_environment` of executor.config names them"
