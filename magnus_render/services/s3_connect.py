"""How the S3 worker reaches a bucket (endpoint, credentials, time-outs), and the meaning of a failed request.

Time-outs and attempts are bounded, so that a request to an endpoint that does not answer fails within a minute.
"""

from __future__ import annotations

import os

from magnus_render import registry
from magnus_render.errors import PlatformError, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from obstore.store import ClientConfig, S3Config, S3Credential, S3Store

ATTEMPTS = 9
"""Attempts of a request, unless the variable AWS_MAX_ATTEMPTS gives another number."""
PATIENCE = 40.0
"""Seconds after which nothing is tried again."""
_CONNECT, _ANSWER, _SILENCE = "5s", "15s", "60s"
"""Time-outs: of connecting, of a whole record, and of hearing nothing while a file is on its way."""

_PROFILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}
_WITHOUT_METADATA = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
_INSTALL = registry.install("aws")


class Conflict(Exception):
    """Two writers were at one key at the same time, and neither has written it."""


def connect(settings: Mapping[str, str], environment: Mapping[str, str], *, files: bool) -> S3Store:
    """Return obstore's object for a bucket: for `files`, which may take any time, or for records.

    `settings` are the store's `bucket`, `region`, `endpoint_url` and `kms_key`. `environment` has the `AWS_*` variables
    of the asking process, which are set in this process. Raises `Refused` if a library is missing, `PlatformError` if
    there are no credentials.
    """
    try:
        from datetime import timedelta

        from obstore.store import S3Store
    except ImportError as error:
        raise Refused(f"the type s3 needs obstore, which is not installed: {_INSTALL}") from error
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(environment)
    if bundle := environment.get("AWS_CA_BUNDLE"):
        os.environ["SSL_CERT_FILE"] = bundle
    provider, region = _profile(environment)
    endpoint = _first(settings, "endpoint_url") or _first(
        environment, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"
    )
    config: S3Config = {
        "region": _first(settings, "region") or region_of(environment) or region or "us-east-1",
        # The bucket is a part of the host's name, unless it has a dot: no certificate is valid for such a host.
        "virtual_hosted_style_request": not endpoint and "." not in settings["bucket"],
    }
    if endpoint:
        config["endpoint"] = config["aws_endpoint_url_s3"] = endpoint
    if "kms_key" in settings:
        config["server_side_encryption"], config["sse_kms_key_id"] = "aws:kms", settings["kms_key"]
    options: ClientConfig = {
        "allow_http": endpoint.startswith("http://"),
        "connect_timeout": _CONNECT,
        "timeout": "30days" if files else _ANSWER,
        "user_agent": "magnus-render",
    }
    if files:
        options["read_timeout"] = _SILENCE
    return S3Store(
        settings["bucket"],
        config=config,
        client_options=options,
        retry_config={
            "max_retries": attempts(environment) - 1 if files else 0,
            "retry_timeout": timedelta(seconds=PATIENCE),
            "backoff": {"max_backoff": timedelta(seconds=5)},
        },
        credential_provider=provider,
    )


def attempts(environment: Mapping[str, str]) -> int:
    """Return how often a request may be made, 1 or more."""
    text = environment.get("AWS_MAX_ATTEMPTS", "")
    return max(1, int(text)) if text.isascii() and text.isdigit() else ATTEMPTS


def region_of(environment: Mapping[str, str]) -> str:
    """Return the region that environment variables name, '' if none does."""
    return _first(environment, "AWS_REGION", "AWS_DEFAULT_REGION")


def has_profiles(environment: Mapping[str, str]) -> bool:
    """Tell whether there is a file of profiles, which may say anything about AWS."""
    return any(
        os.path.isfile(os.path.expanduser(environment.get(variable) or usual))
        for variable, usual in _PROFILES.items()
    )


def _first(values: Mapping[str, str], *names: str) -> str:
    return next((values[name] for name in names if values.get(name)), "")


def _profile(environment: Mapping[str, str]) -> tuple[Callable[[], S3Credential] | None, str]:
    """Return a function that gives the credentials of a profile, and its region; (None, '') if no profile applies.

    obstore finds all other credentials of botocore's chain itself. In that chain the environment comes before a profile,
    and containers and instances come after it.
    """
    if environment.get("AWS_ACCESS_KEY_ID"):
        return None, ""
    named = _first(environment, "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
    if not named and not has_profiles(environment):
        no_metadata = environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
        if no_metadata and not _first(environment, *_WITHOUT_METADATA):
            raise PlatformError("there are no AWS credentials")
        return None, ""
    try:
        import botocore.session  # type: ignore[import-untyped]
        from botocore.exceptions import BotoCoreError  # type: ignore[import-untyped]
    except ImportError as error:
        if not named:
            return None, ""
        what = f"the AWS profile '{named}' needs botocore, which is not installed: {_INSTALL}"
        raise Refused(what) from error
    try:
        session = botocore.session.get_session()
        credentials = session.get_credentials()
        region: str = session.get_config_variable("region") or ""
    except BotoCoreError as error:
        raise PlatformError(str(error)) from error
    if credentials is None:
        raise PlatformError("there are no AWS credentials")

    def provide() -> S3Credential:
        from datetime import datetime, timedelta, timezone

        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            # botocore renews the credentials in time, if it is asked often enough. So obstore must ask again soon.
            "expires_at": datetime.now(timezone.utc) + timedelta(minutes=5),
        }

    return provide, region


# ---- what went wrong ----


def is_transient(error: BaseException) -> bool:
    """Tell whether a retry may succeed: after no answer, too many requests, or a failure of the service."""
    import re

    if isinstance(error, Conflict):
        return True
    text = str(error)
    if status := re.search(r"\bstatus: (\d+)", text):
        return int(status[1]) >= 500 or int(status[1]) in (408, 429)
    return "HttpError" in text and "kind: Builder" not in text


def reason(error: BaseException) -> str:
    """Return the reason of a failed request in one line; obstore's message has many."""
    import re
    from html import unescape

    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    shown, _, details = str(error).partition("\n\nDebug source:")
    shown = " ".join(shown.split())
    host = re.search(r"\bhttps?://[^/\s,]+", shown)
    at = f" ({host[0]})" if host else ""
    if code := re.search(r"<Code>(.*?)</Code>", shown):
        message = re.search(r"<Message>(.*?)</Message>", shown)
        told = f"{unescape(message[1])} ({code[1]})" if message and message[1] else code[1]
        if code[1] == "AccessDenied" and re.search(r"\bmethod: (GET|HEAD)", details):
            told += "; without s3:ListBucket, a key that is missing looks forbidden too"
        return told
    if status := re.search(r"\bstatus: (\d+)", details):
        return f"HTTP status {status[1]}{at}"
    if "kind: Timeout" in details or "TimedOut" in details:
        return f"no answer in time{at}"
    if causes := re.findall(r'\b(?:message|error): "(.+?)"', details):
        return f"{causes[-1]}{at}"
    return shown.rpartition(" - ")[2] + at if shown else type(error).__name__
