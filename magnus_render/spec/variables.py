"""Substitutes `${name}` in values by `MAGNUS_VAR_name`, after parsing.

A substituted value is a text. Where a field takes a number, or true or false, a text that stands for one is accepted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus_render.spec import codes
from magnus_render.spec.report import Place
from magnus_render.spec.tree import Map, Seq, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus_render.spec.report import Report

PREFIX = "MAGNUS_VAR_"
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}\s]+)\}")
_AS_IS_FIELDS = frozenset(
    ("type", "next", "on_failure", "executor_config", "mode_config", "render_string", "command_config")
)
_GRAPHS = frozenset(("branch", "branches", "default"))
_COMPOSITES = frozenset(("parallel", "map", "dag", "conditional"))


class Variables:
    """The variables of one environment, and which of them a definition uses."""

    def __init__(self, environ: Mapping[str, str], report: Report) -> None:
        self._environ = environ
        self._report = report
        self.used: dict[str, str] = {}
        """Names and values of the variables that were substituted."""
        self.unset = 0
        """How often a variable was needed that is not set."""

    def text(self, text: str, place: Callable[[], Place], lenient: bool = False) -> str:
        """Return a text with its variables substituted; report those that are not set, unless `lenient`."""
        if "${" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            name = match.group(1)
            if name is None:
                return "${"
            found = self._environ.get(PREFIX + name)
            if found is not None:
                self.used[name] = found
                return found
            if not lenient:
                self._not_set(name, place())
            return match.group()

        return _REFERENCE.sub(value, text)

    def _not_set(self, name: str, place: Place) -> None:
        self.unset += 1
        value = place
        written = "${" + name + "}"
        source = place.source.text
        index = source.find(written, place.offset, place.offset + 100_000)
        if index >= 0:
            place = Place(place.source, index, len(written))
        known = [key[len(PREFIX) :] for key in self._environ if key.startswith(PREFIX)]
        fix = f"set {PREFIX}{name}, or write $${{{name}}} for these characters themselves"
        guess = self._report.did_you_mean(name, known)
        fix = f"{guess} Or {fix}" if guess else fix
        self._report.error(codes.UNSET_VARIABLE, place, f"variable '{name}' is not set", fix)
        self._report.mute(value)

    def tree(self, value: Map, lenient: bool = False, skip: frozenset[str] = frozenset()) -> Map:
        """Return a mapping with the variables in all values below it substituted, but for some of its keys."""
        if not value.source.uses_variables:
            return value
        result = value.replaced(dict(value))
        todo: list[tuple[Any, bool]] = [(result, lenient)]
        while todo:
            box, free = todo.pop()
            entries: list[tuple[Any, Value]]
            entries = list(box.items()) if isinstance(box, Map) else list(enumerate(box))
            for key, part in entries:
                if box is result and key in skip:
                    continue
                if isinstance(part, str):
                    place = box.value_place if isinstance(box, Map) else box.item_place
                    box[key] = self.text(part, lambda p=place, k=key: p(k), free)  # type: ignore[misc]
                elif isinstance(part, Map):
                    box[key] = part = part.replaced(dict(part))
                    todo.append((part, free or key == "render_string"))
                elif isinstance(part, Seq):
                    box[key] = part = part.replaced(list(part))
                    todo.append((part, free))
        return result

    def node(self, raw: Map) -> Map:
        """Return a node with its variables substituted; graphs inside of it are left for later."""
        if not raw.source.uses_variables:
            return raw
        kind = raw.get("type")
        lenient: set[str] = {"render_string"}
        skip: set[str] = set()
        if kind in _COMPOSITES:
            skip |= _GRAPHS
        elif kind in ("as-is", "stub"):
            skip = set(raw) - _AS_IS_FIELDS
            lenient.add("command_config")
        elif self._command_type(raw) == "shell":
            lenient.add("command")
        result = self.tree(raw, skip=frozenset(skip | lenient))
        left = result.replaced({key: value for key, value in result.items() if key in lenient})
        if not left:
            return result
        left.marks = [mark for key in left for mark in (raw.value_place(key).offset,) * 2]
        free = self.tree(left, lenient=True)
        return result.replaced({key: free.get(key, value) for key, value in result.items()})

    def _command_type(self, raw: Map) -> Value:
        given: Value = raw.get("command_type")
        if isinstance(given, str):
            return self.text(given, lambda: raw.value_place("command_type"), lenient=True)
        return given
