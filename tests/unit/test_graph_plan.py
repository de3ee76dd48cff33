"""From a definition to the plan: addresses, predecessors, hashes, who counts and who joins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from magnus_render import naming
from magnus_render.graph.load import load
from magnus_render.plan import PLAN_VERSION
from tests.unit.front_end import INLINE, dag, loaded


def test_a_plan(tmp_path: Path) -> None:
    text = """
dag:
  description: about churn
  max_time: 60
  start_at: fetch
  steps:
    fetch: {type: task, command: churn.fetch, description: get it, secrets: [KEY], timeout: 5, next: each}
    each:
      type: map
      iterate_on: regions
      iterate_as: region
      max_concurrency: 2
      next: done
      on_failure: tell
      branch:
        start_at: train it
        steps:
          train it:
            type: task
            command_type: shell
            command: ./train
            command_config: {shell: [bash, -e]}
            retry: {attempts: 3, delay: 1, backoff: 2, max_delay: 9}
            catalog: {get: ["*.csv"], put: [model.bin]}
            secrets: {DB: prod/db}
            next: ok
          ok: {type: success}
          bad: {type: fail}
    tell: {type: as-is, render_string: echo, next: broken}
    done: {type: success}
    broken: {type: fail}
"""
    plan = loaded(tmp_path, text).plan
    assert plan["version"] == PLAN_VERSION
    assert (plan["name"], plan["description"], plan["max_time"]) == ("dag", "about churn", 60.0)
    slug = naming.slug("train it")
    assert plan["graphs"] == {
        "": {
            "address": "",
            "start": "fetch",
            "success": "done",
            "fail": "broken",
            "nodes": ["fetch", "each", "tell", "done", "broken"],
        },
        "each._": {
            "address": "each._",
            "start": slug,
            "success": "ok",
            "fail": "bad",
            "nodes": [slug, "ok", "bad"],
        },
    }
    assert list(plan["nodes"]) == [
        "fetch",
        "each",
        f"each._.{slug}",
        "each._.ok",
        "each._.bad",
        "tell",
        "done",
        "broken",
    ]
    assert [node["order"] for node in plan["nodes"].values()] == list(range(8))
    fetch = dict(plan["nodes"]["fetch"])
    digest = fetch.pop("hash")
    assert isinstance(digest, str) and len(digest) == 16
    assert fetch == {
        "address": "fetch",
        "name": "fetch",
        "path": "fetch",
        "type": "task",
        "order": 0,
        "graph": {"address": "", "start": "fetch", "success": "done", "fail": "broken"},
        "scopes": [],
        "before": [],
        "description": "get it",
        "next": {"slug": "each", "type": "map", "iterate_on": "regions", "iterate_as": "region"},
        "command": "churn.fetch",
        "command_type": "python",
        "command_config": {},
        "catalog": {"get": [], "put": [], "compute_data_folder": "data"},
        "retry": {"attempts": 1, "delay": 0.0, "backoff": 1.0, "max_delay": None},
        "timeout": 5.0,
        "secrets": {"KEY": "KEY"},
    }
    train = plan["nodes"][f"each._.{slug}"]
    assert train["path"] == "each._.train it"
    assert train["scopes"] == [{"address": "each", "type": "map", "iterate_as": "region"}]
    assert train["graph"]["address"] == "each._"
    assert train["retry"] == {"attempts": 3, "delay": 1.0, "backoff": 2.0, "max_delay": 9.0}
    assert train["command_config"] == {"shell": ["bash", "-e"]}
    assert train["secrets"] == {"DB": "prod/db"}
    each = plan["nodes"]["each"]
    assert each["before"] == [{"slug": "fetch", "via": "next", "type": "task"}]
    assert each["on_failure"] == {"slug": "tell", "type": "as-is", "iterate_on": "", "iterate_as": ""}
    assert (each["max_concurrency"], each["fail_fast"], each["counted_by"]) == (2, False, "fetch")
    assert each["branches"] == [{"slug": "_", "name": "_"}]
    assert plan["nodes"]["tell"]["before"] == [{"slug": "each", "via": "on_failure", "type": "map"}]
    assert plan["nodes"]["tell"]["render"] == "echo"
    assert json.loads(json.dumps(plan)) == plan


def test_parallel_and_dag(tmp_path: Path) -> None:
    text = dag(f"""
    a:
      type: parallel
      next: d
      branches: {{Left side: {INLINE}, right: {INLINE}}}
    d: {{type: dag, branch: {INLINE}, separate: true, next: success}}
""")
    plan = loaded(tmp_path, text).plan
    left = naming.slug("Left side")
    assert plan["nodes"]["a"]["branches"] == [
        {"slug": left, "name": "Left side"},
        {"slug": "right", "name": "right"},
    ]
    assert list(plan["graphs"]) == ["", f"a.{left}", "a.right", "d.branch"]
    assert plan["nodes"][f"a.{left}.ok"]["path"] == "a.Left side.ok"
    assert plan["nodes"]["d"]["separate"] is True
    assert plan["nodes"]["d.branch.no"]["path"] == "d.branch.no"


def test_next_and_on_failure_to_one_step(tmp_path: Path) -> None:
    plan = loaded(
        tmp_path, dag("    a: {type: as-is, next: b, on_failure: b}\n    b: {type: as-is, next: fail}")
    ).plan
    assert plan["nodes"]["b"]["before"] == [
        {"slug": "a", "via": "next", "type": "as-is"},
        {"slug": "a", "via": "on_failure", "type": "as-is"},
    ]


@pytest.mark.parametrize(
    ("steps", "counted_by"),
    [
        ("    a: {type: task, command: m.f, next: m}", "a"),
        ("    a: {type: as-is, next: m}", ""),
        ("    a: {type: task, command: m.f, next: success, on_failure: m}", ""),
        ("    a: {type: task, command: m.f, next: m, on_failure: m}", ""),
        (
            "    a: {type: task, command: m.f, next: m, on_failure: b}\n    b: {type: task, command: m.f, next: m}",
            "",
        ),
        (f"    a: {{type: dag, branch: {INLINE}, next: m}}", ""),
        # A step that is never reached counts nothing, and hinders nobody.
        ("    a: {type: task, command: m.f, next: m}\n    b: {type: task, command: m.f, next: m}", "a"),
    ],
)
def test_who_counts(tmp_path: Path, steps: str, counted_by: str) -> None:
    text = dag(
        steps + f"\n    m: {{type: map, iterate_on: x, iterate_as: y, branch: {INLINE}, next: success}}"
    )
    assert loaded(tmp_path, text).plan["nodes"]["m"]["counted_by"] == counted_by


def test_nothing_counts_a_map_that_comes_first(tmp_path: Path) -> None:
    text = dag(f"    a: {{type: map, iterate_on: x, iterate_as: y, branch: {INLINE}, next: success}}")
    assert loaded(tmp_path, text).plan["nodes"]["a"]["counted_by"] == ""


PARALLEL = f"{{type: parallel, branches: {{one: {INLINE}}}, next: success}}"
AFTER_DAG = f"    a: {{type: dag, branch: {INLINE}, next: b}}\n"


@pytest.mark.parametrize(
    ("steps", "address", "fan_in"),
    [
        (f"    a: {PARALLEL}", "a", False),
        (f"    a: {{type: task, command: m.f, next: b}}\n    b: {PARALLEL}", "b", False),
        (f"{AFTER_DAG}    b: {PARALLEL}", "b", True),
        (
            f"{AFTER_DAG}    b: {{type: as-is, next: c}}\n    c: {{type: as-is, next: d}}\n    d: {PARALLEL}",
            "d",
            True,
        ),
        (f"{AFTER_DAG}    b: {{type: task, command: m.f, next: c}}\n    c: {PARALLEL}", "c", False),
        # Through the starts of enclosing dag graphs, but not of a parallel (it has its input recorded) or a map.
        (
            f"{AFTER_DAG}    b: {{type: dag, next: success, branch: {{start_at: p, steps: {{p: "
            + PARALLEL.replace("next: success}", "next: ok}")
            + ", ok: {type: success}, no: {type: fail}}}}",
            "b.branch.p",
            True,
        ),
        (
            f"{AFTER_DAG}    b: {{type: parallel, next: success, branches: {{x: {{start_at: p, steps: {{p: "
            + PARALLEL.replace("next: success}", "next: ok}")
            + ", ok: {type: success}, no: {type: fail}}}}}",
            "b.x.p",
            False,
        ),
        (
            f"{AFTER_DAG}    b: {{type: map, iterate_on: x, iterate_as: y, next: success, branch: "
            "{start_at: p, steps: {p: "
            + PARALLEL.replace("next: success}", "next: ok}")
            + ", ok: {type: success}, no: {type: fail}}}}",
            "b._.p",
            False,
        ),
        (
            f"    a: {{type: task, command: m.f, next: d, on_failure: b}}\n    b: {{type: dag, branch: {INLINE}, next: d}}\n"
            f"    d: {PARALLEL}",
            "d",
            True,
        ),
    ],
)
def test_fan_in(tmp_path: Path, steps: str, address: str, fan_in: bool) -> None:
    assert loaded(tmp_path, dag(steps)).plan["nodes"][address]["fan_in"] is fan_in


def test_unreachable_steps_are_left_out(tmp_path: Path) -> None:
    text = dag(f"""
    a: {{type: task, command: m.f, next: b}}
    lost: {{type: map, iterate_on: x, iterate_as: y, branch: {INLINE}, next: b}}
    b: {{type: task, command: m.f, next: success}}
""")
    result = loaded(tmp_path, text)
    assert [item.code for item in result.diagnostics] == ["MR046"]
    assert list(result.plan["nodes"]) == ["a", "b", "success", "fail"]
    assert list(result.plan["graphs"]) == [""]
    assert result.plan["graphs"][""]["nodes"] == ["a", "b", "success", "fail"]
    assert result.plan["nodes"]["b"]["before"] == [{"slug": "a", "via": "next", "type": "task"}]
    assert "lost" in result.graph and result.graph.nodes["lost"]["type"] == "map"


def test_a_graph_that_cannot_succeed_is_warned_of(tmp_path: Path) -> None:
    result = loaded(tmp_path, dag("    a: {type: as-is, next: fail}"))
    assert [item.code for item in result.diagnostics] == ["MR047"]
    assert list(result.plan["nodes"]) == ["a", "success", "fail"]


def test_a_graph_of_nothing(tmp_path: Path) -> None:
    result = loaded(tmp_path, f"dag: {INLINE}")
    assert result.diagnostics == []
    assert result.plan["graphs"][""]["start"] == "ok"


def test_the_networkx_graph(tmp_path: Path) -> None:
    text = dag(f"    a: {{type: dag, branch: {INLINE}, next: success, on_failure: success}}")
    graph = loaded(tmp_path, text).graph
    assert set(graph) == {"a", "a.branch.ok", "a.branch.no", "success", "fail"}
    assert graph.edges["a", "success"]["via"] == ("next", "on_failure")
    assert graph.edges["a", "a.branch.ok"]["via"] == ("contains",)
    assert graph.nodes["a.branch.ok"]["name"] == "ok"
    assert graph.nodes["a.branch.ok"]["graph"] == "a.branch"
    place = graph.nodes["a"]["step"].place
    assert place.source.position(place.offset)[:2] == (4, 5)


def test_a_diagnostic_of_a_target_stands_at_the_step(tmp_path: Path) -> None:
    result = loaded(tmp_path, dag("    a: {type: as-is, next: success}"))
    found = result.diagnostic("MR101", "warning", "a", "what", "fix")
    assert (found.line, found.column, found.severity) == (4, 5, "warning")
    assert (result.diagnostic("MR101", "error", "a", "what", field="next").column) == 28


# ---- included files


def test_includes(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "outer.yaml").write_text(
        dag("    a: {type: dag, dag_definition: inner.yaml, next: success}", rest="executor: {type: argo}\n")
    )
    (tmp_path / "parts" / "inner.yaml").write_text(dag("    a: {type: task, command: m.f, next: success}"))
    text = dag("""
    a: {type: dag, dag_definition: parts/outer.yaml, next: b}
    b: {type: dag, dag_definition: parts/inner.yaml, next: success}
""")
    result = loaded(tmp_path, text)
    assert result.diagnostics == []
    assert result.config["executor"]["type"] == "local"
    assert "a.branch.a.branch.a" in result.plan["nodes"]
    assert result.plan["nodes"]["a.branch.a.branch.a"]["path"] == "a.branch.a.branch.a"
    assert "b.branch.a" in result.plan["nodes"]
    assert result.definition.steps["b.branch.a"].place.source.path.endswith("parts/inner.yaml")


def test_an_included_file_is_the_same_as_its_graph_inline(tmp_path: Path) -> None:
    (tmp_path / "inner.yaml").write_text(f"dag: {INLINE}")
    included = loaded(tmp_path, dag("    a: {type: dag, dag_definition: inner.yaml, next: success}")).plan
    inline = loaded(tmp_path, dag(f"    a: {{type: dag, branch: {INLINE}, next: success}}")).plan
    assert included == inline


def test_relative_paths_are_shown_as_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "dag.yaml").write_text(dag("    lost: {type: as-is, next: success}", start="success"))
    assert load("dag.yaml", environ={}).diagnostics[0].file == "dag.yaml"
    assert load("./dag.yaml", environ={}).diagnostics[0].file == "./dag.yaml"
