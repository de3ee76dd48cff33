"""Where a step works.

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
    from collections.abc import Mapping

    from magnus_render.plan import Node

MODE = "MAGNUS_WORKSPACES"
ISOLATED = "MAGNUS_ISOLATED"
"""Set to anything but `0`, it gives every step of a run a folder of its own, whatever the configuration says."""
ROOT = ".magnus"
DATA = "data"
_OWN = "let the user that steps run as own the working folder, or mount a folder there"


def mode(environment: Mapping[str, str]) -> str:
    """Return which nodes have folders of their own: `branch`, `step`, or '' where each step has a disk."""
    found = environment.get(MODE, "")
    return "step" if found and environment.get(ISOLATED, "0") not in ("", "0") else found


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
    """Make a workspace: links to the project's entries, and a data folder of its own.

    `fresh`, for one step alone, empties it first, and links files but no folders: what the step writes beside the
    project's files is its own.
    """
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
    if not own:
        _link(source, target, {ROOT}, deep=fresh)
    for part in own:
        _link(source, target, {part, ROOT} if source == project else {part}, deep=fresh)
        if is_link(source, target, part):
            os.unlink(os.path.join(target, part))
        source, target = os.path.join(source, part), os.path.join(target, part)
        os.makedirs(target, exist_ok=True)
    if own:
        _take_links_out(source, target)


def is_link(source: str, target: str, name: str) -> bool:
    """Tell whether `name`, in a folder `target` of a workspace, is the link to that of `source` which `make` has made.

    The text of such a link has a segment `.`, which tells it from a link of the user's to the same file.
    """
    there = os.path.join(target, name)
    return os.path.islink(there) and os.readlink(there) == _text(source, name)


def _text(source: str, name: str) -> str:
    folder, last = os.path.split(name)
    return os.path.join(source, folder, os.curdir, last)


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
        raise platform_error("make the data folder", folder, error, _OWN) from error


def clear(path: str) -> None:
    """Delete a workspace; links are removed, not followed."""
    if os.path.isdir(path):
        import shutil

        shutil.rmtree(path)


def remove(run_id: str) -> None:
    """Delete the workspaces of a run that is over, and the folders around them if nothing else is there."""
    path = os.path.join(ROOT, "workspaces", run_id)
    if not os.path.isdir(path):
        return
    import shutil

    shutil.rmtree(path, ignore_errors=True)
    for parent in (os.path.dirname(path), ROOT):
        try:
            os.rmdir(parent)
        except OSError:
            break


def _link(source: str, target: str, leave: set[str], deep: bool) -> None:
    """Link entries of one folder into another; `deep`: make folders anew and link what is in them.

    Hidden folders and virtual environments are linked as a whole: they have many files, and no step writes to them.
    """
    try:
        entries = list(os.scandir(source))
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name in leave:
            continue
        there = os.path.join(target, entry.name)
        try:
            if deep and _is_open(entry):
                os.mkdir(there)
                _link(entry.path, there, set(), deep)
            else:
                os.symlink(_text(source, entry.name), there)
        except FileExistsError:
            pass


def _take_links_out(source: str, target: str) -> None:
    """Take our links out of a folder that is to be the branch's own.

    They are there if an earlier step of the branch has a data folder below this one. To write through them would change
    the project's files, which other branches see.
    """
    for entry in list(os.scandir(target)):
        if is_link(source, target, entry.name):
            os.unlink(entry.path)
        elif entry.is_dir(follow_symlinks=False) and os.path.isdir(
            within := os.path.join(source, entry.name)
        ):
            _take_links_out(within, entry.path)


def _is_open(entry: os.DirEntry[str]) -> bool:
    return (
        entry.is_dir(follow_symlinks=False)
        and entry.name[0] != "."
        and not os.path.exists(os.path.join(entry.path, "pyvenv.cfg"))
    )
