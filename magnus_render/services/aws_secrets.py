"""Secrets in AWS Secrets Manager: `aws-secrets-manager`."""

from __future__ import annotations

import os

from magnus_render import registry
from magnus_render.errors import PlatformError, Refused
from magnus_render.services.base import BaseSecrets
from magnus_render.services.options import check_keys, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

_NOT_THERE = ("ResourceNotFoundException", "ValidationException")
"""Errors of a secret that does not exist; the second one is for a name that no secret can have."""
_values: dict[tuple[str, ...], str] = {}
"""Secrets that this process, or the one it was forked from, has read, by place and name."""


class AwsSecretsManager(BaseSecrets):
    """A secret has its name there, with `prefix` (default none) in front. A binary secret must be UTF-8.

    If `region` and `endpoint_url` are not given, botocore finds them. A process keeps the values that it has read, so that a
    step sees the same value until its end.
    """

    summary = "AWS Secrets Manager"
    keys: ClassVar[Mapping[str, str]] = {"region": "text", "endpoint_url": "text", "prefix": "text"}
    meanings: ClassVar[Mapping[str, tuple[str, Any]]] = {
        "region": (
            "The region of the secrets, by default that of the AWS settings of the machine.",
            "eu-west-1",
        ),
        "endpoint_url": ("Where the service answers, if that is not AWS.", "https://secrets.internal:4566"),
        "prefix": ("What stands before a secret's name in AWS Secrets Manager.", "prod/"),
    }
    extra = "aws"

    def __init__(self, config: Mapping[str, Any]) -> None:
        service = "secrets 'aws-secrets-manager'"
        check_keys(service, config, self.keys)
        self._config: dict[str, Any] = {
            key: text(service, config, key, "") for key in self.keys if key in config
        }
        self._client: Any = None

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that makes this provider again."""
        return dict(self._config)

    def get(self, name: str) -> str:
        if not name:
            raise KeyError(name)
        place = (*(self._config.get(key, "") for key in self.keys), name)
        if place not in _values:
            _values[place] = self._read(name)
        return _values[place]

    def where(self) -> str:
        named = f", names with '{self._config['prefix']}' in front" if "prefix" in self._config else ""
        return f"looked in AWS Secrets Manager{named} (aws-secrets-manager)"

    def remedy(self, name: str) -> str:
        full = self._config.get("prefix", "") + name
        return f"create it: aws secretsmanager create-secret --name {full} --secret-string file://..."

    def _read(self, name: str) -> str:
        # botocore is loaded late: that takes longer than all the rest, and many commands never ask for a secret.
        try:
            from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]
        except ImportError as error:
            what = "secrets 'aws-secrets-manager' need botocore, which is not installed"
            raise Refused(f"{what}: {registry.install(self.extra)}") from error
        full = self._config.get("prefix", "") + name
        try:
            if self._client is None:
                self._client = self._connect()
            found = self._client.get_secret_value(SecretId=full)
        except ClientError as error:
            told = error.response.get("Error", {})
            if told.get("Code") in _NOT_THERE:
                raise KeyError(name) from error
            raise PlatformError(
                f"cannot read the secret '{full}': {told.get('Message')} ({told.get('Code')})"
            ) from error
        except BotoCoreError as error:
            raise PlatformError(f"cannot read the secret '{full}': {error}") from error
        if "SecretString" in found:
            return str(found["SecretString"])
        try:
            return str(found["SecretBinary"], "utf-8")
        except UnicodeDecodeError:
            raise PlatformError(f"cannot read the secret '{full}': it is binary, and not UTF-8") from None

    def _connect(self) -> Any:
        import botocore.session  # type: ignore[import-untyped]
        from botocore.config import Config  # type: ignore[import-untyped]

        return botocore.session.get_session().create_client(
            "secretsmanager",
            # Of AWS_REGION and AWS_DEFAULT_REGION botocore itself reads only the second.
            region_name=self._config.get("region") or os.environ.get("AWS_REGION"),
            endpoint_url=self._config.get("endpoint_url"),
            config=Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard"}),
        )
