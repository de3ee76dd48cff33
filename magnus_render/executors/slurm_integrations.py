"""Integrations of services with jobs of Slurm: their paths must be the same on every node."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from magnus_render.integrations.base import BaseIntegration, at_own_place
from magnus_render.services.catalog import FileSystemCatalog
from magnus_render.services.run_log_store import FileSystemRunLogStore
from magnus_render.services.secrets import DotenvSecrets

if TYPE_CHECKING:
    from magnus_render.plan import Config, Service


class _File(BaseIntegration):
    """Jobs get the absolute path.

    It must lie on a file system that all nodes mount under that path. This cannot be checked here: a job that does not
    find its run reports it.
    """

    executor = "slurm"
    provider = "file-system"
    described: ClassVar[type[FileSystemRunLogStore] | type[FileSystemCatalog] | type[DotenvSecrets]]

    def configure_for_execution(self, config: Config) -> Config:
        return at_own_place(config, self.service, self.described)


class _RunLogFolder(_File):
    service: Service = "run_log_store"
    described = FileSystemRunLogStore


class _CatalogFolder(_File):
    service: Service = "catalog"
    described = FileSystemCatalog


class _Dotenv(_File):
    """Each job reads the file, on the disk of the project."""

    service: Service = "secrets"
    provider = "dotenv"
    described = DotenvSecrets


INTEGRATIONS = (_RunLogFolder, _CatalogFolder, _Dotenv)
