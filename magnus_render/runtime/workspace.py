"""Where a step works (DESIGN §3.5).

Engines whose branches share a disk set `MAGNUS_WORKSPACES`: `branch` gives each branch of a parallel or map a folder of its
own, `step` gives every step one (`isolated: true`). A workspace has the project's entries linked in and a
`compute_data_folder` of its own. Its path has one folder per address segment, then `_work`, which no slug can be.
"""

from __future__ import annotations

import os

from magnus_render.plan import MAP, PARALLEL
from magnus_render.runtime.tasks.base import TaskFailure
from magnus_render.services.options import platform_error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from magnus_render.plan import Node

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


def make_data(folder: str, node: Node) -> None:
    """Make a step's data folder, if it is not there.

    A step that says nothing of the catalog need not have one: where it cannot be made, it runs without.
    """
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        catalog = node.get("catalog")
        if not catalog:
            return
        if isinstance(error, FileExistsError | NotADirectoryError):
            where = catalog["compute_data_folder"]
            raise TaskFailure(
                f"catalog: cannot make the data folder '{where}': a file is in its place"
            ) from None
        raise platform_error("make", folder, error) from error


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
