"""A conditional in the plan: branches, who tells which one runs, hashes; what the schema and the checks say of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from magnus_render.spec.schema import build
from tests.unit.front_end import INLINE, codes_of, dag, loaded

PICK = f"{{type: conditional, parameter: quality, branches: {{good: {INLINE}, 3: {INLINE}}}, next: success}}"
WITH_DEFAULT = PICK.replace("next:", f"default: {INLINE}, next:")
BEFORE = "    a: {type: task, command: m.f, next: b}\n"


def test_a_conditional_in_the_plan(tmp_path: Path) -> None:
    plan = loaded(tmp_path, dag(f"{BEFORE}    b: {WITH_DEFAULT}")).plan
    pick = dict(plan["nodes"]["b"])
    assert {key: pick[key] for key in ("type", "parameter", "branches", "default", "counted_by")} == {
        "type": "conditional",
        "parameter": "quality",
        "branches": [
            {"slug": "good", "name": "good"},
            {"slug": "3", "name": "3"},
            {"slug": "default", "name": "default"},
        ],
        "default": "default",
        "counted_by": "a",
    }
    assert not {"max_concurrency", "fail_fast", "iterate_on"} & pick.keys()
    assert list(plan["graphs"]) == ["", "b.good", "b.3", "b.default"]
    inner = plan["nodes"]["b.default.ok"]
    assert inner["path"] == "b.default.ok"
    assert inner["scopes"] == [{"address": "b", "type": "conditional", "iterate_as": ""}]


def test_without_a_default_the_name_is_that_of_a_branch(tmp_path: Path) -> None:
    text = dag("    a: " + PICK.replace("good:", "'default':"))
    node = loaded(tmp_path, text).plan["nodes"]["a"]
    assert node["default"] == ""
    assert [branch["slug"] for branch in node["branches"]] == ["default", "3"]
    assert codes_of(tmp_path, text) == []


@pytest.mark.parametrize(
    ("steps", "told_by"),
    [
        ("    a: {type: task, command: m.f, next: b}", "a"),
        ("    a: {type: as-is, next: b}", ""),
        ("    a: {type: task, command: m.f, next: success, on_failure: b}", ""),
        ("    a: {type: task, command: m.f, next: b, on_failure: b}", ""),
        (f"    a: {{type: dag, branch: {INLINE}, next: b}}", ""),
        (f"    a: {PICK.replace('next: success', 'next: b')}", ""),
    ],
)
def test_who_tells_which_branch_runs(tmp_path: Path, steps: str, told_by: str) -> None:
    assert loaded(tmp_path, dag(f"{steps}\n    b: {PICK}")).plan["nodes"]["b"]["counted_by"] == told_by


def test_a_conditional_at_the_start_is_told_by_none(tmp_path: Path) -> None:
    assert loaded(tmp_path, dag(f"    a: {PICK}")).plan["nodes"]["a"]["counted_by"] == ""


def test_a_branch_of_another_file_is_one_inline(tmp_path: Path) -> None:
    """The graph of a branch may hold a dag node that names a file; the plan is that of the same lines inline."""
    nested = "steps: {d: {type: dag, dag_definition: other.yaml, next: ok}, "
    included = INLINE.replace("start_at: ok, steps: {", f"start_at: d, {nested}")
    (tmp_path / "other.yaml").write_text(f"dag: {INLINE}")
    steps = f"    a: {PICK.replace(f'good: {INLINE}', f'good: {included}')}"
    plan = loaded(tmp_path, dag(steps)).plan
    assert "a.good.d.branch.ok" in plan["nodes"]
    written = included.replace("dag_definition: other.yaml", f"branch: {INLINE}")
    assert loaded(tmp_path, dag(steps.replace(included, written))).plan["dag_hash"] == plan["dag_hash"]


# ---- hashes


def hashes(tmp_path: Path, pick: str) -> tuple[str, str]:
    """Return the hash of a definition, and that of its conditional."""
    plan = loaded(tmp_path, dag(f"{BEFORE}    b: {pick}")).plan
    return plan["dag_hash"], plan["nodes"]["b"]["hash"]


@pytest.mark.parametrize(
    "changed",
    [
        PICK.replace("parameter: quality", "parameter: grade"),
        PICK.replace("good:", "best:"),
        PICK.replace("3:", "4:"),
        PICK.replace("next:", f"default: {INLINE}, next:"),
        PICK.replace("branches: {", f"branches: {{poor: {INLINE}, "),
        PICK.replace(f", 3: {INLINE}", ""),
    ],
    ids=["parameter", "name", "number", "default", "more", "fewer"],
)
def test_what_decides_is_part_of_the_hash(tmp_path: Path, changed: str) -> None:
    before, after = hashes(tmp_path, PICK), hashes(tmp_path, changed)
    assert before[0] != after[0] and before[1] != after[1]


def test_a_default_is_no_branch_of_that_name(tmp_path: Path) -> None:
    named = PICK.replace("3:", "'default':")
    beside = PICK.replace(f", 3: {INLINE}", "").replace("next:", f"default: {INLINE}, next:")
    assert hashes(tmp_path, named)[1] != hashes(tmp_path, beside)[1]


def test_quotes_and_what_is_inside_a_branch_are_not(tmp_path: Path) -> None:
    assert hashes(tmp_path, PICK) == hashes(tmp_path, PICK.replace("3:", "'3':"))
    inner = INLINE.replace("start_at: ok, steps: {", "start_at: t, steps: {t: {type: as-is, next: ok}, ")
    before, after = hashes(tmp_path, PICK), hashes(tmp_path, PICK.replace(f"3: {INLINE}", f"3: {inner}"))
    assert before[0] != after[0] and before[1] == after[1]


def test_definitions_without_conditionals_keep_their_hashes(tmp_path: Path) -> None:
    """The hashes that releases before this node type gave: runs of those days can be used with --use-cached."""
    plan = loaded(
        tmp_path,
        dag(f"""
    a: {{type: task, command: m.f, next: b, on_failure: d}}
    b: {{type: map, iterate_on: l, iterate_as: i, branch: {INLINE}, next: c}}
    c: {{type: parallel, branches: {{x: {INLINE}}}, next: d}}
    d: {{type: dag, branch: {INLINE}, next: e}}
    e: {{type: as-is, next: success}}
"""),
    ).plan
    assert plan["dag_hash"] == "d4fa85767b67099d"
    assert {address: plan["nodes"][address]["hash"] for address in "abcde"} == {
        "a": "c6b8d565135a6fc6",
        "b": "6f398f9d92e81d13",
        "c": "90b234897443386d",
        "d": "d540e73a0149bdb9",
        "e": "531d3d4e0748f01f",
    }


# ---- what is said of it


@pytest.mark.parametrize(
    "name",
    ["good", "true", "false", "null", "0", "-3", "123", "1e+22", "yes", "no", "12:30", "2024-01-01", "_1", "x_1", "0x",
     "'True'", '"~"', "'01'", '" good "', "Good one", "é", "'default'", "'[1,2]'", "'[one, two]'"],
)  # fmt: skip
def test_nothing_is_said_of_names_that_values_match(tmp_path: Path, name: str) -> None:
    assert codes_of(tmp_path, dag(f"    a: {PICK.replace('good:', f'{name}:')}")) == []


@pytest.mark.parametrize(
    "name",
    ["True", "NULL", "~", "None", "0x10", "0o17", "01", "1_000", "+3", "1e3", "default", "'[1, 2]'"],
)  # fmt: skip
def test_a_name_that_only_a_text_matches_is_warned_of(tmp_path: Path, name: str) -> None:
    assert codes_of(tmp_path, dag(f"    a: {PICK.replace('good:', f'{name}:')}")) == ["MR080"]


def test_a_parallel_may_have_such_names(tmp_path: Path) -> None:
    text = dag(f"    a: {{type: parallel, branches: {{True: {INLINE}, default: {INLINE}}}, next: success}}")
    assert codes_of(tmp_path, text) == []


def test_variables_are_put_in(tmp_path: Path) -> None:
    pick = WITH_DEFAULT.replace("parameter: quality", 'parameter: "${WHICH}"')
    node = loaded(tmp_path, dag(f"    a: {pick}"), MAGNUS_VAR_WHICH="grade").plan["nodes"]["a"]
    assert node["parameter"] == "grade"


def test_the_schema(tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(build())
    good = dag("    a: " + WITH_DEFAULT.replace("3:", "'3':"))
    validator.validate(yaml.safe_load(good))
    for wrong in (
        ("parameter: quality, ", ""),
        ("parameter: quality", "parameter: 3"),
        ("type: success}, no", "type: sucess}, no"),
        ("parameter:", "max_concurrency: 1, parameter:"),
        (f"default: {INLINE}", "default: good"),
    ):
        assert wrong[0] in good
        assert not validator.is_valid(yaml.safe_load(good.replace(*wrong))), wrong
