"""The base classes of a run log store, a catalog and a secrets provider.

Implementations register in the entry-point groups `magnus_render.run_log_store`, `magnus_render.catalog` and
`magnus_render.secrets`, and must pass the contract suites in `tests/contract/`. Standard library only: the
runtime imports this at every step.
"""

from __future__ import annotations

import os

from magnus_render.registry import Described
from magnus_render.services.options import LOG_LIMIT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, BinaryIO


class BaseRunLogStore(Described):
    """Small immutable records under string keys.

    Keys are `RUN_ID/...` with `/` between segments of `[A-Za-z0-9._-]`; no segment begins with a dot. Every
    method raises `errors.PlatformError` when the storage behind it fails (full, read-only, unreachable),
    naming what and where.
    """

    local_only = False
    """True if only a walk in this very process can use it."""
    log_limit = LOG_LIMIT
    """Bytes of an attempt's log that are kept: half of them at its beginning, half at its end. The writer cuts the log."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Take the `config` block; raise `errors.Refused` naming an unknown or missing key."""
        raise NotImplementedError

    def _limited(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return a configuration with the store's limit of a log, if that is not the default."""
        return {**config, "log_limit": self.log_limit} if self.log_limit != LOG_LIMIT else dict(config)

    def create(self, key: str, data: bytes) -> bool:
        """Write a record if there is none of that key, atomically; tell whether it was written."""
        raise NotImplementedError

    def read(self, key: str) -> bytes | None:
        """Return a record, whole, or None."""
        raise NotImplementedError

    def names(self, folder: str) -> list[str]:
        """Return the names of the records and folders directly in a folder, sorted; [] if there is none."""
        raise NotImplementedError

    def read_all(self, folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield (key, data) of all records below a folder except logs (`*.log`), in no particular order."""
        raise NotImplementedError

    def runs(self) -> list[str]:
        """Return the ids of all runs, sorted."""
        raise NotImplementedError

    def identity(self) -> str:
        """Return the id of this store, of letters and digits. Other stores, also a copy of this one, have other ids."""
        import json
        from hashlib import sha256

        self.create("store.json", json.dumps({"id": os.urandom(16).hex()}).encode())
        place = json.dumps(getattr(self, "config", {}), sort_keys=True)
        return sha256((self.read("store.json") or b"") + place.encode()).hexdigest()[:32]

    def remove_run(self, run_id: str) -> None:
        """Delete a run, first of all its `run.json`, which is written last: a run without it does not exist."""
        raise NotImplementedError

    def open_log(self, key: str) -> BinaryIO:
        """Return a file to write an attempt's log to. The store has it under `key` once it is closed, or earlier."""
        raise NotImplementedError


class BaseCatalog(Described):
    """Content-addressed files: one blob per SHA-256. Names and modes stand in the run's records, not here.

    Run log stores whose runs may name content register as its users, so that none deletes content of another.
    """

    keeps = True
    """False if the catalog keeps nothing. Then `get` and `put` of a step do nothing at all."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def put(self, path: str) -> tuple[str, int]:
        """Store the file at `path`, unless it is there; return its SHA-256 and its size in bytes.

        Other users of the machine can read a blob only if they could read a file that was put with that content.
        """
        raise NotImplementedError

    def get(self, sha256: str, path: str) -> None:
        """Write a blob to `path` atomically, after checking it against its hash.

        Raise `errors.PlatformError` if it is not there or does not match.
        """
        raise NotImplementedError

    def register(self, user: str) -> None:
        """Note a run log store (letters and digits) whose runs may name content from now on."""

    def users(self) -> set[str] | None:
        """Return all registered users; None if there may be others, because some content may be older than the register."""
        return None

    def blobs(self) -> Iterator[str]:
        """Yield the SHA-256 of every blob."""
        raise NotImplementedError

    def remove(self, sha256: str) -> None:
        """Delete a blob if it is there."""
        raise NotImplementedError


class BaseSecrets(Described):
    """A secrets provider. Values of secrets are never recorded."""

    empty = False
    """True if it can have no secret at all."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def get(self, name: str) -> str:
        """Return a secret's value; raise `KeyError` if it is not there."""
        raise NotImplementedError

    def known(self) -> list[str]:
        """Return names of secrets, as far as they can be listed cheaply, to suggest one for a name that does not exist."""
        return []

    def where(self) -> str:
        """Return where secrets are looked for, as the end of the message about a missing one; '' for no such text.

        The message is recorded, so it must not have a path that only this machine has.
        """
        return ""

    def remedy(self, name: str) -> str:
        """Return how a person on this machine adds a secret of that name; '' for no such text."""
        return ""

    def files(self) -> list[str]:
        """Return the absolute paths of files with values of secrets, which no image may have."""
        return []

    def variable(self, name: str) -> str:
        """Return the environment variable that a secret is read from, '' if it comes from elsewhere."""
        return ""
