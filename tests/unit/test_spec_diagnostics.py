"""Formats of diagnostics, the codes, and the commands validate, explain and schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from magnus_render import diagnostics
from magnus_render.cli.explain import explain
from magnus_render.cli.schema import schema
from magnus_render.cli.validate import validate
from magnus_render.diagnostics import (
    DefinitionError,
    Diagnostic,
    explained,
    explained_beside,
    explanation,
    format_github,
    format_json,
    format_sarif,
    format_text,
)
from magnus_render.spec import codes
from magnus_render.spec.schema import build
from tests.bad import cases
from tests.unit.front_end import dag

ERROR = Diagnostic(
    "MR042", "error", "step 'a': no 'x'", "my dag.yaml", 7, 13, "write 'y'", "      next: x", 1
)
WARNING = Diagnostic("MR060", "warning", "100%, a:b\nnew", "")


def run(command: Any, *arguments: str) -> Any:
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return CliRunner().invoke(app, list(arguments))


def test_text() -> None:
    assert format_text([ERROR, WARNING]) == (
        "my dag.yaml:7:13: error MR042: step 'a': no 'x'\n"
        "  7 |       next: x\n"
        "    |             ^\n"
        "  help: write 'y'\n"
        "warning MR060: 100%, a:b\\nnew\n"
        "1 error, 1 warning; `magnus explain MR042` tells more"
    )
    assert format_text([]) == ""
    assert format_text([WARNING]).endswith("\n1 warning")


def test_nothing_a_name_holds_reaches_the_terminal() -> None:
    text = str(Diagnostic("MR040", "error", "a\x1b[31m\u202e", "f\n.yaml", 1, 1, "", "k\x1b: \u202e", 1))
    assert "\x1b" not in text and "\u202e" not in text and text.count("\n") == 2


def test_carets_stand_below_wide_characters() -> None:
    text = str(Diagnostic("MR040", "error", "m", "f", 1, 6, "", "日本: {x}", 1))
    assert text.splitlines()[-1] == "    |        ^"
    text = str(Diagnostic("MR040", "error", "m", "f", 1, 500, "", "a" * 499 + "b" * 499, 4))
    _, line, caret = text.splitlines()
    assert line[caret.index("^") :].startswith("bbbb") and line[: caret.index("^")].endswith("a")
    assert len(line) < 110


def test_json() -> None:
    first, second = json.loads(format_json([ERROR, WARNING]))
    assert first == {
        "code": "MR042",
        "severity": "error",
        "file": "my dag.yaml",
        "line": 7,
        "column": 13,
        "message": "step 'a': no 'x'",
        "fix": "write 'y'",
        "snippet": "      next: x",
    }
    assert second["line"] == 0


def test_github() -> None:
    assert format_github([ERROR, WARNING]).splitlines() == [
        "::error file=my dag.yaml,line=7,col=13,title=MR042::step 'a': no 'x' (help: write 'y')",
        "::warning title=MR060::100%25, a:b\\nnew",
    ]


def test_sarif() -> None:
    log = json.loads(format_sarif([ERROR, WARNING, ERROR]))
    assert log["version"] == "2.1.0"
    (one_run,) = log["runs"]
    rules = one_run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == ["MR042", "MR060"]
    assert rules[0]["shortDescription"]["text"] == explanation("MR042").title
    first, second, third = one_run["results"]
    assert first == third
    assert (first["ruleIndex"], second["ruleIndex"]) == (0, 1)
    place = first["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "my%20dag.yaml"
    assert place["region"]["startLine"] == 7 and place["region"]["endColumn"] == 14
    assert "locations" not in second


def test_codes_are_explained() -> None:
    for code, entry in explained().items():
        assert code == entry.code and len(code) == 5
        assert entry.title and not entry.title.endswith(".")
        assert len(entry.explanation) > 80, code
    names = {value for name, value in vars(codes).items() if name.isupper()}
    assert names == {code for code in explained() if code < "MR100"}


def test_a_code_is_explained_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "explanations").mkdir()
    (tmp_path / "explanations" / "MR042.md").write_text("# another\n\nmeaning\n")
    monkeypatch.setattr(diagnostics, "_folders", [*diagnostics._folders])
    explained_beside(str(tmp_path / "codes.py"))
    with pytest.raises(ValueError, match="MR042"):
        explained()


def test_the_error_is_the_text() -> None:
    assert str(DefinitionError([ERROR])) == format_text([ERROR])


# ---- commands


def test_validate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(dag("    a: {type: as-is, next: success}"))
    Path("warned.yaml").write_text(dag("    a: {type: as-is, next: fail}"))
    Path("bad.yaml").write_text(dag("    a: {type: as-is, next: nowhere}"))
    done = run(validate, "good.yaml")
    assert done.exit_code == 0
    assert done.stdout.startswith("good.yaml: 3 nodes, hash ")
    assert run(validate, "warned.yaml").exit_code == 0
    done = run(validate, "good.yaml", "bad.yaml", "missing.yaml", "warned.yaml")
    assert done.exit_code == 65
    assert "bad.yaml:4:28: error MR042" in done.stdout and "missing.yaml: error MR001" in done.stdout
    assert "2 errors, 1 warning" in done.stdout
    assert run(validate, "bad.yaml", "--format", "github").stdout.startswith("::error file=bad.yaml,line=4,")
    assert json.loads(run(validate, "good.yaml", "--format", "json").stdout) == []
    assert json.loads(run(validate, "bad.yaml", "--format", "json").stdout)[0]["code"] == "MR042"
    assert json.loads(run(validate, "good.yaml", "--format", "sarif").stdout)["runs"][0]["results"] == []


def test_validate_with_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(dag("    a: {type: as-is, next: success}"))
    Path("config.yaml").write_text("executor: {type: nothing}")
    done = run(validate, "good.yaml", "good.yaml", "-c", "config.yaml")
    assert done.exit_code == 65
    assert done.stdout.count("MR032:") == 1


def test_explain() -> None:
    done = run(explain, "mr042")
    assert done.exit_code == 0
    assert done.stdout.startswith("MR042: ")
    assert run(explain, "MR999").exit_code == 64
    listed = run(explain).stdout
    assert all(code in listed for code in explained())


def test_schema_accepts_what_is_accepted() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    found = build()
    assert json.loads(run(schema).stdout) == found
    jsonschema.Draft202012Validator.check_schema(found)
    validator = jsonschema.Draft202012Validator(found)
    text = dag(
        """
    a: {type: task, command: m.f, retry: 3, secrets: [X], next: b}
    b: {type: task, command: m.f, retry: {attempts: 2}, secrets: {X: y}, timeout: 3, next: c}
    c: {type: stub, anything: goes, render_string: {bash: x, argo: {a: 1}}, next: d}
    d: {type: dag, branch: {start_at: s, steps: {s: {type: success}, f: {type: fail}}}, next: success}
""",
        rest="executor: {type: bash, config: {launcher: [a]}}\n",
    )
    validator.validate(yaml.safe_load(text))
    for wrong in (
        ("retry: 3", "retry: 0"),
        ("command: m.f", "comand: m.f"),
        ("s: {type: success}", "s: {type: sucess}"),
    ):
        assert not validator.is_valid(yaml.safe_load(text.replace(*wrong)))
    config = build(config=True)
    jsonschema.Draft202012Validator.check_schema(config)
    assert "dag" not in config["properties"]


def test_schema_refuses_some_of_what_is_refused() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.Draft202012Validator(build())
    for name in ("depends", "unknown-field", "missing-fields", "wrong-kinds", "wrong-retry", "empty-texts"):
        value = yaml.safe_load((cases.FOLDER / f"{name}.yaml").read_text())
        assert not validator.is_valid(value), name
