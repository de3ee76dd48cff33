"""The output of `magnus plan --json`; `plan.schema.json` describes it."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, get_args

from magnus_render.planning.compare import Action
from magnus_render.planning.fields import ABSENT
from magnus_render.planning.verdicts import WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_render.planning.compare import Comparison
    from magnus_render.planning.fields import Change
    from magnus_render.planning.goldens import Golden
    from magnus_render.planning.outputs import Outputs
    from magnus_render.planning.preview import Preview

FORMAT = 1


def schema() -> dict[str, Any]:
    """Return the JSON schema of that output."""
    with open(os.path.join(os.path.dirname(__file__), "plan.schema.json"), encoding="utf-8") as file:
        found: dict[str, Any] = json.load(file)
    return found


def of_comparison(
    found: Comparison, old: str, new: str, outputs: Outputs | None, goldens: Sequence[Golden] = ()
) -> dict[str, Any]:
    """Return the differences of two definitions as JSON data; `old` and `new` are their names, as the user gave them."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "kind": "comparison",
        "old": {"file": old, "dag_hash": found.old["dag_hash"]},
        "new": {"file": new, "dag_hash": found.new["dag_hash"]},
        "changed": found.changed,
        "pipeline": [_change(change) for change in found.pipeline],
        "nodes": [
            {
                "action": node.action,
                "address": node.address,
                "path": node.path,
                "type": node.type,
                "place": node.where._asdict(),
                "changes": [_change(change) for change in node.changes],
                "why": node.why,
            }
            for node in found.nodes
        ],
        "counts": {**{action: found.count(action) for action in get_args(Action)}, "same": found.same},
    }
    if outputs is not None:
        changes = [change._asdict() for change in outputs.changes]
        document["output"] = {"target": outputs.target, "same": outputs.same, "changes": changes}
    if goldens:
        document["artefacts"] = [
            {key: value for key, value in one._asdict().items() if value != ""} | {"same": one.same}
            for one in goldens
        ]
    return document


def of_preview(found: Preview) -> dict[str, Any]:
    """Return the preview of a run as JSON data."""
    return {
        "format": FORMAT,
        "kind": "run",
        "dag_hash": found.run.record["dag_hash"],
        "use_cached": found.original,
        "steps": [
            {
                "address": one.address,
                "path": one.path,
                "verdict": one.what,
                "why": one.why,
                "conditions": one.conditions,
            }
            for one in found.verdicts
        ],
        "counts": {word: sum(one.what == word for one in found.verdicts) for word in WORDS},
    }


def text(document: dict[str, Any]) -> str:
    """Return a document as it is printed."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _change(change: Change) -> dict[str, Any]:
    values = {"old": change.old, "new": change.new}
    return {
        "field": change.field,
        **{key: value for key, value in values.items() if value is not ABSENT},
        "why": change.why,
    }
