"""`magnus schema`: every field and key says what it means and has an example; what is accepted fits."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
import yaml

from magnus_render import registry
from magnus_render.project import schema as project_schema
from magnus_render.spec import descriptions, kinds, schema
from magnus_render.spec.config import BLOCKS, types_of
from magnus_render.targets.argo.config import Metric

ROOT = Path(__file__).resolve().parent.parent.parent
WRITTEN = {
    path: yaml.safe_load(path.read_text())
    for folder in ("examples", "tests/golden")
    for path in sorted(ROOT.glob(f"{folder}/*/*.yaml"))
    if not path.name.startswith("workflow")
}
FITTING = [path for path, found in WRITTEN.items() if {"dag", *BLOCKS} & set(found)]
"""Definitions and configuration files, all of which are rendered or run by other tests."""
_OLDER = "deprecated"


def fields(found: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (path, schema) of every property within a schema."""
    if isinstance(found, list):
        for index, one in enumerate(found):
            yield from fields(one, f"{path}[{index}]")
    elif isinstance(found, dict):
        for key, value in found.items():
            if key == "properties":
                for name, inside in value.items():
                    yield f"{path}.{name}", inside
                    yield from fields(inside, f"{path}.{name}")
            elif key not in ("examples", "default"):
                yield from fields(value, f"{path}.{key}")


@cache
def built(which: str) -> dict[str, Any]:
    """Return the schema of one kind of file, made once for all tests, none of which changes it."""
    return project_schema.build() if which == "project" else schema.build(which == "config")


def validator(which: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(built(which))


def told(which: str) -> dict[str, dict[str, Any]]:
    """Return the properties of a schema that are no mere holders of others and no older names."""
    whole = built(which)
    return {
        path: one
        for path, one in fields(whole)
        if _OLDER not in one and "$ref" not in one and not path.endswith((".type", ".config"))
    }


@pytest.mark.parametrize("which", ["definition", "config", "project"])
def test_every_property_says_what_it_means(which: str) -> None:
    found = told(which)
    assert len(found) > (10 if which == "project" else 100)
    assert not [path for path, one in found.items() if len(one.get("description", "")) < 5]


@pytest.mark.parametrize("which", ["definition", "config", "project"])
def test_every_property_has_an_example(which: str) -> None:
    shown = ("enum", "const", "default")
    without = [
        path
        for path, one in told(which).items()
        if not one.get("examples")
        and not any(one.get(key) not in (None, "", [], {}) for key in shown)
        and "enum" not in json.dumps(one.get("anyOf", ()))
    ]
    assert [path for path in without if path.strip(".") not in BLOCKS] == []


@pytest.mark.parametrize("which", ["definition", "config", "project"])
def test_examples_are_right(which: str) -> None:
    """Each example is taken by the schema of its own property."""
    whole = built(which)
    for path, one in fields(whole):
        for example in one.get("examples", ()):
            jsonschema.Draft202012Validator({**one, "$defs": whole["$defs"]}).validate(example)
            assert example != "", path


def test_every_key_of_a_store_has_a_meaning() -> None:
    for block in BLOCKS:
        for name, described in types_of(block):
            if described.keys is not None:
                assert set(described.meanings) == set(described.keys), name
            assert described.summary, name
            assert set(schema.keys(described)) == set(kinds.of(described) or ()), name


@pytest.mark.parametrize("path", FITTING, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_is_used_fits(path: Path) -> None:
    found = WRITTEN[path]
    validator("definition" if "dag" in found else "config").validate(found)


@pytest.mark.parametrize(
    ("config", "fits"),
    [
        ({"executor": {"type": "argo", "config": {"parallelism": 3}}}, True),
        ({"executor": {"type": "argo", "config": {"parallelism": "${PODS}"}}}, True),
        ({"executor": {"type": "argo", "config": {"parallelism": "three"}}}, False),
        ({"executor": {"type": "argo", "config": {"paralelism": 3}}}, False),
        ({"executor": {"type": "argo", "config": {"magnus_command": "python -m magnus"}}}, True),
        ({"executor": {"type": "stepfunctions", "config": {"compute": "ecs"}}}, True),
        ({"executor": {"type": "nowhere"}}, False),
        ({"executor": {"type": "local-container"}}, False),
        ({"executor": {"type": "local-container", "config": {}}}, False),
        ({"run_log_store": {"type": "file-system", "config": {"log_folder": "runs"}}}, True),
        ({"catalog": {"type": "do-nothing", "config": {"compute_data_folder": "out"}}}, True),
        ({"secrets": {"type": "dotenv", "config": None}}, True),
    ],
)
def test_blocks(config: dict[str, Any], fits: bool) -> None:
    assert validator("config").is_valid(config) == fits


def test_keys_of_a_node() -> None:
    task = {"type": "task", "command": "a.b", "next": "done"}
    ends = {"done": {"type": "success"}, "failed": {"type": "fail"}}

    def fits(own: dict[str, Any]) -> bool:
        steps = {"a": {**task, "executor_config": own}, **ends}
        return validator("definition").is_valid({"dag": {"start_at": "a", "steps": steps}})

    assert fits({"argo": {"resources": {"requests": {"memory": "4Gi"}}}})
    assert fits({"stepfunctions": {"resources": {"memory": 4096}}})
    assert not fits({"argo": {"resource": {}}})


def test_meanings_of_a_model_stand_below_its_fields() -> None:
    found = descriptions.of(Metric)
    assert found["help"] == "The meaning of the metric, in words."
    assert set(found) == set(Metric.model_fields)


def test_another_package_s_target_is_in_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lines(registry.Described):
        summary = "lines"
        keys: ClassVar[dict[str, str]] = {"width": "count"}
        meanings: ClassVar[dict[str, tuple[str, Any]]] = {"width": ("Characters of a line.", 80)}

    monkeypatch.setattr(
        registry, "described", lambda kind: iter([("lines", Lines)] if kind == "target" else ())
    )
    block = schema.build(config=True)["$defs"]["executor.lines"]
    assert block["properties"]["config"]["properties"]["width"]["description"] == "Characters of a line."
