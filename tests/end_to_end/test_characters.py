"""Characters that break readers and terminals: beyond U+FFFF, controls, numbers of thousands of digits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus_render.diagnostics import DefinitionError
from magnus_render.errors import UsageError
from magnus_render.graph.load import load, load_parameters
from magnus_render.runtime.records import check_run_id
from magnus_render.spec.reader import Reader
from magnus_render.spec.report import Report
from magnus_render.spec.tree import plain
from magnus_render.texts import safe, safe_lines
from tests.unit.front_end import magnus


def read(text: str) -> object:
    report = Report()
    tree = Reader(report).parse("x.yaml", text.encode())
    report.check()
    return plain(tree)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.dictionaries(TEXTS.filter(lambda t: t != "<<"), st.lists(TEXTS | st.just("\\ud83c\\udf89"))))
def test_what_json_dump_writes_is_read_as_json_has_it(value: dict[str, list[str]]) -> None:
    assert read(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud83c\\udf89"', "🎉"),
        ('"\\uD83C\\uDF89 \\\\ud83c\\\\udf89"', "🎉 \\ud83c\\udf89"),
        ("'\\ud83c\\udf89'", "\\ud83c\\udf89"),
        ("\\ud83c\\udf89", "\\ud83c\\udf89"),
        ("|-\n  \\uD83C\\udf89", "\\uD83C\\udf89"),
        ('"\\ud83c\\udf89"\nb: "\\U0001F389\\u00e9"', "🎉"),
    ],
)
def test_a_pair_of_surrogates_is_one_character_in_double_quotes_alone(text: str, value: str) -> None:
    found = read(f"a: {text}\n")
    assert isinstance(found, dict)
    assert found["a"] == value
    assert found.get("b", "🎉é") == "🎉é"


@pytest.mark.parametrize("escape", ["\\ud83c", "\\udf89", "\\udf89\\ud83c", "\\ud83c\\udf89\\ud83c"])
def test_half_a_pair_is_refused_with_its_place(escape: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        read(f'a: 1\nb: "{escape}"\n')
    (found,) = caught.value.diagnostics
    assert (found.code, found.line) == ("MR005", 2)
    assert "pairs" in found.fix


def test_places_behind_a_pair_are_those_of_the_file() -> None:
    with pytest.raises(DefinitionError) as caught:
        read('{"a": "\\ud83c\\udf89", "a": 2}')
    (found,) = caught.value.diagnostics
    assert found.column == 23
    assert found.snippet[found.column - 1 :] == '"a": 2}'


@pytest.mark.parametrize(
    "number", ["9" * 999, "9" * 4400, "0x" + "f" * 900, "0x" + "f" * 4400, "0o" + "7" * 4400]
)
def test_a_long_number_is_refused_wherever_it_stands(tmp_path: Path, number: str) -> None:
    retry = f"retry: {{attempts: {number}, delay: {number}}}"
    task = f"{{type: task, command: {number}, timeout: {number}, {retry}, next: p}}"
    parallel = f"{{type: parallel, max_concurrency: {number}, branches: {{}}, next: success}}"
    steps = f"{{a: {task}, p: {parallel}, success: {{type: success}}, fail: {{type: fail}}}}"
    file = tmp_path / "dag.yaml"
    file.write_text(
        f"executor: {{type: local, config: {{max_workers: {number}}}}}\n"
        f"dag: {{max_time: {number}, start_at: a, steps: {steps}}}\n"
    )
    with pytest.raises(DefinitionError) as caught:
        load(str(file))
    assert all(len(item.message) < 200 for item in caught.value.diagnostics)
    (tmp_path / "p.json").write_text(f'{{"n": {number}}}')
    if len(number) > 1000:
        with pytest.raises(DefinitionError):
            load_parameters(str(tmp_path / "p.json"))


STEPS = "start_at: success, steps: {success: {type: success}, fail: {type: fail}}"


@pytest.mark.parametrize("name", ["a\x1b[31m", "a\nb", "a\x00", "a\x85", "a\x7f"])
def test_the_pipelines_name_holds_no_control_characters(tmp_path: Path, name: str) -> None:
    file = tmp_path / "dag.yaml"
    file.write_text(f"dag: {{name: {json.dumps(name)}, {STEPS}}}\n")
    with pytest.raises(DefinitionError, match=r"MR040.*'name'"):
        load(str(file))


def test_a_name_that_is_the_files_is_made_safe(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[31m.yaml"
    file.write_text(f"dag: {{{STEPS}}}\n")
    assert load(str(file)).plan["name"] == "a\\x1b[31m"


def test_safe_texts() -> None:
    assert safe("a\x1b\n\u202eé🎉") == "a\\x1b\\n\\u202eé🎉"
    assert safe_lines("a\x1b\nb\r\u2028") == "a\\x1b\nb\\r\\u2028"


ESC = "\x1b]0;gone\x07"


@pytest.mark.skipif(sys.platform == "win32", reason="runs a shell")
def test_no_text_of_the_users_commands_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_text(f"def f(rate):\n    raise ValueError({ESC!r})\n")
    steps = "a: {type: task, command: m.f, next: success}, success: {type: success}, fail: {type: fail}"
    (tmp_path / "dag.yaml").write_text(f"dag: {{start_at: a, steps: {{{steps}}}}}\n")
    (tmp_path / "p.json").write_text(json.dumps({"rate": 1, ESC: ESC}))
    for argv in (
        ["execute", "-f", "dag.yaml", "-p", "p.json", "--run-id", "r"],
        ["runs", "show", "r"],
        ["runs", "show", ESC],
        ["graph", "dag.yaml", "--run", ESC],
        ["execute", "-f", "dag.yaml", "--param", ESC],
        ["execute", "-f", f"{ESC}.yaml"],
        ["execute_step", ESC, "-f", "dag.yaml"],
        ["execute_function", f"m.{ESC}"],
        ["render", "dag.yaml", "--target", ESC],
        ["explain", ESC],
        [ESC],
    ):
        done = magnus(tmp_path, *argv)
        lines = [line for line in (done.stdout + done.stderr).split("\n") if not line.startswith("[a] ")]
        lines += [line for line in done.stderr.split("\n") if line.startswith("[a] magnus:")]
        assert ESC[0] not in "\n".join(lines), argv
        assert done.returncode != 0 or argv[0] == "runs", argv
        assert "Traceback" not in "\n".join(lines), argv


@pytest.mark.parametrize("text", ["../x/y", "", "a/b", "-a", "é", "a" * 81, ".", "a\nb"])
def test_a_run_id_leads_nowhere_else(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="is not a run id"):
        check_run_id(text)
    (tmp_path / "dag.yaml").write_text(f"dag: {{{STEPS}}}\n")
    assert magnus(tmp_path, "execute", "-f", "dag.yaml", "--run-id", "r").returncode == 0
    for argv in (
        ["graph", "dag.yaml", "--run", text],
        ["runs", "show", "--", text],
        ["runs", "diff", "--", "r", text],
    ):
        done = magnus(tmp_path, *argv)
        assert done.returncode in (64, 65)
        assert "there is no run" in done.stderr or "--run" in done.stderr


def test_a_bad_command_of_execute_function_is_told_without_a_file(tmp_path: Path) -> None:
    done = magnus(tmp_path, "execute_function", "é🎉.f")
    assert done.returncode == 65
    assert done.stderr.startswith(
        "error MR027: step 'f': command 'é🎉.f' is not the dotted path of a function\n"
    )
