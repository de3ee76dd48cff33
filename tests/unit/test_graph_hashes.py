"""What the hash of a node and of a definition depends on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.front_end import INLINE, dag, loaded


def hashes(tmp_path: Path, steps: str) -> tuple[str, dict[str, str]]:
    plan = loaded(tmp_path, dag(steps)).plan
    return plan["dag_hash"], {address: node["hash"] for address, node in plan["nodes"].items()}


BASE = "    a: {type: task, command: m.f, next: b}\n    b: {type: task, command: m.g, next: success}"


@pytest.mark.parametrize(
    ("steps", "changed"),
    [
        (BASE.replace("m.f", "m.other"), {"a"}),
        (BASE.replace("command: m.g", "command: m.g, retry: 2"), {"b"}),
        (BASE.replace("command: m.g", "command: m.g, secrets: [X]"), {"b"}),
        (BASE.replace("command: m.g", "command: m.g, catalog: {get: [x]}"), {"b"}),
        (BASE.replace("command: m.g", "command: m.g, description: new"), set()),
        (BASE.replace("command: m.f", "command: m.f, on_failure: success"), set()),
        (BASE.replace("a: {", "a: {\n      ").replace("m.f,", "m.f,  # a comment\n     "), None),
        (BASE.replace("command: m.g", "command: m.g, executor_config: {argo: {image: x}}"), None),
        (BASE.replace("command: m.g", "retry: 1, command: m.g, command_type: python-function"), None),
    ],
)
def test_hashes_are_of_the_definition(tmp_path: Path, steps: str, changed: set[str] | None) -> None:
    """`changed`: steps whose own hash differs; None if not even the definition's does."""
    whole, single = hashes(tmp_path, BASE)
    whole_after, single_after = hashes(tmp_path, steps)
    assert (whole == whole_after) is (changed is None)
    assert {address for address in single if single[address] != single_after[address]} == (changed or set())


def test_composites_are_compared_without_their_branches(tmp_path: Path) -> None:
    steps = f"    a: {{type: map, iterate_on: x, iterate_as: y, branch: {INLINE}, next: success}}"
    inner = INLINE.replace("start_at: ok, steps: {", "start_at: t, steps: {t: {type: as-is, next: ok}, ")
    _, one = hashes(tmp_path, steps)
    _, two = hashes(tmp_path, steps.replace(INLINE, inner))
    assert one["a"] == two["a"]
    assert one["a"] != hashes(tmp_path, steps.replace("iterate_on: x", "iterate_on: z"))[1]["a"]


def test_the_dag_hash_is_that_of_canonical_json(tmp_path: Path) -> None:
    steps = BASE.replace("command: m.g", "command: 'm.é', executor_config: {argo: {image: x}}")
    plan: Any = loaded(tmp_path, dag(steps)).plan
    kept = {key: value for key, value in plan.items() if key not in ("dag_hash", "variables")}
    kept["nodes"] = {
        address: {
            key: value for key, value in node.items() if key not in ("executor_config", "render", "separate")
        }
        for address, node in plan["nodes"].items()
    }
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert plan["dag_hash"] == hashlib.sha256(text.encode()).hexdigest()[:16]
