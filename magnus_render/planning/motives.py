"""Reasons, in words, why a step runs and is not taken over: which condition of `runtime/cached.py` does not hold."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus_render import naming
from magnus_render.executors.terminal import fit
from magnus_render.graph.resolve import NOT_IN_HASH
from magnus_render.plan import MAP
from magnus_render.planning.fields import ABSENT, Change, of_node
from magnus_render.runtime import cached, outcome
from magnus_render.runtime.records import attempts_of, dumps
from magnus_render.texts import safe, why_skipped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus_render.plan import Json, Node, State
    from magnus_render.runtime.records import Run

_COLUMNS = 40


def skipped(node: Node) -> str:
    """Return why a task is skipped."""
    return why_skipped(node["when"])


def shown(value: Any) -> str:
    """Return a value on one line of bounded width."""
    if value is ABSENT:
        return "none"
    return fit(safe(json.dumps(value, ensure_ascii=False, sort_keys=True)), _COLUMNS)


class Motives:
    """The reasons of the steps of one run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._original = cached.original_of(run) if run.record["original_run_id"] else None

    def of(self, address: str, node: Node, sees: str) -> str:
        """Return why a step runs; '' if the run takes nothing over."""
        run, original = self._run, self._original
        if original is None:
            return ""
        why = cached.success(run, original, address, node, sees)
        if why == cached.BEHIND:
            return self._behind(address, node, original)
        if why == cached.ABSENT:
            return "that run's definition has no such step"
        there = original.node(address)
        if why == cached.REDEFINED:
            return f"definition changed: {_listed(_redefined(there, node))}"
        end = outcome.of(original, address)
        if why == cached.UNDONE:
            return "it failed there" if end is not None else _unfinished(original, address)
        assert end is not None
        here = self._seen(run, address, node, sees)
        return f"it sees something else: {_listed(differences_of(self._seen(original, address, there, end['sees']), here))}"

    def _behind(self, address: str, node: Node, original: Run) -> str:
        """Return why the whole path of a step is not taken over, if no step before it runs."""
        run = self._run
        if run.record["changed"]:
            old, new = original.unpack(original.record["parameters"]), run.unpack(run.record["parameters"])
            changed = [name for name in new if name not in old or dumps(old[name]) != dumps(new[name])]
            told = [Change(f"parameter {name}", old.get(name, ABSENT), new[name]) for name in sorted(changed)]
            return f"initial parameters changed: {_listed(iter(told))}"
        parts = address.split(".")
        for place in range(1, len(parts), 2):
            composite = ".".join(parts[:place])
            around = run.node(composite)
            if around["type"] == MAP:
                same = run.of(composite, "start")["items_mocked"]
                index = int(parts[place])
                if same is not None and not same[index]:
                    return (
                        f"item {index} of '{naming.shown(around['path'], composite)}' has another value there"
                    )
        return "something before it was not taken over"

    def _seen(self, run: Run, address: str, node: Node, digest: str) -> dict[str, Any]:
        """Return the parameters and files that a step sees, with names for people."""
        seen: State = run.state(digest)
        variables = run.map_variables(address, node["scopes"])
        parameters = {
            name: value for name, value in run.unpack(seen["parameters"]).items() if name not in variables
        }
        return {
            **{f"parameter {name}": value for name, value in parameters.items()},
            **{f"map variable {name}": value for name, value in variables.items()},
            **{f"file {name}": entry for name, entry in seen["files"].items()},
        }


def differences_of(old: Mapping[str, Json], new: Mapping[str, Json]) -> Iterator[Change]:
    """Yield the names whose values differ."""
    for name in sorted({*old, *new}):
        left, right = old.get(name, ABSENT), new.get(name, ABSENT)
        if left is ABSENT or right is ABSENT or dumps(left) != dumps(right):
            yield Change(name, left, right)


def _unfinished(original: Run, address: str) -> str:
    """Return why a step has no outcome in a run."""
    if attempts_of(original.names(address), "start"):
        return "it had not ended there: it is still at work, or was stopped"
    return "it did not run there"


def _redefined(there: Node, here: Node) -> Iterator[Change]:
    for key in dict.fromkeys((*there, *here)):
        if key not in NOT_IN_HASH and key != "hash":
            yield from of_node(key, there.get(key, ABSENT), here.get(key, ABSENT))


def _listed(changes: Iterator[Change]) -> str:
    return ", ".join(f"{safe(one.field)} {shown(one.old)} -> {shown(one.new)}" for one in changes)
