"""Integrations of services with steps in containers of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from magnus_render.integrations.base import BaseIntegration, at_own_place
from magnus_render.services.catalog import FileSystemCatalog
from magnus_render.services.run_log_store import FileSystemRunLogStore
from magnus_render.services.secrets import HANDED, DotenvSecrets

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_render.plan import Config, Service

MOUNTS, PASSED, HIDDEN = "mounts", "passed", "hidden"
"""Keys that integrations add to the executor's configuration, each a list.

`mounts` are folders that containers see under the same path. `passed` are names of variables that they get, where a `*` at
the end stands for any characters. `hidden` are files of the project that are empty in containers.
"""


class _InContainers(BaseIntegration):
    executor = "local-container"


class _Folder(_InContainers):
    """The folder of a service is mounted at its own path."""

    provider = "file-system"
    store: ClassVar[type[FileSystemRunLogStore] | type[FileSystemCatalog]]

    def configure_for_execution(self, config: Config) -> Config:
        changed = at_own_place(config, self.service, self.store)
        return _with(changed, MOUNTS, [changed[self.service]["config"]["path"]])


class _RunLogFolder(_Folder):
    service: Service = "run_log_store"
    store = FileSystemRunLogStore


class _CatalogFolder(_Folder):
    service: Service = "catalog"
    store = FileSystemCatalog


class _HandedSecrets(_InContainers):
    """This process reads the secrets. A step gets those that it asks for as variables, and can reach no others."""

    service: Service = "secrets"

    def configure_for_execution(self, config: Config) -> Config:
        return {**config, "secrets": {"type": "env", "config": {"prefix": HANDED}}}


class _FromEnvironment(_HandedSecrets):
    provider = "env"


class _FromDotenv(_HandedSecrets):
    """The file itself is hidden from steps, because it has the secrets of all of them."""

    provider = "dotenv"

    def configure_for_execution(self, config: Config) -> Config:
        path = DotenvSecrets(config["secrets"]["config"]).config["path"]
        return _with(super().configure_for_execution(config), HIDDEN, [path])


class _Aws(_InContainers):
    """The client of AWS finds its credentials in the variables of this environment."""

    def configure_for_execution(self, config: Config) -> Config:
        return _with(config, PASSED, ["AWS_*"])


class _RunLogOnS3(_Aws):
    service: Service = "run_log_store"
    provider = "s3"


class _CatalogOnS3(_Aws):
    service: Service = "catalog"
    provider = "s3"


class _SecretsManager(_Aws):
    service: Service = "secrets"
    provider = "aws-secrets-manager"


INTEGRATIONS = (
    _RunLogFolder,
    _CatalogFolder,
    _FromEnvironment,
    _FromDotenv,
    _RunLogOnS3,
    _CatalogOnS3,
    _SecretsManager,
)


def _with(config: Config, key: str, more: Sequence[str]) -> Config:
    executor = config["executor"]
    there = executor["config"].get(key, [])
    added = [*there, *(one for one in more if one not in there)]
    return {
        **config,
        "executor": {"type": executor["type"], "config": {**executor["config"], key: added}},
    }
