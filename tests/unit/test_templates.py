"""Whatever goes wrong in a template of `--templates` is told with a code, the file and the line; there is no traceback."""

from __future__ import annotations

from pathlib import Path

import pytest

from magnus_render.diagnostics import DefinitionError, Diagnostic
from magnus_render.render.pipeline import render
from magnus_render.targets.lookup import find

TARGETS = ("argo", "bash", "stepfunctions")


@pytest.fixture(autouse=True)
def _definition(project: Path) -> None:
    steps = "{a: {type: task, command: m.f, next: success}, success: {type: success}, fail: {type: fail}}"
    (project / "dag.yaml").write_text(f"dag: {{start_at: a, steps: {steps}}}\n")


def errors(target: str, template: bytes) -> list[Diagnostic]:
    """Return the errors of rendering with another main template."""
    path = Path("ours") / find(target).template
    path.parent.mkdir(parents=True)
    path.write_bytes(template)
    with pytest.raises(DefinitionError) as caught:
        render("dag.yaml", target, templates="ours")
    return [item for item in caught.value.diagnostics if item.severity == "error"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{{ 1/0 }}", "ZeroDivisionError: division by zero"),
        ("{{ 'a' + 1 }}", "TypeError: can only concatenate str"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{{ plan.x.y }}", "has no attribute 'x'"),
        ("{{ plan.nodes() }}", "TypeError: "),
        ("{{ plan | nofilter }}", "No filter named 'nofilter'"),
        ("{% if %}", "Expected an expression"),
        ("{% include 'none.j2' %}", "there is no template 'none.j2'"),
        ("{% import 'none.j2' as x %}", "there is no template 'none.j2'"),
        ("{% extends plan %}", ""),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "RecursionError: maximum recursion depth"),
        ("\ud800".encode("utf-8", "surrogatepass"), "byte 0xed is not UTF-8"),
    ],
)
def test_what_is_raised_in_a_template(target: str, line: str | bytes, message: str) -> None:
    text = line if isinstance(line, bytes) else line.encode()
    (error,) = errors(target, b"first line\n\n" + text + b"\nlast line\n")
    assert (error.code, error.file, error.line) == ("MR107", f"ours/{find(target).template}", 3)
    assert message in error.message and error.message.startswith("template ")


@pytest.mark.parametrize("target", TARGETS)
def test_a_template_that_includes_itself(target: str) -> None:
    name = find(target).template
    (error,) = errors(target, f"{{% include '{name}' %}}".encode())
    assert (error.code, error.file, error.line) == ("MR107", f"ours/{name}", 1)
    assert "RecursionError" in error.message


def test_a_mistake_that_shows_in_a_template_of_ours_is_told_at_the_users() -> None:
    (error,) = errors(
        "stepfunctions", b"\n{% include 'stepfunctions/states.json.j2' ignore missing without context %}\n"
    )
    assert (error.code, error.file, error.line) == ("MR107", "ours/stepfunctions/machine.asl.json.j2", 2)


@pytest.mark.parametrize("target", ["argo", "stepfunctions"])
@pytest.mark.parametrize(
    "text", [b"", b"\x00", b"{", b"if true; then", b"[]", b"5", b"null", b"{}", b'{"States": 5}']
)
def test_output_that_makes_no_sense_names_the_templates(target: str, text: bytes) -> None:
    found = errors(target, text)
    assert all(item.file == "ours" and item.fix for item in found)


def test_a_script_that_bash_cannot_parse_names_the_templates() -> None:
    (error,) = errors("bash", b"if true; then\n")
    assert (error.code, error.file, error.fix) == ("MR105", "ours", "look at ours/bash/script.sh.j2")


def test_json_of_any_depth() -> None:
    (error,) = errors("stepfunctions", b"[" * 100_000)
    assert error.code == "MR105"


def test_a_folder_that_does_not_exist() -> None:
    with pytest.raises(DefinitionError) as caught:
        render("dag.yaml", "bash", templates="none")
    (error,) = caught.value.diagnostics
    assert (error.code, error.file, error.message) == ("MR107", "none", "there is no template folder 'none'")
