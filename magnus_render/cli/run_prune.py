"""`magnus runs prune`: deletes runs, and the files that they alone use."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

from magnus_render.errors import MagnusError, PlatformError
from magnus_render.report.listing import in_progress
from magnus_render.runtime import lease, scratch

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from magnus_render.report.listing import Listing
    from magnus_render.services.base import BaseCatalog, BaseRunLogStore

WORKSPACES = os.path.join(".magnus", "workspaces")
_SHA256 = re.compile(rb"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_OTHERS = "--catalog-too deletes them if you know that nothing needs them"


class Pruning:
    """One call of the command. It deletes runs; `notes` has what it left, and why."""

    def __init__(self, store: BaseRunLogStore, catalog: BaseCatalog, found: Listing, dry_run: bool) -> None:
        self.store = store
        self.catalog = catalog
        self.found = found
        self.dry_run = dry_run
        self.notes: list[str] = []
        self._running: set[str] = set()
        self._unread = dict(found.unread)

    def delete(self, chosen: list[str], *, named: bool, catalog_too: bool) -> Iterator[str]:
        """Delete runs with their files; yield lines about it. `named`: the user named them one by one."""
        self._look(chosen if named else ())
        if not named:
            self.notes += [
                f"run {run_id} is in progress (name it to delete it)"
                for run_id in chosen
                if run_id in self._running
            ]
            self.notes += [f"{why} (name it to delete it)" for why in self._unread.values()]
            chosen = [run_id for run_id in chosen if run_id not in self._running | self._unread.keys()]
        kept = set(self.store.runs()) - set(chosen)
        blobs = self._blobs(kept, catalog_too)
        for run_id in chosen:
            if not self.dry_run:
                self.store.remove_run(run_id)
            yield f"run {run_id}"
        for sha256 in blobs:
            if not self.dry_run:
                self.catalog.remove(sha256)
            yield f"catalog {sha256}"
        yield from self._workspaces(chosen)
        if not self.dry_run:
            scratch.sweep()

    def _look(self, named: Collection[str]) -> None:
        """Find out which runs are in progress, and which cannot be read."""
        for run in self.found.runs:
            if run.run_id not in named:
                try:
                    if in_progress(run):
                        self._running.add(run.run_id)
                except MagnusError as error:
                    self._unread[run.run_id] = error

    # ---- the catalog ----

    def _blobs(self, kept: set[str], catalog_too: bool) -> list[str]:
        """Return the content that no run can need. Note the reason if other content is kept that no remaining run names."""
        # Listed before the records are read, so that a blob that is added meanwhile is never deleted.
        blobs = sorted(self.catalog.blobs())
        try:
            unnamed = set(blobs).difference(*map(self._named_by, kept)) if blobs else set()
        except MagnusError as error:
            self.notes.append(f"the catalog's files, for a run that remains may name any of them: {error}")
            return []
        if unnamed and (why := self._needed(kept, catalog_too)):
            self.notes.append(f"the catalog's files, for {why}")
            return []
        return [sha256 for sha256 in blobs if sha256 in unnamed]

    def _named_by(self, run_id: str) -> set[str]:
        """Return every hash that a record of a run mentions.

        It finds hashes by their form, so also those of states. So a blob may be kept for too long, but never be deleted too
        early, and this function need not know the fields of records.
        """
        found: set[str] = set()
        for _, data in self.store.read_all(run_id):
            found.update(match.decode() for match in _SHA256.findall(data))
        return found

    def _needed(self, kept: set[str], catalog_too: bool) -> str:
        """Return why some remaining run may need any content of the catalog; '' if there is no such run."""
        if running := self._running & kept:
            more = f" (and {len(running) - 1} more)" if len(running) > 1 else ""
            return f"run {min(running)}{more} is in progress and may use any of them"
        if unread := self._unread.keys() & kept:
            return f"run {min(unread)} cannot be read and may name any of them"
        if catalog_too:
            return ""
        users = self.catalog.users()
        if users is None:
            return f"some may be older than the list of the stores that use them. {_OTHERS}"
        others = users - {self.store.identity()}
        return f"runs of another run log store may name them. {_OTHERS}" if others else ""

    # ---- workspaces ----

    def _workspaces(self, chosen: Collection[str]) -> Iterator[str]:
        """Delete the workspaces that runs left below the working folder; yield lines about it."""
        at_work = set(lease.at_work(os.curdir))
        for run_id in chosen:
            path = os.path.join(WORKSPACES, run_id)
            if os.path.islink(path) or not os.path.isdir(path):
                continue
            if run_id in at_work:
                self.notes.append(f"workspace {path}: a run of that id is at work there")
                continue
            if not self.dry_run:
                try:
                    shutil.rmtree(path)
                except OSError as error:
                    raise PlatformError(f"cannot remove {path}: {error.strerror or error}") from error
            yield f"workspace {path}"
