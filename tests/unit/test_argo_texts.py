"""The Argo target: names and texts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from magnus_render import naming
from magnus_render.targets.argo import names, quote
from magnus_render.targets.argo.lint.yaml import load
from tests.engines.argo.expansion import expand
from tests.unit.argo_rendering import (
    as_is,
    each,
    graph,
    manifest,
    task,
    tasks,
    templates,
)

pytestmark = pytest.mark.usefixtures("project")


# ---- names ----


def test_names_are_what_kubernetes_and_expressions_take(tmp_path: Path) -> None:
    odd = [
        "in",
        "nil",
        "True",
        "1st",
        "Größe (m)",
        "n",
        "pass",
        "pipeline",
        "step",
        "step-items",
        "exit",
        "n-1st",
        "a" * 90,
    ]
    steps = {name: task(after, **own()) for name, after in zip(odd, [*odd[1:], "success"], strict=True)}
    found = manifest(tmp_path, graph(**steps))
    every = [*templates(found), *tasks(found)]
    assert all(re.fullmatch("[a-z][-a-z0-9]{0,62}", name) for name in every), every
    assert len(tasks(found)) == len(odd) + 1 and len(templates(found)) == len(odd) + 4
    assert not set(tasks(found)) & {"in", "nil", "true"}
    again = manifest(tmp_path, graph(**steps))
    assert again == found


def own() -> dict[str, Any]:
    return {"executor_config": {"argo": {"resources": {"requests": {"cpu": 1}}}}}


def test_helpers_leave_the_users_names_alone(tmp_path: Path) -> None:
    found = tasks(
        manifest(
            tmp_path, graph(**{"m-items": task("x"), "x": as_is("true", "m"), "m": each(graph(t=task()))})
        )
    )
    assert found["m-items"]["template"] == "step"
    (counter,) = (name for name in found if name.startswith("m-items-"))
    assert found["m"]["depends"] == f"{counter}.Succeeded"


@given(
    st.dictionaries(st.text("ab-", min_size=1, max_size=4), st.sampled_from(["a", "b", "a" * 80]), max_size=8)
)
def test_distinct_names_do_not_depend_on_their_order(wanted: dict[str, str]) -> None:
    found = names.distinct(wanted, ["b"])
    assert found == names.distinct(dict(reversed(wanted.items())), ["b"])
    assert len(set(found.values())) == len(wanted) and "b" not in found.values()
    assert all(len(name) <= 63 for name in found.values())


@given(st.dictionaries(st.text("ab", min_size=1, max_size=2), st.sampled_from(["a", "b"]), max_size=6))
def test_distinct_names_differ_from_names_that_look_like_hashed_ones(wanted: dict[str, str]) -> None:
    for _ in range(3):
        hashed = {f"own {name}": name for name in names.distinct(wanted, ["b"]).values()}
        wanted = {**hashed, **wanted}
        found = names.distinct(wanted, ["b"])
        assert found == names.distinct(dict(reversed(wanted.items())), ["b"])
        assert len({*found.values(), "b"}) == len(wanted) + 1
        assert not {*names.distinct(wanted, found.values()).values()} & {*found.values()}


def test_a_step_that_is_called_as_a_helper_is(tmp_path: Path) -> None:
    """The slug of `x: failed` is `x-failed` and a hash, as `x` would have its helper beside `x-failed`."""
    native = as_is({"suspend": {}}, "x-failed")
    found = tasks(
        manifest(tmp_path, graph(**{"x": native, "x-failed": task("x: failed"), "x: failed": task()}))
    )
    assert len(found) == 6  # and the run's record, the success node
    assert {"x", "x-failed", naming.slug("x: failed")} < set(found)


def test_pipelines_have_objects_of_their_own() -> None:
    pipelines = ["1x", "p-1x", "p-p-1x", "p-x", "x", "p-", "p", "1", "p-1"]
    found = {pipeline: names.object_name(pipeline) for pipeline in pipelines}
    assert len(set(found.values())) == len(pipelines)
    assert (found["1x"], found["p-x"], found["x"]) == ("p-1x", "p-x", "x")


# ---- texts ----


@given(
    st.one_of(
        st.text(),
        st.text("yn1e3.:-#'\" \n\t{}[]&*!|>%@`,?~="),
        st.sampled_from(["y", "1e3", "0x1", "12:30", "~", "=", ""]),
    )
)
def test_any_text_is_read_back_as_it_was(text: str) -> None:
    if any(0xD800 <= ord(c) <= 0xDFFF for c in text):
        return
    for written in (quote.scalar(text), quote.text(text, 2), quote.quoted(text)):
        assert yaml.safe_load(f"k: {written}\n") == {"k": text}
        assert load(f"k: {written}\n") == [{"k": text}]
    assert yaml.safe_load(f"{quote.key(text)}: 1\n") == {text: 1}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                    | st.text("ay1 \n:#-{"),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text("ay1:"), inner)))  # fmt: skip
def test_any_structure_is_read_back_as_it_was(value: Any) -> None:
    (found,) = load("k:\n" + quote.block(value, 2) + "\n")
    assert found["k"] == value


@given(st.text("${}(AB)x"))
def test_what_kubernetes_and_argo_read_arrives_as_it_was(text: str) -> None:
    written = quote.inert(text)
    assert "{{" not in written
    assert expand(written, {quote.BRACE: "{", "A": "wrong", "B": "wrong"}) == text


@given(st.text("${}(AB)@ \n"))
def test_a_script_arrives_as_it_was(text: str) -> None:
    mark = quote.marker(text)
    written = quote.broken(text, mark)
    assert "{{" not in written
    assert expand(written, {"A": "wrong", "B": "wrong"}) == written
    assert re.sub(r"([{$])" + mark, r"\1", written) == text


def test_names_and_values_that_look_like_tags(tmp_path: Path) -> None:
    keys = {"environment": {"A": "{{workflow.name}} $(HOME) $$"}, "annotations": {"a/b": "y"}}
    found = manifest(tmp_path, graph(**{"{{item}}": task("b"), "b": task()}), keys)
    env = {one["name"]: one.get("value") for one in found["spec"]["templateDefaults"]["container"]["env"]}
    assert env["A"] == "{$(MAGNUS_BRACE)workflow.name}} $$(HOME) $$$" and env["MAGNUS_BRACE"] == "{"
    assert next(iter(env)) == "MAGNUS_BRACE"  # Kubernetes knows only what stands before
