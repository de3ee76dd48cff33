"""What is added to a state: by a step, and by the branches of a composite together, which is a join (docs/semantics.md).

Pure functions, shared by the callback that records a join and by the fold that computes one in memory. Only a composite
that succeeded is joined: a failed one contributes nothing, so callers do not ask.
"""

from __future__ import annotations

from magnus_render.plan import file_entry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from magnus_render.plan import CatalogRecord, FileEntry, Packed, State


class Contribution:
    """What one branch added since it began: parameters by name, catalogued files by path."""

    __slots__ = ("files", "set")

    def __init__(self, set: dict[str, Any] | None = None, files: dict[str, FileEntry] | None = None) -> None:
        self.set = {} if set is None else set
        self.files = {} if files is None else files


class Merged:
    """What a composite adds, and the warnings about what was overwritten (lines, '' if none)."""

    __slots__ = ("files", "message", "set")

    def __init__(self, set: dict[str, Any], files: dict[str, FileEntry], message: str) -> None:
        self.set = set
        self.files = files
        self.message = message


def merge_parallel(branches: Sequence[tuple[str, Contribution]]) -> Merged:
    """Merge the branches of a parallel, given by name in the order of declaration: the later one wins."""
    values: dict[str, Any] = {}
    files: dict[str, FileEntry] = {}
    setters: dict[str, list[int]] = {}
    filers: dict[str, list[int]] = {}
    for index, (_, branch) in enumerate(branches):
        values.update(branch.set)
        files.update(branch.files)
        for name in branch.set:
            setters.setdefault(name, []).append(index)
        for path in branch.files:
            filers.setdefault(path, []).append(index)
    warnings = []
    for name in sorted(setters):
        if not _all_equal([branches[index][1].set[name] for index in setters[name]]):
            names = [f"'{branches[index][0]}'" for index in setters[name]]
            warnings.append(
                f"branches {_listed(names)} set '{name}' to different values: that of {names[-1]} is kept"
            )
    for path in sorted(filers):
        if len({branches[index][1].files[path]["sha256"] for index in filers[path]}) > 1:
            names = [f"'{branches[index][0]}'" for index in filers[path]]
            warnings.append(
                f"branches {_listed(names)} catalogued '{path}' with different content: "
                f"that of {names[-1]} is kept"
            )
    return Merged(values, files, "\n".join(warnings))


def merge_map(items: Sequence[Contribution]) -> Merged:
    """Merge the items of a map, by index.

    A parameter that any item set becomes the list of its values, None where an item did not set it. Of a file
    that several items catalogued the last wins.
    """
    values: dict[str, Any] = {}
    files: dict[str, FileEntry] = {}
    filers: dict[str, list[int]] = {}
    for index, item in enumerate(items):
        for name, value in item.set.items():
            if name not in values:
                values[name] = [None] * len(items)
            values[name][index] = value
        files.update(item.files)
        for path in item.files:
            filers.setdefault(path, []).append(index)
    warnings = []
    for path in sorted(filers):
        if len({items[index].files[path]["sha256"] for index in filers[path]}) > 1:
            indices = [str(index) for index in filers[path]]
            warnings.append(
                f"items {_listed(indices)} catalogued '{path}' with different content: "
                f"that of item {indices[-1]} is kept"
            )
    return Merged(values, files, "\n".join(warnings))


def merge_dag(branch: Contribution) -> Merged:
    """What the one branch of a `dag` node added is what the node adds."""
    return Merged(dict(branch.set), dict(branch.files), "")


def json_equal(left: Any, right: Any) -> bool:
    """Tell whether two values are the same JSON: 1, 1.0 and true differ, the order of keys does not count."""
    return _all_equal([left, right])


def _all_equal(values: Iterable[Any]) -> bool:
    values = list(values)
    if len(values) < 2:
        return True
    import json

    texts = {json.dumps(value, sort_keys=True) for value in values}
    return len(texts) == 1


def _listed(names: list[str]) -> str:
    """'a', 'b' and 'c'."""
    return names[0] if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def added(state: State, packed: Packed, files: dict[str, FileEntry]) -> State:
    """Return a state with parameters and files added to it."""
    values, large = dict(state["parameters"]["values"]), dict(state["parameters"]["large"])
    for name, value in packed["values"].items():
        large.pop(name, None)
        values[name] = value
    for name, digest in packed["large"].items():
        values.pop(name, None)
        large[name] = digest
    return {
        "parameters": {"values": values, "large": large},
        "files": {**state["files"], **files},
        "set": sorted({*state["set"], *packed["values"], *packed["large"]}),
        "filed": sorted({*state["filed"], *files}),
        "mocked": state["mocked"],
    }


def files_put(catalogued: list[CatalogRecord]) -> dict[str, FileEntry]:
    """Return the files that catalog records of a step put, by path."""
    return {c["path"]: file_entry(c) for c in catalogued if c["stage"] == "put"}
