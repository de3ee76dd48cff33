"""A run log store that writes nothing: new records stay in memory, and all others are read from a store behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_render.services.base import BaseRunLogStore

if TYPE_CHECKING:
    from magnus_render.services.base import BaseRunLogStore as Store


class Overlay(BaseRunLogStore):
    """Keeps the records of one run in memory; those of other runs come from the store behind it."""

    def __init__(self, behind: Store, run_id: str) -> None:
        self._behind = behind
        self._run_id = run_id
        self._records: dict[str, bytes] = {}
        self._names: dict[str, set[str]] = {}

    def create(self, key: str, data: bytes) -> bool:
        if key in self._records:
            return False
        self._records[key] = data
        while "/" in key:
            key, _, name = key.rpartition("/")
            self._names.setdefault(key, set()).add(name)
        return True

    def read(self, key: str) -> bytes | None:
        return self._records.get(key) if self._is_own(key) else self._behind.read(key)

    def names(self, folder: str) -> list[str]:
        return sorted(self._names.get(folder, ())) if self._is_own(folder) else self._behind.names(folder)

    def _is_own(self, key: str) -> bool:
        return key.partition("/")[0] == self._run_id
