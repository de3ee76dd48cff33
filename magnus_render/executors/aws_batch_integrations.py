"""Which services jobs of AWS Batch can share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.integrations.base import BaseIntegration, within
from magnus_render.services.catalog import FileSystemCatalog
from magnus_render.services.run_log_store import FileSystemRunLogStore

if TYPE_CHECKING:
    from magnus_render.plan import Config

EXECUTOR = "local-aws-batch"
BUCKET = "{type: s3, config: {bucket: ...}}"


class SharedFolder(BaseIntegration):
    """Jobs share a folder only where each of them mounts the same file system. `mounts` of executor.config says so."""

    default: str
    """The folder where no `path` is given."""
    lost: str
    """The consequence of a folder that jobs do not share, for a message."""
    needs = "a path on a file system (EFS) that every job mounts: `mounts` of executor.config"

    def validate(self, executor: str, config: Config) -> list[str]:
        path = str(config[self.service]["config"].get("path", self.default))
        mounts = config["executor"]["config"].get("mounts") or []
        if any(within(path, str(mount)) for mount in mounts):
            return []
        return [
            f"{self.service} '{self.provider}' keeps files in '{path}', which each job has for itself: {self.lost}. "
            f"Use `{self.service}: {BUCKET}`, or mount a shared file system (EFS) in the job definition, "
            "say so by `mounts: [/mnt/shared]` in executor.config, and give a path below it"
        ]


class CatalogFolder(SharedFolder):
    """The catalog in a folder: a step must find the files that another step put there."""

    executor = EXECUTOR
    service = "catalog"
    provider = "file-system"
    default = FileSystemCatalog.defaults["path"]
    lost = "what one step puts no other would find"


class RunLogFolder(SharedFolder):
    """The run log in a folder: this machine creates the run there, and each job reads the records of the others."""

    executor = EXECUTOR
    service = "run_log_store"
    provider = "file-system"
    default = FileSystemRunLogStore.defaults["path"]
    lost = "no job would find the run, or what others recorded"
    needs = f"{SharedFolder.needs}; this machine mounts it at the same path"


class SecretsInFile(BaseIntegration):
    """Secrets in a file: a job does not see files of the machine that submits it."""

    executor = EXECUTOR
    service = "secrets"
    provider = "dotenv"

    def validate(self, executor: str, config: Config) -> list[str]:
        return [
            "secrets 'dotenv' are read from a file of this machine, and no image may hold it. Use `secrets: {type: "
            "aws-secrets-manager}`, or `secrets: {type: env}` with a job definition that sets the variables from secrets"
        ]


INTEGRATIONS = (CatalogFolder, RunLogFolder, SecretsInFile)
