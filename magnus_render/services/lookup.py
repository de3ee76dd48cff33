"""Finding a service by its type.

Built-ins stand in a table, because reading the metadata of installed packages would cost every callback
several times its own start-up; third-party types are found through entry points. A test holds the table and
the entry points of this project equal.
"""

from __future__ import annotations

import json
import os

from magnus_render.errors import Refused, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Literal, overload

    from magnus_render.plan import ServiceConfig, Services
    from magnus_render.services.base import BaseCatalog, BaseRunLogStore, BaseSecrets

BUILT_IN = {
    "run_log_store": {
        "buffered": ("magnus_render.services.run_log_store", "BufferedRunLogStore"),
        "file-system": ("magnus_render.services.run_log_store", "FileSystemRunLogStore"),
        "s3": ("magnus_render.services.s3", "S3RunLogStore"),
    },
    "catalog": {
        "do-nothing": ("magnus_render.services.catalog", "DoNothingCatalog"),
        "file-system": ("magnus_render.services.catalog", "FileSystemCatalog"),
        "s3": ("magnus_render.services.s3", "S3Catalog"),
    },
    "secrets": {
        "do-nothing": ("magnus_render.services.secrets", "DoNothingSecrets"),
        "env": ("magnus_render.services.secrets", "EnvSecrets"),
        "dotenv": ("magnus_render.services.secrets", "DotenvSecrets"),
        "aws-secrets-manager": ("magnus_render.services.aws_secrets", "AwsSecretsManager"),
    },
}
"""Kind -> type -> (module, class)."""

if TYPE_CHECKING:

    @overload
    def load(kind: Literal["run_log_store"], config: ServiceConfig) -> BaseRunLogStore: ...
    @overload
    def load(kind: Literal["catalog"], config: ServiceConfig) -> BaseCatalog: ...
    @overload
    def load(kind: Literal["secrets"], config: ServiceConfig) -> BaseSecrets: ...


def load(kind: str, config: ServiceConfig) -> Any:
    """Return the service that a configuration block describes.

    Raise `errors.Refused` if the type or a key of its `config` is unknown.
    """
    return find(kind, config["type"])(config.get("config") or {})


def find(kind: str, type_: str) -> Any:
    """Return the class of a service type; raise `errors.Refused` naming the known types if there is none."""
    place = BUILT_IN[kind].get(type_)
    if place is not None:
        module, name = place
        return getattr(__import__(module, fromlist=[name]), name)
    from importlib.metadata import entry_points

    for entry_point in entry_points(group=f"magnus_render.{kind}"):
        if entry_point.name == type_:
            try:
                return entry_point.load()
            except Exception as error:  # third-party code may raise anything at import
                reason = f"{type(error).__name__}: {error}"
                raise Refused(f"{kind} '{type_}' ({entry_point.value}) cannot be loaded: {reason}") from error
    from magnus_render.services.options import did_you_mean

    known = types(kind)
    raise Refused(f"unknown {kind} '{type_}'{did_you_mean(type_, known)}: known are {', '.join(known)}")


def types(kind: str) -> list[str]:
    """Return the names of all types of a kind that are installed, sorted."""
    from importlib.metadata import entry_points

    installed = {entry_point.name for entry_point in entry_points(group=f"magnus_render.{kind}")}
    return sorted(installed | BUILT_IN[kind].keys())


def services(given: Any, where: str) -> Services:
    """Return where the stores are, as an engine was told; raise `errors.UsageError` if that is no such thing."""
    for kind in ("run_log_store", "catalog", "secrets"):
        block = given.get(kind) if isinstance(given, dict) else None
        if not isinstance(block, dict):
            block = {}
        if not (isinstance(block.get("config"), dict) and isinstance(block.get("type"), str)):
            raise UsageError(f"{where}: '{kind}' must have a type and a config")
    found: Services = given
    return found


def services_of_environment() -> Services | None:
    """Return the stores that the environment variable MAGNUS_CONFIG names, None without it; raise `errors.UsageError`."""
    text = os.environ.get("MAGNUS_CONFIG")
    if not text:
        return None
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"MAGNUS_CONFIG is not JSON: {error}") from None
    return services(given, "MAGNUS_CONFIG")
