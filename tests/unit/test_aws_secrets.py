"""What is particular to secrets in AWS Secrets Manager."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from magnus_render.errors import PlatformError, Refused
from magnus_render.services import aws_secrets
from magnus_render.services.aws_secrets import AwsSecretsManager
from tests.contract import aws

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a name that no other test has; nothing is known of it yet."""
    aws.use(monkeypatch)
    monkeypatch.setattr(aws_secrets, "_values", {})
    return f"{os.getpid()}/{tmp_path.name}"


def manager() -> Any:
    return aws.client("secretsmanager", aws.server())


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"regoin": "x"}, r"unknown key 'regoin' \(did you mean 'region'\?\)"),
        ({"prefix": ""}, "'prefix' must be a non-empty string"),
        ({"endpoint_url": 3}, "'endpoint_url' must be"),
    ],
)
def test_bad_configuration_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=f"secrets 'aws-secrets-manager': {message}"):
        AwsSecretsManager(config)


def test_the_configuration_makes_the_same_provider_again() -> None:
    config = {"region": "r", "endpoint_url": "http://x", "prefix": "p/"}
    assert AwsSecretsManager(config).config == config
    assert AwsSecretsManager({}).config == {}


def test_binary_secrets(name: str) -> None:
    manager().create_secret(Name=f"{name}/text", SecretBinary="pässwörd".encode())
    manager().create_secret(Name=f"{name}/bytes", SecretBinary=b"\xff\x00")
    provider = AwsSecretsManager({"prefix": f"{name}/"})
    assert provider.get("text") == "pässwörd"
    with pytest.raises(
        PlatformError, match=f"cannot read the secret '{name}/bytes': it is binary, and not UTF-8"
    ):
        provider.get("bytes")


def test_a_value_is_read_once(name: str) -> None:
    manager().create_secret(Name=name, SecretString="one")
    assert AwsSecretsManager({}).get(name) == "one"
    manager().put_secret_value(SecretId=name, SecretString="two")
    assert AwsSecretsManager({}).get(name) == "one", "a step goes on with what it has begun with"
    assert AwsSecretsManager({"region": aws.REGION}).get(name) == "two", "another place is asked anew"


def test_what_is_not_there_is_asked_for_again(name: str) -> None:
    provider = AwsSecretsManager({})
    for missing in (name, "no such name!", ""):
        with pytest.raises(KeyError):
            provider.get(missing)
    manager().create_secret(Name=name, SecretString="now")
    assert provider.get(name) == "now"


def test_the_region(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    manager().create_secret(Name=name, SecretString="here")
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(PlatformError, match=f"cannot read the secret '{name}': You must specify a region"):
        AwsSecretsManager({}).get(name)
    monkeypatch.setenv("AWS_REGION", "us-west-1")
    with pytest.raises(KeyError):
        AwsSecretsManager({}).get(name)
    assert AwsSecretsManager({"region": aws.REGION}).get(name) == "here"


def test_failures(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    url = "http://127.0.0.1:1"
    with pytest.raises(PlatformError, match=rf"cannot read the secret 'p/{name}': Could not connect.*{url}"):
        AwsSecretsManager({"endpoint_url": url, "prefix": "p/"}).get(name)
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(variable)
    with pytest.raises(PlatformError, match="Unable to locate credentials"):
        AwsSecretsManager({}).get(name)


def test_botocore_is_loaded_late_and_missed_with_a_message() -> None:
    program = (
        "import sys\n"
        "from magnus_render.errors import Refused\n"
        "from magnus_render.services import lookup\n"
        "provider = lookup.load('secrets', {'type': 'aws-secrets-manager', 'config': {}})\n"
        "assert provider.known() == []\n"
        "try: provider.get('x')\n"
        "except Refused as error: print(error)\n"
    )
    found = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    message = "secrets 'aws-secrets-manager' need botocore, which is not installed: pip install 'magnus-render[aws]'"
    assert found.stdout == f"{message}\n"
