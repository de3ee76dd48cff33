"""Names, size and depth."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magnus_render import naming
from magnus_render.graph.load import load
from tests.unit.front_end import ENDS, INLINE, codes_of, dag, loaded

NASTY = [
    "a b",
    "A B",
    "it's",
    '"quoted"',
    "$(id)",
    "`id`",
    "a;b",
    "back\\slash",
    "{{x}}",
    "-rf",
    "Ünï",
    "日本",
    "x" * 100,
    "null",
    "1",
    "no",
    "#",
    "a: b",
    "*",
    "&a",
    "<<",
    "\u2028",
    "e\u0301",
    "\N{GRINNING FACE}",
    " ",
    "a/b",
    "Makefile",
]


def test_nasty_names(tmp_path: Path) -> None:
    names = [*NASTY, "success", "fail"]
    steps = {
        name: {"type": "task", "command": "m.f", "next": following, "on_failure": "fail"}
        for name, following in zip(NASTY, [*NASTY[1:], "success"], strict=True)
    }
    for name in ("A B", "日本"):
        branches = {
            inner: {"start_at": "s", "steps": {"s": {"type": "success"}, "f": {"type": "fail"}}}
            for inner in NASTY
        }
        steps[name] = {"type": "parallel", "branches": branches, "next": steps[name]["next"]}
    steps |= {"success": {"type": "success"}, "fail": {"type": "fail"}}
    text = json.dumps({"dag": {"start_at": NASTY[0], "steps": steps}}, ensure_ascii=False)
    text = text.replace("\u2028", "\\u2028")  # a line break in YAML
    plan = loaded(tmp_path, text).plan
    graph = plan["graphs"][""]
    assert [plan["nodes"][slug]["name"] for slug in graph["nodes"]] == names
    assert all(naming.is_slug(slug) for slug in graph["nodes"])
    assert len({slug.lower() for slug in graph["nodes"]}) == len(names)
    assert [branch["name"] for branch in plan["nodes"][naming.slug("日本")]["branches"]] == NASTY


def test_a_chain_of_ten_thousand(tmp_path: Path) -> None:
    steps = "".join(
        f"    s{n}:\n      type: task\n      command_type: shell\n      command: 'true'\n      next: s{n + 1}\n"
        for n in range(10_000)
    )
    text = dag(steps + "    s10000: {type: as-is, next: success}", start="s0")
    plan = loaded(tmp_path, text).plan
    assert len(plan["nodes"]) == 10_003
    assert plan["nodes"]["s9999"]["before"] == [{"slug": "s9998", "via": "next", "type": "task"}]
    assert len(json.dumps(plan["nodes"]["s5000"])) < 1000


def nested(depth: int, kind: str) -> str:
    """Return a definition of composites in each other, in flow style."""
    inner = INLINE
    for _ in range(depth):
        node = {
            "map": f"{{type: map, iterate_on: x, iterate_as: y, branch: {inner}, next: ok}}",
            "dag": f"{{type: dag, branch: {inner}, next: ok}}",
            "parallel": f"{{type: parallel, branches: {{b: {inner}}}, next: ok}}",
        }[kind]
        inner = f"{{start_at: n, steps: {{n: {node}, ok: {{type: success}}, no: {{type: fail}}}}}}"
    return f"dag: {inner}"


@pytest.mark.parametrize("kind", ["map", "dag", "parallel"])
def test_nesting(tmp_path: Path, kind: str) -> None:
    plan = loaded(tmp_path, nested(50, kind)).plan
    deepest = max(plan["nodes"].values(), key=lambda node: len(node["scopes"]))
    assert len(deepest["scopes"]) == 50
    assert len(plan["graphs"]) == 51
    assert codes_of(tmp_path, nested(100, kind)) == []
    assert codes_of(tmp_path, nested(102, kind)) == ["MR009"]


def test_included_files_nest_as_deep(tmp_path: Path) -> None:
    for level in range(60):
        (tmp_path / f"f{level}.yaml").write_text(
            dag(f"    a: {{type: dag, dag_definition: f{level + 1}.yaml, next: success}}")
        )
    (tmp_path / "f60.yaml").write_text(f"dag: {INLINE}")
    plan = load(str(tmp_path / "f0.yaml"), environ={}).plan
    assert len(plan["graphs"]) == 61


def test_a_long_address(tmp_path: Path) -> None:
    text = nested(60, "dag").replace("n:", f"{'n' * 39}:").replace("start_at: n", f"start_at: {'n' * 39}")
    assert set(codes_of(tmp_path, text)) == {"MR048"}


def test_the_same_plan_every_time(tmp_path: Path) -> None:
    text = dag("    a: {type: as-is, next: success}")
    assert json.dumps(loaded(tmp_path, text).plan) == json.dumps(loaded(tmp_path, text).plan)


def test_task_options_are_checked_by_the_task_type(tmp_path: Path) -> None:
    step = "    a: {type: task, command_type: shell, command: ls, command_config: %s, next: success}"
    assert codes_of(tmp_path, dag(step % "{shell: bash}")) == []
    assert codes_of(tmp_path, dag(step % "{shel: bash}")) == ["MR030"]


def test_status_nodes_stand_last_in_the_helper() -> None:
    assert dag("").endswith(ENDS)
