"""The quick way to submit a job of AWS Batch: one signed request of the standard library, without botocore.

To load botocore and to make its client takes longer than all the rest of a job. So a job submits without it where the
settings are plain: `way` lists which are. If the request does not end with a job's id, botocore makes it again. So only
botocore handles messages, repetitions and unusual credentials (docs/adr/0007-submit-without-botocore.md).

Sources: AWS Batch API reference, SubmitJob (`POST /v1/submitjob`); IAM user guide, "Create a signed AWS API request"
(Signature Version 4); botocore's `partitions.json`, and the rules of Batch's endpoints beside its model; ECS developer
guide, "Task IAM role" (the credentials of a container).
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus_render.services.s3_connect import has_profiles

if TYPE_CHECKING:
    from collections.abc import Mapping
    from http.client import HTTPConnection

PATH = "/v1/submitjob"
CONTAINERS = "169.254.170.2"
"""Where a container gets the credentials of its role, by the path that its environment names."""
_ROLE = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
_PLAIN = frozenset(
    (
        "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", _ROLE, "AWS_REGION", "AWS_DEFAULT_REGION",
        # `has_profiles` looks at the files that the first two name. The others do not matter for one such request.
        "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_EC2_METADATA_DISABLED", "AWS_EXECUTION_ENV", "AWS_MAX_ATTEMPTS",
    )
)  # fmt: skip
_PLAIN_BEGINNINGS = ("AWS_BATCH_", "AWS_ENDPOINT_URL")
_REGION = re.compile(r"(us|eu|ap|sa|ca|me|af|il|mx)-\w+-\d+", re.ASCII)
"""The regions of the partition `aws`, whose names end in amazonaws.com."""
_ENDPOINT = re.compile(r"(https?)://([A-Za-z0-9.-]+(?::\d{1,5})?)/?")
_CONNECT, _ANSWER, _ROLE_ANSWER = 5.0, 20.0, 2.0
"""Seconds to wait for a connection, an answer, and the role's credentials; as with botocore."""


class Keys(NamedTuple):
    """The keys that sign a request."""

    id: str
    secret: str
    token: str
    """The token of temporary keys; '' for permanent ones."""


def way(region: str, environment: Mapping[str, str]) -> Way | None:
    """Return the quick way to AWS Batch in a region; None outside of its jobs, or if any setting is not plain.

    Settings are plain if all of this holds:

    - the region is of the partition `aws`, and the endpoint has no path;
    - there is no proxy, no profile, and no variable of AWS in the environment that is not known here;
    - the credentials stand in the environment, or are those of the container's role.
    """
    endpoint = environment.get("AWS_ENDPOINT_URL_BATCH") or environment.get("AWS_ENDPOINT_URL")
    there = _ENDPOINT.fullmatch(endpoint or f"https://batch.{region}.amazonaws.com")
    if "AWS_BATCH_JOB_ID" not in environment or not _REGION.fullmatch(region) or there is None:
        return None
    if not all(map(_is_plain, environment)) or has_profiles(environment):
        return None
    given = [
        environment.get(f"AWS_{name}", "") for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")
    ]
    keys = Keys(*given) if given[0] else None
    role = environment.get(_ROLE, "")
    if (keys is None and not role) or (keys is not None and not keys.secret):
        return None
    scheme, host = there.groups()
    return Way(scheme, host, region, keys, role)


def _is_plain(name: str) -> bool:
    if name == "REQUESTS_CA_BUNDLE" or (name.lower().endswith("_proxy") and name.lower() != "no_proxy"):
        return False
    return not name.startswith("AWS_") or name in _PLAIN or name.startswith(_PLAIN_BEGINNINGS)


class Way:
    """Submits the jobs of one process. It opens a connection for each job, and reads certificates and keys once."""

    def __init__(self, scheme: str, host: str, region: str, keys: Keys | None, role: str) -> None:
        """`role` is the path of the container's credentials, used if there are no `keys`."""
        self.scheme = scheme
        self.host = host
        self._region = region
        self._keys = keys
        self._role = role
        self._service: HTTPConnection | None = None

    def submit(self, request: Mapping[str, Any]) -> str:
        """Send a request of SubmitJob and return the job's id; '' if it is refused, or if no answer comes."""
        from http.client import HTTPException

        try:
            return str(self._ask(json.dumps(request).encode())["jobId"])
        except (OSError, HTTPException, ValueError, LookupError, TypeError, OverflowError):
            return ""

    def _ask(self, body: bytes) -> Any:
        from http.client import HTTPConnection, HTTPSConnection

        if self._keys is None:
            self._keys = _keys_of_role(self._role)
        if self._service is None:
            kind = HTTPSConnection if self.scheme == "https" else HTTPConnection
            self._service = kind(self.host, timeout=_CONNECT)
        headers = signed(body, self.host, self._region, self._keys, time.gmtime())
        headers["user-agent"] = "magnus-render"
        return _answer(self._service, "POST", PATH, body, headers, _ANSWER)


def _keys_of_role(path: str) -> Keys:
    from http.client import HTTPConnection

    host = HTTPConnection(CONTAINERS, timeout=_ROLE_ANSWER)
    found = _answer(host, "GET", path, None, {"accept": "application/json"}, _ROLE_ANSWER)
    return Keys(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])


def _answer(
    there: HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str], seconds: float
) -> Any:
    """Return the JSON of an answer; raise `ValueError` if the answer is an error, or no JSON."""
    try:
        there.connect()
        there.sock.settimeout(seconds)
        there.request(method, path, body, headers)
        answer = there.getresponse()
        if answer.status != 200:
            raise ValueError(f"status {answer.status}")
        return json.loads(answer.read())
    finally:
        there.close()


def signed(body: bytes, host: str, region: str, keys: Keys, when: time.struct_time) -> dict[str, str]:
    """Return the headers of a SubmitJob with its signature; `when` is the time of the signature (UTC)."""
    import hmac

    moment = time.strftime("%Y%m%dT%H%M%SZ", when)
    headers = {"content-type": "application/json", "host": host, "x-amz-date": moment}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(headers)  # in alphabetical order, as the signature requires
    lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
    request = f"POST\n{PATH}\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{moment[:8]}/{region}/batch/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{hashlib.sha256(request.encode()).hexdigest()}"
    key = f"AWS4{keys.secret}".encode()
    for part in (*scope.split("/"), text):
        key = hmac.digest(key, part.encode(), "sha256")
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={keys.id}/{scope}, SignedHeaders={names}, Signature={key.hex()}"
    )
    return headers
