"""Where a step works, and the files it exchanges with the catalog (DESIGN §3.5).

Engines whose branches share a disk set `MAGNUS_WORKSPACES`: `branch` gives each branch of a parallel or map a folder of its
own, `step` gives every step one (`isolated: true`). A workspace has the project's entries linked in and a
`compute_data_folder` of its own. Its path has one folder per address segment, then `_work`, which no slug can be.
"""

from __future__ import annotations

import os

from magnus_render.plan import MAP, PARALLEL
from magnus_render.runtime.tasks.base import TaskFailure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import Catalog, CatalogRecord, FileEntry, Node
    from magnus_render.services.base import BaseCatalog

ROOT = ".magnus"
DATA = "data"


def data_folder(node: Node) -> str:
    """Return a task's `compute_data_folder`, relative to its working folder unless the user made it absolute."""
    catalog = node.get("catalog")
    return catalog["compute_data_folder"] if catalog else DATA


def place(run_id: str, address: str, node: Node, mode: str) -> str:
    """Return the absolute path of the folder a step works in, without making it."""
    project = os.getcwd()
    owner = ""
    if mode == "step":
        owner = address
    elif mode == "branch":
        for scope in node["scopes"]:
            if scope["type"] in (PARALLEL, MAP):
                owner = ".".join(address.split(".")[: scope["address"].count(".") + 2])
    if not owner:
        return project
    return os.path.join(project, ROOT, "workspaces", run_id, *owner.split("."), "_work")


def make(path: str, data: str, fresh: bool) -> None:
    """Make a workspace: links to the project's entries, and a data folder of its own. `fresh` empties it first."""
    project = os.getcwd()
    if path == project:
        return
    if fresh:
        clear(path)
    own = (
        [] if os.path.isabs(data) else [part for part in os.path.normpath(data).split(os.sep) if part != "."]
    )
    source, target = project, path
    os.makedirs(target, exist_ok=True)
    for part in [*own, ""]:
        _link(source, target, {part, ROOT} if source == project else {part})
        source, target = os.path.join(source, part), os.path.join(target, part)
        if part:
            os.makedirs(target, exist_ok=True)
            if part == own[-1]:
                break


def clear(path: str) -> None:
    """Delete a workspace; links are removed, not followed."""
    if os.path.isdir(path):
        import shutil

        shutil.rmtree(path)


def _link(source: str, target: str, leave: set[str]) -> None:
    try:
        entries = os.listdir(source)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry not in leave:
            try:
                os.symlink(os.path.join(source, entry), os.path.join(target, entry))
            except FileExistsError:
                pass


# ---- globs ----


def is_literal(pattern: str) -> bool:
    """Tell whether a pattern names one path."""
    return not any(c in pattern for c in "*?[")


def matches(pattern: str, path: str) -> bool:
    """Tell whether a path (with `/`) matches a glob.

    `*` and `?` stay within a segment and do not match a leading dot, `**` crosses segments; a pattern that matches a
    folder matches all below it.
    """
    if path == pattern or path.startswith(pattern.rstrip("/") + "/"):
        return True
    if is_literal(pattern):
        return False
    from fnmatch import fnmatchcase

    wanted = [part for part in pattern.split("/") if part not in ("", ".")]
    parts = path.split("/")
    # The positions in `wanted` that the segments read so far can have led to.
    places = {0}
    for part in parts:
        if len(wanted) in places:
            return True
        step: set[int] = set()
        for at in _through(places, wanted):
            if at == len(wanted):
                continue
            if wanted[at] == "**":
                if not part.startswith("."):
                    step.add(at)
            elif fnmatchcase(part, wanted[at]) and (not part.startswith(".") or wanted[at].startswith(".")):
                step.add(at + 1)
        places = step
        if not places:
            return False
    return len(wanted) in _through(places, wanted)


def _through(places: set[int], wanted: list[str]) -> set[int]:
    """Add the positions reached by letting `**` stand for nothing."""
    reached = set(places)
    for at in sorted(places):
        while at < len(wanted) and wanted[at] == "**":
            at += 1
            reached.add(at)
    return reached


def _checked(pattern: str) -> str:
    pattern = pattern.removeprefix("./")
    if os.path.isabs(pattern) or ".." in pattern.split("/"):
        raise TaskFailure(f"catalog: '{pattern}' leads out of the data folder")
    return pattern


# ---- exchange ----


def get_files(
    catalog: BaseCatalog, wanted: Catalog, files: dict[str, FileEntry], folder: str
) -> tuple[list[CatalogRecord], list[str]]:
    """Bring the visible files that match into the data folder; return what was read and the warnings.

    Raises `TaskFailure` if a literal matches nothing.
    """
    found: dict[str, FileEntry] = {}
    warnings = []
    for pattern in map(_checked, wanted["get"]):
        matching = {path: entry for path, entry in files.items() if matches(pattern, path)}
        if not matching:
            if is_literal(pattern):
                raise TaskFailure(f"catalog: nothing to get for '{pattern}'")
            warnings.append(f"catalog: '{pattern}' matches nothing to get")
        found.update(matching)
    records: list[CatalogRecord] = []
    for path in sorted(found):
        target = os.path.join(folder, path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        catalog.get(found[path]["sha256"], target)
        records.append({"path": path, "stage": "get", **found[path]})
    return records, warnings


def put_files(catalog: BaseCatalog, wanted: Catalog, folder: str) -> tuple[list[CatalogRecord], list[str]]:
    """Catalogue the files of the data folder that match; return what was stored and the warnings.

    Raises `TaskFailure` if a literal matches nothing.
    """
    patterns = [_checked(pattern) for pattern in wanted["put"]]
    if not patterns:
        return [], []
    present = sorted(_files_below(folder))
    found: set[str] = set()
    warnings = []
    for pattern in patterns:
        matching = [path for path in present if matches(pattern, path)]
        if not matching:
            if is_literal(pattern):
                raise TaskFailure(f"catalog: nothing to put for '{pattern}'")
            warnings.append(f"catalog: '{pattern}' matches nothing to put")
        found.update(matching)
    records: list[CatalogRecord] = []
    for path in sorted(found):
        digest, size = catalog.put(os.path.join(folder, path))
        records.append({"path": path, "stage": "put", "sha256": digest, "size": size})
    return records, warnings


def _files_below(folder: str) -> list[str]:
    found = []
    for top, _, names in os.walk(folder):
        below = os.path.relpath(top, folder)
        for name in names:
            path = os.path.normpath(os.path.join(below, name))
            if os.path.isfile(os.path.join(top, name)):
                found.append(path.replace(os.sep, "/"))
    return found
