"""Reasons of differences that the lines of a node itself do not show: a default, an anchor, a nested definition."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.runtime.names import NOTEBOOK_OUTPUT
from magnus_render.spec.tree import Map, Seq

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_render.graph.definition import Step
    from magnus_render.graph.load import Loaded
    from magnus_render.plan import Node
    from magnus_render.spec.report import Place, Source

WRITTEN = {"render": "render_string"}
"""Names of fields of a plan -> names of the same fields in a definition, if they differ."""


def where(place: Place) -> tuple[str, int, int]:
    """Return file, line and column of a place, counted from 1."""
    line, column, _ = place.source.position(place.offset)
    return place.source.path, line, column


def shown(place: tuple[str, int, int]) -> str:
    """Return a place as diagnostics show it."""
    return ":".join(map(str, place))


def nested(loaded: Loaded, step: Step) -> str:
    """Return a sentence if a step stands in a nested definition, '' if it stands in the definition itself."""
    root = loaded.definition.graphs[""].place.source
    return (
        f"it stands in the nested definition {step.place.source.path}"
        if step.place.source is not root
        else ""
    )


def of_field(old: Loaded, new: Loaded, address: str, field: str) -> str:
    """Return why a field of a node differs; '' if the lines of the node show it."""
    keys = field.split(".")
    step = new.definition.steps[address]
    written = _written(step.raw, keys)
    if field == "catalog.compute_data_folder" and not written:
        folders = old.settings.data_folder, new.settings.data_folder
        return f"the default of the catalog block has changed: {folders[0]} -> {folders[1]}"
    if keys[0] == "executor_config" and step.own is None and "executor_config" in step.raw:
        return "the value stands in 'overrides' of the executor's configuration"
    if keys == ["command_config", NOTEBOOK_OUTPUT] and not written:
        return "the number of steps that run a notebook of this name has changed"
    if written is not None and not _inside(step, *written):
        source, offset = written
        line, column, _ = source.position(offset)
        return f"the value stands at {source.path}:{line}:{column}, outside of the step"
    return ""


def _written(raw: Map, keys: list[str]) -> tuple[Source, int] | None:
    """Return the place of a field's value, as deep as the path can be followed; None if the step does not have it."""
    found: tuple[Source, int] | None = None
    box = raw
    for key in [WRITTEN.get(keys[0], keys[0]), *keys[1:]]:
        if key not in box:
            return None
        value: Any = box[key]
        if isinstance(value, (Map, Seq)):
            found = value.source, value.offset
        else:
            place = box.value_place(key)
            found = place.source, place.offset
        if not isinstance(value, Map):
            break
        box = value
    return found


def _inside(step: Step, source: Source, offset: int) -> bool:
    """Tell whether a character stands within the lines of a step: those that are indented further than its name."""
    place = step.place
    if source is not place.source or offset < place.offset:
        return False
    _, column, _ = source.position(place.offset)
    end = re.compile(rf"\n {{0,{column - 1}}}(?=[^\s#])").search(source.text, place.offset)
    return end is None or offset < end.start()


class Alike:
    """Reasons why nodes are added or removed: together with the composite around them, or under another name."""

    def __init__(self, old: Mapping[str, Node], new: Mapping[str, Node]) -> None:
        self._old, self._new = old, new
        self._removed = _by_definition(old, new)
        self._added = _by_definition(new, old)

    def why(self, action: str, node: Node) -> str:
        """Return why a node is added or removed; '' if there is no further reason."""
        there, verb, others = (
            (self._old, "added", self._removed) if action == "add" else (self._new, "removed", self._added)
        )
        if node["scopes"] and (around := node["scopes"][-1]["address"]) not in there:
            path = (self._new if action == "add" else self._old)[around]["path"]
            return f"part of '{path}', which is {verb}"
        same = others.get((naming.parent(node["address"]), node["hash"]), [])
        if len(same) == 1:
            other = "removed" if action == "add" else "added"
            return f"defined like '{same[0]}', which is {other}"
        return ""


def _by_definition(nodes: Mapping[str, Node], others: Mapping[str, Node]) -> dict[tuple[str, str], list[str]]:
    """Return the paths of the tasks that are in one plan alone, by their graph and the hash of their definition."""
    found: dict[tuple[str, str], list[str]] = {}
    for address, node in nodes.items():
        if address not in others and node["type"] == "task":
            found.setdefault((naming.parent(address), node["hash"]), []).append(node["path"])
    return found
