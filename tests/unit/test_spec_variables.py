"""`${name}` in values."""

from __future__ import annotations

from pathlib import Path

from tests.unit.front_end import codes_of, dag, loaded


def test_substitution(tmp_path: Path) -> None:
    text = dag(
        """
    a:
      type: task
      command: ${module}.fetch
      retry: ${attempts}
      timeout: "${seconds}"
      next: ${to}
    b: {type: map, iterate_on: xs, iterate_as: x, fail_fast: "${flag}", next: success, branch:
        {start_at: "${inner}", steps: {s: {type: success}, f: {type: fail}}}}
""",
        rest="executor: {type: local, config: {max_workers: '${workers}', isolated: '${flag}'}}\n",
    )
    result = loaded(
        tmp_path,
        text,
        MAGNUS_VAR_module="churn",
        MAGNUS_VAR_attempts="3",
        MAGNUS_VAR_seconds="1.5",
        MAGNUS_VAR_to="b",
        MAGNUS_VAR_inner="s",
        MAGNUS_VAR_flag="true",
        MAGNUS_VAR_workers="2",
        MAGNUS_VAR_unused="x",
    )
    nodes = result.plan["nodes"]
    assert nodes["a"]["command"] == "churn.fetch"
    assert nodes["a"]["retry"]["attempts"] == 3
    assert nodes["a"]["timeout"] == 1.5
    assert nodes["a"]["next"]["slug"] == "b"
    assert nodes["b"]["fail_fast"] is True
    assert result.plan["graphs"]["b._"]["start"] == "s"
    assert result.config["executor"]["config"] == {"max_workers": 2, "isolated": True}
    assert list(result.plan["variables"]) == [
        "attempts",
        "flag",
        "inner",
        "module",
        "seconds",
        "to",
        "workers",
    ]


def test_left_to_the_shell(tmp_path: Path) -> None:
    text = dag("""
    a:
      type: task
      command_type: shell
      command: echo ${HOME} ${set} $${set} ${x:-y} $x
      next: b
    b: {type: as-is, note: "${free}", render_string: {bash: "echo ${HOME} ${set}", argo: {image: "${image}"}}, next: c}
    c: {type: as-is, command_config: {render_string: "${HOME}"}, next: success}
""")
    nodes = loaded(tmp_path, text, MAGNUS_VAR_set="1").plan["nodes"]
    assert nodes["a"]["command"] == "echo ${HOME} 1 ${set} ${x:-y} $x"
    assert nodes["b"]["render"] == {"bash": "echo ${HOME} 1", "argo": {"image": "${image}"}}
    assert nodes["c"]["render"] == "${HOME}"


def test_unset_is_reported_once_for_each_place_and_nothing_follows_from_it(tmp_path: Path) -> None:
    text = dag('    a: {type: task, command: "${m}", timeout: "${t}", secrets: ["${s}"], next: "${n}"}')
    assert codes_of(tmp_path, text) == ["MR017", "MR017", "MR017", "MR017"]


def test_escape_and_other_dollars(tmp_path: Path) -> None:
    text = "dag:\n  description: $${a} $5 $(x) ${} { $\n" + dag("    a: {type: as-is, next: success}")[5:]
    assert loaded(tmp_path, text).plan["description"] == "${a} $5 $(x) ${} { $"


def test_a_value_is_not_substituted_again(tmp_path: Path) -> None:
    text = "dag:\n  description: ${a}\n" + dag("    a: {type: as-is, next: success}")[5:]
    assert loaded(tmp_path, text, MAGNUS_VAR_a="${b}").plan["description"] == "${b}"


def test_shared_values_are_not_changed(tmp_path: Path) -> None:
    text = dag("""
    a: &a {type: task, command: "m.${f}", catalog: {get: ["${f}"]}, next: b}
    b: {<<: *a, next: success}
""")
    nodes = loaded(tmp_path, text, MAGNUS_VAR_f="g").plan["nodes"]
    assert nodes["a"]["command"] == nodes["b"]["command"] == "m.g"
    assert nodes["a"]["catalog"]["get"] == nodes["b"]["catalog"]["get"] == ["g"]


def test_configuration_variables_do_not_change_the_hash(tmp_path: Path) -> None:
    text = dag("    a: {type: as-is, next: success}")
    config = "executor: {type: argo, config: {image: 'x:${tag}'}}"
    first = loaded(tmp_path, text, config, MAGNUS_VAR_tag="1")
    second = loaded(tmp_path, text, config, MAGNUS_VAR_tag="2")
    assert first.plan["dag_hash"] == second.plan["dag_hash"] == loaded(tmp_path, text).plan["dag_hash"]
    assert first.plan["variables"] == {"tag": "1"}
    assert second.config["executor"]["config"] == {"image": "x:2"}
