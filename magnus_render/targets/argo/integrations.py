"""Which services the pods of a workflow can share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.integrations.base import BaseIntegration, within

if TYPE_CHECKING:
    from magnus_render.plan import Config, Service

EXECUTOR = "argo"


class _OnVolume(BaseIntegration):
    """A folder that pods share only if each mounts the volume that it is on."""

    executor = EXECUTOR
    provider = "file-system"
    needs = "a path on a volume that every pod mounts: `persistent_volumes` of executor.config"
    folder = ""
    """Its name on a volume that is suggested."""

    def validate(self, executor: str, config: Config) -> list[str]:
        block: Service = self.service
        path = str(config[block]["config"].get("path", f".{self.folder}"))
        given = config["executor"]["config"].get("persistent_volumes") or []
        mounts = [str(one.get("mount_path", "")) for one in given if isinstance(one, dict)]
        if any(within(path, mount) for mount in mounts):
            return []
        mount = mounts[0].rstrip("/") if mounts and mounts[0] else "/mnt/magnus"
        volume = (
            ""
            if mounts
            else f"`persistent_volumes: [{{claim: magnus, mount_path: {mount}}}]` in executor.config, and "
        )
        return [
            f"{block} 'file-system' keeps its records in '{path}', which each pod has for itself: no step would find what "
            f"another wrote. Write {volume}`{block}: {{type: file-system, config: {{path: {mount}/{self.folder}}}}}`, "
            "or use the type s3"
        ]


class RunLogOnVolume(_OnVolume):
    """The run log in a folder."""

    service = "run_log_store"
    folder = "run_log"


class CatalogOnVolume(_OnVolume):
    """The catalog in a folder."""

    service = "catalog"
    folder = "catalog"


class SecretsInFile(BaseIntegration):
    """A pod has no file of the machine that renders."""

    executor = EXECUTOR
    service = "secrets"
    provider = "dotenv"
    needs = "a volume with the file in each pod, and its absolute path there: no image may hold it"


class SecretsInEnvironment(BaseIntegration):
    """A pod has the variables that the manifest gives it."""

    executor = EXECUTOR
    service = "secrets"
    provider = "env"
    needs = "`secret_environment` of executor.config, which sets the variable of each secret"
