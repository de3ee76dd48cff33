"""Deleting runs, and what only they used: `magnus runs prune`."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from magnus_render.errors import PlatformError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from magnus_render.services.base import BaseCatalog, BaseRunLogStore

WORKSPACES = os.path.join(".magnus", "workspaces")
_SHA256 = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


def used_blobs(store: BaseRunLogStore, runs: Collection[str]) -> set[str]:
    """Return every hash that a record of these runs mentions.

    More than the catalog entries (hashes of states, too), which errs on the safe side and needs no knowledge of records.
    """
    used: set[str] = set()
    for run_id in runs:
        for _, data in store.read_all(run_id):
            used.update(match.decode() for match in _SHA256.findall(data))
    return used


def remove_runs(store: BaseRunLogStore, runs: Collection[str], dry_run: bool) -> Iterator[str]:
    """Delete runs; yield what was done."""
    for run_id in runs:
        if not dry_run:
            store.remove_run(run_id)
        yield f"run {run_id}"


def remove_blobs(
    store: BaseRunLogStore, catalog: BaseCatalog, kept: Collection[str], dry_run: bool
) -> Iterator[str]:
    """Delete the blobs that no run in `kept` mentions; yield what was done."""
    # Listed before the records are read: a blob that comes later is left alone, whatever the records say.
    blobs = list(catalog.blobs())
    used = used_blobs(store, kept) if blobs else set()
    for sha256 in blobs:
        if sha256 not in used:
            if not dry_run:
                catalog.remove(sha256)
            yield f"catalog {sha256}"


def remove_workspaces(kept: Collection[str], dry_run: bool) -> Iterator[str]:
    """Delete the workspaces, below the working folder, of runs not in `kept`; yield what was done."""
    try:
        names = sorted(os.listdir(WORKSPACES))
    except (FileNotFoundError, NotADirectoryError):
        return
    for name in names:
        path = os.path.join(WORKSPACES, name)
        if name in kept or os.path.islink(path) or not os.path.isdir(path):
            continue
        if not dry_run:
            try:
                shutil.rmtree(path)
            except OSError as error:
                raise PlatformError(f"cannot remove {path}: {error.strerror or error}") from error
        yield f"workspace {path}"
