"""Which services a state machine on AWS and its jobs can share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.integrations.base import BaseIntegration, within

if TYPE_CHECKING:
    from magnus_render.plan import Config

EXECUTOR = "aws-step-functions"
_BUCKET = "{type: s3, config: {bucket: ...}}"


class RunLogOnDisk(BaseIntegration):
    """The machine itself writes how a run starts and reads the counts of maps, which it can do on S3 alone."""

    executor = EXECUTOR
    service = "run_log_store"
    provider = "file-system"

    def validate(self, executor: str, config: Config) -> list[str]:
        return [
            "run_log_store 'file-system' cannot serve a state machine: it writes the start of a run and reads the "
            f"counts of maps itself, which it can on S3 alone. Use `run_log_store: {_BUCKET}`"
        ]


class CatalogOnDisk(BaseIntegration):
    """Jobs share a folder only where each mounts the same file system."""

    executor = EXECUTOR
    service = "catalog"
    provider = "file-system"
    needs = "a path on a file system (EFS) that every job mounts: `mounts` of executor.config"

    def validate(self, executor: str, config: Config) -> list[str]:
        path = str(config["catalog"]["config"].get("path", ".catalog"))
        mounts = config["executor"]["config"].get("mounts") or []
        if any(within(path, str(mount)) for mount in mounts):
            return []
        return [
            f"catalog 'file-system' keeps files in '{path}', which each job has for itself: what one step puts no "
            f"other would find. Use `catalog: {_BUCKET}`, or mount a shared file system (EFS) in the job definition, "
            "say so by `mounts: [/mnt/shared]` in executor.config, and give a path below it"
        ]


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
